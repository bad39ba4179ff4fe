// SPDX-License-Identifier: MIT
// Runs a fuzz target over the files of its corpus, so that what a fuzzer once found stays a test.
#include <cstdint>
#include <cstdio>
#include <filesystem>

#include "base/files.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& file : std::filesystem::directory_iterator(argv[i])) {
      const std::string bytes = alephc::read_file(file.path());
      // Every prefix too: input that is cut off anywhere is what parsers meet most.
      const std::size_t step = bytes.size() / 64 + 1;
      for (std::size_t size = 0; size <= bytes.size(); size += step)
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), size);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++count;
    }
  }
  std::printf("%zu files replayed\n", count);
  return count > 0 ? 0 : 1;
}
