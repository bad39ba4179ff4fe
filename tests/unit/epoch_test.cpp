// SPDX-License-Identifier: MIT
// Vectors of the output epoch: small trees and the hashes that their images must have for ever
// (tests/vectors/).
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "base/files.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"
#include "steps/embed.hpp"
#include "steps/normalize.hpp"
#include "support/catch.hpp"
#include "support/contents.hpp"
#include "tree/layer_writer.hpp"
#include "tree/listing_text.hpp"
#include "tree/tree_digest.hpp"

using namespace alephc;

namespace {

constexpr std::int64_t kTime = 1735689600;  // 2025-01-01

class VectorTree {
 public:
  VectorTree() {
    layer_->folder = temp_.path() / "layer";
    make_folders(layer_->folder);
  }

  Tree make(const std::string& name) {
    LayerWriter out(layer_->folder, nullptr, kTime);
    folder(out, "");
    if (name == "files") files(out);
    if (name == "links") links(out);
    if (name == "unnormalized") unnormalized(out);
    layer_->listing = out.finish();
    Tree tree;
    tree.add(layer_);
    if (name != "unnormalized") return tree;
    run(tree, normalize_step({"normalize", "normalize"}, {.rules = latest_epoch().normalize}));
    run(tree, embed_step({"embed", "embed"}, {.manifest = {"schema = 1\n"}, .lock = {"lock = 1\n"}}));
    return tree;
  }

 private:
  void run(Tree& tree, const Step& step) const {
    auto top = std::make_shared<Layer>();
    top->folder = temp_.path() / step.id;
    make_folders(top->folder);
    LayerWriter over(top->folder, &tree.entries(), latest_epoch().room.time);
    const std::vector<LayerOrigin> layers{{.step = "below"}};
    std::get<Step::Computed>(step.run)({.below = tree, .out = over, .contents = TestContents(), .layers = layers});
    top->listing = over.finish();
    tree.add(top);
  }

  static void folder(LayerWriter& out, const std::string& path, std::uint32_t mode = 0755) {
    out.put({.path = path, .type = EntryType::directory, .mode = mode, .mtime = kTime});
  }
  static void file(LayerWriter& out, const std::string& path, const std::string& text,
                   std::uint32_t mode = 0644) {
    out.put_file({.path = path, .mode = mode, .mtime = kTime}, text);
  }

  /// Sizes around the block size, runs of zeros, twins, odd names, owners and modes.
  static void files(LayerWriter& out) {
    folder(out, "d", 01777);
    std::string counted;
    for (int i = 0; i < 40000; ++i) counted += std::to_string(i * 7919) + "\n";
    for (const std::size_t size : {0U, 1U, 4095U, 131071U, 131072U, 131073U, 262144U})
      file(out, "d/" + std::to_string(size), counted.substr(0, size));
    file(out, "d/zeros", std::string(400000, '\0'));
    file(out, "d/twin-a", counted.substr(1000, 200000));
    file(out, "d/twin-b", counted.substr(1000, 200000));
    file(out, "d/\xc3\xa4 \x01%", "odd", 04755);
    out.put_file({.path = "d/owned", .mode = 0640, .uid = 1000, .gid = 65534, .mtime = kTime}, "owned");
  }

  static void links(LayerWriter& out) {
    for (int i = 0; i < 300; ++i) file(out, "many/" + std::to_string(i), std::to_string(i));
    folder(out, "many");
    file(out, "a", "shared");
    Entry twin = *out.find("a");
    twin.path = "many/z";
    twin.hard_link = "a";
    out.put(twin);
    out.put(
        {.path = "link", .type = EntryType::symlink, .mode = 0777, .mtime = kTime, .link_target = "many/z"});
    out.put({.path = "pipe", .type = EntryType::fifo, .mode = 0600, .mtime = kTime});
    out.put({.path = "null",
             .type = EntryType::char_device,
             .mode = 0666,
             .mtime = kTime,
             .major = 1,
             .minor = 3});
  }

  static void unnormalized(LayerWriter& out) {
    for (const char* path :
         {"etc", "etc/ssh", "root", "root/.cache", "tmp", "usr", "usr/share", "var", "var/cache",
          "var/cache/ldconfig", "var/lib", "var/lib/dpkg", "var/lib/dpkg/triggers", "var/log"})
      folder(out, path);
    file(out, "etc/shadow", "root:*:20000:0:99999:7:::\ndaemon:!::0:99999:7:::\n", 0640);
    file(out, "etc/passwd-", "old");
    file(out, "etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0444);
    file(out, "etc/ssh/ssh_host_ed25519_key", "secret", 0600);
    file(out, "root/.cache/x", "x");
    file(out, "tmp/x", "x");
    file(out, "var/cache/ldconfig/aux-cache", "inodes");
    file(out, "var/lib/dpkg/status", "Package: a\n");
    file(out, "var/lib/dpkg/status-old", "Package: b\n");
    file(out, "var/lib/dpkg/triggers/File", "/b b\n/a a\n");
    file(out, "var/log/wtmp", "who", 0664);
    file(out, "var/log/dpkg.log", "when");
    file(out, "usr/kept", "kept");
  }

  TempDir temp_{std::filesystem::temp_directory_path()};
  std::shared_ptr<Layer> layer_ = std::make_shared<Layer>();
};

struct Vector {
  std::string tree{};
  std::string format{};
  std::string compression{};
  std::string hash{};
};

std::string hash_of(const Vector& vector) {
  VectorTree made;
  const Tree tree = made.make(vector.tree);
  if (vector.format == "digest") {
    const TreeDigest digest = tree_digest(tree.entries());
    return vector.hash.starts_with("2:") ? digest.text() : digest.v1.hex();
  }
  const TempDir temp(std::filesystem::temp_directory_path());
  const ImageSpec image =
      with_settings({.format = vector.format, .compression = vector.compression}, latest_epoch().writer);
  const BootSpec boot{.kernel = "none", .bios = false, .uefi = false};
  const WriteOptions options{.image = image, .boot = boot, .time = kTime, .seed = sha256("seed"), .jobs = 2};
  image_format(vector.format).write(tree, options, temp.path() / "image");
  return sha256_file(temp.path() / "image").hex();
}

}  // namespace

TEST_CASE("the images of output epoch 1 have the bytes that they always had") {
  if (::geteuid() != 0) {
    WARN("skipped: owners and devices need root");
    return;
  }
  std::ifstream file(std::string(ALEPHC_VECTORS) + "/epoch-1.txt");
  REQUIRE(file);
  bool same_tools = false;
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("tools ")) same_tools = line.substr(6) == join(image_tools(), ", ");
    const std::vector<std::string> words = split_words(line);
    if (words.size() != 5 || words[0] != "vector") continue;
    const Vector vector{words[1], words[2], words[3], words[4]};
    // Where the libraries are not the pinned ones, only what is written without any is the same.
    const bool ours = vector.compression == "none" && vector.format != "squashfs" && vector.format != "ext4" &&
                      vector.format != "disk";
    if (!ours && !same_tools) continue;
    CAPTURE(vector.tree, vector.format, vector.compression);
    CHECK(hash_of(vector) == vector.hash);
    ++compared;
  }
  CHECK(compared >= 10);
}
