// SPDX-License-Identifier: MIT
#include "vm/instance.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <initializer_list>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/interrupt.hpp"
#include "base/json.hpp"
#include "image/disk/fat.hpp"
#include "image/disk/qcow2.hpp"
#include "vm/kvm_probe.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr const char* kFirmware = "/usr/share/ovmf/OVMF.fd";

sockaddr_in loopback(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

unsigned free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw system_error("find a free port", errno);
  return ntohs(address.sin_port);
}

/// QEMU takes connections before anybody in the guest does: only a greeting counts.
bool greets(unsigned port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return false;
  constexpr int kPatience = 5000;
  pollfd wait{.fd = fd.get(), .events = POLLIN, .revents = 0};
  std::array<char, 4> greeting{};
  return ::poll(&wait, 1, kPatience) == 1 && ::read(fd.get(), greeting.data(), greeting.size()) == 4 &&
         std::string_view(greeting.data(), greeting.size()) == "SSH-";
}

void write_seed(const InstanceSpec& spec, const fs::path& file) {
  const std::string meta = "instance-id: alephc-run\nlocal-hostname: alephc\n";
  const std::string network =
      "version: 2\nethernets:\n  card:\n    match:\n      name: \"e*\"\n    dhcp4: true\n";
  constexpr std::uint64_t kSize = 34 * kMiB;  // the least that is FAT32; all but the front is a hole
  const std::string volume =
      fat::make_volume({.size = kSize, .label = "CIDATA"},
                       {{.path = "meta-data", .content = meta},
                        {.path = "network-config", .content = network},
                        {.path = "user-data", .content = user_data(spec.authorized_keys)}});
  atomic_write(file, volume, 0600);
  fs::resize_file(file, kSize);
}

}  // namespace

std::string user_data(const std::vector<std::string>& authorized_keys) {
  // JSON is YAML, and quotes what keys and their comments may hold.
  const Json data{{"disable_root", false},
                  {"ssh_pwauth", false},
                  {"ssh_authorized_keys", authorized_keys},
                  {"resize_rootfs", true}};
  return "#cloud-config\n" + ascii_json_text(data) + "\n";
}

Instance::Instance(const InstanceSpec& spec, const std::function<void(const std::string&)>& on_line,
                   Reporter& reporter)
    : spec_(spec),
      on_line_(on_line),
      reporter_(reporter),
      folder_(fs::temp_directory_path(), "alephc-instance"),
      ssh_port_(spec.ssh_port != 0 ? spec.ssh_port : free_port()) {
  // The emulator, another user, has its own folder in it.
  fs::permissions(folder_.path(), fs::perms(0711));
  if (spec.uefi && !fs::exists(kFirmware))
    throw Error(ErrorKind::host, "there is no UEFI firmware for virtual machines", "install ovmf");
  if (spec.accel == "kvm" && !kvm_works())
    throw Error(ErrorKind::host, "KVM cannot run a guest on this machine", "use --accel tcg");
  if (spec.accel == "tcg" || !kvm_works() || !starts_under_kvm()) start_emulated();
}

bool Instance::starts_under_kvm() {
  QemuProcess qemu = make_drives(spec_);
  const std::vector<std::string> argv = command(spec_, "kvm", qemu);
  const auto spoke = std::make_shared<std::atomic<bool>>(false);
  machine_ = std::make_unique<Machine>(argv, std::move(qemu), "kvm", [this, spoke](const std::string& line) {
    // The emulator's own complaints are not the guest's.
    if (!line.starts_with("qemu-system")) *spoke = true;
    on_line_(line);
  });
  constexpr auto kPatience = std::chrono::seconds(20);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!*spoke && !machine_->has_ended() && !interrupted() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return *spoke || spec_.accel == "kvm";
}

void Instance::start_emulated() {
  machine_.reset();
  reporter_.note("KVM cannot run a guest here: emulating, which is slow");
  QemuProcess qemu = make_drives(spec_);
  const std::vector<std::string> argv = command(spec_, "tcg", qemu);
  machine_ = std::make_unique<Machine>(argv, std::move(qemu), "tcg", on_line_);
}

/// Size of the disk in an image. A qcow2 that needs another file is refused here: its header could name any of the host.
std::uint64_t Instance::disk_size() const {
  const UniqueFd image = open_regular(spec_.image);
  const FileSource file(image.get());
  return spec_.format == "qcow2" ? Qcow2Source(file).size() : file.size();
}

/// What the emulator writes to: a folder for each start, since it may be another user's.
QemuProcess Instance::make_drives(const InstanceSpec& spec) {
  running_.emplace(folder_.path(), "run");
  write_seed(spec, running_->path() / "seed");
  make_overlay("/dev/fdset/1", std::max(disk_size(), spec.disk_size), running_->path() / "root");
  return QemuProcess(running_->path());
}

std::vector<std::string> Instance::command(const InstanceSpec& spec, const std::string& accel,
                                           QemuProcess& qemu) const {
  std::vector<std::string> argv = qemu_arguments(accel, spec.cpus, spec.memory_mib);
  const auto add = [&](std::initializer_list<std::string> words) { argv.insert(argv.end(), words); };
  add({"-machine", "pc"});
  if (spec.uefi) add({"-bios", kFirmware});
  if (!spec.boot.kernel.empty()) {
    const bool mounts_itself = spec.boot.initramfs.empty();
    std::string line = "console=ttyS0 " + (mounts_itself ? "root=/dev/vda rw rootfstype=" + spec.format
                                                         : "alephc.write alephc.root=" + spec.format);
    if (accel == "tcg") line += " " + emulation_parameters();
    add({"-kernel", qemu.copy(spec.boot.kernel, "kernel").string(), "-append", line});
    if (!mounts_itself) add({"-initrd", qemu.copy(spec.boot.initramfs, "initramfs").string()});
  }
  const std::string backing = spec.format == "qcow2" ? "qcow2" : "raw";
  // The overlay names the first descriptor that is passed as what it lies over, and nothing names anything else.
  check(qemu.pass(spec.image, false) == "/dev/fdset/1", "the image is the first file that is passed");
  add({"-drive", "if=virtio,format=qcow2,backing.driver=" + backing + ",backing.file.locking=off,file=" +
                     qemu.pass(running_->path() / "root", true)});
  add({"-drive",
       "if=virtio,format=raw,readonly=on,file=" + qemu.pass(running_->path() / "seed", false)});
  add({"-netdev", guest_network(ssh_port_), "-device", "virtio-net-pci,netdev=net"});
  add({"-device", "virtio-serial-pci", "-chardev",
       "socket,id=agent,server=on,wait=off,path=" + qemu_path(running_->path() / "agent"), "-device",
       "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"});
  return argv;
}

bool Instance::wait_ssh() {
  while (!interrupted()) {
    if (machine_->kvm_failed() && spec_.accel != "kvm") start_emulated();
    if (machine_->has_ended()) return false;
    if (greets(ssh_port_)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  return false;
}

}  // namespace alephc
