// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "decode/decode.hpp"

namespace alephc::debian {

/// One package of a batch.
struct PackageToUnpack {
  std::size_t id = 0;  ///< index in its layer
  std::string label{};
  std::function<UniqueFd()> open{};
};

/// Packages decoded before their turn, on cores that would idle while scripts run (and sleep: libc6's
/// waits a second): each into a file without
/// a name, from which it is unpacked later.
class DecodedAhead {
 public:
  explicit DecodedAhead(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~DecodedAhead() { stop(); }
  DecodedAhead(const DecodedAhead&) = delete;
  DecodedAhead& operator=(const DecodedAhead&) = delete;

  /// Decodes in the background, in order, until stop(). What fails there fails again, loudly, in read().
  void start(std::vector<PackageToUnpack> packages, unsigned jobs);
  void stop();

  void keep(const PackageToUnpack& package);
  void forget(std::size_t id);
  /// Decodes the package into sink, from what was kept if it was.
  void read(const PackageToUnpack& package, ArchiveSink& sink);

 private:
  std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::size_t, UniqueFd> kept_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace alephc::debian
