#!/usr/bin/env python3
"""The Python of tests/ is as black formats it, has types that mypy finds no fault with, and one
fact an assert.

check_python.py TESTS      prints every fault; exit 1 if there is one, 77 where black 23 or mypy is
not installed"""
import ast
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tokenize

MOST_COLUMNS = 100


def black_faults(tests):
    version = subprocess.run(["black", "--version"], capture_output=True, text=True).stdout
    if not re.search(r"\b23\.", version):
        return None  # each year's formats otherwise
    result = subprocess.run(["black", "--check", str(tests)], capture_output=True, text=True)
    return [line for line in result.stderr.splitlines() if line.startswith("would reformat")]


def mypy_faults(tests):
    """A folder at a time: several have a run.py. Of two folders that others import from, the nearer
    comes first."""
    faults = []
    for folder in sorted({path.parent for path in tests.glob("*/*.py")}):
        shared = [tests / "integration", tests / "oracle", tests / "support"]
        if folder.name in ("bench", "hosts", "init", "package"):
            shared.reverse()
        environment = {**os.environ, "MYPYPATH": ":".join(map(str, shared))}
        result = subprocess.run(
            ["mypy", "--config-file", str(tests.parent / "pyproject.toml"), str(folder)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tests.parent,
        )
        faults += [line for line in result.stdout.splitlines() if ": error:" in line]
    return faults


def joined_asserts(path):
    """An assert of several facts does not say which of them is wrong."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.BoolOp):
            if isinstance(node.test.op, ast.And):
                yield f"{path}:{node.lineno}: an assert of several facts: write one for each"


def long_lines(path):
    """Strings may be long: what they say is easier to find in one piece."""
    strings: set[int] = set()
    with open(path, "rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.STRING and not token.line.lstrip().startswith('"""'):
                strings.update(range(token.start[0], token.end[0] + 1))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if len(line) > MOST_COLUMNS and number not in strings:
            yield f"{path}:{number}: {len(line)} columns, more than {MOST_COLUMNS}"


def main():
    tests = pathlib.Path(sys.argv[1]).resolve()
    if not shutil.which("black") or not shutil.which("mypy"):
        print("skipped: black or mypy is not installed")
        return 77
    formatted = black_faults(tests)
    if formatted is None:
        print("skipped: the format is that of black 23")
        return 77
    files = sorted(tests.rglob("*.py"))
    faults = formatted + mypy_faults(tests)
    for path in files:
        faults += [*joined_asserts(path), *long_lines(path)]
    for fault in faults:
        print(fault)
    print(f"{len(files)} files, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
