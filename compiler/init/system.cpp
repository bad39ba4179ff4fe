// SPDX-License-Identifier: MIT
#include "init/system.hpp"

#include <array>
#include <cerrno>

#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/handle.hpp"

namespace aleph_init {
namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;

void must_mount(const char* source, const char* target, const char* type, unsigned long flags,
                const char* options) {
  if (::mount(source, target, type, flags, options) != 0)
    throw os_error(std::string("mount ") + type + " on " + target, errno);
}

/// What an image may do without.
void try_mount(const char* source, const char* target, const char* type, unsigned long flags,
               const char* options) {
  ::mkdir(target, 0755);
  (void)::mount(source, target, type, flags, options);
}

void make_device(const char* path, unsigned major, unsigned minor) {
  (void)::mknod(path, S_IFCHR | 0666U, ::makedev(major, minor));
  (void)::chmod(path, 0666);
}

/// The kernel has mounted devtmpfs on /dev if it is built so and the image has the folder; otherwise it is
/// ours to do.
void bring_devices() {
  struct stat info {};
  if (::stat("/rom/dev/null", &info) == 0 && ::mount("/rom/dev", "/dev", nullptr, MS_MOVE, nullptr) == 0)
    return;
  if (::mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755") == 0) return;
  must_mount("dev", "/dev", "tmpfs", MS_NOSUID, "mode=0755");
  make_device("/dev/null", 1, 3);
  make_device("/dev/zero", 1, 5);
  make_device("/dev/full", 1, 7);
  make_device("/dev/random", 1, 8);
  make_device("/dev/urandom", 1, 9);
  make_device("/dev/tty", 5, 0);
  make_device("/dev/console", 5, 1);
  make_device("/dev/ptmx", 5, 2);
}

}  // namespace

void make_root_writable() {
  if (::mount("proc", "/proc", "proc", kPlain | MS_NOEXEC, nullptr) != 0 && errno != EBUSY)
    throw os_error("mount proc on /proc", errno);
  must_mount("overlay", "/overlay", "tmpfs", MS_NOATIME, "mode=0755");
  if (::mkdir("/overlay/root", 0755) != 0 || ::mkdir("/overlay/work", 0755) != 0)
    throw os_error("make folders in /overlay", errno);
  must_mount("overlayfs:/overlay/root", "/mnt", "overlay", MS_NOATIME,
             "lowerdir=/,upperdir=/overlay/root,workdir=/overlay/work");
  if (::mkdir("/mnt/rom", 0755) != 0 && errno != EEXIST) throw os_error("make the folder /rom", errno);
  if (::syscall(SYS_pivot_root, "/mnt", "/mnt/rom") != 0) throw os_error("change the root", errno);
  if (::chroot(".") != 0 || ::chdir("/") != 0) throw os_error("enter the new root", errno);
  if (::mount("/rom/proc", "/proc", nullptr, MS_MOVE, nullptr) != 0)
    must_mount("proc", "/proc", "proc", kPlain | MS_NOEXEC, nullptr);
  bring_devices();
  try_mount("sys", "/sys", "sysfs", kPlain | MS_NOEXEC, nullptr);
  try_mount("cgroup2", "/sys/fs/cgroup", "cgroup2", kPlain | MS_NOEXEC, nullptr);
  try_mount("run", "/run", "tmpfs", kPlain, "mode=0755");
  try_mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666");
  try_mount("shm", "/dev/shm", "tmpfs", kPlain, "mode=1777");
  constexpr std::array<std::array<const char*, 2>, 4> kLinks{{{"/proc/self/fd", "/dev/fd"},
                                                              {"/proc/self/fd/0", "/dev/stdin"},
                                                              {"/proc/self/fd/1", "/dev/stdout"},
                                                              {"/proc/self/fd/2", "/dev/stderr"}}};
  for (const auto& [target, path] : kLinks) (void)!::symlink(target, path);
  ::mkdir("/tmp", 01777);
  ::chmod("/tmp", 01777);
}

void set_hostname(const std::string& name) {
  if (::sethostname(name.data(), name.size()) != 0) throw os_error("set the host name", errno);
}

void mount_volume(const Volume& volume) {
  make_folders(volume.mount);
  const std::string device = "/dev/" + volume.device;
  struct stat info {};
  if (::stat(device.c_str(), &info) != 0 || !S_ISBLK(info.st_mode))
    throw SetupError("there is no device " + device + " for the volume " + volume.mount);
  const std::array<const char*, 1> read_only{"squashfs"};
  const std::array<const char*, 2> writable{"ext4", "btrfs"};
  int code = 0;
  const auto mount_as = [&](const char* type) {
    if (::mount(device.c_str(), volume.mount.c_str(), type, volume.read_only ? MS_RDONLY : 0, nullptr) == 0)
      return true;
    code = errno;
    return false;
  };
  for (const char* type : read_only)
    if (volume.read_only && mount_as(type)) return;
  for (const char* type : writable)
    if (mount_as(type)) return;
  throw os_error("mount the volume " + volume.mount + " from " + device, code);
}

void unmount_volumes(const std::vector<Volume>& volumes) {
  for (auto it = volumes.rbegin(); it != volumes.rend(); ++it)
    if (::umount2(it->mount.c_str(), 0) != 0) {
      // Whoever still holds it open: what was written is written, and nothing writes more.
      (void)::mount(nullptr, it->mount.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
      (void)::umount2(it->mount.c_str(), MNT_DETACH);
    }
}

void write_authorized_keys(const std::vector<std::string>& keys, const std::string& root) {
  if (keys.empty()) return;
  make_folders(root + "/root", 0700);
  make_folders(root + "/root/.ssh", 0700);
  std::string text;
  for (const std::string& key : keys) text += key + "\n";
  write_file(root + "/root/.ssh/authorized_keys", text, 0600);
}

void restart_machine() {
  ::sync();
  ::reboot(RB_AUTOBOOT);
  for (;;) ::pause();
}

}  // namespace aleph_init
