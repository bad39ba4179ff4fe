#!/usr/bin/env python3
"""A source of the compiler includes what it names: it compiles alone and without precompiled
headers. The preset "release" does neither, so that a missing include shows only elsewhere.

check_alone.py BUILD COMPILER [--all]     tries a sample, chosen by the commit so that each commit
tries another one, or all sources; exit 1 if one does not compile"""

import concurrent.futures
import json
import os
import pathlib
import random
import shlex
import subprocess
import sys

SAMPLE = 24


def options_of_folders(
    build: pathlib.Path, compiler: pathlib.Path
) -> dict[pathlib.Path, list[str]]:
    """How the sources of a component are compiled, by its folder: the compiler and its options."""
    options: dict[pathlib.Path, list[str]] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        target = pathlib.Path(entry["directory"]) / words[words.index("-o") + 1]
        if "cmake_pch.hxx" not in entry["command"] or build / compiler.name not in target.parents:
            continue
        folder = str(target.relative_to(build)).partition("/CMakeFiles/")[0]
        end = min(words.index("-o"), words.index("-include"))
        options.setdefault(
            compiler.parent / folder, [w for w in words[:end] if w != "-Winvalid-pch"]
        )
    return options


def main() -> int:
    build, compiler = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    options = options_of_folders(build, compiler)
    if not options:
        print("skipped: this build has no precompiled headers, so it tried every source itself")
        return 77
    jobs = [
        [*options[folder], "-fsyntax-only", str(source)]
        for folder in sorted(options)
        for source in sorted(folder.rglob("*.cpp"))
    ]
    if "--all" not in sys.argv:
        head = subprocess.run(
            ["git", "-C", compiler, "rev-parse", "HEAD"], capture_output=True, check=False
        )
        jobs = random.Random(head.stdout).sample(jobs, min(SAMPLE, len(jobs)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda job: subprocess.run(job, check=False).returncode, jobs))
    failed = [job[-1] for job, code in zip(jobs, results, strict=True) if code != 0]
    for source in failed:
        print(f"{source} does not compile alone: include what it names")
    print(f"{len(jobs) - len(failed)} of {len(jobs)} sources compile alone")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
