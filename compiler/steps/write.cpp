// SPDX-License-Identifier: MIT
#include "steps/write.hpp"

#include <future>

#include "base/cid.hpp"
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/trace.hpp"
#include "image/image_format.hpp"
#include "image/squashfs/compressed_blocks.hpp"
#include "image/verity.hpp"
#include "steps/accounts.hpp"
#include "steps/final_check.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

ImageSpec image_spec(const WriteInput& input) {
  ImageSpec spec{.format = input.format};
  spec.compression = input.compression.value_or(spec.compression);
  spec.level = input.level.value_or(spec.level);
  spec.block_size = input.block_size.value_or(spec.block_size);
  spec.size = input.size;
  spec.label = input.label.value_or(spec.label);
  spec.filesystem = input.filesystem.value_or(spec.filesystem);
  spec.subvolume = input.subvolume.value_or(spec.subvolume);
  spec.verity = input.verity;
  return spec;
}

/// All or nothing: written beside its place, then renamed.
void write_to_folder(const Tree& tree, const WriteOptions& options, const ImageFormat& format, const fs::path& output) {
  if (fs::exists(output) && !fs::is_empty(output))
    throw Error(ErrorKind::usage, output.string() + " exists and is not empty",
                "remove it, or choose another place with -o");
  const TempDir staging(fs::absolute(output).parent_path(), ".alephc");
  const fs::path inside = staging.path() / "tree";
  format.write(tree, options, inside);
  fs::remove(output);
  fs::rename(inside, output);
}

void add_verity(const fs::path& image, const fs::path& file, const Digest& seed, const ImagePlace& place,
                ImageResult& result) {
  const TraceSpan span("image", "dm-verity");
  result.verity_root = write_verity(image, file, seed, place.jobs);
  result.verity_tree = sha256_file(file);
  place.store.adopt_blob(file, result.verity_tree);
}

WriteOptions write_options(const WriteInput& input, const ImagePlace& place) {
  WriteOptions options{.image = image_spec(input),
                       .arch = input.arch.value_or(""),
                       .time = input.time,
                       .page = input.page,
                       .keep_times = input.keep_times,
                       .seed = input.seed.value_or(Digest{}),
                       .jobs = place.jobs,
                       .blocks = place.blocks,
                       .cache = place.cache};
  options.boot.bios = input.bios;
  options.boot.uefi = input.uefi;
  options.boot.esp_size = input.esp_size.value_or(options.boot.esp_size);
  return options;
}

/// What is known of the tree alone.
ImageResult result_of(const Tree& tree) {
  return {.tree = tree_digest(tree.entries()),
          .accounts = account_fields(tree, "etc/passwd", {0, 2, 3}),
          .groups = account_fields(tree, "etc/group", {0, 2})};
}

ImageResult run(const WriteInput& input, const ImagePlace& place) {
  if (place.blocks != nullptr) place.blocks->stop();
  if (place.cache != nullptr) place.cache->stop_checking();
  if (input.checked) check_final_tree(place.tree, place.layers, place.room.time);
  WriteOptions options = write_options(input, place);
  const ImageFormat& format = image_format(input.format);
  if (format.is_folder) {
    ImageResult result = result_of(place.tree);
    write_to_folder(place.tree, options, format, place.output);
    return result;
  }
  // Written and hashed beside it: neither needs what the other finds.
  const auto policy = place.jobs > 1 ? std::launch::async : std::launch::deferred;
  std::future<ImageResult> found = std::async(policy, [&] { return result_of(place.tree); });
  const WorkFolder work = place.store.make_work_folder();
  const fs::path file = work.path() / "image";
  FileHasher hasher(file, place.jobs);
  options.hasher = &hasher;
  format.write(place.tree, options, file);
  ImageResult result = found.get();
  if (place.written) place.written(file);
  place.reporter.progress("hash the image");
  const TraceSpan span("image", "hash");
  const FileHashes hashes = hasher.finish();
  result.sha256 = hashes.sha256;
  result.size = hashes.size;
  result.cid_v0 = hashes.cid_v0;
  result.cid_v1 = hashes.cid_v1;
  if (input.verity) add_verity(file, work.path() / "verity", options.seed, place, result);
  if (format.is_disk) result.tree.outside = outside_of_disk(file);
  place.store.adopt_blob(file, hashes.sha256);
  if (place.cache != nullptr && format.keeps_blocks) {
    place.cache->keep_chunks(hashes.chunks);
    place.store.put_block_index(hashes.sha256, place.cache->kept_bytes());
  }
  return result;
}

}  // namespace

Step write_step(StepName name, WriteInput input) {
  return make_step(std::move(name), "write", 2, std::move(input), run);
}

std::string image_result_text(const ImageResult& result) {
  Json json{{"sha256", result.sha256.hex()}, {"size", result.size},        {"cid_v0", result.cid_v0},
            {"cid_v1", result.cid_v1},       {"tree", result.tree.text()}, {"tree_v1", result.tree.v1.hex()},
            {"accounts", result.accounts},   {"groups", result.groups}};
  if (!result.tree.outside.is_zero()) json["outside"] = result.tree.outside.hex();
  if (!result.verity_tree.is_zero()) {
    json["verity_tree"] = result.verity_tree.hex();
    json["verity_root"] = result.verity_root.hex();
  }
  return json_text(json);
}

namespace {

/// Throws nlohmann's exception for a value of a wrong type.
std::optional<ImageResult> image_result_of(const SortedJson& json) {
  const auto sha = Digest::from_hex(json.value("sha256", ""));
  auto tree = parse_tree_digest(json.value("tree", ""), json.value("outside", ""));
  const auto v1 = Digest::from_hex(json.value("tree_v1", ""));
  if (!sha || !tree || !v1) return std::nullopt;
  tree->v1 = *v1;
  return ImageResult{.sha256 = *sha,
                     .size = json.value("size", std::uint64_t{0}),
                     .cid_v0 = json.value("cid_v0", ""),
                     .cid_v1 = json.value("cid_v1", ""),
                     .tree = *tree,
                     .verity_tree = Digest::from_hex(json.value("verity_tree", "")).value_or(Digest{}),
                     .verity_root = Digest::from_hex(json.value("verity_root", "")).value_or(Digest{}),
                     .accounts = json.at("accounts"),
                     .groups = json.at("groups")};
}

}  // namespace

std::optional<ImageResult> parse_image_result(const std::string& text) {
  const auto json = parse_json(text);
  try {
    return json.is_object() ? image_result_of(json) : std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace alephc
