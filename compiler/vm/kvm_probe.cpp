// SPDX-License-Identifier: MIT
#include "vm/kvm_probe.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace alephc {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr unsigned char kHalt = 0xf4;
/// Real mode: mov ecx, 0x100000; dec ecx; jnz to the dec; hlt. A processor does
/// that in a millisecond; a KVM that emulates every instruction, as some nested
/// ones do, takes seconds, and is slower than emulation that translates.
constexpr unsigned char kLoop[] = {0x66, 0xb9, 0x00, 0x00, 0x10, 0x00, 0x66, 0x49, 0x75, 0xfc, kHalt};

/// Runs the loop in a guest.
bool run_guest() {
  const UniqueFd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (!kvm) return false;
  const UniqueFd vm(::ioctl(kvm.get(), KVM_CREATE_VM, 0));
  if (!vm) return false;
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  std::memcpy(page, kLoop, sizeof kLoop);
  kvm_userspace_memory_region region{};
  region.guest_phys_addr = kPage;
  region.memory_size = kPage;
  region.userspace_addr = reinterpret_cast<std::uintptr_t>(page);
  if (::ioctl(vm.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) return false;
  const UniqueFd cpu(::ioctl(vm.get(), KVM_CREATE_VCPU, 0));
  const int size = ::ioctl(kvm.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (!cpu || size <= 0) return false;
  void* shared =
      ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, cpu.get(), 0);
  if (shared == MAP_FAILED) return false;
  kvm_sregs special{};
  if (::ioctl(cpu.get(), KVM_GET_SREGS, &special) != 0) return false;
  special.cs.base = 0;
  special.cs.selector = 0;
  kvm_regs registers{};
  registers.rip = kPage;
  registers.rflags = 2;
  return ::ioctl(cpu.get(), KVM_SET_SREGS, &special) == 0 &&
         ::ioctl(cpu.get(), KVM_SET_REGS, &registers) == 0 && ::ioctl(cpu.get(), KVM_RUN, 0) == 0 &&
         static_cast<kvm_run*>(shared)->exit_reason == KVM_EXIT_HLT;
}

}  // namespace

bool kvm_works() {
  // In a child with an alarm: where KVM is only half there, the first instruction may never end.
  constexpr itimerval kPatience{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 300000}};
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    ::signal(SIGALRM, SIG_DFL);
    ::setitimer(ITIMER_REAL, &kPatience, nullptr);
    ::_exit(run_guest() ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace alephc
