// SPDX-License-Identifier: MIT
// The first program of the initramfs that `alephc run` boots a distribution's kernel with: loads the modules
// that /modules names in order, mounts the image from /dev/vda and gives it the machine, as a node's kernel
// does by itself. The kernel's own command line decides nothing but alephc.root=TYPE and alephc.write.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <initializer_list>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

void say(const char* text, const char* what) {
  ::dprintf(2, "alephc-boot: %s %s: %s\n", text, what, std::strerror(errno));
}

void load_module(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  constexpr int kCompressed = 4;  // MODULE_INIT_COMPRESSED_FILE
  const std::size_t length = std::strlen(path);
  const bool compressed = length > 3 && std::strcmp(path + length - 3, ".xz") == 0;
  const long failed = fd < 0 ? -1 : ::syscall(SYS_finit_module, fd, "", compressed ? kCompressed : 0);
  if (failed != 0 && errno != EEXIST) say("cannot load", path);
  if (fd >= 0) ::close(fd);
}

void load_modules() {
  std::FILE* list = std::fopen("/modules/order", "re");
  if (list == nullptr) return;
  char name[256];
  while (std::fgets(name, sizeof name, list) != nullptr) {
    name[std::strcspn(name, "\n")] = '\0';
    char path[300];
    std::snprintf(path, sizeof path, "/modules/%s", name);
    load_module(path);
  }
  std::fclose(list);
}

bool wait_for_disk() {
  constexpr int kAttempts = 1000;
  for (int i = 0; i < kAttempts; ++i) {
    if (::access("/dev/vda", F_OK) == 0) return true;
    const timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  return false;
}

[[noreturn]] void stop() {
  ::sync();
  for (;;) ::pause();
}

}  // namespace

int main() {
  ::mkdir("/proc", 0755);
  ::mkdir("/dev", 0755);
  ::mkdir("/root", 0755);
  ::mount("proc", "/proc", "proc", 0, nullptr);
  ::mount("dev", "/dev", "devtmpfs", 0, nullptr);
  char line[4096] = {};
  const int fd = ::open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && ::read(fd, line, sizeof line - 1) < 0) say("cannot read", "/proc/cmdline");
  const char* type = std::strstr(line, "alephc.root=ext4") != nullptr    ? "ext4"
                     : std::strstr(line, "alephc.root=btrfs") != nullptr ? "btrfs"
                                                                         : "squashfs";
  const bool writable = std::strstr(line, "alephc.write") != nullptr;
  load_modules();
  if (!wait_for_disk()) {
    say("there is no", "/dev/vda");
    stop();
  }
  if (::mount("/dev/vda", "/root", type, writable ? 0 : MS_RDONLY, nullptr) != 0) {
    say("cannot mount the image as", type);
    stop();
  }
  // The image's init mounts its own; a devtmpfs on /dev is what the nodes' kernel leaves there.
  if (::mount("/dev", "/root/dev", nullptr, MS_MOVE, nullptr) != 0) say("the image has no", "/dev");
  ::umount2("/proc", MNT_DETACH);
  if (::chdir("/root") != 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || ::chroot(".") != 0 ||
      ::chdir("/") != 0) {
    say("cannot enter", "the image");
    stop();
  }
  static char* const kEnvironment[] = {const_cast<char*>("HOME=/"), const_cast<char*>("TERM=linux"), nullptr};
  for (const char* init : {"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}) {
    char* const arguments[] = {const_cast<char*>(init), const_cast<char*>("nomodule"), nullptr};
    ::execve(init, arguments, kEnvironment);
  }
  say("cannot run", "/sbin/init");
  stop();
}
