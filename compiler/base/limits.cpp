// SPDX-License-Identifier: MIT
#include "base/limits.hpp"

#include <array>

namespace alephc::limits {

std::span<const Row> table() {
  static constexpr std::array kRows{
      Row{"a manifest, lock, policy or configuration file", kTomlFile, "bytes",
          "a lock of 4,000 packages: 1.1 MB", "error, exit 1"},
      Row{"a file of the project, the store or the command line that is read into memory", kTextInMemory, "bytes",
          "the listing of a desktop: 100 MB", "error, exit 1"},
      Row{"nesting of tables, arrays and dotted keys in such a file", kTomlDepth, "levels", "5", "error, exit 1"},
      Row{"diagnostics of one kind that are shown", kDiagnostics, "messages", "", "the rest is counted"},
      Row{"a download of unknown size", kRemoteFile, "bytes", "a CUDA wheel: 2.5 GB", "error, exit 3"},
      Row{"a page of a Python index", kIndexPage, "bytes", "a project of 9,000 files: 5 MB", "error, exit 1"},
      Row{"a Packages file, decompressed", kPackagesIndex, "bytes", "Debian sid main: 60 MB", "error, exit 3"},
      Row{"contents of one package or archive", kArchiveBytes, "bytes", "linux-image-amd64-dbg: 6 GB",
          "error, exit 3"},
      Row{"contents of one package or archive, for each byte of the file, above 1 GiB", kArchiveRatio, "bytes",
          "a tar of sparse disk images: 1,000", "error, exit 3"},
      Row{"entries of one package or archive", kArchiveEntries, "entries", "texlive-fonts-extra-doc: 60,000",
          "error, exit 3"},
      Row{"names, links and extended attributes of one package or archive", kArchiveNames, "bytes",
          "texlive-fonts-extra-doc: 6 MB", "error, exit 3"},
      Row{"an extended attribute in an archive", kXattrBytes, "bytes", "the kernel's own limit", "error, exit 3"},
      Row{"a path in an archive or image", kPathBytes, "bytes", "the kernel's own PATH_MAX", "error, exit 3"},
      Row{"folders in each other in an archive or image", kPathDepth, "levels", "node_modules: 40", "error, exit 3"},
      Row{"a file of a tree that alephc reads whole", kRootText, "bytes", "dpkg's status of 8,000 packages: 20 MB",
          "error, exit 1"},
      Row{"entries of an image, beside one for every 8 bytes of it", kImageEntriesFree, "entries",
          "50,000 empty files in an image of 1 MB", "error, exit 3"},
      Row{"contents of an image, beside 100 bytes for each byte of it", kImageFree, "bytes",
          "a 4 GiB sparse file in an image of 1 MB", "error, exit 3"},
      Row{"entries of an image", kImageEntries, "entries", "a desktop: 400,000", "error, exit 3"},
      Row{"a file of an image that is read into memory", kImageText, "bytes", "a dpkg status file: 20 MB",
          "error, exit 3"},
      Row{"memory of the process that reads an image, beside its listing", kImageMemory, "bytes",
          "squashfs with blocks of 1 MiB: 40 MB", "error, exit 3"},
      Row{"space that is left on the store's disk", kDiskReserve, "bytes", "", "error, exit 4"},
      Row{"an answer of an API of the network", kHttpReply, "bytes", "a page of messages: 4 MB", "error, exit 1"},
      Row{"nesting of JSON in messages, statements and guests' answers", kJsonDepth, "levels", "6", "error, exit 1 or 3"},
      Row{"time of one step", kStepSeconds, "seconds", "texlive-full under emulation: 1 h", "error, exit 1"},
      Row{"a server's rate, over 20 seconds", kSlowestBytesPerSecond, "bytes per second at least",
          "a modem: 4,000", "the next mirror"},
      Row{"time of the clone of a recipe's repository", kCloneSeconds, "seconds", "", "undecided, exit 1"},
      Row{"size of the clone of a recipe's repository", kCloneBytes, "bytes", "", "undecided, exit 1"},
      Row{"the log of a step", kLogBytes, "bytes", "building a kernel: 10 MB", "the middle is left out"},
      Row{"a message of a guest", kGuestMessage, "bytes", "an answer of a program: 10 MB", "the request fails"},
      Row{"nesting of a guest's message", kGuestDepth, "levels", "4", "the request fails"},
      Row{"a line of a guest's console", kConsoleLine, "bytes", "", "it is cut"}};
  return kRows;
}

}  // namespace alephc::limits
