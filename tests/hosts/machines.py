#!/usr/bin/env python3
"""Do other kernels and processors make the same image?

machines.py BUILD [--recipe FOLDER] [--row NAME…] [--results FILE]
    a build folder; as root, with a Debian mirror and qemu-system-x86; an hour for all rows
    --results: rows that the file has are not run again, so that a run can be cut off and go on

Each row is a machine that QEMU emulates, so that nothing of this one's processor shows: a kernel of
Debian 11, 12 or 13, a kind of processor, their number and the memory. Its root is a Debian 12 with
the package installed, in which alephc builds the locked recipe (default: debian-12-minimal) from a
bundle. Prints a row each; exit 1 when an image differs from the one that is built here; 77 if it
cannot run here."""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from packages import given_by, installed_root
from run import machine_mirror
from systems import Unreachable, make_system

SOURCE = pathlib.Path(__file__).parents[2]
BUSYBOX = pathlib.Path("/bin/busybox")
KERNELS = {"debian-11": "bullseye", "debian-12": "bookworm", "debian-13": "trixie"}
# Kernel, processor, processors, gigabytes. Each value of each column is there, and the corners.
ROWS = {
    "debian-11 qemu64 1 2": ("debian-11", "qemu64", 1, 2),
    "debian-11 max 4 8": ("debian-11", "max", 4, 8),
    "debian-12 qemu64 4 8": ("debian-12", "qemu64", 4, 8),
    "debian-12 max 1 2": ("debian-12", "max", 1, 2),
    "debian-13 qemu64 4 2": ("debian-13", "qemu64", 4, 2),
    "debian-13 max 1 8": ("debian-13", "max", 1, 8),
}
# Of the initramfs: the root moves to a tmpfs, because nothing can pivot away from an initramfs.
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /root
/bin/busybox mount -t tmpfs -o mode=0755,size=90% tmpfs /root
/bin/busybox tar -C /root -xf /root.tar && /bin/busybox rm /root.tar
exec /bin/busybox switch_root /root /job
"""
JOB = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do /busybox insmod /modules/$module; done
alephc --offline --store /store build /given --locked --bundle /given/bundle -o /image
echo "RESULT $(sha256sum /image)"
echo o > /proc/sysrq-trigger
sleep 60
"""


def kernel_of(alephc, release, top):
    """(kernel, folder of modules) of a release's cloud kernel."""
    root = top / f"kernel-{release}"
    if not root.exists():
        make_system(
            alephc,
            top / "kernels",
            top / f"kernel-{release}-project",
            root,
            distro="debian",
            release=release,
            packages=["linux-image-cloud-amd64"],
        )
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    (modules,) = (root / "lib/modules").iterdir()
    return kernel, modules


def put_modules(modules, place):
    """overlay, the one module that a step needs of these kernels, and what that needs."""
    place.mkdir()
    order = []
    lines = (modules / "modules.dep").read_text().splitlines()
    needs = {line.split(":")[0]: line.split(":")[1].split() for line in lines}
    (overlay,) = [name for name in needs if re.search(r"/overlay\.ko", name)]
    for name in [*reversed(needs[overlay]), overlay]:
        file = modules / name
        plain = place / re.sub(r"\.(xz|zst|gz)$", "", file.name)
        if file.suffix == ".xz":
            plain.write_bytes(
                subprocess.run(["xz", "-dc", file], check=True, capture_output=True).stdout
            )
        else:
            shutil.copy(file, plain)
        order.append(plain.name)
    (place / "order").write_text("\n".join(order) + "\n")


def initramfs(root, modules, top):
    shutil.rmtree(root / "modules", ignore_errors=True)
    put_modules(modules, root / "modules")
    early = top / "early"
    shutil.rmtree(early, ignore_errors=True)
    (early / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, early / "bin")
    (early / "init").write_text(INIT)
    (early / "init").chmod(0o755)
    subprocess.run(["tar", "-C", root, "-cf", early / "root.tar", "."], check=True)
    names = subprocess.run(["find", "."], cwd=early, check=True, capture_output=True).stdout
    place = top / "initrd"
    with open(place, "wb") as out:
        pack = [str(BUSYBOX), "cpio", "-o", "-H", "newc"]
        subprocess.run(
            pack, cwd=early, input=names, stdout=out, check=True, stderr=subprocess.DEVNULL
        )
    return place


def prepared_root(build, recipe, top):
    """A Debian 12 with the package, the locked recipe and its bundle; the image's sha256 here."""
    root = installed_root(build, top, "bookworm")
    sha256 = given_by(build / "alephc", recipe, root / "given", top, machine_mirror())
    (root / "job").write_text(JOB)
    (root / "job").chmod(0o755)
    shutil.copy(BUSYBOX, root / "busybox")
    return root, sha256


def built_in(kernel, initrd, processor, count, gigabytes, log):
    """The sha256 that a machine of that kind prints."""
    argv = [
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        processor,
        "-smp",
        str(count),
    ]
    argv += [
        "-m",
        f"{gigabytes}G",
        "-kernel",
        kernel,
        "-initrd",
        initrd,
        "-nographic",
        "-no-reboot",
    ]
    argv += ["-nic", "none", "-append", "console=ttyS0 panic=-1 rdinit=/init quiet"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    log.write_text(done.stdout + done.stderr)
    found = re.search(r"RESULT ([0-9a-f]{64})", done.stdout)
    return found[1] if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--recipe", type=pathlib.Path, default=SOURCE / "recipes/debian-12-minimal")
    parser.add_argument("--row", action="append", choices=list(ROWS), default=[])
    parser.add_argument("--results", type=pathlib.Path)
    given = parser.parse_args()
    needed = ("qemu-system-x86_64", "cpack", "busybox")
    missing = [name for name in needed if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        print(f"skipped: this needs root and {', '.join(missing) or 'nothing else'}")
        return 77
    build, known = given.build.resolve(), {}
    if given.results and given.results.exists():
        known = json.loads(given.results.read_text())
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="machines.") as name:
        top = pathlib.Path(name)
        try:
            root, here = prepared_root(build, given.recipe, top)
            for row in given.row or ROWS:
                if row in known:
                    continue
                release, processor, count, gigabytes = ROWS[row]
                kernel, modules = kernel_of(build / "alephc", KERNELS[release], top)
                initrd = initramfs(root, modules, top)
                log = pathlib.Path(f"/var/tmp/machine-{row.replace(' ', '-')}.log")
                made = built_in(kernel, initrd, processor, count, gigabytes, log)
                known[row] = {"kernel": modules.name, "same": made == here, "log": str(log)}
                print(
                    f"{row:24} {modules.name:24} {'the same' if made == here else f'DIFFERS: {log}'}",
                    flush=True,
                )
                if given.results:
                    given.results.write_text(json.dumps(known, indent=1) + "\n")
        except Unreachable as reason:
            print(f"skipped: {reason}")
            return 77
    return 0 if all(row["same"] for row in known.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
