// SPDX-License-Identifier: MIT
#include "init/threads.hpp"

#include <exception>
#include <memory>

#include <pthread.h>

#include "init/errors.hpp"

namespace aleph_init {
namespace {

constexpr std::size_t kStack = 256 * 1024;

void run(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log_line(error.what());
  }
}

void* thread_main(void* argument) {
  const std::unique_ptr<std::function<void()>> work(static_cast<std::function<void()>*>(argument));
  run(*work);
  return nullptr;
}

}  // namespace

void start_thread(std::function<void()> work) {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStack);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  auto owned = std::make_unique<std::function<void()>>(std::move(work));
  pthread_t thread{};
  if (::pthread_create(&thread, &attributes, thread_main, owned.get()) == 0)
    (void)owned.release();
  else
    run(*owned);
  ::pthread_attr_destroy(&attributes);
}

}  // namespace aleph_init
