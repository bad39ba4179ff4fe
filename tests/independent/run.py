#!/usr/bin/env python3
"""Does check.py agree with alephc on what is honest, and find what was tampered with?

run.py ALEPHC [--count N] [--seed TEXT] [RECIPE…]

For each recipe (a folder with runtime.toml; none: a small system of the machine's Debian mirror)
alephc locks, builds, vendors and attests, and check.py must say that all of it holds. Then N
tamperings (20) of the last one, each of which it must find. As root. Exit 77 without a mirror."""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from tampering import KINDS, Evidence

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from systems import Unreachable, alephc_on

CHECK = pathlib.Path(__file__).parent / "check.py"
SMALL = """schema = 1
[runtime]
name = "small"
[base]
distro = "debian"
release = "bookworm"
[packages]
install = ["tree"]
[[file]]
target = "/srv/hello"
source = "hello"
[image]
level = 1
"""


def made(alephc, recipe, folder):
    """Everything that vouches for an image of a recipe, in a copy of it."""
    if recipe:
        shutil.copytree(recipe, folder)
    else:
        folder.mkdir()
        (folder / "runtime.toml").write_text(SMALL)
        (folder / "hello").write_text("hello\n")
    (folder / "runtime.lock").unlink(missing_ok=True)
    for command in (
        ("build", ".", "-o", "image"),
        ("vendor", ".", "-o", "bundle.tar"),
        ("keygen", "key"),
        ("attest", ".", "--key", "key", "-o", "statement.json"),
    ):
        alephc_on(alephc, folder.parent / "store", *command, cwd=folder)
    (folder / "image.receipt.json").rename(folder / "receipt.json")
    return folder


def check(arguments):
    argv = [sys.executable, CHECK, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def agrees(folder):
    names = ["bundle.tar", "receipt.json", "image", "statement.json", "key.pub"]
    options = ["--bundle", "--receipt", "--image", "--statement", "--key"]
    words = [word for option, name in zip(options, names, strict=True) for word in (option, name)]
    words = [folder / word if word in names else word for word in words]
    code, text = check([folder / "runtime.lock", *words])
    is_squashfs = '"format": "squashfs"' in (folder / "receipt.json").read_text()
    print(text, end="")
    return code == (0 if is_squashfs else 1)


def find_all(folder, count, seed):
    """How many of the tamperings were not found."""
    numbers = random.Random(seed)
    evidence = Evidence(folder)
    missed = 0
    for number in range(count):
        what, arguments = KINDS[number % len(KINDS)](numbers, evidence)
        code, text = check(arguments)
        rows = [line for line in text.splitlines() if line.startswith("WRONG")]
        found = code == 3 and rows
        missed += not found
        print(f"{number + 1:4} {'found ' if found else 'MISSED'} {what}: {(rows or [text])[0]}")
        for path in folder.glob("tampered-*"):
            path.unlink()
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("alephc", type=pathlib.Path)
    parser.add_argument("recipes", type=pathlib.Path, nargs="*")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: this needs root")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="independent.") as top:
        folder = pathlib.Path(top)
        for recipe in given.recipes or [None]:
            name = recipe.name if recipe else "small"
            try:
                folder = made(given.alephc.resolve(), recipe, pathlib.Path(top) / name)
            except Unreachable:
                print("skipped: no Debian mirror can be reached")
                return 77
            if not agrees(folder):
                failed += 1
                print(f"FAILED: {name} is honest")
        failed += find_all(folder, given.count, given.seed) if given.count else 0
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
