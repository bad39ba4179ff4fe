// SPDX-License-Identifier: MIT
#include "decode/gzip_members.hpp"

#include <stdexcept>

#include <zlib.h>

#include "base/fd.hpp"

namespace alephc {
namespace {

constexpr std::size_t kInput = 256 * 1024;
constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip's header and trailer

}  // namespace

GzipMembers::GzipMembers(int fd)
    : fd_(fd), stream_(std::make_unique<z_stream>()), input_(std::make_unique_for_overwrite<char[]>(kInput)) {
  if (::inflateInit2(stream_.get(), kGzipWindow) != Z_OK) throw std::runtime_error("no memory for zlib");
}

GzipMembers::~GzipMembers() {
  ::inflateEnd(stream_.get());
}

/// False at the end of the file.
bool GzipMembers::fill() {
  if (stream_->avail_in > 0) return true;
  const std::size_t got = read_some(fd_, {input_.get(), kInput});
  stream_->next_in = reinterpret_cast<Bytef*>(input_.get());
  stream_->avail_in = static_cast<uInt>(got);
  return got > 0;
}

bool GzipMembers::next() {
  if (!fill()) return false;
  ::inflateReset(stream_.get());
  in_member_ = true;
  return true;
}

std::size_t GzipMembers::read(std::span<char> buffer) {
  stream_->next_out = reinterpret_cast<Bytef*>(buffer.data());
  stream_->avail_out = static_cast<uInt>(buffer.size());
  while (in_member_ && stream_->avail_out > 0) {
    if (!fill()) throw std::runtime_error("cut off in the middle of a gzip member");
    const uInt before = stream_->avail_in;
    const int result = ::inflate(stream_.get(), Z_NO_FLUSH);
    consumed_ += before - stream_->avail_in;
    if (result == Z_STREAM_END)
      in_member_ = false;
    else if (result != Z_OK)
      throw std::runtime_error(stream_->msg != nullptr ? stream_->msg : "damaged gzip member");
  }
  return buffer.size() - stream_->avail_out;
}

}  // namespace alephc
