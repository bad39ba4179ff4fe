// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "fetch/fetcher.hpp"
#include "steps/step.hpp"
#include "store/store.hpp"

namespace alephc {

/// Downloads files in the background while steps already use those that have come. What is not downloaded is in the store
/// already, such as a file of the project, or is made when a step asks for it.
class PackageSupply : public Contents {
 public:
  PackageSupply(const Store& store, const Fetcher& fetcher) : store_(store), fetcher_(fetcher) {}
  ~PackageSupply() override;
  PackageSupply(const PackageSupply&) = delete;
  PackageSupply& operator=(const PackageSupply&) = delete;

  void start(std::vector<RemoteFile> files);
  /// A file that is not in the store: make puts it there, on the thread that asks for it.
  void add_made(const Digest& digest, std::function<void()> make);
  /// Waits for the file and opens it, its hash checked. A failed download is thrown here.
  [[nodiscard]] UniqueFd open(const Digest& digest, const std::string& label) const override;
  [[nodiscard]] bool has(const Digest& digest) const override;

 private:
  const Store& store_;
  const Fetcher& fetcher_;
  std::vector<RemoteFile> files_;
  std::map<Digest, std::function<void()>> made_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::set<Digest> pending_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace alephc
