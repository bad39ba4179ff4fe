// SPDX-License-Identifier: MIT
#include "pipeline/delivery.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/trace.hpp"

namespace alephc {

namespace fs = std::filesystem;

Delivery::~Delivery() {
  discard();
}

void Delivery::discard() {
  if (copying_.joinable()) copying_.join();
  if (!temp_.empty()) ::unlink(temp_.c_str());
  temp_.clear();
  failure_ = nullptr;
}

void Delivery::copy(const UniqueFd& from) {
  const TraceSpan span("image", "copy to its place");
  std::string temp = fs::absolute(output_).string() + ".XXXXXX";
  const UniqueFd file(::mkostemp(temp.data(), O_CLOEXEC));
  if (!file) throw system_error("create a file beside " + output_.string(), errno);
  temp_ = temp;
  copy_large(from.get(), file.get());
  if (::fchmod(file.get(), 0644) != 0) throw system_error("chmod " + temp_, errno);
}

void Delivery::begin(const fs::path& file) {
  discard();
  copying_ = std::jthread([this, from = open_file(file, O_RDONLY)] {
    try {
      copy(from);
    } catch (...) {
      failure_ = std::current_exception();
    }
  });
}

void Delivery::finish(const Store& store, const Digest& digest) {
  if (store.is_known_output(output_, digest)) return;
  if (copying_.joinable()) {
    copying_.join();
    if (failure_) std::rethrow_exception(failure_);
  } else {
    const auto blob = store.open_blob(digest);
    if (!blob) throw Error(ErrorKind::failed, "the image vanished from the store", "run the command again");
    copy(*blob);
  }
  if (::rename(temp_.c_str(), output_.c_str()) != 0) throw system_error("write " + output_.string(), errno);
  temp_.clear();
  store.remember_output(output_, digest);
}

}  // namespace alephc
