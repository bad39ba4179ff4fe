#!/usr/bin/env python3
"""The rules of docs/code-style.md that a script can see: sizes of files and functions, third-party
headers at home, tables that agree with docs and schemas."""
import pathlib
import re
import shutil
import subprocess
import sys

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

# Who sees a name called finds its source: it has a header of its own name, or of the first word of
# it, or is declared by the header of its folder (image/ext4/writer.cpp, ext4.hpp). Not programs and
# commands.
for path in sources:
    folder_name = path.relative_to(root / "compiler").parts[0]
    if path.suffix != ".cpp" or path.stem == "main" or folder_name in ("boot", "cli", "vary"):
        continue
    names = (path.stem, path.stem.split("_")[0], path.parent.name)
    same = any(
        (folder / f"{name}.hpp").exists()
        for name in names
        for folder in (path.parent, path.parent.parent)
    )
    if not same:
        problems.append(f"{path}: no header is called as it, nor as its folder")

# A library's headers have one home each.
HOMES = {
    "toml++/": ["manifest/value.cpp"],
    "CLI/": ["cli/command_line.cpp"],
    "nlohmann/": ["base/json.hpp", "init/"],
    "curl/": ["fetch/"],
    "sqfs/": ["image/squashfs"],
    "archive.h": ["decode/reader_child.cpp"],
    "seccomp.h": ["sandbox/seccomp.cpp", "decode/confinement.cpp"],
    "openssl/": ["base/digest.cpp", "distro/alpine/signature.cpp"],
    "httplib.h": ["vm/http_front.cpp"],
    "sodium.h": ["evidence/key.cpp", "message/"],
    "secp256k1": ["message/"],
    "ext2fs/": ["image/ext4/ext2fs.hpp"],
    "zlib.h": [
        "decode/gzip_members.cpp",
        "init/zip.cpp",
        "image/squashfs/squashfs.cpp",
        "image/disk/",
        "image/btrfs/",
        "vm/program.cpp",
    ],
}
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
CLOCKS = [
    "cli/verify_command.cpp",
    "distro/alpine/indexes.cpp",
    "distro/debian/indexes.cpp",
    "network/publish.cpp",
    "store/collect.cpp",
]
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    if relative not in CLOCKS and re.search(
        r"std::time\(|::gettimeofday|system_clock::now", path.read_text()
    ):
        problems.append(f"{path}: asks for the time")

# A tree that scripts filled is reached through RootFolder (base/root_folder.hpp), never by joining
# its path: a link in it would lead out. These join before anything ran, or a name of their own
# without following it.
FILLED = {
    "distro/debian/skeleton.cpp": "the skeleton, before the first script",
    "steps/workplace.cpp": "O_NOFOLLOW of a fixed name",
}
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if relative not in FILLED and re.search(r"\bupper_?(\(\))? / ", line):
            problems.append(
                f"{path}:{number}: joins a path to a tree that scripts filled: use RootFolder"
            )

# What is handed to a step stands under names that alephc makes (sandbox/given_files.hpp): no value
# of a manifest or lock is joined to a folder of the store.
for path in sources:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.search(
            r"\b(staging|scratch|work\.path\(\)|place\.scratch) / (input|file\.|wheel\.|run\.|plugin\.|module\.|archive\.|package\.)",
            line,
        ):
            problems.append(
                f"{path}:{number}: joins a name of a project or lock to a folder of the store: use StagedName"
            )

# A step knows its input and nothing else of a manifest or lock, so that its key, which is made of
# the input, says all that it reads.
for path in (root / "compiler/steps").iterdir():
    for number, line in enumerate(path.read_text().splitlines(), 1):
        code = re.sub(r'"[^"]*"', "", line.split("//")[0])
        if re.search(r"(?<![\w])(Manifest|Lock)(?![\w])", code) or re.match(
            r'\s*#include "(manifest|lock)/', line
        ):
            problems.append(
                f"{path}:{number}: a step names the manifest or the lock: put what it reads into its input (graph/plan.cpp)"
            )

# The engine knows no kind of step; of the image it knows how a result is written down.
for number, line in enumerate((root / "compiler/graph/run.cpp").read_text().splitlines(), 1):
    match = re.match(r'#include "steps/(\w+)\.hpp"', line)
    if match and match[1] not in ("step", "workplace", "write"):
        problems.append(f"compiler/graph/run.cpp:{number}: the engine includes a kind of step")

# A project is read once, into the store (project/read_project.hpp). manifest/ reads the manifests
# themselves.
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not relative.startswith(("manifest/", "project/")) and re.search(
            r"manifest_?\.folder /", line
        ):
            problems.append(
                f"{path}:{number}: reads a file of the project: use Manifest::content_of()"
            )

# Children of alephc are started in these places, each with descriptors and environment of its own
# choice.
STARTERS = [
    "base/subprocess.cpp",
    "decode/decode_server.cpp",
    "image/confined_reader.cpp",
    "sandbox/",
    "vm/qemu_process.cpp",
    "vm/kvm_probe.cpp",
    "init/",
    "boot/",
    "room/",
]
for path in sources:
    relative = str(path.relative_to(root / "compiler"))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not any(relative.startswith(starter) for starter in STARTERS) and re.search(
            r"(?<![\w.])(::fork\(|::execv|std::system\(|::popen\()", line
        ):
            problems.append(f"{path}:{number}: starts a process; {', '.join(STARTERS)} do")

# CONTRIBUTING.md, "How to write": who does what, and "X is not a Y".
WORDS = [
    (
        re.compile(r"\b(nobody|everybody|somebody|anew)\b|\bbelongs? into\b", re.I),
        "say who does it, and how",
    ),
    (
        re.compile(
            r"(?<!there )(?<!here )\b(is|are|was|were) no (?!longer\b|more\b|other\b)[a-z]", re.I
        ),
        'write "is not a"',
    ),
]
WORDS_KEPT = [
    ("compiler/image/confined_reader.hpp", "the user nobody"),
    ("compiler/decode/confinement.hpp", "becomes nobody"),
    ("compiler/vm/qemu_process.hpp", "nobody where no such id"),
    ("SECURITY.md", "or as nobody where"),
    ("compiler/steps/boot.cpp", "update-grub writes it anew"),  # bytes of an image
    ("compiler/image/squashfs/compressed_blocks.cpp", "is no room"),
]
texts = [
    path
    for folder in ("compiler", "docs", "recipes", "stdlib-recipes")
    for path in (root / folder).rglob("*")
    if path.suffix in (".hpp", ".cpp", ".md", ".toml", ".in")
]
for path in [*texts, root / "README.md", root / "SECURITY.md"]:
    relative = str(path.relative_to(root))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for words, remedy in WORDS:
            found = words.search(line)
            if found and not any(relative == kept and text in line for kept, text in WORDS_KEPT):
                problems.append(f"{relative}:{number}: '{found[0]}': {remedy}")

# Every key and command is documented.
manual = (root / "docs/manifest.md").read_text()
for name in re.findall(
    r'KeySpec\{\.name = "([a-z_0-9]+)"', (root / "compiler/manifest/keys.cpp").read_text()
):
    if f"`{name}`" not in manual:
        problems.append(f"docs/manifest.md says nothing about '{name}'")
commands = (root / "docs/commands.md").read_text()
for name in re.findall(
    r'\n      \{"([a-z]+)", "', (root / "compiler/cli/commands.cpp").read_text()
):
    if f"`alephc {name}" not in commands:
        problems.append(f"docs/commands.md says nothing about '{name}'")

MOST_LINES_OF = {"f": 80, "c": 300, "s": 300}  # functions, classes, structs
if shutil.which("ctags"):
    out = subprocess.run(
        [
            "ctags",
            "--languages=C++",
            "--langmap=C++:+.hpp",
            "--kinds-C++=fcs",
            "--fields=+nek",
            "-f",
            "-",
            *map(str, sources),
        ],
        capture_output=True,
        text=True,
    ).stdout
    count = 0
    for line in out.splitlines():
        name, file, *_ = line.split(chr(9))
        span = re.search(r"\t([fcs])\tline:(\d+).*end:(\d+)", line)
        if not span:
            continue
        count += 1
        length, most = int(span[3]) - int(span[2]) + 1, MOST_LINES_OF[span[1]]
        if length > most:
            problems.append(f"{file}: {name} has {length} lines, more than {most}")
    print(f"{count} functions and classes measured")
else:
    print("lengths of functions and classes not measured: ctags is not installed")

for problem in problems:
    print(problem)
print(f"{len(sources)} files, {len(problems)} problems")
sys.exit(1 if problems or not sources else 0)
