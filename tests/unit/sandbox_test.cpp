// SPDX-License-Identifier: MIT
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <set>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "sandbox/given_files.hpp"
#include "sandbox/sandbox.hpp"
#include "sandbox/seccomp.hpp"
#include "sandbox/streams.hpp"
#include "support/catch.hpp"
#include "tree/tree.hpp"

using namespace alephc;

namespace {

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;

std::uint32_t refused(int error) {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}

/// What the kernel does with a filter, for the instructions that ours has.
std::uint32_t answer(const std::vector<sock_filter>& code, const seccomp_data& data) {
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < code.size(); ++at) {
    const sock_filter& each = code[at];
    switch (each.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&value, reinterpret_cast<const char*>(&data) + each.k, sizeof value);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += value == each.k ? each.jt : each.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += value >= each.k ? each.jt : each.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (value & each.k) != 0 ? each.jt : each.jf;
        break;
      case BPF_JMP | BPF_JA:
        at += each.k;
        break;
      case BPF_RET | BPF_K:
        return each.k;
      default:
        FAIL("an instruction that the test does not know: " << each.code);
    }
  }
  FAIL("the program has no end");
  return 0;
}

std::uint32_t call(long number, std::initializer_list<std::uint64_t> arguments = {},
                   std::uint32_t arch = AUDIT_ARCH_X86_64) {
  static const std::vector<sock_filter> kProgram = seccomp_program();
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = arch;
  std::size_t i = 0;
  for (const std::uint64_t argument : arguments) data.args[i++] = argument;
  return answer(kProgram, data);
}

}  // namespace

TEST_CASE("a layer that is in a tree twice is mounted once, where it is on top") {
  Tree tree;
  for (const char* folder : {"/layers/base", "/layers/same", "/layers/between", "/layers/same"}) {
    auto layer = std::make_shared<Layer>();
    layer->folder = folder;
    tree.add(std::move(layer));
  }
  const SandboxRoot root = sandbox_root(tree, "/upper", "/scratch");
  CHECK(root.lowers == std::vector<std::filesystem::path>{"/layers/same", "/layers/between", "/layers/base"});
}

TEST_CASE("the filter is short enough for the kernel, and the same each time") {
  const std::vector<sock_filter> program = seccomp_program();
  CHECK(program.size() <= 4096);
  const std::vector<sock_filter> again = seccomp_program();
  REQUIRE(again.size() == program.size());
  CHECK(std::memcmp(program.data(), again.data(), program.size() * sizeof(sock_filter)) == 0);
}

TEST_CASE("no call is named twice in the table of the filter") {
  std::set<std::string_view> names;
  for (const NamedCall& each : named_calls()) {
    INFO(each.name);
    CHECK(names.insert(each.name).second);
  }
}

#if defined(__x86_64__)
TEST_CASE("the filter lets scripts work") {
  for (const long number : {SYS_read, SYS_openat, SYS_execve, SYS_mknodat, SYS_chroot, SYS_fork, SYS_wait4, SYS_getrandom})
    CHECK(call(number) == kAllow);
  for (const long number : {SYS_fsync, SYS_sync, SYS_syncfs}) CHECK(call(number) == refused(0));
}

TEST_CASE("the filter denies what reaches the machine, and does not know what is newer than it") {
  for (const long number : {SYS_mount, SYS_bpf, SYS_ptrace, SYS_setns, SYS_keyctl, SYS_pidfd_getfd, SYS_fsconfig, SYS_init_module,
                            SYS_clock_settime, SYS_reboot, SYS_kcmp, SYS_open_by_handle_at})
    CHECK(call(number) == refused(EPERM));
  for (const long number : {SYS_clone3 + 0L, SYS_io_uring_setup + 0L, SYS_memfd_secret + 0L, SYS_modify_ldt + 0L, 457L /* statmount */,
                            467L /* open_tree_attr */, 600L, 100000L})
    CHECK(call(number) == refused(ENOSYS));
}

TEST_CASE("every number that a kernel may have is allowed by the table or refused") {
  std::size_t allowed = 0;
  for (long number = 0; number < 1024; ++number) {
    const std::uint32_t result = call(number, {AF_UNIX});
    allowed += result == kAllow ? 1 : 0;
    CHECK((result == kAllow || result == refused(EPERM) || result == refused(ENOSYS) || result == refused(0)));
  }
  CHECK(allowed < named_calls().size());
  CHECK(allowed > 200);
}

TEST_CASE("x32 has no calls, and other architectures have none") {
  constexpr long kX32 = 0x40000000;
  for (long number = 0; number < 600; ++number) CHECK(call(kX32 + number) == refused(ENOSYS));
  CHECK(call(SYS_read, {}, AUDIT_ARCH_ARM) == refused(ENOSYS));
}

TEST_CASE("32-bit programs get the same rules") {
  constexpr std::uint32_t kI386 = AUDIT_ARCH_I386;
  constexpr long kRead = 3, kMount = 21, kPtrace = 26, kSocketcall = 102, kSocket = 359, kUnshare = 310, kIoctl = 54, kPivotRoot = 217;
  CHECK(call(kRead, {}, kI386) == kAllow);
  CHECK(call(kMount, {}, kI386) == refused(EPERM));
  CHECK(call(kPtrace, {}, kI386) == refused(EPERM));
  CHECK(call(kPivotRoot, {}, kI386) == refused(EPERM));
  CHECK(call(kSocketcall, {1}, kI386) == refused(ENOSYS));
  CHECK(call(kSocket, {AF_INET}, kI386) == kAllow);
  CHECK(call(kSocket, {AF_VSOCK}, kI386) == refused(EAFNOSUPPORT));
  CHECK(call(kUnshare, {0x10000000}, kI386) == refused(EPERM));
  CHECK(call(kIoctl, {0, TIOCSTI}, kI386) == refused(EPERM));
}

TEST_CASE("sockets are of four families") {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) CHECK(call(SYS_socket, {static_cast<std::uint64_t>(family)}) == kAllow);
  CHECK(call(SYS_socket, {AF_NETLINK, 3, 0}) == kAllow);
  CHECK(call(SYS_socket, {AF_NETLINK, 3, 9}) == refused(EAFNOSUPPORT));
  for (const int family : {AF_VSOCK, AF_PACKET, AF_ALG, AF_KEY, AF_BLUETOOTH, AF_CAN, 44})
    CHECK(call(SYS_socket, {static_cast<std::uint64_t>(family)}) == refused(EAFNOSUPPORT));
  CHECK(call(SYS_socketpair, {AF_UNIX}) == kAllow);
  CHECK(call(SYS_socketpair, {AF_INET}) == refused(EAFNOSUPPORT));
  // The kernel looks at 32 bits only: what is above them hides nothing.
  CHECK(call(SYS_socket, {(1ULL << 32U) | AF_VSOCK}) == refused(EAFNOSUPPORT));
}

TEST_CASE("a new namespace is denied whichever flag asks for it") {
  for (unsigned bit = 0; bit < 32; ++bit) {
    const std::uint64_t flag = 1ULL << bit;
    constexpr std::uint64_t kNamespaces = 0x80 | 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000;
    CHECK(call(SYS_unshare, {flag | 0x200}) == ((flag & kNamespaces) != 0 ? refused(EPERM) : kAllow));
  }
  CHECK(call(SYS_clone, {0x11}) == kAllow);
  CHECK(call(SYS_clone, {0x10000011}) == refused(EPERM));
}

TEST_CASE("nothing is typed into a terminal") {
  CHECK(call(SYS_ioctl, {0, TIOCGWINSZ}) == kAllow);
  CHECK(call(SYS_ioctl, {0, TIOCSTI}) == refused(EPERM));
  CHECK(call(SYS_ioctl, {0, 0x541c}) == refused(EPERM));
  CHECK(call(SYS_ioctl, {0, (1ULL << 32U) | TIOCSTI}) == refused(EPERM));
}
#endif

TEST_CASE("a path of a project becomes a name inside of the folder, or is refused") {
  CHECK(StagedName::of_project_path("a/b").text() == "a/b");
  CHECK(StagedName::of_project_path("../../shared/a").text() == "shared/a");
  CHECK(StagedName::of_project_path("./a//b/").text() == "a/b");
  for (const char* path : {"", "..", "../..", "/etc/passwd", "a/../../b", "../a/../b", "a/.."}) {
    INFO(path);
    CHECK_THROWS_AS(StagedName::of_project_path(path), Error);
  }
  for (const char* name : {"", ".", "..", "a/b", "/a"}) CHECK_THROWS_AS(StagedName::of_file_name(name), Error);
}

TEST_CASE("what is staged lands in the folder, whatever links were staged before") {
  const TempDir temp(std::filesystem::temp_directory_path(), "unit");
  const std::filesystem::path outside = temp.path() / "outside";
  make_folders(outside);
  const StagingFolder staging(temp.path() / "staging");
  staging.make_link(StagedName::of_project_path("link"), outside.string());
  CHECK_THROWS_AS(staging.create(StagedName::of_project_path("link/made")), Error);
  CHECK_THROWS_AS(staging.make_folder(StagedName::of_project_path("link/folder")), Error);
  CHECK_THROWS_AS(staging.make_link(StagedName::of_project_path("link"), "x"), Error);
  CHECK(std::filesystem::is_empty(outside));
  write_all(staging.create(StagedName::of_project_path("../real/file")).get(), "x");
  CHECK(read_file(temp.path() / "staging/real/file") == "x");
  staging.make_folder(StagedName::of_project_path("real/empty"));
  CHECK(std::filesystem::is_directory(temp.path() / "staging/real/empty"));
}

TEST_CASE("a log keeps its beginning and its end, and says what is missing") {
  const TempDir temp(std::filesystem::temp_directory_path(), "unit");
  const std::filesystem::path file = temp.path() / "log";
  {
    LogFile log(file);
    log.append("first\n");
    const std::string piece(1U << 20U, 'm');
    for (int i = 0; i < 60; ++i) log.append(piece);
    log.append("last\n");
  }
  const std::string text = read_file(file);
  CHECK(text.starts_with("first\n"));
  CHECK(text.ends_with("last\n"));
  CHECK(text.find("left out") != std::string::npos);
  CHECK(text.size() <= LogFile::kHead + 2 * LogFile::kTail + 200);
}
