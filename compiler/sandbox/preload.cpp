// SPDX-License-Identifier: MIT
#include "sandbox/preload.hpp"

#include <array>
#include <string_view>
#include <vector>

#include <fcntl.h>

#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "guest/guest_files.hpp"

namespace alephc {
namespace {

namespace fs = std::filesystem;

// What stands for $LIB: of musl, and of glibc on Debian and elsewhere.
constexpr std::array kFolders{"$LIB", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64"};
constexpr std::array kFoldersOf32Bit{"lib/i386-linux-gnu", "lib/arm-linux-gnueabihf", "lib"};

struct Library {
  const char* name;
  std::string_view (*bytes)();
};

std::vector<Library> wanted_libraries(const SandboxOptions& options) {
  std::vector<Library> libraries;
  if (options.vary.directory_order)
    libraries.push_back({"alephc-order.so", backwards_library});
  else if (options.room.sorted_folders)
    libraries.push_back({"alephc-order.so", order_library});
  if (options.vary.clock) libraries.push_back({"alephc-clock.so", clock_library});
  return libraries;
}

void put(const fs::path& folder, const char* name, std::string_view bytes) {
  make_folders(folder);
  const UniqueFd file = open_file(folder / name, O_WRONLY | O_CREAT | O_EXCL, 0755);
  write_all(file.get(), bytes);
}

}  // namespace

void put_preloaded_libraries(const SandboxOptions& options, const fs::path& shm) {
  for (const Library& library : wanted_libraries(options)) {
    for (const char* folder : kFolders) put(shm / folder, library.name, library.bytes());
    for (const char* folder : kFoldersOf32Bit) put(shm / folder, library.name, other_word_size_library());
  }
}

std::string preload_variable(const SandboxOptions& options) {
  std::vector<std::string> paths;
  for (const Library& library : wanted_libraries(options))
    paths.push_back(std::string("/dev/shm/$LIB/") + library.name);
  return join(paths, ":");
}

}  // namespace alephc
