// SPDX-License-Identifier: MIT
#include "sandbox/cgroup.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "alephc.";

bool put(const fs::path& file, const std::string& value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

/// Groups of an alephc that was killed stay behind, empty.
void remove_stale(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const auto owner = parse_unsigned(split(name, '.').at(1));
    if (owner && ::kill(static_cast<pid_t>(*owner), 0) != 0) ::rmdir(entry.path().c_str());
  }
}

std::uint64_t memory_limit() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return 0;
  return static_cast<std::uint64_t>(info.totalram) * info.mem_unit / 8 * 7;
}

}  // namespace

Cgroup::Cgroup(std::uint64_t processes) {
  static std::atomic<unsigned> counter{0};
  const std::string name = kPrefix + std::to_string(::getpid()) + "." + std::to_string(counter++);
  struct Hierarchy {
    const char* folder;
    const char* processes;
    const char* memory;
  };
  static constexpr std::array<Hierarchy, 3> kHierarchies{
      {{"/sys/fs/cgroup", "pids.max", "memory.max"},
       {"/sys/fs/cgroup/pids", "pids.max", ""},
       {"/sys/fs/cgroup/memory", "", "memory.limit_in_bytes"}}};
  for (const Hierarchy& hierarchy : kHierarchies) {
    const fs::path parent = hierarchy.folder;
    if (::access((parent / "cgroup.procs").c_str(), W_OK) != 0) continue;
    remove_stale(parent);
    const fs::path group = parent / name;
    if (::mkdir(group.c_str(), 0700) != 0) continue;
    const bool processes_bounded =
        *hierarchy.processes != '\0' && put(group / hierarchy.processes, std::to_string(processes));
    const bool memory_bounded =
        *hierarchy.memory != '\0' && put(group / hierarchy.memory, std::to_string(memory_limit()));
    if (processes_bounded || memory_bounded)
      groups_.push_back(group);
    else
      ::rmdir(group.c_str());
  }
}

Cgroup::~Cgroup() {
  for (const fs::path& group : groups_) {
    // The kernel empties the group a moment after the last process was reaped.
    for (int i = 0; i < 50 && ::rmdir(group.c_str()) != 0 && errno == EBUSY; ++i) ::usleep(2000);
  }
}

void Cgroup::enter() const {
  for (const fs::path& group : groups_) put(group / "cgroup.procs", "0");
}

}  // namespace alephc
