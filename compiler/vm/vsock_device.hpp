// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <thread>

namespace alephc {

/// A vsock device for QEMU in our own process, for hosts without the kernel's vhost-vsock: speaks vhost-user
/// to the VMM and, like Firecracker's device, offers UNIX sockets to the host's programs. A host program
/// connects to uds, writes "CONNECT port\n" and reads "OK port\n"; a guest's connection to port P arrives at
/// uds_P. Formats: virtio 1.2 section 5.10; QEMU's docs/interop/vhost-user.
class VsockDevice {
 public:
  /// Makes both sockets and serves in a thread of its own. Throws an Error of kind host.
  VsockDevice(const std::filesystem::path& vhost_socket, const std::filesystem::path& uds,
              std::uint64_t guest_cid);
  ~VsockDevice();
  VsockDevice(const VsockDevice&) = delete;
  VsockDevice& operator=(const VsockDevice&) = delete;

 private:
  class Backend;
  std::unique_ptr<Backend> backend_;
  std::thread thread_;
};

}  // namespace alephc
