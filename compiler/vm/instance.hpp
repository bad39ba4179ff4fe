// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/reporter.hpp"
#include "vm/kernel.hpp"
#include "vm/machine.hpp"

namespace alephc {

/// An instance as a node starts it: on a pc with virtio disks, a NoCloud seed, a network card, a serial
/// console and the guest agent's channel. A root filesystem without boot loader gets a kernel besides.
struct InstanceSpec {
  std::filesystem::path image{};  ///< stays as it is: the machine writes to an overlay
  std::string format{};           ///< "disk", "qcow2", "ext4" or "btrfs"
  BootFiles boot{};               ///< of filesystems; without an initramfs the kernel mounts /dev/vda itself
  bool uefi = false;
  std::uint64_t memory_mib = 1024;
  unsigned cpus = 1;
  std::uint64_t disk_size = 0;  ///< in bytes; less than the image's: the image's
  std::string accel = "auto";
  unsigned ssh_port = 0;                       ///< of the loopback address; 0: a free one
  std::vector<std::string> authorized_keys{};  ///< for root and the image's own user
};

class Instance {
 public:
  Instance(const InstanceSpec& spec, const std::function<void(const std::string&)>& on_line,
           Reporter& reporter);

  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] unsigned ssh_port() const { return ssh_port_; }
  /// True when the machine's sshd answers; false when the machine ended or the user interrupted.
  /// Where KVM turns out to be half there only, the machine is started again emulated.
  [[nodiscard]] bool wait_ssh();

 private:
  void start_emulated();
  [[nodiscard]] bool starts_under_kvm();
  [[nodiscard]] std::vector<std::string> command(const InstanceSpec& spec, const std::string& accel,
                                                 QemuProcess& qemu) const;
  [[nodiscard]] QemuProcess make_drives(const InstanceSpec& spec);
  [[nodiscard]] std::uint64_t disk_size() const;

  InstanceSpec spec_;
  std::function<void(const std::string&)> on_line_;
  Reporter& reporter_;
  TempDir folder_;
  std::optional<TempDir> running_;  ///< of the machine that runs
  unsigned ssh_port_;
  std::unique_ptr<Machine> machine_;
};

/// What a node tells an instance: the files of a NoCloud seed.
[[nodiscard]] std::string user_data(const std::vector<std::string>& authorized_keys);

}  // namespace alephc
