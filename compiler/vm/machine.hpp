// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "vm/qemu_process.hpp"
#include "vm/vsock_device.hpp"

namespace alephc {

struct Drive {
  std::filesystem::path file{};
  bool read_only = true;
};

struct MachineSpec {
  std::filesystem::path image{};  ///< /dev/vda, read-only
  std::string root_type = "squashfs";
  std::vector<Drive> drives{};  ///< /dev/vdb and on
  std::uint64_t memory_mib = 256;
  unsigned cpus = 1;
  std::filesystem::path kernel{};
  std::filesystem::path initramfs{};  ///< empty: the kernel mounts /dev/vda itself
  std::string accel = "auto";         ///< "kvm", "tcg"
  bool network = true;
  std::optional<unsigned> ssh_port{};  ///< on the loopback address of the host
  bool quiet_kernel = true;
};

/// A path in an option of QEMU, where commas are doubled.
[[nodiscard]] std::string qemu_path(const std::filesystem::path& path);
/// Arguments that every machine has: accelerator, processors, memory.
[[nodiscard]] std::vector<std::string> qemu_arguments(const std::string& accel, unsigned cpus,
                                                      std::uint64_t memory_mib);
/// What the guest of an emulated machine must be told on its kernel's command line.
[[nodiscard]] std::string emulation_parameters();

/// A virtual machine under QEMU (or Firecracker, where both it and KVM are there). Starts in the constructor
/// and is gone with the object.
class Machine {
 public:
  /// on_line gets every line of the console, from a thread of its own.
  Machine(const MachineSpec& spec, std::function<void(const std::string&)> on_line);
  /// A command of QEMU as it is, whose console is its standard output.
  Machine(const std::vector<std::string>& command, QemuProcess qemu, std::string accel,
          std::function<void(const std::string&)> on_line);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  [[nodiscard]] const std::string& accel() const { return accel_; }  ///< "kvm" or "tcg"
  [[nodiscard]] const std::string& vsock() const {
    return vsock_;
  }  ///< "vhost-vsock", "vhost-user", "firecracker"

  /// A connection to a port of the guest, in front of the OK line; empty when the VM is gone.
  [[nodiscard]] UniqueFd connect(unsigned port) const;
  /// Listens for the guest's connections to a port of the host.
  [[nodiscard]] UniqueFd listen(unsigned port) const;

  [[nodiscard]] bool has_ended() const { return ended_; }
  /// KVM met something that it cannot run; the machine is ended then.
  [[nodiscard]] bool kvm_failed() const { return kvm_failed_; }
  /// True if it ended within the time.
  bool wait_end(std::chrono::milliseconds limit);
  [[nodiscard]] double seconds_since_start() const;
  /// The last lines of the console, for errors.
  [[nodiscard]] std::vector<std::string> last_lines() const;

 private:
  void start(const std::vector<std::string>& argv, QemuProcess::User user);
  void read_console(const std::function<void(const std::string&)>& on_line);
  std::vector<std::string> qemu_command(const MachineSpec& spec);
  std::vector<std::string> firecracker_command(const MachineSpec& spec);

  TempDir folder_;
  std::filesystem::path run_folder_;  ///< the emulator's
  std::string accel_;
  QemuProcess qemu_;
  std::string vsock_;
  unsigned cid_ = 3;
  std::unique_ptr<VsockDevice> device_;
  pid_t process_ = -1;
  UniqueFd console_;
  std::atomic<bool> ended_{false};
  std::atomic<bool> kvm_failed_{false};
  std::chrono::steady_clock::time_point started_;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  std::thread reader_;
};

}  // namespace alephc
