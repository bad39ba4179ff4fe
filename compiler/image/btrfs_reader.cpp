// SPDX-License-Identifier: MIT
#include "base/diagnostic.hpp"
#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "base/text.hpp"
#include "image/image_format.hpp"
#include "tree/scan.hpp"

namespace alephc {

// No library reads btrfs without mounting it, and an image is not to be trusted with this machine's kernel:
// the filesystem's own rescue tool takes the files out. It needs root to give them the owners that they have.
ImageContent read_btrfs(const std::filesystem::path& path, const ReadOptions& options) {
  if (!find_program("btrfs"))
    throw Error(ErrorKind::host, "reading a btrfs image needs the program btrfs", "install btrfs-progs");
  const TempDir work(std::filesystem::temp_directory_path(), "alephc-btrfs");
  const CommandResult result =
      run_command({.argv = {"btrfs", "restore", "-m", "-S", "-x", path.string(), work.path().string()},
                   .environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}});
  if (result.exit_code != 0)
    throw Error(ErrorKind::integrity, "cannot read the btrfs filesystem in " + path.string() + ": " +
                                          std::string(trim(result.errors)));
  ImageContent content{.format = "btrfs"};
  content.listing = scan_folder(work.path(), {.jobs = options.jobs, .hash = !options.only_wanted}).listing;
  for (const Entry& entry : content.listing)
    if (entry.type == EntryType::regular && options.keeps(entry.path))
      content.texts[entry.path] = read_file(work.path() / entry.path);
  return content;
}

}  // namespace alephc
