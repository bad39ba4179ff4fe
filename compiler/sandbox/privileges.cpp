// SPDX-License-Identifier: MIT
#include "sandbox/privileges.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/text.hpp"
#include "sandbox/seccomp.hpp"

namespace alephc {
namespace {

// No SYS_ADMIN (mount), SYS_MODULE, SYS_RAWIO, SYS_TIME, SYS_BOOT, SYS_PTRACE, DAC_READ_SEARCH, BPF, MAC_*,
// NET_ADMIN; no MKNOD either: a rootless build cannot have it, and both must give the same bytes.
constexpr std::array kKept{CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,     CAP_KILL,
                           CAP_SETGID,  CAP_SETUID,       CAP_SETPCAP, CAP_SYS_CHROOT, CAP_NET_BIND_SERVICE,
                           CAP_SETFCAP, CAP_AUDIT_WRITE,  CAP_LEASE};

struct Capability {
  int number;
  const char* name;
};
constexpr std::array kNeeded{
    Capability{CAP_CHOWN, "CHOWN"},         Capability{CAP_DAC_OVERRIDE, "DAC_OVERRIDE"},
    Capability{CAP_FOWNER, "FOWNER"},       Capability{CAP_FSETID, "FSETID"},
    Capability{CAP_SETFCAP, "SETFCAP"},     Capability{CAP_SETGID, "SETGID"},
    Capability{CAP_SETUID, "SETUID"},       Capability{CAP_MKNOD, "MKNOD"},
    Capability{CAP_SYS_ADMIN, "SYS_ADMIN"}, Capability{CAP_NET_ADMIN, "NET_ADMIN"},
    Capability{CAP_SETPCAP, "SETPCAP"}};

void must(int result, const char* action) {
  if (result < 0) throw system_error(action, result == -1 ? errno : -result);
}

}  // namespace

std::string missing_capabilities() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return {};
  std::vector<std::string> missing;
  for (const Capability& capability : kNeeded) {
    const auto number = static_cast<std::size_t>(capability.number);
    if ((data.at(number / 32).effective >> (number % 32) & 1U) == 0) missing.emplace_back(capability.name);
  }
  return join(missing, ", ");
}

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
  std::vector<sock_filter> code = seccomp_program();
  const sock_fprog program{.len = static_cast<unsigned short>(code.size()), .filter = code.data()};
  // Without no_new_privs, so that setuid programs of the image work in steps as they do after boot.
  must(static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)),
       "load the seccomp filter");
}

void set_limits(const SandboxLimits& limits) {
  const auto set = [](__rlimit_resource resource, rlim_t soft, rlim_t hard) {
    rlimit now{};
    must(::getrlimit(resource, &now), "look at a limit");
    // A user without rights cannot raise what the login allows.
    const rlimit limit{.rlim_cur = std::min(soft, now.rlim_max), .rlim_max = std::min(hard, now.rlim_max)};
    must(::setrlimit(resource, &limit), "set a limit");
  };
  // The same on every host, because programs size their tables by them.
  set(RLIMIT_CORE, 0, 0);
  set(RLIMIT_NOFILE, 1024, 4096);
  set(RLIMIT_STACK, 8U << 20U, RLIM_INFINITY);
  set(RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes);
  set(RLIMIT_NPROC, limits.processes, limits.processes);
}

}  // namespace alephc
