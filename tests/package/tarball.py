#!/usr/bin/env python3
"""Does the tarball start, build and verify where nothing but a shell is installed?

tarball.py BUILD [RELEASE…]      a build folder; as root, with a Debian mirror

Packs it twice, which gives the same bytes, and unpacks it into a root that has BusyBox and nothing
else: no apt, dpkg, gpgv, keyring nor Python. There it verifies a recipe of this machine with
--rebuild, from a bundle. Then it must start in a minimal system of each release (default: bullseye
and trixie, older and newer than this machine's). Exits 77 if it cannot run here."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from run import machine_mirror
from systems import Unreachable, alephc_on, make_system, mirror_options, run_in

SOURCE = pathlib.Path(__file__).parents[2]
BUSYBOX = pathlib.Path("/bin/busybox")
NAME = "alephc-x86_64"
ABSENT = ["apt-get", "dpkg", "gpgv", "gpg", "python3", "bash", "ldconfig"]
VERIFY = """set -e
/{name}/alephc version
/{name}/alephc --store /store --offline verify /recipe --bundle /bundle --rebuild --image /image
"""


def packed(build, place):
    subprocess.run([SOURCE / "cmake/package/tarball.sh", build, place], check=True)
    return hashlib.sha256(place.read_bytes()).hexdigest()


def unpack(tarball, root):
    subprocess.run(["tar", "-C", root, "-xf", tarball], check=True)


def bare_root(root):
    """BusyBox and the folders that a sandbox needs."""
    for name in ("bin", "etc", "proc", "sys", "dev", "run", "tmp", "root", "var/tmp", "mnt"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if not (root / "bin" / name).exists() and name not in ABSENT:
            (root / "bin" / name).symlink_to("busybox")
    (root / "usr").mkdir()
    for name in ("sbin", "usr/bin", "usr/sbin"):
        (root / name).symlink_to("/bin")
    return root


def verified_without_anything(alephc, tarball, top):
    """The output of verify in a bare root, and whether it succeeded."""
    root, recipe = bare_root(top / "bare"), top / "bare/recipe"
    shutil.copytree(SOURCE / "recipes/debian-12-minimal", recipe)
    (recipe / "runtime.lock").unlink()
    store, mirrors = top / "here", mirror_options(machine_mirror())
    alephc_on(alephc, store, *mirrors, "lock", recipe)
    alephc_on(alephc, store, *mirrors, "build", recipe, "--locked", "-o", root / "image")
    alephc_on(alephc, store, *mirrors, "vendor", recipe, "-o", root / "bundle")
    unpack(tarball, root)
    done = run_in(root, "/bin/sh", "-c", VERIFY.format(name=NAME), capture_output=True, text=True)
    print(done.stdout + done.stderr)
    return done.returncode == 0 and "verified" in done.stdout.split()


def starts_in(alephc, tarball, top, release):
    root = top / release
    make_system(
        alephc,
        top / "here",
        top / f"{release}-project",
        root,
        distro="debian",
        release=release,
        packages=["debianutils"],
    )
    unpack(tarball, root)
    done = run_in(root, f"/{NAME}/alephc", "version", capture_output=True, text=True)
    print(f"{release}: {(done.stdout + done.stderr).strip().splitlines()[:1]}")
    return done.returncode == 0


def faults_of(build, top, releases):
    alephc, tarball = build / "alephc", top / f"{NAME}.tar.xz"
    digest = packed(build, tarball)
    print(f"{tarball.name}: {tarball.stat().st_size} bytes, sha256 {digest}")
    (top / "again").mkdir()
    if packed(build, top / f"again/{NAME}.tar.xz") != digest:
        yield "packed again, the tarball has other bytes"
    if not verified_without_anything(alephc, tarball, top):
        yield "in a bare root it does not verify"
    for release in releases:
        if not starts_in(alephc, tarball, top, release):
            yield f"it does not start in {release}"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid() != 0 or not BUSYBOX.exists():
        print("skipped: this needs root and busybox-static")
        return 77
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="tarball.") as folder:
        try:
            faults = list(
                faults_of(build, pathlib.Path(folder), sys.argv[2:] or ["bullseye", "trixie"])
            )
        except Unreachable:
            print("skipped: no Debian mirror can be reached")
            return 77
    for fault in faults:
        print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
