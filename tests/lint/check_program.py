#!/usr/bin/env python3
"""Does the program keep its pinned libraries to itself, and start where glibc is old?

check_program.py ALEPHC     exit 77 without binutils

Other libraries of the process would call a symbol of a pinned archive that is dynamic instead of
their own. A program that was linked on Debian 12 needs no newer glibc than 2.34; one of a newer
release needs that release's."""

import pathlib
import re
import shutil
import subprocess
import sys

PINNED = re.compile(r"^(ZSTD_|ZBUFF_|HUF_|FSE_|lzma_|LZ4|XXH|deflate|inflate|gz|sqfs_|ext2fs_)")
OLDEST = (2, 34)


def dynamic_symbols(program):
    argv = ["nm", "-D", "--with-symbol-versions", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        kind, symbol = line.split()[-2:]
        yield kind, symbol


def faults_of(program):
    linked_on = pathlib.Path("/etc/os-release").read_text()
    for kind, symbol in dynamic_symbols(program):
        if PINNED.match(symbol) and kind not in "Uw":
            yield f"{symbol} of a pinned library is dynamic"
        version = re.search(r"@GLIBC_(\d+)\.(\d+)", symbol)
        if version and "VERSION_CODENAME=bookworm" in linked_on:
            if tuple(map(int, version.groups())) > OLDEST:
                yield f"{symbol} needs a newer glibc than 2.34"


def main():
    if not shutil.which("nm"):
        print("skipped: no nm")
        return 77
    faults = list(faults_of(sys.argv[1]))
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
