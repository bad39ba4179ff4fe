// SPDX-License-Identifier: MIT
#include "decode/xz_stream.hpp"

#include <stdexcept>
#include <utility>

#include <lzma.h>

namespace alephc {
namespace {

constexpr std::size_t kInput = 256 * 1024;

[[noreturn]] void fail_xz(lzma_ret code) {
  switch (code) {
    case LZMA_BUF_ERROR:
      throw std::runtime_error("the xz data are cut off");
    case LZMA_MEM_ERROR:
      throw std::runtime_error("the xz data need too much memory");
    case LZMA_OPTIONS_ERROR:
      throw std::runtime_error("the xz data use an unknown filter");
    default:
      throw std::runtime_error("the xz data are damaged");
  }
}

}  // namespace

struct XzStream::State {
  lzma_stream stream = LZMA_STREAM_INIT;
};

XzStream::XzStream(Source source)
    : source_(std::move(source)), state_(std::make_unique<State>()), input_(kInput) {
  // The process has a limit of memory of its own.
  const lzma_ret code = ::lzma_stream_decoder(&state_->stream, UINT64_MAX, LZMA_CONCATENATED);
  if (code != LZMA_OK) fail_xz(code);
}

XzStream::~XzStream() {
  ::lzma_end(&state_->stream);
}

std::size_t XzStream::read(std::span<char> buffer) {
  lzma_stream& stream = state_->stream;
  stream.next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
  stream.avail_out = buffer.size();
  while (!ended_ && stream.avail_out > 0) {
    if (stream.avail_in == 0 && !input_ended_) {
      stream.next_in = reinterpret_cast<const std::uint8_t*>(input_.data());
      stream.avail_in = source_(input_);
      input_ended_ = stream.avail_in == 0;
    }
    const lzma_ret code = ::lzma_code(&stream, input_ended_ ? LZMA_FINISH : LZMA_RUN);
    if (code == LZMA_STREAM_END)
      ended_ = true;
    else if (code != LZMA_OK)
      fail_xz(code);
  }
  return buffer.size() - stream.avail_out;
}

}  // namespace alephc
