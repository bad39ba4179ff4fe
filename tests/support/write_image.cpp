// SPDX-License-Identifier: MIT
// write_image FOLDER FORMAT FILE [KEY=VALUE…]: the writer of a format on a folder of this machine, without a
// build around it. Prints the tree digest of what it wrote. Keys: compression, level, jobs, size, label,
// filesystem, subvolume, uefi.
#include <cstdio>
#include <memory>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"
#include "tree/scan.hpp"
#include "tree/tree_digest.hpp"

using namespace alephc;

namespace {

void set(WriteOptions& options, const std::string& argument) {
  const std::string key = argument.substr(0, argument.find('='));
  const std::string value = argument.substr(key.size() + 1);
  if (key == "jobs") options.jobs = static_cast<unsigned>(std::stoul(value));
  if (key == "compression") options.image.compression = value;
  if (key == "size") options.image.size = parse_size(value);
  if (key == "level") options.image.level = static_cast<std::uint32_t>(std::stoul(value));
  if (key == "label") options.image.label = value;
  if (key == "filesystem") options.image.filesystem = value;
  if (key == "uefi") options.boot.uefi = value == "true";
  if (key == "subvolume") options.image.subvolume = value;
}

void run(int argc, char** argv) {
  WriteOptions options{.time = 1700000000, .seed = sha256("seed"), .jobs = 2};
  options.image.format = argv[2];
  options.boot.bios = options.boot.uefi = false;
  for (int i = 4; i < argc; ++i) set(options, argv[i]);
  settle_compression(options.image);
  options.image = with_settings(options.image, latest_epoch().writer);
  auto layer = std::make_shared<Layer>();
  layer->folder = argv[1];
  layer->listing = scan_folder(argv[1], {.jobs = options.jobs}).listing;
  Tree tree;
  tree.add(layer);
  try {
    image_format(argv[2]).write(tree, options, argv[3]);
  } catch (...) {
    std::filesystem::remove(argv[3]);  // as a build does, with its work folder
    throw;
  }
  std::printf("%s\n", tree_digest(tree.entries()).text().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  try {
    run(argc, argv);
    return 0;
  } catch (const Error& error) {
    for (const Diagnostic& diagnostic : error.diagnostics())
      std::fprintf(stderr, "error: %s\n", diagnostic.message.c_str());
    return static_cast<int>(error.kind());
  }
}
