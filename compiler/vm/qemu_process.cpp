// SPDX-License-Identifier: MIT
#include "vm/qemu_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;
constexpr int kFirstPassed = 20;  // descriptors from here on; below are those of every process

/// Groups whose members may use these devices: it keeps them.
std::vector<gid_t> device_groups() {
  std::vector<gid_t> groups;
  for (const char* device : {"/dev/kvm", "/dev/vhost-vsock"}) {
    struct stat info {};
    if (::stat(device, &info) == 0 && (info.st_mode & 060U) == 060U && info.st_gid != 0)
      groups.push_back(info.st_gid);
  }
  return groups;
}

bool become(uid_t id, const std::vector<gid_t>& groups) {
  return ::setgroups(groups.size(), groups.data()) == 0 && ::setresgid(id, id, id) == 0 &&
         ::setresuid(id, id, id) == 0;
}

}  // namespace

QemuProcess::QemuProcess(fs::path folder) : folder_(std::move(folder)) {
  std::string why_not;
  ids_ = IdRange::take_numbers(why_not);
}

void QemuProcess::add(UniqueFd fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    throw Error(ErrorKind::failed, "what a virtual machine gets as a disk is not a regular file");
  passed_.push_back({std::move(fd), sets_});
}

std::string QemuProcess::pass(const fs::path& file, bool writable) {
  ++sets_;
  with_context("opening " + file.string(), [&] {
    add(open_regular(file));
    if (writable) add(open_file(file, O_RDWR | O_NONBLOCK));
  });
  return "/dev/fdset/" + std::to_string(sets_);
}

fs::path QemuProcess::copy(const fs::path& file, const std::string& name) const {
  fs::path place = folder_ / name;
  const UniqueFd from = open_regular(file);
  const UniqueFd to = open_file(place, O_WRONLY | O_CREAT | O_EXCL, 0644);
  copy_bytes(from.get(), to.get());
  return place;
}

void QemuProcess::give_folder_away(uid_t id) const {
  for (const auto& entry : fs::directory_iterator(folder_))
    if (::lchown(entry.path().c_str(), id, id) != 0) throw system_error("hand over " + entry.path().string(), errno);
  if (::chown(folder_.c_str(), id, id) != 0) throw system_error("hand over " + folder_.string(), errno);
}

pid_t QemuProcess::start(std::vector<std::string> argv, int console, User user) {
  const auto program = find_program(argv.at(0));
  if (!program) throw Error(ErrorKind::host, argv[0] + " is not installed");
  argv[0] = *program;
  for (std::size_t i = 0; i < passed_.size(); ++i) {
    argv.emplace_back("-add-fd");
    argv.push_back("fd=" + std::to_string(kFirstPassed + static_cast<int>(i)) + ",set=" +
                   std::to_string(passed_[i].set));
  }
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const bool changes_user = user == User::own && ::geteuid() == 0;
  const uid_t id = ids_ ? ids_->start() + 1 : kNobody;
  const std::vector<gid_t> groups = device_groups();
  if (changes_user) give_folder_away(id);
  const pid_t process = ::fork();
  if (process < 0) throw system_error("start " + argv[0], errno);
  if (process > 0) return process;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setpgid(0, 0);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(console, 1);
  ::dup2(console, 2);
  // Twice, so that no target is a source that still has to move.
  std::vector<int> moved;
  for (const Passed& each : passed_)
    moved.push_back(::fcntl(each.fd.get(), F_DUPFD_CLOEXEC, kFirstPassed + static_cast<int>(passed_.size())));
  for (std::size_t i = 0; i < moved.size(); ++i) ::dup2(moved[i], kFirstPassed + static_cast<int>(i));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  if (changes_user && !become(id, groups)) ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user clears it
  ::execv(pointers[0], pointers.data());
  ::_exit(127);
}

std::string guest_network(std::optional<unsigned> ssh_port) {
  std::string net = "user,id=net,restrict=on";
  if (ssh_port) net += ",hostfwd=tcp:127.0.0.1:" + std::to_string(*ssh_port) + "-:22";
  return net;
}

}  // namespace alephc
