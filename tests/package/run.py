#!/usr/bin/env python3
"""Is the Debian package whole, and does alephc work where only it and its dependencies are?

run.py BUILD      a build folder, in which the package is made; as root, with a Debian mirror

lintian finds nothing but what the package overrides. It is installed in a minimal system of this
machine's release that alephc makes, where it builds an image. Exits 77 if it cannot
run here."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from packages import output, package_of, root_for
from run import machine_mirror
from systems import Unreachable, run_in

SOURCE = pathlib.Path(__file__).parents[2]
INSIDE = """set -e
dpkg -i /alephc.deb
alephc version
test -e /usr/share/man/man1/alephc.1.gz
test -e /usr/share/bash-completion/completions/alephc
cd /root && alephc init hello && alephc --quiet --mirror "$0" lock hello
alephc --quiet --mirror "$0" build hello -o hello.squashfs
dpkg --purge alephc
test ! -e /usr/bin/alephc
"""


def faults_of(package):
    """What lintian finds, but for cmake/package/lintian-overrides."""
    if not shutil.which("lintian"):
        print("no lintian: the package is not judged")
        return []
    done = subprocess.run(["lintian", package], capture_output=True, text=True, check=False)
    return re.findall(r"^[EW]: .*", done.stdout, re.M)


def commands_without_page(alephc):
    help_text = output(alephc, "--help")
    commands = re.findall(r"^  ([a-z]+) ", help_text.partition("Subcommands:")[2], re.M)
    page = (SOURCE / "cmake/package/alephc.1").read_text()
    return [name for name in commands if f".B {name}\n" not in page]


def release_of_machine():
    return re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid() != 0 or not shutil.which("dpkg-shlibdeps") or not shutil.which("cpack"):
        print("skipped: this needs root, cpack and dpkg-dev")
        return 77
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="package.") as folder:
        top = pathlib.Path(folder)
        package = package_of(build, top / "package")
        print(output("dpkg-deb", "-I", package))
        faults = faults_of(package)
        faults += [f"alephc.1 lacks {name}" for name in commands_without_page(build / "alephc")]
        try:
            root = root_for(build / "alephc", package, top, release_of_machine())
        except Unreachable:
            print("skipped: no Debian mirror can be reached")
            return 77
        shutil.copy(package, root / "alephc.deb")
        done = run_in(root, "/bin/sh", "-c", INSIDE, machine_mirror())
        if done.returncode != 0:
            faults.append(f"in a system with its dependencies only: exit {done.returncode}")
        for fault in faults:
            print(f"FAILED: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
