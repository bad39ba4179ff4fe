// SPDX-License-Identifier: MIT
#pragma once

// A step is a value: an input, of which its key is the canonical text (key_text.hpp), and a function of that input and of
// the tree below. The function gets no manifest and no lock, so it cannot read what its key does not say. What it does
// get, a place to work in, decides no result. Each kind of step is a file of this folder with a struct for its input;
// which steps a manifest and a lock give is in graph/plan.cpp.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/output_epoch.hpp"
#include "base/reporter.hpp"
#include "sandbox/sandbox.hpp"
#include "steps/key_text.hpp"
#include "store/store.hpp"
#include "tree/layer_writer.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// Where the contents that inputs name by their sha256 come from.
class Contents {
 public:
  virtual ~Contents() = default;
  /// Waits for a download if need be; the hash is checked. Throws an Error where it cannot be had. Safe for threads.
  [[nodiscard]] virtual UniqueFd open(const Digest& digest, const std::string& label) const = 0;
  /// True if it is there, or on its way.
  [[nodiscard]] virtual bool has(const Digest& digest) const = 0;
};

/// A file of the project as a step gets it.
struct InputFile {
  static constexpr std::string_view kMembers = "path kind sha256";
  std::string path{};  ///< below the input that it belongs to; "" for that itself
  std::string kind{};  ///< "file", "executable", "link", "folder": an empty one
  Digest sha256{};     ///< of the content, a link's target; of a folder of nothing
};

/// Where a layer comes from.
struct LayerOrigin {
  std::string step{};      ///< its id
  bool published = false;  ///< all can download what is in it, by its hash
};

/// For a step that is computed: no process of the image runs, no path is looked up by the kernel.
struct ComputedPlace {
  const Tree& below;
  LayerWriter& out;
  const Contents& contents;
  const std::vector<LayerOrigin>& layers;  ///< of each layer below
};

/// For a step that runs programs: an upper folder over the tree below, and what it may leave behind.
struct SandboxPlace {
  const Tree& below;
  std::filesystem::path upper{};
  std::filesystem::path scratch{};
  std::filesystem::path log{};
  KnownContents& known;  ///< gets what the step hashes while it writes
  Variation vary{};
  unsigned jobs = 1;
  const Contents& contents;
  const StepRoom& room;
  const CommandRunner& runner;
  const Store& store;
  Reporter& reporter;
  /// Called whenever more files are in place and scripts are about to run; with true when no more come.
  std::function<void(bool complete)> unpacked{};
};

class BlockCache;
class CompressedBlocks;

/// Told when an image is complete on file and only its hashes are missing; or none.
using ImageWritten = std::function<void(const std::filesystem::path& image)>;

/// For the step that writes the image.
struct ImagePlace {
  const Tree& tree;
  const StepRoom& room;
  const Store& store;
  Reporter& reporter;
  unsigned jobs = 1;
  std::filesystem::path output{};      ///< of formats that are folders
  ImageWritten written{};
  BlockCache* cache = nullptr;         ///< compressed blocks of former images
  CompressedBlocks* blocks = nullptr;  ///< compressed ahead, from when packages are unpacked on
  const std::vector<LayerOrigin>& layers;  ///< of each layer of the tree
};

/// What a [[run]] with network must give, because nothing that it fetches is in the lock.
struct PinnedResult {
  std::string name{};
  Digest layer{};
};

struct ImageResult;  // steps/write.hpp

struct Step {
  std::string id{};     ///< stable name: "install:packages", "run:setup"
  std::string title{};  ///< for people
  std::string kind{};
  int version = 1;      ///< of the code that turns the input into a result
  std::string input{};  ///< canonical text
  std::vector<std::pair<std::string, Digest>> fetches{};  ///< files from the network that it reads: (label, sha256)
  using Computed = std::function<void(const ComputedPlace&)>;
  using InSandbox = std::function<void(const SandboxPlace&)>;
  using Image = std::function<ImageResult(const ImagePlace&)>;
  std::variant<Computed, InSandbox, Image> run{};
  bool published = false;     ///< puts in what all can download by its hash
  bool starts_a_tree = false;  ///< its layer is a tree of its own: nothing below it is in the image
  std::optional<PinnedResult> pin{};
};

/// How a step is called.
struct StepName {
  std::string id{};
  std::string title{};
};

/// A step of a kind: the input decides key and result.
template <KeyStruct Input, class Place, class Result>
[[nodiscard]] Step make_step(StepName name, std::string kind, int version, Input input,
                             Result (*run)(const Input&, const Place&)) {
  Step step{.id = std::move(name.id), .title = std::move(name.title), .kind = std::move(kind), .version = version};
  step.input = key_text_of(input);
  step.run = std::function<Result(const Place&)>(
      [input = std::move(input), run](const Place& place) { return run(input, place); });
  return step;
}

/// The canonical text whose sha256 is a step's key:
///   alephc-key 2 / kind KIND / version N / epoch NUMBER DRAFT / correction NUMBER for each / room DIGEST / the input /
///   below DIGEST for every layer below
/// Nothing else may influence a step. The room's digest is that of all its members.
[[nodiscard]] std::string key_text(const Step& step, const OutputEpoch& epoch, const std::vector<Digest>& layers);

}  // namespace alephc
