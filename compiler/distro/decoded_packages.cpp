// SPDX-License-Identifier: MIT
#include "distro/decoded_packages.hpp"

#include "base/parallel.hpp"

namespace alephc {

DecodedPackages::~DecodedPackages() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void DecodedPackages::start(std::vector<std::size_t> order, unsigned threads) {
  if (thread_.joinable()) thread_.join();
  thread_ = std::thread([this, threads, order = std::move(order)] {
    parallel_for(order.size(), threads, [&](std::size_t i) {
      if (begin(order[i])) decode(order[i]);
    });
  });
}

/// True for the one who is to decode it.
bool DecodedPackages::begin(std::size_t i) {
  const std::lock_guard guard(mutex_);
  if (stopping_ || slots_[i].state != Slot::State::waiting) return false;
  slots_[i].state = Slot::State::begun;
  return true;
}

void DecodedPackages::decode(std::size_t i) {
  std::shared_ptr<const DecodedArchive> archive;
  std::exception_ptr failure;
  try {
    archive = std::make_shared<const DecodedArchive>(decode_(i));
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard guard(mutex_);
  slots_[i] = {.state = Slot::State::done, .archive = std::move(archive), .failure = failure};
  changed_.notify_all();
}

std::shared_ptr<const DecodedArchive> DecodedPackages::get(std::size_t i) {
  if (begin(i)) decode(i);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return slots_[i].state == Slot::State::done; });
  if (slots_[i].failure) std::rethrow_exception(slots_[i].failure);
  return slots_[i].archive;
}

void DecodedPackages::forget(std::size_t i) {
  const std::lock_guard guard(mutex_);
  slots_[i].archive.reset();
}

void DecodedPackages::lose(std::size_t i) {
  const std::lock_guard guard(mutex_);
  if (slots_[i].state == Slot::State::done) slots_[i] = {};
}

}  // namespace alephc
