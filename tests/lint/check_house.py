#!/usr/bin/env python3
"""The rules of docs/code-style.md that a script can see: sizes of files and functions, third-party headers at home, tables
that agree with docs and schemas."""
import pathlib, re, shutil, subprocess, sys

root = pathlib.Path(sys.argv[1])
problems = []
sources = sorted(path for path in (root / "compiler").rglob("*") if path.suffix in (".hpp", ".cpp"))

MAX_LINES = {".cpp": 600, ".hpp": 300}
for path in sources:
    lines = path.read_text().splitlines()
    if len(lines) > MAX_LINES[path.suffix]:
        problems.append(f"{path}: {len(lines)} lines, more than {MAX_LINES[path.suffix]}")
    if lines[0] != "// SPDX-License-Identifier: MIT":
        problems.append(f"{path}: the first line is no licence line")
    if path.suffix == ".hpp" and "#pragma once" not in lines[:3]:
        problems.append(f"{path}: no #pragma once")

# A library's headers have one home each.
HOMES = {"toml++/": ["manifest/value.cpp"], "CLI/": ["cli/"], "curl/": ["fetch/"], "sqfs/": ["image/squashfs"],
         "archive.h": ["decode/reader_child.cpp"], "seccomp.h": ["sandbox/privileges.cpp", "decode/reader_child.cpp"],
         "openssl/": ["base/digest.cpp", "distro/alpine/signature.cpp"], "httplib.h": ["vm/http_front.cpp"], "sodium.h": ["attest/key.cpp", "message/"],
         "secp256k1": ["message/"], "ext2fs/": ["image/ext4/ext2fs.hpp"], "zlib.h": ["decode/gzip_members.cpp", "init/zip.cpp", "image/squashfs/writer.cpp", "image/disk/", "image/btrfs/", "vm/program.cpp"]}
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    for line in path.read_text().splitlines():
        match = re.match(r"#include <([^>]+)>", line)
        if not match:
            continue
        for header, homes in HOMES.items():
            if match[1].startswith(header) and not any(relative.startswith(home) for home in homes):
                problems.append(f"{path}: <{match[1]}> belongs to {', '.join(homes)}")

# Only these wait for the clock; nothing else of a build may depend on it.
CLOCKS = ["distro/debian/indexes.cpp", "network/publish.cpp", "store/collect.cpp"]
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    if relative not in CLOCKS and re.search(r"std::time\(|::gettimeofday|system_clock::now", path.read_text()):
        problems.append(f"{path}: asks for the time")

# Every key and command is documented.
manual = (root / "docs/manifest.md").read_text()
for name in re.findall(r'KeySpec\{\.name = "([a-z_0-9]+)"', (root / "compiler/manifest/keys.cpp").read_text()):
    if f"`{name}`" not in manual:
        problems.append(f"docs/manifest.md says nothing about '{name}'")
commands = (root / "docs/commands.md").read_text()
for name in re.findall(r'\n      \{"([a-z]+)", "', (root / "compiler/cli/commands.cpp").read_text()):
    if f"`alephc {name}" not in commands:
        problems.append(f"docs/commands.md says nothing about '{name}'")

if shutil.which("ctags"):
    out = subprocess.run(["ctags", "--languages=C++", "--langmap=C++:+.hpp", "--kinds-C++=f", "--fields=+ne", "-f", "-",
                          *map(str, sources)], capture_output=True, text=True).stdout
    count = 0
    for line in out.splitlines():
        span = re.search(r"line:(\d+).*end:(\d+)", line)
        if not span:
            continue
        count += 1
        length = int(span[2]) - int(span[1]) + 1
        if length > 100:
            problems.append(f"{line.split(chr(9))[1]}: {line.split(chr(9))[0]} has {length} lines, more than 100")
    print(f"{count} functions measured")
else:
    print("function lengths not measured: ctags is not installed")

for problem in problems:
    print(problem)
print(f"{len(sources)} files, {len(problems)} problems")
sys.exit(1 if problems or not sources else 0)
