// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "tree/tree.hpp"

namespace alephc {

/// What a finished step left behind, found by the step's key.
struct ActionRecord {
  std::string name{};      ///< the step, for people
  std::string key_text{};  ///< the canonical text whose sha256 is the key
  std::string result{};    ///< layer digest in hex, or what the step's kind says (JSON of an image)
  std::string log{};       ///< path of the log below the store, may be empty
  double seconds = 0;
};

/// A folder to work in, gone with the object. A process killed in the middle leaves it behind for reap().
class WorkFolder {
 public:
  WorkFolder(std::filesystem::path folder, FileLock lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  ~WorkFolder();
  WorkFolder(WorkFolder&&) = default;
  WorkFolder& operator=(WorkFolder&&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

 private:
  std::filesystem::path folder_;
  FileLock lock_;
};

/// Content-addressed files, layers and results of steps, shared by any number of alephc processes. Everything
/// appears by rename, so no process ever sees a part of it. Layout: blobs/ab/<sha256> · blocks/<image> ·
/// decoded/<sha256 of the archive> · layers/<digest>/{listing,stamp,root/} · actions/<key> · logs/ · locks/ ·
/// outputs/ · partial/ · roots/ · work/
class Store {
 public:
  explicit Store(const std::filesystem::path& folder);

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  // Blobs: immutable files named by their sha256.
  [[nodiscard]] std::filesystem::path blob_path(const Digest& digest) const;
  [[nodiscard]] bool has_blob(const Digest& digest) const;
  /// Opens and re-hashes, unless this process hashed it and it was not touched since; a damaged blob is
  /// removed and counts as absent.
  [[nodiscard]] std::optional<UniqueFd> open_blob(const Digest& digest) const;
  [[nodiscard]] std::optional<std::string> read_blob(const Digest& digest) const;
  Digest put_blob(std::string_view data) const;
  /// Copies a file in, from the descriptor's beginning; what is copied is what is hashed.
  Digest put_file(int fd) const;
  /// Moves a finished file of this store's filesystem in; its bytes must already have been hashed to digest.
  void adopt_blob(const std::filesystem::path& file, const Digest& digest) const;
  [[nodiscard]] std::filesystem::path partial_path(const Digest& digest) const;

  // Where images among the blobs have their compressed data; see image/squashfs/block_cache.hpp.
  void put_block_index(const Digest& image, std::string_view bytes) const;
  struct BlockIndex {
    Digest image{};
    std::string bytes{};
  };
  /// The newest ones of images that are there, newest first.
  [[nodiscard]] std::vector<BlockIndex> block_indexes(std::size_t most) const;

  // What archives hold, but for the contents; see decode/decoded_archive.hpp.
  void put_decoded(const Digest& archive, std::string_view text) const;
  [[nodiscard]] std::optional<std::string> find_decoded(const Digest& archive) const;

  // Layers.
  [[nodiscard]] bool has_layer(const Digest& digest) const;
  /// nullopt if absent or damaged (then it is removed, and why is passed to warn).
  [[nodiscard]] std::shared_ptr<const Layer> open_layer(const Digest& digest,
                                                        const std::function<void(const std::string&)>& warn,
                                                        unsigned jobs = 1) const;
  /// The largest of the layers that were written last: as many as most, newest first.
  [[nodiscard]] std::vector<Digest> large_layers(std::size_t most) const;
  /// Takes folder (in a WorkFolder of this store) over, unless the layer is there already.
  [[nodiscard]] std::shared_ptr<const Layer> adopt_layer(const std::filesystem::path& folder,
                                                         Listing listing) const;
  /// The same where the listing's layer_text() is at hand.
  [[nodiscard]] std::shared_ptr<const Layer> adopt_layer(const std::filesystem::path& folder, Listing listing,
                                                         const std::string& text) const;

  // Files written outside the store, with the hash they had then.
  void remember_output(const std::filesystem::path& file, const Digest& digest) const;
  /// True if the file is the one written with that hash, judged by size, times and inode.
  [[nodiscard]] bool is_known_output(const std::filesystem::path& file, const Digest& digest) const;

  // Actions.
  [[nodiscard]] std::optional<ActionRecord> find_action(const Digest& key) const;
  void put_action(const Digest& key, const ActionRecord& record) const;
  /// Held by the one process that runs the step with this key.
  [[nodiscard]] FileLock lock_key(const Digest& key) const;

  [[nodiscard]] WorkFolder make_work_folder() const;
  [[nodiscard]] std::filesystem::path log_path(const Digest& key, const std::string& name) const;

  /// Removes what killed processes left in work/. Called by the constructor.
  void reap() const;
  void reap_one(int work, const std::string& name) const;

 private:
  std::filesystem::path folder_;
  FileLock in_use_;               ///< shared; gc wants it alone
  mutable KnownContents hashed_;  ///< blobs that this process brought in
};

}  // namespace alephc
