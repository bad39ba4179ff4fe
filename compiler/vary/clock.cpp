// SPDX-License-Identifier: MIT
// A library that is loaded before a program's own: its clock is 400 days ahead. For comparing two runs of a
// build step; nothing of the host is set. It needs no more of libc than every libc has.
#include <cerrno>
#include <ctime>

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr std::time_t kAhead = 400L * 86400;

bool is_wall_clock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

timespec now() {
  timespec time{};
  ::syscall(SYS_clock_gettime, CLOCK_REALTIME, &time);
  time.tv_sec += kAhead;
  return time;
}

/// The kernel waits by its own clock.
timespec kernel_time(const timespec* time) {
  return {time->tv_sec - kAhead, time->tv_nsec};
}

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));  // NOLINT: that is dlsym's interface
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (::syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (is_wall_clock(clock)) time->tv_sec += kAhead;
  return 0;
}

std::time_t time(std::time_t* out) noexcept {
  const std::time_t seconds = now().tv_sec;
  if (out != nullptr) *out = seconds;
  return seconds;
}

int gettimeofday(timeval* __restrict time, void* __restrict /*zone*/) noexcept {
  const timespec current = now();
  time->tv_sec = current.tv_sec;
  time->tv_usec = current.tv_nsec / 1000;
  return 0;
}

int timespec_get(timespec* time, int base) noexcept {
  if (base != TIME_UTC) return 0;
  *time = now();
  return base;
}

int pthread_cond_timedwait(pthread_cond_t* __restrict condition, pthread_mutex_t* __restrict mutex,
                           const timespec* __restrict until) {
  // A condition may wait by the monotonic clock, whose times are far below those of the wall clock.
  const timespec shifted = until->tv_sec > kAhead * 20 ? kernel_time(until) : *until;
  return next<decltype(&pthread_cond_timedwait)>("pthread_cond_timedwait")(condition, mutex, &shifted);
}

int sem_timedwait(sem_t* __restrict semaphore, const timespec* __restrict until) {
  const timespec shifted = kernel_time(until);
  return next<decltype(&sem_timedwait)>("sem_timedwait")(semaphore, &shifted);
}

}  // extern "C"
#pragma GCC visibility pop
