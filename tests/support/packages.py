"""alephc's own Debian package, and a system with what it depends on."""

import re
import shutil
import subprocess

from systems import alephc_on, make_system, mirror_options, run_in


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


def installed_root(build, top, release):
    """The same with the package of this build installed."""
    package = package_of(build, top / "package")
    root = root_for(build / "alephc", package, top, release)
    shutil.copy(package, root / "alephc.deb")
    run_in(root, "dpkg", "-i", "/alephc.deb", check=True, capture_output=True)
    (root / "alephc.deb").unlink()
    return root


def given_by(alephc, recipe, given, top, mirror):
    """Copies the recipe to given with lock and bundle; the sha256 of the image, built here."""
    store, options = top / "here", mirror_options(mirror)
    shutil.copytree(recipe, given)
    alephc_on(alephc, store, *options, "lock", "--update", given)
    alephc_on(alephc, store, *options, "vendor", given, "-o", given / "bundle")
    alephc_on(alephc, store, *options, "build", given, "--locked", "-o", top / "image")
    return output("sha256sum", top / "image").split()[0]
