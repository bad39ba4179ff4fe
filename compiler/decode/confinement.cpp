// SPDX-License-Identifier: MIT
#include "decode/confinement.hpp"

#include <cerrno>
#include <csignal>
#include <initializer_list>

#include <grp.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace alephc {
namespace {

constexpr unsigned kNobody = 65534;

bool allow(scmp_filter_ctx filter, int call) {
  return ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0) == 0;
}

bool allow_threads(scmp_filter_ctx filter) {
  const scmp_arg_cmp is_thread{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD};
  // The flags of clone3 are out of the filter's sight; without it the C library takes clone.
  return allow(filter, SCMP_SYS(set_robust_list)) && allow(filter, SCMP_SYS(rseq)) &&
         allow(filter, SCMP_SYS(sched_getaffinity)) &&
         ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, is_thread) == 0 &&
         ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
}

bool allow_calls(bool threads) {
  scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ERRNO(EPERM));
  if (filter == nullptr) return false;
  bool good = true;
  for (const int call :
       {SCMP_SYS(read),           SCMP_SYS(pread64),      SCMP_SYS(write),       SCMP_SYS(lseek),
        SCMP_SYS(fstat),          SCMP_SYS(newfstatat),   SCMP_SYS(brk),         SCMP_SYS(mmap),
        SCMP_SYS(munmap),         SCMP_SYS(mremap),       SCMP_SYS(mprotect),    SCMP_SYS(madvise),
        SCMP_SYS(futex),          SCMP_SYS(exit),         SCMP_SYS(exit_group),  SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(clock_gettime),
        SCMP_SYS(gettimeofday),   SCMP_SYS(time),         SCMP_SYS(getpid),      SCMP_SYS(gettid),
        SCMP_SYS(getrandom),      SCMP_SYS(sched_yield)})
    good = good && allow(filter, call);
  return good && (!threads || allow_threads(filter)) && ::seccomp_load(filter) == 0;
}

void bound_resources(const Confinement& confinement) {
  const rlimit none{};
#if !defined(__SANITIZE_ADDRESS__)
  const rlimit memory{.rlim_cur = confinement.memory, .rlim_max = confinement.memory};
  ::setrlimit(static_cast<__rlimit_resource>(confinement.memory_resource), &memory);
#endif
  ::setrlimit(RLIMIT_FSIZE, &none);
  ::setrlimit(RLIMIT_CORE, &none);
  if (!confinement.threads) ::setrlimit(RLIMIT_NPROC, &none);
}

bool become_nobody() {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
         ::setresuid(kNobody, kNobody, kNobody) == 0;
}

}  // namespace

bool confine_process(const Confinement& confinement) {
  bound_resources(confinement);
  // The change of user takes PR_SET_PDEATHSIG back.
  return (::geteuid() != 0 || become_nobody()) &&
         (!confinement.ends_with_parent || ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && allow_calls(confinement.threads);
}

}  // namespace alephc
