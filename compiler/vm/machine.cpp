// SPDX-License-Identifier: MIT
#include "vm/machine.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/json.hpp"
#include "base/limits.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "vm/kvm_probe.hpp"
#include "vm/unix_socket.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kGuestCid = 3;
constexpr std::size_t kKeptLines = 30;
constexpr const char* kVhost = "/dev/vhost-vsock";

/// The emulator shows the guest this machine's own time stamp counter. A guest that measures it itself while
/// the emulator is interrupted gets nonsense now and then, and stops in the middle of its boot.
std::string tsc_frequency() {
  constexpr auto kLong = std::chrono::milliseconds(20);
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t first = __builtin_ia32_rdtsc();
  auto now = start;
  while (now - start < kLong) now = std::chrono::steady_clock::now();
  const std::uint64_t ticks = __builtin_ia32_rdtsc() - first;
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(now - start).count();
  return std::to_string(ticks * 1000000 /
                        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(nanoseconds)));
}

std::string kernel_command_line(const MachineSpec& spec, const std::string& accel) {
  std::string line = "console=ttyS0 reboot=t panic=1 random.trust_cpu=on ro";
  if (accel == "tcg") line += " " + emulation_parameters();
  if (spec.quiet_kernel) line += " quiet loglevel=1";
  if (spec.initramfs.empty()) return line + " root=/dev/vda";
  return line + " alephc.root=" + spec.root_type;
}

sockaddr_vm vsock_address(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  return address;
}

}  // namespace

std::string emulation_parameters() {
  return "tsc_early_khz=" + tsc_frequency();
}

std::string qemu_path(const fs::path& path) {
  std::string text = fs::absolute(path).string();
  for (std::size_t at = text.find(','); at != std::string::npos; at = text.find(',', at + 2))
    text.insert(at, ",");
  return text;
}

std::vector<std::string> qemu_arguments(const std::string& accel, unsigned cpus, std::uint64_t memory_mib) {
  if (!find_program("qemu-system-x86_64"))
    throw Error(ErrorKind::host, "qemu-system-x86_64 is not installed", "install qemu-system-x86");
  return {"qemu-system-x86_64",
          "-nodefaults",
          "-no-user-config",
          "-no-reboot",
          "-sandbox",
          "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
          "-display",
          "none",
          "-serial",
          "stdio",
          "-accel",
          accel == "kvm" ? "kvm" : "tcg,thread=multi",
          "-cpu",
          accel == "kvm" ? "host" : "max",
          "-smp",
          std::to_string(cpus),
          "-m",
          std::to_string(memory_mib) + "M"};
}

Machine::Machine(const std::vector<std::string>& command, QemuProcess qemu, std::string accel,
                 std::function<void(const std::string&)> on_line)
    : folder_(fs::temp_directory_path(), "alephc-vm"),
      run_folder_(folder_.path() / "run"),
      accel_(std::move(accel)),
      qemu_(std::move(qemu)) {
  start(command, QemuProcess::User::own);
  reader_ = std::thread([this, on_line = std::move(on_line)] { read_console(on_line); });
}

Machine::Machine(const MachineSpec& spec, std::function<void(const std::string&)> on_line)
    : folder_(fs::temp_directory_path(), "alephc-vm"), run_folder_(folder_.path() / "run"), qemu_(run_folder_) {
  // The emulator's own; the folder above stays ours, so that what a killed run leaves can be removed.
  make_folders(run_folder_, 0700);
  fs::permissions(folder_.path(), fs::perms(0711));
  const bool kvm = spec.accel != "tcg" && kvm_works();
  if (spec.accel == "kvm" && !kvm)
    throw Error(ErrorKind::host, "KVM cannot run a guest on this machine", "use --accel tcg");
  accel_ = kvm ? "kvm" : "tcg";
  const bool firecracker = kvm && spec.accel == "auto" && find_program("firecracker").has_value();
  const std::vector<std::string> argv = firecracker ? firecracker_command(spec) : qemu_command(spec);
  // Firecracker opens what its configuration names, and confines itself before the guest runs.
  start(argv, firecracker ? QemuProcess::User::same : QemuProcess::User::own);
  reader_ = std::thread([this, on_line = std::move(on_line)] { read_console(on_line); });
}

Machine::~Machine() {
  if (process_ > 0) ::kill(process_, SIGKILL);
  if (reader_.joinable()) reader_.join();
}

std::vector<std::string> Machine::qemu_command(const MachineSpec& spec) {
  std::vector<std::string> argv = qemu_arguments(accel_, spec.cpus, spec.memory_mib);
  const auto add = [&](std::initializer_list<std::string> words) { argv.insert(argv.end(), words); };
  add({"-M", "microvm,acpi=on,pcie=off,rtc=on,memory-backend=ram", "-object",
       "memory-backend-memfd,id=ram,share=on,size=" + std::to_string(spec.memory_mib) + "M", "-kernel",
       qemu_.copy(spec.kernel, "kernel").string(), "-append", kernel_command_line(spec, accel_)});
  if (!spec.initramfs.empty()) add({"-initrd", qemu_.copy(spec.initramfs, "initramfs").string()});
  std::vector<Drive> drives{{spec.image, true}};
  drives.insert(drives.end(), spec.drives.begin(), spec.drives.end());
  for (std::size_t i = 0; i < drives.size(); ++i) {
    const std::string id = "disk" + std::to_string(i);
    add({"-drive", "id=" + id + ",if=none,format=raw,file=" + qemu_.pass(drives[i].file, !drives[i].read_only) +
                       (drives[i].read_only ? ",readonly=on" : "")});
    add({"-device", "virtio-blk-device,drive=" + id});
  }
  if (::access(kVhost, R_OK | W_OK) == 0) {
    vsock_ = "vhost-vsock";
    cid_ =
        1000 + static_cast<unsigned>(::getpid()) % 1000000U;  // of this host, where several machines may run
    add({"-device", "vhost-vsock-device,guest-cid=" + std::to_string(cid_)});
  } else {
    vsock_ = "vhost-user";
    cid_ = kGuestCid;
    const fs::path vhost = run_folder_ / "vhost";
    device_ = std::make_unique<VsockDevice>(vhost, run_folder_ / "v.sock", cid_);
    add({"-chardev", "socket,id=vsock,path=" + vhost.string(), "-device",
         "vhost-user-vsock-device,chardev=vsock"});
  }
  if (spec.network)
    add({"-netdev", guest_network(spec.ssh_port), "-device", "virtio-net-device,netdev=net"});
  return argv;
}

std::vector<std::string> Machine::firecracker_command(const MachineSpec& spec) {
  vsock_ = "firecracker";
  Json config;
  config["boot-source"] = {{"kernel_image_path", spec.kernel.string()},
                           {"boot_args", kernel_command_line(spec, accel_)}};
  if (!spec.initramfs.empty()) config["boot-source"]["initrd_path"] = spec.initramfs.string();
  config["drives"] = {{{"drive_id", "rootfs"},
                       {"path_on_host", fs::absolute(spec.image).string()},
                       {"is_root_device", spec.initramfs.empty()},
                       {"is_read_only", true}}};
  char letter = 'b';
  for (const Drive& drive : spec.drives)
    config["drives"].push_back({{"drive_id", std::string("vd") + letter++},
                                {"path_on_host", fs::absolute(drive.file).string()},
                                {"is_root_device", false},
                                {"is_read_only", drive.read_only}});
  config["machine-config"] = {{"vcpu_count", spec.cpus}, {"mem_size_mib", spec.memory_mib}, {"smt", false}};
  config["vsock"] = {{"guest_cid", kGuestCid}, {"uds_path", (run_folder_ / "v.sock").string()}};
  const fs::path file = run_folder_ / "firecracker.json";
  atomic_write(file, json_text(config));
  return {"firecracker", "--no-api", "--config-file", file.string()};
}

void Machine::start(const std::vector<std::string>& argv, QemuProcess::User user) {
  Pipe pipe = make_pipe();
  started_ = std::chrono::steady_clock::now();
  process_ = qemu_.start(argv, pipe.write.get(), user);
  console_ = std::move(pipe.read);
}

namespace {

/// What QEMU says when a guest cannot go on; half a KVM, as nested ones are, runs a good deal before it.
bool is_kvm_failure(const std::string& line) {
  return line.starts_with("KVM internal error") || line.starts_with("error: kvm run failed") ||
         line.starts_with("KVM: entry failed");
}

}  // namespace

void Machine::read_console(const std::function<void(const std::string&)>& on_line) {
  std::string rest;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t got = ::read(console_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    rest.append(buffer.data(), static_cast<std::size_t>(got));
    // A guest that writes no ends of lines gets them.
    if (rest.size() > limits::kConsoleLine && rest.find('\n') == std::string::npos) rest += '\n';
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      std::string line = rest.substr(0, end);
      while (line.ends_with('\r')) line.pop_back();
      rest.erase(0, end + 1);
      {
        const std::lock_guard guard(mutex_);
        lines_.push_back(line);
        if (lines_.size() > kKeptLines) lines_.erase(lines_.begin());
      }
      if (accel_ == "kvm" && is_kvm_failure(line)) {
        // QEMU would only pause, and show the processor's state for ever.
        kvm_failed_ = true;
        ::kill(process_, SIGKILL);
      }
      if (!kvm_failed_) on_line(line);
    }
  }
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
}

UniqueFd Machine::connect(unsigned port) const {
  if (vsock_ != "vhost-vsock") {
    UniqueFd fd = connect_unix(run_folder_ / "v.sock");
    if (fd) write_all(fd.get(), "CONNECT " + std::to_string(port) + "\n");
    return fd;
  }
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_vm address = vsock_address(cid_, port);
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  return fd;
}

UniqueFd Machine::listen(unsigned port) const {
  if (vsock_ != "vhost-vsock") return listen_unix(run_folder_ / ("v.sock_" + std::to_string(port)));
  UniqueFd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_vm address = vsock_address(VMADDR_CID_ANY, port);
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0)
    throw system_error("listen on vsock port " + std::to_string(port), errno);
  return fd;
}

bool Machine::wait_end(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ended_ && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return ended_;
}

double Machine::seconds_since_start() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

std::vector<std::string> Machine::last_lines() const {
  const std::lock_guard guard(mutex_);
  return lines_;
}

}  // namespace alephc
