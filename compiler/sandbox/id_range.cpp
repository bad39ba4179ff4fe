// SPDX-License-Identifier: MIT
#include "sandbox/id_range.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/identity.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

// Above the ranges that systemd gives to containers (0x00080000 to 0x6fffffff), below the signed half.
constexpr std::uint32_t kFirst = 0x70000000;
constexpr std::uint32_t kRanges = 1024;
constexpr const char* kLocks = "/run/alephc/ids";

/// True if subuid(5) or subgid(5) gives ids of the range to a user.
bool is_given_away(const char* file, std::uint32_t start) {
  for (const std::string& line : split(read_file_if_exists(file).value_or(""), '\n')) {
    const std::vector<std::string> fields = split(line, ':');
    if (fields.size() != 3) continue;
    const auto first = parse_unsigned(fields[1]);
    const auto count = parse_unsigned(fields[2]);
    if (first && count && *first < std::uint64_t{start} + IdRange::kIds && start < *first + *count) return true;
  }
  return false;
}

/// The lock folder, which no other user may have made.
bool prepare_locks(std::string& why_not) {
  try {
    make_folders(kLocks, 0700);
  } catch (const Error& error) {
    why_not = error.what();
    return false;
  }
  struct stat info {};
  if (::lstat(kLocks, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == 0 && (info.st_mode & 022U) == 0)
    return true;
  why_not = std::string(kLocks) + " does not belong to root alone";
  return false;
}

bool write_map(pid_t process, const char* file, std::uint32_t start) {
  const std::string path = "/proc/" + std::to_string(process) + "/" + file;
  const std::string line = "0 " + std::to_string(start) + " " + std::to_string(IdRange::kIds) + "\n";
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

/// Holds a user namespace open until it is killed; says with one byte that the namespace is made, or why not. It has no
/// descriptor of alephc's but that pipe, and ends with alephc.
[[noreturn]] void hold_user_namespace(int answer, pid_t parent) {
  constexpr int kAnswer = 3;
  sigset_t all{};
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  if (answer != kAnswer) ::dup2(answer, kAnswer);
  ::syscall(SYS_close_range, kAnswer + 1U, ~0U, 0U);
  const char problem = ::unshare(CLONE_NEWUSER) == 0 ? '\0' : static_cast<char>(errno);
  // After the last change of rights, which would take it back.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() == parent && ::write(kAnswer, &problem, 1) == 1 && problem == '\0')
    for (;;) ::pause();
  ::_exit(0);
}

class Holder {
 public:
  explicit Holder(int answer) {
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ < 0) throw system_error("start a process", errno);
    if (process_ == 0) hold_user_namespace(answer, parent);
  }
  ~Holder() {
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  pid_t process_;
};

/// A kernel without user namespaces, or told to allow none.
bool means_never(int problem) {
  if (problem == ENOSPC)
    return trim(read_file_if_exists("/proc/sys/user/max_user_namespaces").value_or("")) == "0";
  return problem == EPERM || problem == EINVAL || problem == ENOSYS;
}

/// Empty where the kernel allows none. Whatever may work the next time is an Error, because a step must not get the ids of
/// the machine's accounts by chance.
UniqueFd make_user_namespace(std::uint32_t start) {
  Pipe answer = make_pipe();
  const Holder holder(answer.write.get());
  answer.write.reset();
  std::array<char, 1> problem{};
  if (read_some(answer.read.get(), problem) != 1)
    throw Error(ErrorKind::host, "cannot make a user namespace: the process that holds it was killed");
  const int error = static_cast<unsigned char>(problem[0]);
  if (means_never(error)) return {};
  if (error != 0) throw system_error("make a user namespace", error);
  if (!write_map(holder.process(), "uid_map", start) || !write_map(holder.process(), "gid_map", start)) {
    if (errno == EPERM) return {};
    throw system_error("map ids", errno);
  }
  return open_file("/proc/" + std::to_string(holder.process()) + "/ns/user", O_RDONLY);
}

}  // namespace

std::optional<IdRange> IdRange::take(std::string& why_not) {
  if (in_user_namespace()) {
    why_not = "this process is not root of the machine";
    return std::nullopt;
  }
  std::optional<IdRange> range = take_numbers(why_not);
  if (!range) return range;
  range->namespace_ = make_user_namespace(range->start_);
  if (range->namespace_) return range;
  why_not = "the kernel allows no user namespace here";
  return std::nullopt;
}

std::optional<IdRange> IdRange::take_numbers(std::string& why_not) {
  if (::geteuid() != 0) {
    why_not = "this process is not root of the machine";
    return std::nullopt;
  }
  if (!prepare_locks(why_not)) return std::nullopt;
  for (std::uint32_t i = 0; i < kRanges; ++i) {
    const std::uint32_t start = kFirst + i * kIds;
    if (is_given_away("/etc/subuid", start) || is_given_away("/etc/subgid", start)) continue;
    if (auto lock = FileLock::try_lock(fs::path(kLocks) / std::to_string(i))) return IdRange(start, std::move(*lock));
  }
  throw Error(ErrorKind::host, "all ranges of ids in " + std::string(kLocks) + " are in use",
              "wait until other builds have ended");
}

UniqueFd idmapped_mount(const fs::path& folder, const IdRange& range) {
  UniqueFd tree(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, folder.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<unsigned>(range.user_namespace());
  if (tree && ::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    tree.reset();
  return tree;
}

std::string why_ids_are_shared(const fs::path& folder) {
  std::string why;
  const auto range = IdRange::take(why);
  if (!range) return why;
  if (idmapped_mount(folder, *range)) return {};
  return "the filesystem of " + folder.string() + " cannot map ids: " + std::strerror(errno);
}

}  // namespace alephc
