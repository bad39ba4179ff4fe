// SPDX-License-Identifier: MIT
#include "sandbox/mounts.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "sandbox/variation.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMountOptionLimit = 4000;  // the kernel takes one page

void mount_at(const char* source, const std::string& target, const char* type, unsigned long flags,
              const std::string& data) {
  if (::mount(source, target.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) != 0)
    throw system_error("mount " + target + " in the sandbox", errno);
}

/// Flags of the host's mount that a user namespace may not take away.
unsigned long locked_flags(const std::string& path) {
  struct statvfs info {};
  if (!in_user_namespace() || ::statvfs(path.c_str(), &info) != 0) return 0;
  unsigned long flags = 0;
  if ((info.f_flag & ST_NOSUID) != 0) flags |= MS_NOSUID;
  if ((info.f_flag & ST_NODEV) != 0) flags |= MS_NODEV;
  if ((info.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((info.f_flag & ST_RDONLY) != 0) flags |= MS_RDONLY;
  return flags;
}

/// Path of a place below the root, for mount(2): resolved beneath the root, whatever symlinks the image has.
std::string beneath(int root_fd, const std::string& path, UniqueFd& keeper) {
  keeper = open_resolved(root_fd, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!keeper) throw system_error("find " + path + " in the image", errno);
  return "/proc/self/fd/" + std::to_string(keeper.get());
}

void make_folder_in(int root_fd, const std::string& path) {
  UniqueFd keeper;
  const std::string parent = beneath(root_fd, fs::path(path).parent_path().string(), keeper);
  const std::string name = fs::path(path).filename().string();
  if (::mkdirat(keeper.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
    throw system_error("make " + path + " in the sandbox", errno);
}

void mount_overlay(const SandboxRoot& root, const std::string& target) {
  const fs::path work = root.scratch / "overlay";
  make_folders(work, 0700);
  // Relative names below the layers' common folder keep the option text short.
  const fs::path common = root.lowers.front().parent_path().parent_path();
  if (::chdir(common.c_str()) != 0) throw system_error("enter " + common.string(), errno);
  std::string lowers;
  for (const fs::path& lower : root.lowers)
    lowers += (lowers.empty() ? "" : ":") + lower.lexically_relative(common).string();
  const std::string data = "lowerdir=" + lowers + ",upperdir=" + root.upper.string() +
                           ",workdir=" + work.string() + ",metacopy=off,index=off,xino=off" +
                           (in_user_namespace() ? ",userxattr,redirect_dir=nofollow" : ",redirect_dir=off");
  if (data.size() > kMountOptionLimit)
    throw Error(ErrorKind::failed,
                "too many layers: the kernel cannot stack " + std::to_string(root.lowers.size()),
                "join some [[run]] scripts into one");
  mount_at("overlay", target, "overlay", MS_NODEV, data);
}

void make_device(const std::string& dev, const char* name, unsigned major, unsigned minor) {
  const std::string path = dev + "/" + name;
  if (in_user_namespace()) {
    // The machine's own node, because nobody else may make one.
    const UniqueFd place = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    return mount_at((std::string("/dev/") + name).c_str(), path, nullptr, MS_BIND, "");
  }
  if (::mknod(path.c_str(), S_IFCHR | 0666U, ::makedev(major, minor)) != 0 ||
      ::chmod(path.c_str(), 0666) != 0)
    throw system_error("make /dev/" + std::string(name), errno);
}

void mount_dev(int root_fd) {
  UniqueFd keeper;
  const std::string place = beneath(root_fd, "/dev", keeper);
  mount_at("tmpfs", place, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=65536k");
  const std::string dev = beneath(root_fd, "/dev", keeper);
  make_device(dev, "null", 1, 3);
  make_device(dev, "zero", 1, 5);
  make_device(dev, "full", 1, 7);
  make_device(dev, "random", 1, 8);
  make_device(dev, "urandom", 1, 9);
  make_device(dev, "tty", 5, 0);
  for (const char* folder : {"/pts", "/shm"})
    if (::mkdir((dev + folder).c_str(), 0755) != 0)
      throw system_error("make /dev" + std::string(folder), errno);
  mount_at("devpts", dev + "/pts", "devpts", MS_NOSUID | MS_NOEXEC,
           "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_at("tmpfs", dev + "/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=262144k");
  static constexpr std::array<std::array<const char*, 2>, 5> kLinks{{{"pts/ptmx", "/ptmx"},
                                                                     {"/proc/self/fd", "/fd"},
                                                                     {"/proc/self/fd/0", "/stdin"},
                                                                     {"/proc/self/fd/1", "/stdout"},
                                                                     {"/proc/self/fd/2", "/stderr"}}};
  for (const auto& [target, name] : kLinks)
    if (::symlink(target, (dev + name).c_str()) != 0)
      throw system_error("make /dev" + std::string(name), errno);
}

/// After this /proc shows the sandbox's own processes only and nothing in it can be written that reaches the
/// kernel: a writable core_pattern alone would run a program on the host.
void mount_proc(int root_fd) {
  UniqueFd keeper;
  mount_at("proc", beneath(root_fd, "/proc", keeper), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  const std::string proc = beneath(root_fd, "/proc", keeper);
  for (const char* name : {"/sys", "/sysrq-trigger", "/irq", "/bus", "/fs", "/scsi", "/acpi", "/tty"}) {
    const std::string place = proc + name;
    if (::access(place.c_str(), F_OK) != 0) continue;
    mount_at(place.c_str(), place, nullptr, MS_BIND | MS_REC, "");
    mount_at(nullptr, place, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
             "");
  }
  for (const char* name :
       {"/kcore", "/keys", "/key-users", "/kallsyms", "/kmsg", "/timer_list", "/sched_debug",
        "/latency_stats", "/vmcore", "/kpagecount", "/kpageflags", "/kpagecgroup", "/mtrr"}) {
    const std::string place = proc + name;
    if (::access(place.c_str(), F_OK) == 0) mount_at("/dev/null", place, nullptr, MS_BIND, "");
  }
}

void bind_read_only(int root_fd, const BindMount& mount) {
  UniqueFd keeper;
  std::string parents;
  for (const fs::path& part : fs::path(mount.target).parent_path().relative_path()) {
    parents += "/" + part.string();
    make_folder_in(root_fd, parents);
  }
  if (fs::is_directory(mount.host)) {
    make_folder_in(root_fd, mount.target);
  } else {
    beneath(root_fd, fs::path(mount.target).parent_path().string(), keeper);
    const UniqueFd file(::openat(keeper.get(), fs::path(mount.target).filename().c_str(),
                                 O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  const std::string place = beneath(root_fd, mount.target, keeper);
  mount_at(mount.host.c_str(), place, nullptr, MS_BIND, "");
  UniqueFd mounted;
  const std::string again = beneath(root_fd, mount.target, mounted);
  mount_at(nullptr, again, nullptr,
           MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | locked_flags(again), "");
}

}  // namespace

void enter_root(const SandboxOptions& options) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    throw system_error("make mounts private", errno);
  const fs::path target = options.root.scratch / "root";
  make_folders(target, 0700);
  if (options.root.lowers.empty()) {
    mount_at(options.root.upper.c_str(), target, nullptr, MS_BIND, "");
    mount_at(nullptr, target, nullptr, MS_BIND | MS_REMOUNT | MS_NODEV | locked_flags(target), "");
  } else {
    mount_overlay(options.root, target);
  }
  const UniqueFd root = open_file(target, O_PATH | O_DIRECTORY);
  mount_dev(root.get());
  if (options.vary.any()) {
    UniqueFd shm;  // the one place that is in no layer and may hold code
    put_variation_libraries(options.vary, beneath(root.get(), "/dev/shm", shm));
  }
  mount_proc(root.get());
  for (const BindMount& mount : options.read_only) bind_read_only(root.get(), mount);
  if (::fchdir(root.get()) != 0) throw system_error("enter the sandbox's root", errno);
  if (::syscall(SYS_pivot_root, ".", ".") != 0) throw system_error("pivot into the sandbox's root", errno);
  if (::umount2(".", MNT_DETACH) != 0) throw system_error("let go of the host's root", errno);
  if (::chdir("/") != 0) throw system_error("enter the sandbox's root", errno);
}

void raise_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    throw system_error("raise the loopback device", errno);
}

}  // namespace alephc
