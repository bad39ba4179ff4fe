// SPDX-License-Identifier: MIT
#include "init/program.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/errors.hpp"
#include "init/handle.hpp"
#include "init/process.hpp"

namespace aleph_init {
namespace {

/// A code image is read-only: a program without its x bit is copied out of it.
std::string runnable(const std::string& path, const std::string& root) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    throw SetupError("the program " + path + " is not a file");
  if ((info.st_mode & 0111U) == 0111U || ::chmod(path.c_str(), 0755) == 0) return path;
  if ((info.st_mode & 0100U) != 0) return path;
  if (errno != EROFS) throw os_error("make " + path + " executable", errno);
  const std::string copy = root + "/run/aleph/program";
  make_folders(root + "/run/aleph");
  write_file(copy, read_file(path), 0755);
  return copy;
}

}  // namespace

void Program::start(const Configuration& configuration, const Settings& settings,
                    const std::map<std::string, std::string>& env, const std::string& root) {
  if (!is_safe_entrypoint(configuration.entrypoint))
    throw SetupError("the entrypoint '" + configuration.entrypoint + "' is not a path below the code");
  const std::string path = runnable(root + "/opt/code/" + configuration.entrypoint, root);
  process_ = start_process({.argv = {path}, .env = env, .workdir = settings.workdir, .user = settings.user});
  running_ = true;
  watcher_ = std::thread([this] {
    status_ = wait_process(process_, -1).value_or(-1);
    running_ = false;
    log_line("the program ended: " + how_it_ended());
  });
}

std::string Program::how_it_ended() const {
  const int status = status_;
  if (status == 127 || status == 126) return "it cannot be executed: is its interpreter in the image?";
  return status > 128 ? "killed by signal " + std::to_string(status - 128)
                      : "status " + std::to_string(status);
}

void Program::stop(long grace_ms) {
  if (running_) end_process(process_, grace_ms);
  if (watcher_.joinable()) watcher_.join();
}

}  // namespace aleph_init
