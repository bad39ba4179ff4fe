// SPDX-License-Identifier: MIT
//
// The filter is made here and not by libseccomp, which only tells the numbers of calls: its handling of i386's two ways to
// make a socket drops the argument that matters, and a program made by a pure function can be tested without a kernel.
//
// Form: one section for each architecture, a binary search over ranges of numbers
// with the same rule. The kernel asks the program once for each number whose answer
// does not depend on arguments, and remembers "allow", so its length costs little.
#include "sandbox/seccomp.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <map>
#include <string>

#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/socket.h>

namespace alephc {
namespace {

constexpr std::uint32_t kFamilyUnix = AF_UNIX;
constexpr std::uint32_t kTypeIntoTerminal = 0x5412;   // TIOCSTI
constexpr std::uint32_t kConsoleSelection = 0x541c;   // TIOCLINUX
constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::uint32_t kNamespaces = CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
// PER_LINUX32, UNAME26 and ADDR_NO_RANDOMIZE of linux/personality.h; all ones asks for the current one.
constexpr std::uint32_t kPersonalities = 0x8 | 0x20000 | 0x40000;
constexpr std::uint32_t kAskPersonality = 0xffffffff;

struct Architecture {
  std::uint32_t audit;       ///< AUDIT_ARCH_…, what a filter sees
  std::uint32_t libseccomp;  ///< SCMP_ARCH_…
};

#if defined(__x86_64__)
constexpr std::array kArchitectures{Architecture{AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64},
                                    Architecture{AUDIT_ARCH_I386, SCMP_ARCH_X86}};
#elif defined(__aarch64__)
constexpr std::array kArchitectures{Architecture{AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64},
                                    Architecture{AUDIT_ARCH_ARM, SCMP_ARCH_ARM}};
#else
#error "the sandbox knows the system calls of amd64 and arm64 only"
#endif

// libseccomp names these by numbers of its own on i386; arch/x86/entry/syscalls/syscall_32.tbl of the kernel.
struct DirectCall {
  std::string_view name;
  std::uint32_t number;
};
constexpr std::array kI386Direct{
    DirectCall{"socket", 359},      DirectCall{"socketpair", 360},  DirectCall{"bind", 361},
    DirectCall{"connect", 362},     DirectCall{"listen", 363},      DirectCall{"accept4", 364},
    DirectCall{"getsockopt", 365},  DirectCall{"setsockopt", 366},  DirectCall{"getsockname", 367},
    DirectCall{"getpeername", 368}, DirectCall{"sendto", 369},      DirectCall{"sendmsg", 370},
    DirectCall{"recvfrom", 371},    DirectCall{"recvmsg", 372},     DirectCall{"shutdown", 373},
    DirectCall{"semget", 393},      DirectCall{"semctl", 394},      DirectCall{"shmget", 395},
    DirectCall{"shmctl", 396},      DirectCall{"shmat", 397},       DirectCall{"shmdt", 398},
    DirectCall{"msgget", 399},      DirectCall{"msgsnd", 400},      DirectCall{"msgrcv", 401},
    DirectCall{"msgctl", 402}};

std::map<std::uint32_t, CallRule> rules_of(const Architecture& architecture) {
  std::map<std::uint32_t, CallRule> rules;
  for (const NamedCall& call : named_calls()) {
    const int number =
        ::seccomp_syscall_resolve_name_arch(architecture.libseccomp, std::string(call.name).c_str());
    if (number >= 0) rules[static_cast<std::uint32_t>(number)] = call.rule;
    if (architecture.libseccomp != SCMP_ARCH_X86) continue;
    for (const DirectCall& direct : kI386Direct)
      if (direct.name == call.name) rules[direct.number] = call.rule;
  }
  return rules;
}

/// Numbers from `first` up to the next range's.
struct Range {
  std::uint32_t first;
  CallRule rule;
};

std::vector<Range> ranges_of(const std::map<std::uint32_t, CallRule>& rules) {
  std::vector<Range> ranges{{0, CallRule::unknown}};
  std::uint32_t next = 0;
  const auto begin = [&](std::uint32_t first, CallRule rule) {
    if (ranges.back().first == first)
      ranges.back().rule = rule;
    else if (ranges.back().rule != rule)
      ranges.push_back({first, rule});
  };
  for (const auto& [number, rule] : rules) {
    if (number > next) begin(next, CallRule::unknown);
    begin(number, rule);
    next = number + 1;
  }
  begin(next, CallRule::unknown);
  return ranges;
}

class Program {
 public:
  std::vector<sock_filter> run() {
    for (const Architecture& architecture : kArchitectures) {
      load(offsetof(seccomp_data, arch));
      const std::size_t skip = jump_unless_equal(architecture.audit);
      load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
      if (architecture.audit == AUDIT_ARCH_X86_64) {
        code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 0, 1));
        give(SECCOMP_RET_ERRNO | ENOSYS);
      }
#endif
      const std::vector<Range> ranges = ranges_of(rules_of(architecture));
      search(ranges, 0, ranges.size());
      land(skip);
    }
    give(SECCOMP_RET_ERRNO | ENOSYS);
    return std::move(code_);
  }

 private:
  void load(std::size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
  }

  /// The lower half: the kernel's own types of these arguments are of 32 bits.
  void load_argument(std::size_t index) { load(offsetof(seccomp_data, args) + index * sizeof(std::uint64_t)); }

  void give(std::uint32_t action) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, action)); }

  void give_if_equal(std::uint32_t value, std::uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    give(action);
  }

  void give_if_any_bit(std::uint32_t bits, std::uint32_t action) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    give(action);
  }

  /// A long jump, because short ones reach over 255 instructions only. Returns what land() takes.
  std::size_t jump_unless_equal(std::uint32_t value) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    code_.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
    return code_.size() - 1;
  }

  std::size_t jump_if_at_least(std::uint32_t value) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, 0, 1));
    code_.push_back(BPF_STMT(BPF_JMP | BPF_JA, 0));
    return code_.size() - 1;
  }

  void land(std::size_t jump) { code_[jump].k = static_cast<std::uint32_t>(code_.size() - jump - 1); }

  void search(const std::vector<Range>& ranges, std::size_t begin, std::size_t end) {
    if (end - begin == 1) return decide(ranges[begin].rule);
    const std::size_t middle = begin + (end - begin) / 2;
    const std::size_t upper = jump_if_at_least(ranges[middle].first);
    search(ranges, begin, middle);
    land(upper);
    search(ranges, middle, end);
  }

  void decide(CallRule rule) {
    switch (rule) {
      case CallRule::unknown:
        return give(SECCOMP_RET_ERRNO | ENOSYS);
      case CallRule::allowed:
        return give(SECCOMP_RET_ALLOW);
      case CallRule::denied:
        return give(SECCOMP_RET_ERRNO | EPERM);
      case CallRule::succeeds:
        return give(SECCOMP_RET_ERRNO | 0U);
      case CallRule::clone:
        load_argument(0);
        give_if_any_bit(kNamespaces, SECCOMP_RET_ERRNO | EPERM);
        return give(SECCOMP_RET_ALLOW);
      case CallRule::socket:
        return decide_socket();
      case CallRule::socketpair:
        load_argument(0);
        give_if_equal(kFamilyUnix, SECCOMP_RET_ALLOW);
        return give(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
      case CallRule::ioctl:
        load_argument(1);
        give_if_equal(kTypeIntoTerminal, SECCOMP_RET_ERRNO | EPERM);
        give_if_equal(kConsoleSelection, SECCOMP_RET_ERRNO | EPERM);
        return give(SECCOMP_RET_ALLOW);
      case CallRule::personality:
        load_argument(0);
        give_if_equal(kAskPersonality, SECCOMP_RET_ALLOW);
        give_if_any_bit(~kPersonalities, SECCOMP_RET_ERRNO | EPERM);
        return give(SECCOMP_RET_ALLOW);
    }
  }

  void decide_socket() {
    load_argument(0);
    for (const int family : {AF_UNIX, AF_INET, AF_INET6})
      give_if_equal(static_cast<std::uint32_t>(family), SECCOMP_RET_ALLOW);
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0));
    give(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    load_argument(2);
    give_if_equal(0, SECCOMP_RET_ALLOW);  // NETLINK_ROUTE
    give(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
  }

  std::vector<sock_filter> code_;
};

}  // namespace

std::vector<sock_filter> seccomp_program() {
  return Program().run();
}

}  // namespace alephc
