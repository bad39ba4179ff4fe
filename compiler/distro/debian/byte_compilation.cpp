// SPDX-License-Identifier: MIT
#include "distro/debian/byte_compilation.hpp"

#include "base/files.hpp"

namespace alephc::debian {
namespace {

// In /dev/shm nothing becomes part of a layer. A call is a file there, an argument a line.
constexpr const char* kFolder = "/dev/shm/alephc-bin";
constexpr const char* kNoteText = R"sh(#!/bin/sh
set -e
mkdir -p /dev/shm/alephc-calls
printf '%s\n' "$@" > "/dev/shm/alephc-calls/$(ls /dev/shm/alephc-calls | wc -l)"
)sh";

constexpr const char* kRunText = R"sh(
test -d /dev/shm/alephc-calls || exit 0
cd /dev/shm/alephc-calls
ls | xargs -P "$1" -I '{}' /bin/sh -c 'IFS="
"; set -f; set -- $(cat "$1"); exec /usr/bin/py3compile "$@"' sh '{}'
)sh";

constexpr const char* kSeededText = R"py(
import os, py_compile, sys
tag = ".%s.pyc" % sys.implementation.cache_tag
for folder, folders, files in os.walk("/usr/lib"):
    folders.sort()
    if os.path.basename(folder) != "__pycache__":
        continue
    for name in sorted(files):
        source = os.path.join(os.path.dirname(folder), name[:-len(tag)] + ".py")
        if name.endswith(tag) and os.path.exists(source):
            py_compile.compile(source, cfile=os.path.join(folder, name), quiet=2)
)py";

}  // namespace

void defer_byte_compilation(GivenFiles& given, const StepRoom& room, SandboxCommand& scripts) {
  write_all(given.add_folder(kFolder).create(StagedName::of_file_name("py3compile"), 0755).get(), kNoteText);
  scripts.env["PATH"] = std::string(kFolder) + ":" + room.environment.at("PATH");
}

SandboxCommand deferred_byte_compilation(unsigned jobs) {
  return {.argv = {"/bin/sh", "-ec", kRunText, "sh", std::to_string(jobs)}};
}

SandboxCommand seeded_byte_compilation(int minor) {
  return {.argv = {"/usr/bin/python3." + std::to_string(minor), "-S", "-c", kSeededText}};
}

}  // namespace alephc::debian
