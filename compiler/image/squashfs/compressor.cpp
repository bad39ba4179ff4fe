// SPDX-License-Identifier: MIT
#include "image/squashfs/compressor.hpp"

#include <vector>

#include "image/content_reader.hpp"
#include "image/image_format.hpp"

namespace alephc {
namespace {


/// image.compression = "none": a compressor that finds
/// nothing to gain, so that every block is stored as it is.
struct StoreOnly {
  sqfs_compressor_t base{};

  static sqfs_compressor_t* make() {
    auto* self = new StoreOnly;  // NOLINT: given to libsquashfs, which calls destroy
    self->base.base.destroy = [](sqfs_object_t* object) { delete reinterpret_cast<StoreOnly*>(object); };
    self->base.base.copy = [](const sqfs_object_t*) { return reinterpret_cast<sqfs_object_t*>(make()); };
    self->base.get_configuration = [](const sqfs_compressor_t*, sqfs_compressor_config_t* config) {
      *config = {};
    };
    self->base.write_options = [](sqfs_compressor_t*, sqfs_file_t*) { return 0; };
    self->base.read_options = [](sqfs_compressor_t*, sqfs_file_t*) { return 0; };
    self->base.do_block = [](sqfs_compressor_t*, const sqfs_u8*, sqfs_u32, sqfs_u8*, sqfs_u32) -> sqfs_s32 {
      return 0;
    };
    return &self->base;
  }
};

Sqfs<sqfs_compressor_t> create_compressor(const sqfs_compressor_config_t& config) {
  sqfs_compressor_t* compressor = nullptr;
  sqfs_must(sqfs_compressor_create(&config, &compressor), "set up the compressor");
  return Sqfs<sqfs_compressor_t>(compressor);
}

}  // namespace

SQFS_COMPRESSOR compressor_id(const std::string& name) {
  if (name == "none") return SQFS_COMP_GZIP;  // the super block has to name one
  if (name == "gzip") return SQFS_COMP_GZIP;
  if (name == "xz") return SQFS_COMP_XZ;
  if (name == "lz4") return SQFS_COMP_LZ4;
  return SQFS_COMP_ZSTD;
}

Sqfs<sqfs_compressor_t> make_compressor(const ImageSpec& image) {
  if (image.compression == "none") return Sqfs<sqfs_compressor_t>(StoreOnly::make());
  sqfs_compressor_config_t config{};
  const auto flags = static_cast<sqfs_u16>(image.compression == "lz4" ? SQFS_COMP_FLAG_LZ4_HC : 0);
  sqfs_must(sqfs_compressor_config_init(&config, compressor_id(image.compression), image.block_size, flags),
            "set up the compressor");
  if (image.level != 0) config.level = image.level;
  return create_compressor(config);
}

PackedBytes pack_block(std::string_view raw, const Digest& name, std::uint32_t block_size,
                       sqfs_compressor_t& compressor) {
  PackedBytes packed;
  if (is_zeros(raw)) return packed;
  // Room for a whole block, however small this one is: lz4's result depends on the room it has.
  thread_local std::vector<sqfs_u8> room;
  room.resize(block_size);
  const auto size = static_cast<sqfs_u32>(raw.size());
  const sqfs_s32 got = compressor.do_block(&compressor, reinterpret_cast<const sqfs_u8*>(raw.data()), size,
                                           room.data(), block_size);
  sqfs_must(got, "compress a block");
  if (got > 0)
    packed.bytes.assign(reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(got));
  else
    packed.bytes = raw;
  packed.block.word = got > 0 ? static_cast<std::uint32_t>(got) : size | kStoredAsIs;
  packed.block.name = name;
  packed.block.packed = sha256(packed.bytes);
  return packed;
}

bool unpacks_to(std::string_view raw, const PackedBytes& packed, const ImageSpec& image) {
  if (packed.block.word == 0) return is_zeros(raw);
  if ((packed.block.word & kStoredAsIs) != 0) return packed.bytes == raw;
  sqfs_compressor_config_t config{};
  sqfs_must(sqfs_compressor_config_init(&config, compressor_id(image.compression), image.block_size,
                                        SQFS_COMP_FLAG_UNCOMPRESS),
            "set up the decompressor");
  const Sqfs<sqfs_compressor_t> decompressor = create_compressor(config);
  std::vector<sqfs_u8> room(image.block_size);
  const sqfs_s32 got =
      decompressor->do_block(decompressor.get(), reinterpret_cast<const sqfs_u8*>(packed.bytes.data()),
                             static_cast<sqfs_u32>(packed.bytes.size()), room.data(), image.block_size);
  return got > 0 &&
         raw == std::string_view(reinterpret_cast<const char*>(room.data()), static_cast<std::size_t>(got));
}

std::string block_settings(const ImageSpec& image) {
  std::string text = image.compression + " " + std::to_string(image.level) + " " + std::to_string(image.block_size);
  for (const std::string& tool : image_tools()) text += "\n" + tool;
  return text;
}

}  // namespace alephc
