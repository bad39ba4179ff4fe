#!/usr/bin/env python3
"""Writes the digest of aleph-init, built from source, into compiler/guest/released.txt.

release.py ALEPHC [--check]
    as root, with a Debian mirror in this machine's apt configuration
    locks compiler/init as far as its sources need it, and builds it
    --check: writes nothing, and fails where the lock or the table would change

To be run after a change in compiler/init. Afterwards alephc has to be compiled once more, since it
carries both files."""
import argparse
import hashlib
import pathlib
import shutil
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from run import machine_mirror
from systems import alephc_on, mirror_options

ROOT = pathlib.Path(__file__).parent.parent.parent
PROJECT = ROOT / "compiler" / "init"
TABLE = ROOT / "compiler" / "guest" / "released.txt"
HEAD = "# Released inits: the digest of the source (compiler/init), the sha256 of the program.\n"
KINDS = (".cpp", ".hpp", ".flags", ".sh", ".toml", ".lock")


def source_digest(project):
    """As guest/init_source.cpp makes it."""
    digest = hashlib.sha256()
    for path in sorted(project.iterdir(), key=lambda path: path.name.encode()):
        if path.suffix in KINDS:
            data = path.read_bytes()
            digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def built(alephc, project, folder, mirror):
    """The sha256 of the program that alephc builds, with a store of its own."""
    store, options = folder / "store", mirror_options(mirror)
    alephc_on(alephc, store, *options, "lock", project)
    alephc_on(alephc, store, *options, "build", project, "--locked", "-o", folder / "out")
    return hashlib.sha256((folder / "out" / "aleph-init").read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("alephc", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-init.") as name:
        folder = pathlib.Path(name)
        project = shutil.copytree(PROJECT, folder / "init") if options.check else PROJECT
        program = built(options.alephc.resolve(), project, folder, machine_mirror())
        table = f"{HEAD}{source_digest(project)} {program}\n"
        if options.check:
            if (project / "runtime.lock").read_bytes() != (PROJECT / "runtime.lock").read_bytes():
                sys.exit("compiler/init/runtime.lock is stale: run tests/init/release.py")
            if TABLE.read_text() != table:
                sys.exit(
                    "compiler/guest/released.txt says something else: run tests/init/release.py"
                )
        else:
            TABLE.write_text(table)
        print(f"aleph-init {program}")


if __name__ == "__main__":
    main()
