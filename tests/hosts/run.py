#!/usr/bin/env python3
"""Does alephc compile on other releases, pass its unit tests there, and build the same there?

run.py ALEPHC [HOST…] [--recipe FOLDER…] [--keep FOLDER]

ALEPHC makes a root of each host (all of them without an argument), with what .ci/setup installs.
In it alephc is compiled from the files of this checkout, its unit tests run, and each recipe
(default: debian-12-minimal) is built from one lock, which ALEPHC makes and builds here. Prints a
row a host and recipe: the tree digest and the sha256 of the image. Exit 1 when something fails or
images differ; 77 without a mirror. --keep names a folder where roots stay, to go on from."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from run import machine_mirror
from systems import Unreachable, make_system, mirror_options, outside_ci, run_in

SOURCE = pathlib.Path(__file__).parents[2]
HOSTS = {
    "debian-12": ("debian", "bookworm", "g++"),
    "debian-13": ("debian", "trixie", "g++"),
    "ubuntu-22.04": ("ubuntu", "jammy", "g++-12"),
    "ubuntu-24.04": ("ubuntu", "noble", "g++"),
}
TESTING = [
    "catch2",
    "python3",
    "dpkg-dev",
    "gpg",
    "gpg-agent",
    "squashfs-tools",
    "e2fsprogs",
    "btrfs-progs",
    "openssl",
]
COMPILE = """set -e
cd /src
cmake --preset release -DALEPHC_TESTS=ON -DCMAKE_CXX_COMPILER="$0" >/dev/null
cmake --build --preset release --target alephc unit_tests -- -k 0 >/tmp/build.log 2>&1 || { grep " error: " /tmp/build.log | head -9; exit 1; }
build/release/tests/unit_tests >/tmp/unit.log 2>&1 || { tail -40 /tmp/unit.log; exit 1; }
tail -2 /tmp/unit.log
"""


def setup_packages():
    text = (SOURCE / ".ci/setup").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("exec ")]
    return line.partition('/install" ')[2].split()


CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")


class Here:
    """This machine, with the given alephc."""

    def __init__(self, alephc, name, folder):
        self.name, self.folder, self.alephc = name, folder, alephc
        self.root = folder / name
        self.inside, self.program = str(self.root), str(alephc)

    def run(self, *command):
        return subprocess.run(
            command, env=outside_ci(), capture_output=True, text=True, check=False
        )

    def build(self, recipe, lock):
        """The receipt. Without a lock it is made, and returned beside it."""
        project = self.root / "recipes" / recipe.name
        project.parent.mkdir(exist_ok=True)
        subprocess.run(["rm", "-rf", project], check=True)
        subprocess.run(["cp", "-a", recipe, project], check=True)
        (project / "runtime.lock").unlink(missing_ok=True)
        if lock:
            (project / "runtime.lock").write_text(lock)
        command = [self.program, "--quiet", "--store", f"{self.inside}/store"]
        command += mirror_options(machine_mirror())
        command += ["build", f"{self.inside}/recipes/{recipe.name}"]
        options = ["--locked", "--init", f"{self.inside}/aleph-init"] if lock else []
        done = self.run(*command, *options, "-o", f"{self.inside}/image")
        if done.returncode != 0:
            print(f"{self.name}: {recipe.name}: {done.stderr}")
            return None, lock
        receipt = json.loads((self.root / "image.receipt.json").read_text())
        return receipt, (project / "runtime.lock").read_text()


class Host(Here):
    """Another release, as a root that is entered, with an alephc that is compiled there."""

    def __init__(self, alephc, name, folder):
        super().__init__(alephc, name, folder)
        self.inside, self.program = "", "/src/build/release/alephc"

    def make(self):
        if self.root.exists():
            return
        distro, release, compiler = HOSTS[self.name]
        packages = [word for word in setup_packages() if word != "g++"] + [compiler, *TESTING]
        make_system(
            self.alephc,
            self.folder / "store",
            self.folder / f"{self.name}-project",
            self.root,
            distro=distro,
            release=release,
            packages=packages,
        )

    def run(self, *command):
        return run_in(self.root, *command, env=outside_ci(), capture_output=True, text=True)

    def compile(self):
        listed = subprocess.run(
            ["git", "-C", SOURCE, "ls-files", "-z"], capture_output=True, check=True
        )
        (self.root / "src").mkdir(exist_ok=True)
        pack = ["tar", "-C", str(SOURCE), "--null", "--files-from=-", "-c"]
        packed = subprocess.run(pack, input=listed.stdout, capture_output=True, check=True)
        subprocess.run(["tar", "-C", str(self.root / "src"), "-x"], input=packed.stdout, check=True)
        # Its apt knows only public mirrors, and it trusts only public servers.
        inside = self.root / CERTIFICATES.relative_to("/")
        if CERTIFICATES.exists():
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CERTIFICATES, inside)
        pinned = self.root / "src/build/release/pinned"
        pinned.mkdir(parents=True, exist_ok=True)
        for package in (self.alephc.parent / "pinned").glob("*.deb"):
            shutil.copy(package, pinned)
        done = self.run("/bin/sh", "-c", COMPILE, HOSTS[self.name][2])
        print(f"{self.name}: {(done.stdout + done.stderr).strip()}", flush=True)
        return done.returncode == 0


def compare(recipe, hosts):
    """Whether every host makes the same image from one lock."""
    lock, images = None, set()
    for host in hosts:
        # Another compiler makes another init; the lock names the first one's.
        init = hosts[0].alephc.parent / "compiler/init/program/aleph-init"
        (host.root / "aleph-init").write_bytes(init.read_bytes())
        receipt, lock = host.build(recipe, lock)
        if receipt is None:
            return False
        images.add((receipt["tree"], receipt["sha256"], tuple(receipt["tools"])))
        print(f"{recipe.name:24} {host.name:14} {receipt['tree'][:14]} {receipt['sha256'][:12]}")
    return len(images) == 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("alephc", type=pathlib.Path)
    parser.add_argument("hosts", nargs="*", default=list(HOSTS))
    parser.add_argument("--recipe", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--keep", type=pathlib.Path)
    given = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: this needs root")
        return 77
    temporary = None if given.keep else tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hosts.")
    folder = given.keep or pathlib.Path(temporary.name)
    folder.mkdir(exist_ok=True)
    made, failed = [], 0
    for name in given.hosts:
        host = Host(given.alephc.resolve(), name, folder.resolve())
        try:
            host.make()
        except Unreachable:
            print(f"{name}: skipped: no mirror of its archive can be reached")
            continue
        if host.compile():
            made.append(host)
        else:
            failed += 1
    here = Here(given.alephc.resolve(), "here", folder.resolve())
    here.root.mkdir(exist_ok=True)
    for recipe in given.recipe or [SOURCE / "recipes" / "debian-12-minimal"]:
        failed += not compare(recipe, [here, *made]) if made else 0
    print(f"{failed} failed")
    return 1 if failed else 0 if made else 77


if __name__ == "__main__":
    sys.exit(main())
