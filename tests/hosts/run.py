#!/usr/bin/env python3
"""Does alephc compile on other releases, pass its unit tests there, and make the same there?

run.py ALEPHC [HOST…] [--recipe FOLDER…] [--keep FOLDER]

ALEPHC makes a root of each host (all of them without an argument), with what .ci/setup installs.
In it alephc is compiled from the files of this checkout and its unit tests run. For each recipe
(default: those of RECIPES) every host makes a lock of its own and builds it, as root and as a user
without rights, with no bundle and no init but what it compiles itself; then it verifies, strictly
and by a rebuild, the image that ALEPHC built here. Prints a row for each. Exit 1 when something
fails or differs; 77 without a mirror. --keep names a folder where roots stay, to go on from."""

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
from systems import AS_USER, Unreachable, make_system, mirror_options, outside_ci, run_in

SOURCE = pathlib.Path(__file__).parents[2]
HOSTS = {
    "debian-12": ("debian", "bookworm", "g++"),
    "debian-13": ("debian", "trixie", "g++"),
    "ubuntu-22.04": ("ubuntu", "jammy", "g++-12"),
    "ubuntu-24.04": ("ubuntu", "noble", "g++"),
}
RECIPES = [
    *(
        SOURCE / "recipes" / name
        for name in (
            "debian-12-minimal",
            "debian-12-asgi",
            "debian-13-python",
            "static",
            "debian-12-instance",
            "debian-12-instance-btrfs",
        )
    ),
    SOURCE / "tests/hosts/volume-ext4",
    SOURCE / "tests/hosts/volume-btrfs",
]
# A user without rights, and his range of ids.
BUILDER = "builder:x:4321:4321::/builder:/bin/sh\n"
IDS = "builder:200000:65536\n"
AS_BUILDER = [*AS_USER, "env", "HOME=/builder"]
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
cmake --preset release -DALEPHC_TESTS=ON -DALEPHC_INIT=RELEASED -DCMAKE_CXX_COMPILER="$0" >/dev/null
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
        self.around: list[str] = []  # what a command is run by

    def run(self, *command):
        return subprocess.run(
            [*self.around, *command], env=outside_ci(), capture_output=True, text=True, check=False
        )

    def alephc_in(self, home, *arguments):
        """With a store below home; None and a line where it fails."""
        options = ["--quiet", "--store", f"{home}/store", *mirror_options(machine_mirror())]
        done = self.run(self.program, *options, *arguments)
        if done.returncode != 0:
            print(f"{self.name}: alephc {' '.join(arguments)}: {done.stdout}{done.stderr}")
            return None
        return done

    def place(self, home, recipe, lock):
        """A copy of the recipe below home, with this lock, or with none."""
        project = self.root / home.lstrip("/") / "recipes" / recipe.name
        subprocess.run(["rm", "-rf", project], check=True)
        project.parent.mkdir(exist_ok=True, parents=True)
        subprocess.run(["cp", "-a", recipe, project], check=True)
        (project / "runtime.lock").unlink(missing_ok=True)
        if lock:
            (project / "runtime.lock").write_text(lock)
        return project

    def build(self, recipe):
        """A lock made here, and the receipt."""
        project = self.place("/", recipe, None)
        receipt = self.build_placed("/", recipe)
        return (project / "runtime.lock").read_text() if receipt else None, receipt

    def build_placed(self, home, recipe, *options):
        """The receipt of what place() left."""
        inside = f"{self.inside}{home}".rstrip("/")
        command = ["build", f"{inside}/recipes/{recipe.name}", "-o", f"{inside}/image", *options]
        if self.alephc_in(inside, *command) is None:
            return None
        return json.loads((self.root / home.lstrip("/") / "image.receipt.json").read_text())


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
        return run_in(
            self.root, *self.around, *command, env=outside_ci(), capture_output=True, text=True
        )

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


def as_builder(host):
    """The host as a user without rights sees it, with a home of his own."""
    user = Host(host.alephc, host.name, host.folder)
    home = user.root / "builder"
    if not home.exists():
        home.mkdir()
        with open(user.root / "etc/passwd", "a") as passwd:
            passwd.write(BUILDER)
        for file in ("etc/subuid", "etc/subgid"):
            (user.root / file).write_text(IDS)
    user.around = AS_BUILDER
    return user


def row(recipe, host, what, good):
    print(
        f"{recipe.name:26} {host.name:14} {what:34} {'the same' if good else 'DIFFERS'}", flush=True
    )
    return 0 if good else 1


def verifies(recipe, here, host, lock):
    """Whether the host verifies the image from here; nothing that hashes alone vouch for counts."""
    shutil.copy(here.root / "image", host.root / "image-of-here")
    host.place("/", recipe, lock)
    command = [
        "verify",
        f"/recipes/{recipe.name}",
        "--rebuild",
        "--strict",
        "--image",
        "/image-of-here",
    ]
    return host.alephc_in("", *command) is not None


def compare(recipe, here, hosts):
    """How many hosts make another lock or image, or do not verify that of here."""
    here.root.mkdir(exist_ok=True)
    lock, image = here.build(recipe)
    if image is None:
        return 1
    print(f"{recipe.name:26} {here.name:14} {image['sha256'][:12]}… tree {image['tree'][:14]}…")
    failed = 0
    for host in hosts:
        other_lock, other = host.build(recipe)
        failed += row(recipe, host, "lock", other_lock == lock)
        failed += row(recipe, host, "image, as root", other and other["sha256"] == image["sha256"])
        user = as_builder(host)
        subprocess.run(["chown", "-R", "4321:4321", user.root / "builder"], check=True)
        user.place("/builder", recipe, lock)
        subprocess.run(["chown", "-R", "4321:4321", user.root / "builder/recipes"], check=True)
        rootless = user.build_placed("/builder", recipe, "--locked")
        failed += row(
            recipe, host, "image, rootless", rootless and rootless["sha256"] == image["sha256"]
        )
        if "[python]" not in (recipe / "runtime.toml").read_text():
            failed += row(
                recipe, host, "verify --rebuild --strict", verifies(recipe, here, host, lock)
            )
    return failed


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
    for recipe in given.recipe or RECIPES:
        failed += compare(recipe, here, made) if made else 0
    print(f"{failed} failed")
    return 1 if failed else 0 if made else 77


if __name__ == "__main__":
    sys.exit(main())
