// SPDX-License-Identifier: MIT
#include "image/squashfs_compressor.hpp"

#include <cstring>

#include "image/compressed_blocks.hpp"

namespace alephc {
namespace {

constexpr std::uint32_t kZstdLevel = 9;

/// Looks a block up by content and asks the real compressor when it is not known. libsquashfs copies it for
/// every thread.
struct Lookup {
  sqfs_compressor_t base{};
  sqfs_compressor_t* inner = nullptr;
  const CompressedBlocks* blocks = nullptr;

  static Lookup* of(void* object) { return static_cast<Lookup*>(object); }

  static sqfs_compressor_t* make(sqfs_compressor_t* inner, const CompressedBlocks* blocks) {
    auto* self = new Lookup;  // NOLINT: given to libsquashfs, which calls destroy
    self->inner = inner;
    self->blocks = blocks;
    self->base.base.destroy = [](sqfs_object_t* object) {
      sqfs_destroy(of(object)->inner);
      delete of(object);
    };
    self->base.base.copy = [](const sqfs_object_t* object) -> sqfs_object_t* {
      const auto* other = reinterpret_cast<const Lookup*>(object);
      auto* copy = static_cast<sqfs_compressor_t*>(sqfs_copy(other->inner));
      if (copy == nullptr) return nullptr;
      return reinterpret_cast<sqfs_object_t*>(make(copy, other->blocks));
    };
    self->base.get_configuration = [](const sqfs_compressor_t* object, sqfs_compressor_config_t* config) {
      const auto* other = reinterpret_cast<const Lookup*>(object);
      other->inner->get_configuration(other->inner, config);
    };
    self->base.write_options = [](sqfs_compressor_t* object, sqfs_file_t* file) {
      return of(object)->inner->write_options(of(object)->inner, file);
    };
    self->base.read_options = [](sqfs_compressor_t* object, sqfs_file_t* file) {
      return of(object)->inner->read_options(of(object)->inner, file);
    };
    self->base.do_block = &Lookup::do_block;
    return &self->base;
  }

  static sqfs_s32 do_block(sqfs_compressor_t* object, const sqfs_u8* in, sqfs_u32 size, sqfs_u8* out,
                           sqfs_u32 room) {
    const Lookup* self = of(object);
    const std::string* known = self->blocks->find(sha256({reinterpret_cast<const char*>(in), size}));
    if (known == nullptr || known->size() > room)
      return self->inner->do_block(self->inner, in, size, out, room);
    std::memcpy(out, known->data(), known->size());
    return static_cast<sqfs_s32>(known->size());
  }
};

/// image.compression = "none": a compressor that finds nothing to gain, so that every block is stored as it
/// is.
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
  if (image.compression == "zstd") config.level = kZstdLevel;
  if (image.level != 0) config.level = image.level;
  sqfs_compressor_t* compressor = nullptr;
  sqfs_must(sqfs_compressor_create(&config, &compressor), "set up the compressor");
  return Sqfs<sqfs_compressor_t>(compressor);
}

Sqfs<sqfs_compressor_t> make_compressor(const ImageSpec& image, const CompressedBlocks* blocks) {
  Sqfs<sqfs_compressor_t> inner = make_compressor(image);
  if (blocks == nullptr) return inner;
  return Sqfs<sqfs_compressor_t>(Lookup::make(inner.release(), blocks));
}

}  // namespace alephc
