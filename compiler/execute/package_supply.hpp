// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "fetch/fetcher.hpp"
#include "store/store.hpp"

namespace alephc {

/// Downloads files in the background while steps already use those that have come.
class PackageSupply {
 public:
  PackageSupply(const Store& store, const Fetcher& fetcher) : store_(store), fetcher_(fetcher) {}
  ~PackageSupply();
  PackageSupply(const PackageSupply&) = delete;
  PackageSupply& operator=(const PackageSupply&) = delete;

  void start(std::vector<RemoteFile> files);
  /// Waits for the file and opens it, its hash checked. A failed download is thrown here.
  [[nodiscard]] UniqueFd open(const Digest& digest, const std::string& label);

 private:
  const Store& store_;
  const Fetcher& fetcher_;
  std::vector<RemoteFile> files_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Digest> pending_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace alephc
