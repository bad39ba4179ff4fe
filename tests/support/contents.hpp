// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "steps/step.hpp"

namespace alephc {

/// Contents that a test gives, by their hash.
class TestContents : public Contents {
 public:
  Digest add(const std::string& text) {
    const Digest digest = sha256(text);
    texts_[digest] = text;
    return digest;
  }
  [[nodiscard]] UniqueFd open(const Digest& digest, const std::string& label) const override {
    const auto found = texts_.find(digest);
    if (found == texts_.end()) throw Error(ErrorKind::failed, label + " is not there");
    UniqueFd fd(::memfd_create("content", MFD_CLOEXEC));
    write_all(fd.get(), found->second);
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
  }
  [[nodiscard]] bool has(const Digest& digest) const override { return texts_.contains(digest); }

 private:
  std::map<Digest, std::string> texts_;
};

}  // namespace alephc
