// SPDX-License-Identifier: MIT
#include "distro/debian/skeleton.hpp"

#include <array>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "distro/device_node.hpp"

namespace alephc::debian {
namespace {

namespace fs = std::filesystem;

void make_devices(const InstallJob& job, const RootFolder& root) {
  struct Device {
    const char* name;
    unsigned major;
    unsigned minor;
  };
  static constexpr std::array<Device, 8> kDevices{{{"console", 5, 1},
                                                   {"full", 1, 7},
                                                   {"null", 1, 3},
                                                   {"ptmx", 5, 2},
                                                   {"random", 1, 8},
                                                   {"tty", 5, 0},
                                                   {"urandom", 1, 9},
                                                   {"zero", 1, 5}}};
  const fs::path dev = job.upper / "dev";
  for (const Device& device : kDevices)
    make_device(root.fd(), std::string("dev/") + device.name, device.major, device.minor, 0666, job.known);
  static constexpr std::array<std::array<const char*, 2>, 4> kLinks{{{"/proc/self/fd", "fd"},
                                                                     {"/proc/self/fd/0", "stdin"},
                                                                     {"/proc/self/fd/1", "stdout"},
                                                                     {"/proc/self/fd/2", "stderr"}}};
  for (const auto& [target, name] : kLinks) fs::create_symlink(target, dev / name);
}

}  // namespace

void make_skeleton(const InstallJob& job, const RootFolder& root, const Database& database) {
  std::vector<std::string> merged{"bin", "sbin", "lib"};
  if (job.input.arch == "amd64") merged.emplace_back("lib64");
  for (const std::string& name : merged) {
    make_folders(job.upper / "usr" / name);
    if (!fs::exists(fs::symlink_status(job.upper / name)))
      fs::create_directory_symlink("usr/" + name, job.upper / name);
  }
  for (const char* folder : {"dev/pts", "dev/shm", "proc", "sys", "run", "tmp", "etc", "var/lib/dpkg"})
    make_folders(job.upper / folder);
  fs::permissions(job.upper / "tmp", fs::perms(01777));
  make_devices(job, root);
  database.create(job.input.architectures);
  database.write("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n");
}

}  // namespace alephc::debian
