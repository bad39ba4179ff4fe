// SPDX-License-Identifier: MIT
// Libraries that are loaded before the programs of a step.
#include "sandbox/preload.hpp"

#include <algorithm>
#include <set>

#include <dirent.h>
#include <dlfcn.h>

#include "base/files.hpp"
#include "base/subprocess.hpp"
#include "support/catch.hpp"

using namespace alephc;

namespace {

namespace fs = std::filesystem;

SandboxOptions options_of(bool sorted, const Variation& vary) {
  SandboxOptions options{.vary = vary};
  options.room.sorted_folders = sorted;
  return options;
}

/// The names that the library's own opendir() and readdir() give, by the library of a variation.
std::vector<std::string> listed_with(const SandboxOptions& options, const fs::path& folder) {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  put_preloaded_libraries(options, temp.path());
  const fs::path file = temp.path() / "lib/x86_64-linux-gnu/alephc-order.so";
  const std::unique_ptr<void, int (*)(void*)> library(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL),
                                                      ::dlclose);
  REQUIRE(library);
  const auto open = reinterpret_cast<decltype(&::opendir)>(::dlsym(library.get(), "opendir"));
  const auto next = reinterpret_cast<decltype(&::readdir)>(::dlsym(library.get(), "readdir"));
  const auto close = reinterpret_cast<decltype(&::closedir)>(::dlsym(library.get(), "closedir"));
  DIR* stream = open(folder.c_str());
  REQUIRE(stream != nullptr);
  std::vector<std::string> names;
  while (const dirent* entry = next(stream)) names.emplace_back(entry->d_name);
  CHECK(close(stream) == 0);
  return names;
}

}  // namespace

TEST_CASE("what a step sees in another way is loaded before its programs, and nothing where nothing is") {
  CHECK(preload_variable(options_of(false, {})).empty());
  CHECK(preload_variable(options_of(true, {})) == "/dev/shm/$LIB/alephc-order.so");
  CHECK(preload_variable(options_of(false, {.clock = true})) == "/dev/shm/$LIB/alephc-clock.so");
  CHECK(preload_variable(options_of(true, {.clock = true, .directory_order = true})) ==
        "/dev/shm/$LIB/alephc-order.so:/dev/shm/$LIB/alephc-clock.so");
}

TEST_CASE("every libc finds the library, and 32-bit programs one of their own") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  put_preloaded_libraries(options_of(true, {}), temp.path());
  const auto class_of = [&](const char* folder) {
    return read_file(temp.path() / folder / "alephc-order.so").substr(0, 5);
  };
  for (const char* folder : {"$LIB", "lib/x86_64-linux-gnu", "lib64"})
    CHECK(class_of(folder) ==
          "\x7f"
          "ELF\x02");
  for (const char* folder : {"lib/i386-linux-gnu", "lib"})
    CHECK(class_of(folder) ==
          "\x7f"
          "ELF\x01");
}

TEST_CASE("folders are listed in byte order, or backwards") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  std::set<std::string> expected{".", ".."};
  for (int i = 0; i < 500; ++i) {
    const std::string name = (i % 3 == 0   ? "Z"
                              : i % 3 == 1 ? "a\xc3\xa9"
                                           : "+") +
                             std::to_string(i * 7919 % 500);
    atomic_write(temp.path() / name, "");
    expected.insert(name);
  }
  const std::vector<std::string> forwards(expected.begin(), expected.end());
  const std::vector<std::string> backwards(expected.rbegin(), expected.rend());
  CHECK(listed_with(options_of(true, {}), temp.path()) == forwards);
  CHECK(listed_with(options_of(true, {.directory_order = true}), temp.path()) == backwards);
}

TEST_CASE("an empty folder and one of one name are listed") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  CHECK(listed_with(options_of(true, {}), temp.path()) == std::vector<std::string>{".", ".."});
  atomic_write(temp.path() / "!", "");
  CHECK(listed_with(options_of(true, {}), temp.path()) == std::vector<std::string>{"!", ".", ".."});
}

TEST_CASE("a rewound stream leaves its descriptor at the beginning, and lists again") {
  const TempDir temp(fs::temp_directory_path(), "alephc-test");
  const fs::path folder = temp.path() / "folder";
  make_folders(folder);
  atomic_write(folder / "a", "");
  put_preloaded_libraries(options_of(true, {}), temp.path());
  const char* script =
      "import os, sys\n"
      "fd = os.open(sys.argv[1], 0)\n"
      "assert os.listdir(fd) == os.listdir(fd) == ['a'], 'listed once only'\n"
      "os.chdir(sys.argv[1]); os.unlink('a'); os.rmdir(sys.argv[1])\n"
      "assert os.listdir('.') == [], 'a removed folder is not empty'\n";
  const CommandResult result =
      run_command({.argv = {"python3", "-c", script, folder},
                   .environment = {{"PATH", "/usr/bin:/bin"},
                                   {"LD_PRELOAD", temp.path() / "lib/x86_64-linux-gnu/alephc-order.so"}}});
  INFO(result.errors);
  CHECK(result.exit_code == 0);
}
