"""alephc's own Debian package, and a system with what it depends on."""

import re
import subprocess

from systems import make_system


def output(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


def package_of(build, folder):
    output("cpack", "-G", "DEB", "-B", folder, cwd=build)
    (package,) = folder.glob("*.deb")
    return package


def root_for(alephc, package, top, release):
    """A root at top with the package's dependencies and Debian's keys."""
    depends = output("dpkg-deb", "-f", package, "Depends")
    names = [re.split(r"[ |(:]", each.strip())[0] for each in depends.split(",")]
    names += ["debian-archive-keyring"]
    make_system(
        alephc,
        top / "store",
        top / "host",
        top / "root",
        distro="debian",
        release=release,
        packages=names,
    )
    return top / "root"
