// SPDX-License-Identifier: MIT
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "decode/decoded_archive.hpp"

namespace alephc {

/// The packages of a layer, taken apart when their turn comes, or before that on cores that would idle while
/// scripts run (and sleep: libc6's waits a second).
class DecodedPackages {
 public:
  using Decode = std::function<DecodedArchive(std::size_t)>;  ///< index in the layer

  DecodedPackages(std::size_t count, Decode decode) : decode_(std::move(decode)), slots_(count) {}
  ~DecodedPackages();
  DecodedPackages(const DecodedPackages&) = delete;
  DecodedPackages& operator=(const DecodedPackages&) = delete;

  /// Decodes in the background, in this order. What fails there is thrown by get().
  void start(std::vector<std::size_t> order, unsigned threads);
  /// Waits for the package, or decodes it here if no thread has begun.
  [[nodiscard]] std::shared_ptr<const DecodedArchive> get(std::size_t i);
  /// Its contents are where they belong, or not needed.
  void forget(std::size_t i);
  /// Contents that get() gave were moved and lost: it decodes the package again.
  void lose(std::size_t i);

 private:
  struct Slot {
    enum class State { waiting, begun, done } state = State::waiting;
    std::shared_ptr<const DecodedArchive> archive{};
    std::exception_ptr failure{};
  };
  bool begin(std::size_t i);
  void decode(std::size_t i);

  Decode decode_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace alephc
