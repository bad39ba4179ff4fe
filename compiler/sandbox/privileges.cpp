// SPDX-License-Identifier: MIT
#include "sandbox/privileges.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diagnostic.hpp"

namespace alephc {
namespace {

// No SYS_ADMIN (mount), SYS_MODULE, SYS_RAWIO, SYS_TIME, SYS_BOOT, SYS_PTRACE, DAC_READ_SEARCH, BPF, MAC_*,
// NET_ADMIN; no MKNOD either: a rootless build cannot have it, and both must give the same bytes.
constexpr std::array kKept{CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,     CAP_KILL,
                           CAP_SETGID,  CAP_SETUID,       CAP_SETPCAP, CAP_SYS_CHROOT, CAP_NET_BIND_SERVICE,
                           CAP_SETFCAP, CAP_AUDIT_WRITE,  CAP_LEASE};

constexpr std::array kDenied{
    SCMP_SYS(add_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(request_key),
    SCMP_SYS(bpf),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(reboot),
    SCMP_SYS(setns),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(quotactl),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(stime),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(syslog),
    SCMP_SYS(vhangup),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(uselib),
};

// Absent rather than denied: callers then use the older call, whose arguments the filter can see. io_uring
// would let an fsync through.
constexpr std::array kAbsent{SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
                             SCMP_SYS(clone3)};

constexpr std::array kSucceeds{SCMP_SYS(sync),   SCMP_SYS(fsync),           SCMP_SYS(fdatasync),
                               SCMP_SYS(syncfs), SCMP_SYS(sync_file_range), SCMP_SYS(msync)};

void must(int result, const char* action) {
  if (result < 0) throw system_error(action, result == -1 ? errno : -result);
}

}  // namespace

void drop_capabilities() {
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap) >= 0; ++cap)
    if (std::find(kKept.begin(), kKept.end(), cap) == kKept.end())
      must(::prctl(PR_CAPBSET_DROP, cap), "drop a capability");
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  for (const int cap : kKept) {
    auto& word = data[static_cast<std::size_t>(cap) / 32];
    word.permitted |= 1U << (static_cast<unsigned>(cap) % 32U);
    word.effective = word.permitted;
  }
  must(static_cast<int>(::syscall(SYS_capset, &header, data.data())), "drop capabilities");
}

void install_seccomp_filter() {
  scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
  check(filter != nullptr, "seccomp_init gives a filter");
  // Without no_new_privs, so that setuid programs of the image work in steps as they do after boot.
  must(::seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0), "set up seccomp");
  // A binary tree instead of a list: scripts make millions of calls.
  must(::seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "set up seccomp");
  if (::seccomp_arch_native() == SCMP_ARCH_X86_64)
    must(::seccomp_arch_add(filter, SCMP_ARCH_X86), "set up seccomp");
  if (::seccomp_arch_native() == SCMP_ARCH_AARCH64)
    must(::seccomp_arch_add(filter, SCMP_ARCH_ARM), "set up seccomp");
  const auto rule = [&](std::uint32_t action, int call) {
    const int result = ::seccomp_rule_add(filter, action, call, 0);
    if (result != 0 && result != -EDOM) must(result, "set up seccomp");
  };
  for (const int call : kDenied) rule(SCMP_ACT_ERRNO(EPERM), call);
  for (const int call : kAbsent) rule(SCMP_ACT_ERRNO(ENOSYS), call);
  for (const int call : kSucceeds) rule(SCMP_ACT_ERRNO(0), call);
  // Every namespace flag, new user namespaces above all, opens kernel code that no step needs.
  constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  for (std::uint64_t flag = 1; flag <= kNamespaces; flag <<= 1U) {
    if ((kNamespaces & flag) == 0) continue;
    const scmp_arg_cmp has_flag{0, SCMP_CMP_MASKED_EQ, flag, flag};
    must(::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1, has_flag), "set up seccomp");
    must(::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, has_flag), "set up seccomp");
  }
  must(::seccomp_load(filter), "load the seccomp filter");
  ::seccomp_release(filter);
}

void set_limits(const SandboxLimits& limits) {
  const auto set = [](__rlimit_resource resource, rlim_t soft, rlim_t hard) {
    const rlimit limit{.rlim_cur = soft, .rlim_max = hard};
    must(::setrlimit(resource, &limit), "set a limit");
  };
  // The same for everybody, because programs size their tables by them.
  set(RLIMIT_CORE, 0, 0);
  set(RLIMIT_NOFILE, 1024, 4096);
  set(RLIMIT_STACK, 8U << 20U, RLIM_INFINITY);
  set(RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes);
  set(RLIMIT_NPROC, limits.processes, limits.processes);
}

}  // namespace alephc
