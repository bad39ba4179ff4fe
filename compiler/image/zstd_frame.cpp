// SPDX-License-Identifier: MIT
#include "image/zstd_frame.hpp"

#include <memory>

#include <zstd.h>

#include "base/diagnostic.hpp"

namespace alephc {

std::string zstd_frame(std::string_view bytes, int level) {
  using Context = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
  thread_local const Context context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size =
      ZSTD_compressCCtx(context.get(), packed.data(), packed.size(), bytes.data(), bytes.size(), level);
  check(ZSTD_isError(size) == 0, "zstd compresses");
  packed.resize(size);
  return packed;
}

std::string unpack_zstd_frame(std::string_view packed, std::size_t most) {
  using Context = std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)>;
  const Context context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  std::string bytes(most, '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  ZSTD_outBuffer out{bytes.data(), bytes.size(), 0};
  std::size_t left = 1;
  while (left != 0 && in.pos < in.size && out.pos < out.size) {
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) != 0) throw Error(ErrorKind::integrity, "a block compressed with zstd is damaged");
  }
  if (left != 0 && out.pos < out.size) throw Error(ErrorKind::integrity, "a block compressed with zstd is cut off");
  bytes.resize(out.pos);
  return bytes;
}

}  // namespace alephc
