// SPDX-License-Identifier: MIT
#include "sandbox/mounts.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "sandbox/preload.hpp"

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

/// A folder right below the root that something is mounted on. A link there would have the mount made elsewhere: with
/// /proc as a link to / everything below would be named, and masked, in the wrong place.
std::string top_folder(int root_fd, const char* name, UniqueFd& keeper) {
  keeper = open_resolved(root_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (!keeper)
    throw Error(ErrorKind::failed, std::string("/") + name + " is not a folder in the image: " + std::strerror(errno),
                "scripts need /dev and /proc as folders: make them with [[file]] dir = true");
  return "/proc/self/fd/" + std::to_string(keeper.get());
}

/// The same once something is mounted there; it must be what was mounted.
std::string mounted_folder(int root_fd, const char* name, long magic, UniqueFd& keeper) {
  std::string place = top_folder(root_fd, name, keeper);
  struct statfs info {};
  check(::statfs(place.c_str(), &info) == 0 && static_cast<long>(info.f_type) == magic,
        "what was mounted in the sandbox is found where it was mounted");
  return place;
}

void make_folder_in(int root_fd, const std::string& path) {
  UniqueFd keeper;
  const std::string parent = beneath(root_fd, fs::path(path).parent_path().string(), keeper);
  const std::string name = fs::path(path).filename().string();
  if (::mkdirat(keeper.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
    throw system_error("make " + path + " in the sandbox", errno);
}

/// The kernel shows the words of a mount in /proc/self/mountinfo to every process, so folders are named by descriptors, which
/// are the same numbers on every machine. They stay open until the mount is made.
class Descriptors {
 public:
  std::string add(const fs::path& folder) {
    open_.push_back(open_file(folder, O_PATH | O_DIRECTORY));
    return "/proc/self/fd/" + std::to_string(open_.back().get());
  }

 private:
  std::vector<UniqueFd> open_;
};

/// Whatever is created on a mount with mapped ids must belong to mapped ids, the overlay's own work folder too, for which
/// the kernel takes the ids of whoever mounts.
class MakingAs {
 public:
  explicit MakingAs(const IdRange* range) : changed_(range != nullptr) {
    if (!changed_) return;
    // Without the "fixup" another id for files would cost the capabilities to use them.
    if (::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) != 0)
      throw system_error("set up the ids of the sandbox", errno);
    ::setfsgid(range->start());
    ::setfsuid(range->start());
  }
  ~MakingAs() {
    if (!changed_) return;
    ::setfsuid(0);
    ::setfsgid(0);
    ::prctl(PR_SET_SECUREBITS, 0);
  }
  MakingAs(const MakingAs&) = delete;
  MakingAs& operator=(const MakingAs&) = delete;

 private:
  bool changed_;
};

/// The deepest folder that both paths are in.
fs::path common_folder(const fs::path& a, const fs::path& b) {
  fs::path common;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end() && *i == *j; ++i, ++j) common /= *i;
  return common;
}

/// Where the layers are found: their own paths, or below a mount of the store on which they belong to the ids that the
/// commands run as.
class LayerPlace {
 public:
  LayerPlace(const SandboxRoot& root, const IdRange* range) {
    if (range == nullptr) return;
    folder_ = common_folder(root.upper, root.scratch);
    for (const fs::path& lower : root.lowers) folder_ = common_folder(folder_, lower);
    mount_ = root.scratch / "mapped";
    const UniqueFd tree = idmapped_mount(folder_, *range);
    if (!tree || ::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, mount_.c_str(),
                           MOVE_MOUNT_F_EMPTY_PATH) != 0)
      throw system_error("map the ids of " + folder_.string(), errno);
  }

  [[nodiscard]] fs::path of(const fs::path& path) const {
    return mount_.empty() ? path : mount_ / path.lexically_relative(folder_);
  }

 private:
  fs::path folder_;
  fs::path mount_;
};

void mount_overlay(const SandboxRoot& root, const LayerPlace& place, const std::string& target) {
  Descriptors folders;
  std::string lowers;
  for (const fs::path& lower : root.lowers) lowers += (lowers.empty() ? "" : ":") + folders.add(place.of(lower));
  // An overlay in place of the folder itself, whose path on the host /proc/self/mountinfo would show.
  if (lowers.empty()) lowers = folders.add(place.of(root.scratch / "empty"));
  const std::string data = "lowerdir=" + lowers + ",upperdir=" + folders.add(place.of(root.upper)) +
                           ",workdir=" + folders.add(place.of(root.scratch / "overlay")) + ",metacopy=off,index=off,xino=off" +
                           (in_user_namespace() ? ",userxattr,redirect_dir=nofollow" : ",redirect_dir=off");
  if (data.size() > kMountOptionLimit)
    throw Error(ErrorKind::failed,
                "too many layers: the kernel cannot stack " + std::to_string(root.lowers.size()),
                "join some [[run]] scripts into one");
  mount_at("overlay", target, "overlay", MS_NODEV, data);
}

/// What the commands are given to read, as a mount that shows no path of the host either. Binds are taken from it.
std::string mount_given(const SandboxOptions& options, const LayerPlace& place) {
  const fs::path target = options.root.scratch / "given";
  Descriptors folders;
  const std::string lowers =
      folders.add(place.of(options.given)) + ":" + folders.add(place.of(options.root.scratch / "empty"));
  mount_at("overlay", target, "overlay", MS_NODEV | MS_NOSUID | MS_RDONLY, "lowerdir=" + lowers);
  return target;
}

/// The machine's id of an id of the image.
std::uint32_t id_in(const IdRange* range, std::uint32_t id) {
  return range == nullptr ? id : range->start() + id;
}

void make_device(const std::string& dev, const char* name, unsigned major, unsigned minor) {
  const std::string path = dev + "/" + name;
  if (in_user_namespace()) {
    // The machine's own node, because no other user may make one.
    const UniqueFd place = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    return mount_at((std::string("/dev/") + name).c_str(), path, nullptr, MS_BIND, "");
  }
  if (::mknod(path.c_str(), S_IFCHR | 0666U, ::makedev(major, minor)) != 0 ||
      ::chmod(path.c_str(), 0666) != 0)
    throw system_error("make /dev/" + std::string(name), errno);
}

void mount_dev(int root_fd, const IdRange* range) {
  UniqueFd keeper;
  const std::string place = top_folder(root_fd, "dev", keeper);
  const std::string owner = std::to_string(id_in(range, 0));
  mount_at("tmpfs", place, "tmpfs", MS_NOSUID | MS_NOEXEC,
           "mode=0755,size=65536k,uid=" + owner + ",gid=" + owner);
  const std::string dev = mounted_folder(root_fd, "dev", TMPFS_MAGIC, keeper);
  make_device(dev, "null", 1, 3);
  make_device(dev, "zero", 1, 5);
  make_device(dev, "full", 1, 7);
  make_device(dev, "random", 1, 8);
  make_device(dev, "urandom", 1, 9);
  make_device(dev, "tty", 5, 0);
  for (const char* folder : {"/pts", "/shm"})
    if (::mkdir((dev + folder).c_str(), 0755) != 0)
      throw system_error("make /dev" + std::string(folder), errno);
  static constexpr std::array<std::array<const char*, 2>, 5> kLinks{{{"pts/ptmx", "/ptmx"},
                                                                     {"/proc/self/fd", "/fd"},
                                                                     {"/proc/self/fd/0", "/stdin"},
                                                                     {"/proc/self/fd/1", "/stdout"},
                                                                     {"/proc/self/fd/2", "/stderr"}}};
  for (const auto& [target, name] : kLinks)
    if (::symlink(target, (dev + name).c_str()) != 0)
      throw system_error("make /dev" + std::string(name), errno);
  constexpr std::uint32_t kTtyGroup = 5;
  mount_at("devpts", dev + "/pts", "devpts", MS_NOSUID | MS_NOEXEC,
           "newinstance,ptmxmode=0666,mode=0620,gid=" + std::to_string(id_in(range, kTtyGroup)));
  if (::chown((dev + "/pts").c_str(), id_in(range, 0), id_in(range, 0)) != 0)
    throw system_error("set the owner of /dev/pts", errno);
  mount_at("tmpfs", dev + "/shm", "tmpfs", MS_NOSUID | MS_NODEV,
           "mode=1777,size=262144k,uid=" + owner + ",gid=" + owner);
}

// What programs look for in /proc besides processes. All else there is of drivers or tells of the machine, differs from
// kernel to kernel, and may be writable.
constexpr std::array<std::string_view, 14> kShownInProc{"self",    "thread-self", "net",     "sys",     "mounts",  "filesystems", "cpuinfo",
                                  "stat",    "meminfo",     "uptime",  "loadavg", "version", "sysvipc",     "cgroups"};

bool is_shown_in_proc(const std::string& name) {
  const bool is_process = name.find_first_not_of("0123456789") == std::string::npos;
  return is_process || std::find(kShownInProc.begin(), kShownInProc.end(), name) != kShownInProc.end();
}

/// After this /proc shows the sandbox's own processes and little else, and nothing in it can be written that reaches the
/// kernel (a writable core_pattern alone would run a program on the host).
void mount_proc(int root_fd) {
  UniqueFd keeper;
  mount_at("proc", top_folder(root_fd, "proc", keeper), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  const std::string proc = mounted_folder(root_fd, "proc", PROC_SUPER_MAGIC, keeper);
  UniqueFd null;  // the sandbox's own: the words of the host's mount tell its size
  const std::string nothing = beneath(root_fd, "/dev/null", null);
  mount_at((proc + "/sys").c_str(), proc + "/sys", nullptr, MS_BIND | MS_REC, "");
  mount_at(nullptr, proc + "/sys", nullptr,
           MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "");
  const UniqueFd listed = open_at(keeper.get(), ".", O_RDONLY | O_DIRECTORY);
  for (const std::string& name : list_folder(listed.get())) {
    if (is_shown_in_proc(name)) continue;
    const std::string place = proc + "/" + name;
    struct stat info {};
    if (::stat(place.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode))
      mount_at("tmpfs", place, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=0555");
    else
      mount_at(nothing.c_str(), place, nullptr, MS_BIND, "");
  }
}

void bind_read_only(int root_fd, const fs::path& source, const std::string& inside) {
  UniqueFd keeper;
  std::string parents;
  for (const fs::path& part : fs::path(inside).parent_path().relative_path()) {
    parents += "/" + part.string();
    make_folder_in(root_fd, parents);
  }
  if (fs::is_directory(source)) {
    make_folder_in(root_fd, inside);
  } else {
    beneath(root_fd, fs::path(inside).parent_path().string(), keeper);
    const UniqueFd file(::openat(keeper.get(), fs::path(inside).filename().c_str(),
                                 O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  const std::string place = beneath(root_fd, inside, keeper);
  mount_at(source.c_str(), place, nullptr, MS_BIND, "");
  UniqueFd mounted;
  const std::string again = beneath(root_fd, inside, mounted);
  mount_at(nullptr, again, nullptr,
           MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | locked_flags(again), "");
}

void bind_given(int root_fd, const SandboxOptions& options, const std::string& given) {
  for (const BindMount& mount : options.read_only) {
    const fs::path relative = mount.host.lexically_relative(options.given);
    check(!relative.empty() && *relative.begin() != "..", "what a sandbox is given stands in one folder");
    bind_read_only(root_fd, fs::path(given) / relative, mount.target);
  }
}

}  // namespace

void enter_root(const SandboxOptions& options, const IdRange* range) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    throw system_error("make mounts private", errno);
  const fs::path target = options.root.scratch / "root";
  for (const char* name : {"root", "mapped", "given", "overlay"}) make_folders(options.root.scratch / name, 0700);
  make_folders(options.root.scratch / "empty", 0755);
  const LayerPlace place(options.root, range);
  const std::string given = options.read_only.empty() ? std::string() : mount_given(options, place);
  const MakingAs owner(range);
  mount_overlay(options.root, place, target);
  const UniqueFd root = open_file(target, O_PATH | O_DIRECTORY);
  mount_dev(root.get(), range);
  UniqueFd shm;  // the one place that is in no layer and may hold code
  put_preloaded_libraries(options, beneath(root.get(), "/dev/shm", shm));
  mount_proc(root.get());
  bind_given(root.get(), options, given);
  if (::fchdir(root.get()) != 0) throw system_error("enter the sandbox's root", errno);
  if (::syscall(SYS_pivot_root, ".", ".") != 0) {
    if (errno == EPERM)
      throw Error(
          ErrorKind::host,
          "a filter forbids pivot_root(2): start the container with --security-opt seccomp=unconfined");
    throw system_error("pivot into the sandbox's root", errno);
  }
  if (::umount2(".", MNT_DETACH) != 0) throw system_error("let go of the host's root", errno);
  if (::chdir("/") != 0) throw system_error("enter the sandbox's root", errno);
}

}  // namespace alephc
