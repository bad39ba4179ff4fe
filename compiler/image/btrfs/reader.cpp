// SPDX-License-Identifier: MIT
#include <mutex>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/identity.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"

// No library reads btrfs. Root has the kernel mount it, read-only and in a mount namespace that ends with the
// reading thread; others have the filesystem's own rescue tool take the files out, which loses device nodes
// and hard links.
namespace alephc {
namespace {

namespace fs = std::filesystem;

bool run(const std::vector<std::string>& argv) {
  return find_program(argv.front()) &&
         run_command({.argv = argv, .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}}).exit_code ==
             0;
}

ImageContent read_tree(const fs::path& folder, const ReadOptions& options) {
  ImageContent content = read_folder(folder, options);
  content.format = "btrfs";
  return content;
}

std::optional<ImageContent> read_mounted(const fs::path& image, const fs::path& place,
                                         const ReadOptions& options) {
  // Two images may be the same filesystem to the kernel, which mounts one of them at a time.
  static std::mutex one_at_a_time;
  const std::lock_guard guard(one_at_a_time);
  std::optional<ImageContent> content;
  std::exception_ptr failure;
  std::thread reader([&] {
    try {
      if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return;
      if (run({"mount", "-t", "btrfs", "-o", "loop,ro,nodev,nosuid,noexec", image.string(), place.string()}))
        content = read_tree(place, options);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  reader.join();
  if (failure) std::rethrow_exception(failure);
  return content;
}

}  // namespace

ImageContent read_btrfs(const fs::path& path, const ReadOptions& options) {
  const fs::path image = fs::absolute(path);
  const TempDir work(fs::temp_directory_path(), "alephc-btrfs");
  if (::geteuid() == 0 && !in_user_namespace())
    if (auto content = read_mounted(image, work.path(), options)) return std::move(*content);
  if (!find_program("btrfs"))
    throw Error(ErrorKind::host, "reading a btrfs image needs the program btrfs", "install btrfs-progs");
  if (!run({"btrfs", "restore", "-m", "-S", "-x", image.string(), work.path().string()}))
    throw Error(ErrorKind::integrity, "cannot read the btrfs filesystem in " + path.string());
  return read_tree(work.path(), options);
}

}  // namespace alephc
