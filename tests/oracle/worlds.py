#!/usr/bin/env python3
"""Small random worlds of packages, unpacked and configured by alephc and by apt and dpkg.

worlds.py ALEPHC [--count N] [--first N] [--results FILE] [--keep FOLDER]
    as root, with a Debian mirror; 3 s a world
    --first: number of the first world; a number always stands for the same world
    --results: worlds that the file has are not run again, so that a run can be cut off and go on
    --keep: what differs is kept there

A world is two to six packages that meet at few paths: files, conffiles, symlinks and hard links to
them, folders of several owners, Replaces, diversions with and without --rename, statoverrides, path
filters, triggers, Pre-Depends, two architectures. dpkg does it in a copy of the same base system,
started by that system's own apt. Compared are all files with owner, mode and content, dpkg's
database among them; or that both refuse the world. Exit 1 when a world differs; 77 if it cannot run
here."""

import argparse
import concurrent.futures
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile

sys.path[:0] = [
    str(pathlib.Path(__file__).parents[1] / name) for name in ("integration", "oracle", "support")
]
from compare import describe
from fixture import Archive, Skip, base_packages
from systems import outside_ci

SHELL = "#!/bin/sh\nset -e\n"
FOLDERS = ["usr/lib/w", "usr/share/w", "usr/bin", "etc/w", "opt/w/deep"]
NAMES = ["one", "two", "three", "four", "five"]
# No path is a folder in one package and a file in another: dpkg moves whole folders aside then.
FOLDER_NAMES = ["north", "south"]
OWNERS = [
    ("root", "root", 0, 0),
    ("games", "staff", 1000, 1000),
    ("", "", 3, 4),
    ("no", "no", 7, 8),
]
FILTERS = [
    "",
    "path-exclude=/usr/share/w/*\npath-include=/usr/share/w/*two\n",
    "path-exclude /opt/w\npath-exclude /opt/w/*\n",
    "# a comment\npath-exclude=/usr/lib/w/[ot]*\n\n",
]
# What no package is about: apt's downloads, logs, and copies of a former state.
IGNORED = (
    "var/cache/apt/",
    "var/lib/apt/",
    "var/log/",
    "etc/apt/sources.list",
    "var/lib/dpkg/lock",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/triggers/Lock",
)
MANIFEST = """schema = 1
[runtime]
name = "world"
extends = ["base.toml"]
[packages]
install = [{names}]
[image]
format = "dir"
"""
BASE = """schema = 1
[base]
distro = "debian"
release = "test"
suites = ["test"]
keyring = "key.gpg"
[packages]
install = ["tzdata"]
[init]
program = "none"
"""


def tar_of(entries):
    """entries: TarInfo with its content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in entries:
            info.size = len(data)
            info.mtime = 1000000000
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def entry(path, data=b"", **fields):
    info = tarfile.TarInfo(f"./{path}" if path else "./")
    info.mode, info.uname, info.gname = 0o644, "root", "root"
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


class Package:
    """A .deb in the making."""

    def __init__(self, name, arch="amd64"):
        self.name, self.arch = name, arch
        self.fields: dict[str, str] = {}
        self.scripts: dict[str, str] = {}
        self.conffiles: list[str] = []
        self.files: dict[str, tuple] = {}
        self.triggers = ""

    def script(self, kind, text):
        self.scripts[kind] = self.scripts.get(kind, SHELL) + text

    def data(self):
        entries = {"": entry("", type=tarfile.DIRTYPE, mode=0o755)}
        for path, made in self.files.items():
            for parent in reversed(pathlib.PurePosixPath(path).parents):
                name = str(parent)
                if name != "." and name not in entries:
                    entries[name] = entry(name + "/", type=tarfile.DIRTYPE, mode=0o755)
            entries[path] = made
        return tar_of(entries.values())

    def write(self, folder):
        control = f"Package: {self.name}\nVersion: 1\nArchitecture: {self.arch}\n"
        control += "Maintainer: W <w@example.org>\n"
        control += "".join(f"{key}: {value}\n" for key, value in self.fields.items())
        control += "Description: one of a world\n"
        entries = [entry("", type=tarfile.DIRTYPE, mode=0o755), entry("control", control.encode())]
        for name, text in self.scripts.items():
            entries.append(entry(name, text.encode(), mode=0o755))
        if self.conffiles:
            listed = "".join(f"/{path}\n" for path in self.conffiles)
            entries.append(entry("conffiles", listed.encode()))
        if self.triggers:
            entries.append(entry("triggers", self.triggers.encode()))
        members = [
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", tar_of(entries)),
            ("data.tar.gz", self.data()),
        ]
        out = b"!<arch>\n"
        for name, data in members:
            out += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
            out += b"\n" if len(data) % 2 else b""
        (folder / f"{self.name}_1_{self.arch}.deb").write_bytes(out)


class World:
    """What its number says."""

    def __init__(self, number):
        self.number = number
        self.random = random.Random(f"world {number}")
        self.filter = self.random.choice(FILTERS) if self.random.random() < 0.3 else ""
        self.packages = [
            Package(f"w{number}{letter}") for letter in "abcdef"[: self.random.randint(2, 6)]
        ]
        for package in self.packages:
            self.fill(package)
        if self.random.random() < 0.25:
            self.add_other_architecture()

    def path(self):
        return f"{self.random.choice(FOLDERS)}/{self.random.choice(NAMES)}"

    def fill(self, package):
        for _ in range(self.random.randint(1, 4)):
            self.add_file(package)
        # Whoever has nothing left that is its own disappears, which images do not know.
        own = f"usr/lib/w/{package.name}"
        package.files[own] = entry(own, b"own\n")
        earlier = [each.name for each in self.packages[: self.packages.index(package)]]
        chance = self.random.random
        if earlier and chance() < 0.5:
            kind = self.random.choice(["Depends", "Pre-Depends", "Depends"])
            package.fields[kind] = self.random.choice(earlier)
        replaced = self.replaced_by(package)
        if replaced:
            package.fields["Replaces"] = ", ".join(replaced)
        if chance() < 0.3:
            self.add_diversion(package)
        if chance() < 0.2:
            self.add_override(package)
        if chance() < 0.3:
            self.add_trigger(package)
        if chance() < 0.3:
            package.script("preinst", f'echo "$@" > /var/lib/{package.name}.preinst\n')
        if chance() < 0.5:
            package.script("postinst", f'echo "$1" >> /var/lib/{package.name}.postinst\n')

    def replaced_by(self, package):
        """Most of the others that have a path of it, and some that have none."""
        names = []
        for other in self.packages:
            meets = bool(other.files.keys() & package.files.keys())
            if other is not package and self.random.random() < (0.9 if meets else 0.1):
                names.append(other.name)
        return names

    def add_file(self, package):
        path, kind = self.path(), self.random.random()
        if path in package.files:
            return
        if kind < 0.12:
            package.files[path] = entry(
                path, type=tarfile.SYMTYPE, linkname=self.random.choice(["one", "/" + self.path()])
            )
        elif kind < 0.24 and package.files:
            target = self.random.choice(list(package.files))
            if package.files[target][0].isreg():
                package.files[path] = entry(path, type=tarfile.LNKTYPE, linkname=f"./{target}")
        elif kind < 0.3:
            self.add_folder(package)
        else:
            user, group, uid, gid = (
                self.random.choice(OWNERS) if self.random.random() < 0.3 else OWNERS[0]
            )
            mode = self.random.choice([0o644, 0o755, 0o600, 0o4755])
            text = f"{package.name} {path}\n".encode()
            package.files[path] = entry(
                path, text, uname=user, gname=group, uid=uid, gid=gid, mode=mode
            )
            if path.startswith("etc/"):
                package.conffiles.append(path)

    def add_folder(self, package):
        """Or a symlink of its name to another one."""
        choice = self.random.choice
        path = f"{choice(FOLDERS)}/{choice(FOLDER_NAMES)}"
        if path in package.files:
            return
        target = f"{choice(FOLDERS)}/{choice(FOLDER_NAMES)}"
        if self.random.random() < 0.3 and target not in package.files:
            package.files[path] = entry(path, type=tarfile.SYMTYPE, linkname="/" + target)
            path = target
        mode = choice([0o755, 0o750])
        package.files[path] = entry(path + "/", type=tarfile.DIRTYPE, mode=mode)
        inner = f"{path}/{choice(NAMES)}"
        package.files[inner] = entry(inner, f"{package.name} {inner}\n".encode())

    def add_diversion(self, package):
        path = self.path()
        rename = self.random.choice(["--rename", "--no-rename"])
        package.script(
            "preinst",
            f"dpkg-divert --package {package.name} --add {rename} --divert /{path}.real /{path}\n",
        )

    def add_override(self, package):
        user = self.random.choice(["root daemon", "games staff", "'#12' '#34'"])
        mode = self.random.choice(["4750", "0600", "2755"])
        path = self.path()
        package.script(
            "preinst",
            f"dpkg-statoverride --list /{path} > /dev/null || "
            f"dpkg-statoverride --add {user} {mode} /{path}\n",
        )

    def add_trigger(self, package):
        folder = self.random.choice(FOLDERS)
        kind = self.random.choice(["interest", "interest-noawait"])
        package.triggers = f"{kind} /{folder}\n"
        package.script(
            "postinst", f'[ "$1" != triggered ] || touch /var/lib/{package.name}.heard\n'
        )

    def add_other_architecture(self):
        package = self.random.choice(self.packages)
        if any(info.islnk() for info, _ in package.files.values()):
            return  # dpkg compares shared hard links by what they were
        package.fields["Multi-Arch"] = "same"
        other = Package(package.name, "i386")
        other.fields, other.triggers = dict(package.fields), package.triggers
        other.files, other.conffiles = dict(package.files), list(package.conffiles)
        other.scripts = {
            kind: text + f'echo "$DPKG_MAINTSCRIPT_ARCH" >> /var/lib/{package.name}.i386.{kind}\n'
            for kind, text in package.scripts.items()
        }
        own = f"usr/lib/w/{package.name}.i386"
        other.files[own] = entry(own, b"i386\n")
        for depends in ("Depends", "Pre-Depends"):
            other.fields.pop(depends, None)
        self.packages.append(other)

    def names(self):
        return [
            each.name if each.arch == "amd64" else f"{each.name}:{each.arch}"
            for each in self.packages
        ]


class Judge:
    """The archive with all packages, the base system, and the two sides."""

    def __init__(self, alephc, top, numbers):
        self.alephc, self.top = alephc, top
        self.worlds = {number: World(number) for number in numbers}
        cache = pathlib.Path(os.environ.get("ALEPHC_TEST_CACHE", "/var/tmp/alephc-test-cache"))
        cache.mkdir(parents=True, exist_ok=True)
        debs = base_packages(alephc, cache)
        (top / "archive").mkdir()
        self.archive = Archive(top / "archive")
        for deb in debs.iterdir():
            shutil.copy(deb, self.archive.root / "pool")
        for world in self.worlds.values():
            for package in world.packages:
                package.write(self.archive.root / "pool")
        self.archive.publish(architectures=("amd64", "i386"))
        self.base = top / "base"
        self.make_base()
        self.known = {path: self.looks(self.base, path) for path in self.paths(self.base)}

    # alephc's side

    def project(self, folder, text):
        folder.mkdir()
        shutil.copy(self.archive.key, folder / "key.gpg")
        (folder / "base.toml").write_text(BASE)
        (folder / "runtime.toml").write_text(text)
        return folder

    def build(self, project, place):
        argv = [self.alephc, "--quiet", "--store", self.top / "store"]
        argv += ["--mirror", self.archive.url, "build", project, "-o", place, "--no-normalize"]
        return subprocess.run(argv, capture_output=True, text=True, env=outside_ci(), check=False)

    def compiled(self, world, folder):
        names = ", ".join(f'"{name}"' for name in world.names())
        text = MANIFEST.format(names=names)
        project = self.project(folder / "project", text)
        if world.filter:
            (project / "filter").write_text(world.filter)
            with open(project / "base.toml", "a") as base:
                base.write('[[file]]\ntarget = "/etc/dpkg/dpkg.cfg.d/world"\n')
                base.write('source = "filter"\nbefore = "packages"\n')
        return self.build(project, folder / "ours")

    # apt's and dpkg's side

    def make_base(self):
        text = MANIFEST.format(names="")
        done = self.build(self.project(self.top / "base-project", text), self.base)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        (self.base / "etc/apt/sources.list").write_text(
            f"deb [trusted=yes] {self.archive.url} test main\n"
        )
        # The archive is on loopback; the mirror of the machine's apt is not asked.
        commands = "dpkg --add-architecture i386 && apt-get -qq update"
        commands += " && dpkg --remove-architecture i386"
        done = self.enter(self.base, commands)
        if done.returncode != 0:
            raise SystemExit(done.stderr)

    @staticmethod
    def enter(root, commands):
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "DEBIAN_FRONTEND": "noninteractive",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            ["unshare", "--mount", "chroot", root, "sh", "-c", commands],
            capture_output=True,
            text=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def installed(self, world, folder):
        """The same by apt, in an overlay over the base."""
        root = folder / "theirs"
        for name in ("upper", "work", "theirs"):
            (folder / name).mkdir()
        data = f"lowerdir={self.base},upperdir={folder}/upper,workdir={folder}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", data, "overlay", root], check=True)
        if world.filter:
            (root / "etc/dpkg/dpkg.cfg.d/world").write_text(world.filter)
        foreign = any(package.arch != "amd64" for package in world.packages)
        before = "dpkg --add-architecture i386 && " if foreign else ""
        options = "-qq -y --no-install-recommends"
        for option in ("unsafe-io", "confdef", "confold"):
            options += f" -o Dpkg::Options::=--force-{option}"
        return self.enter(root, f"{before}apt-get {options} install {' '.join(world.names())}")

    # The verdict

    @staticmethod
    def paths(root):
        for folder, folders, files in os.walk(root):
            for name in folders + files:
                path = os.path.relpath(os.path.join(folder, name), root)
                if not path.startswith(IGNORED) and not path.endswith("-old"):
                    yield path

    @staticmethod
    def looks(root, path):
        info = os.lstat(root / path)
        return info.st_size, info.st_mtime_ns, info.st_mode, info.st_uid, info.st_gid

    def changed(self, root):
        """What is not as in the base: path and description; None for what is gone."""
        found = {}
        for path in self.paths(root):
            looks = self.looks(root, path)
            known = self.known.get(path)
            is_folder = stat.S_ISDIR(looks[2])
            if looks == known or (is_folder and known and looks[2:] == known[2:]):
                found[path] = "as before"
            else:
                found[path] = self.description(root, path)
        return found

    @staticmethod
    def description(root, path):
        said = describe(root, path)
        if path.startswith("var/lib/dpkg/triggers/") and "content" in said:
            said["content"] = sorted((root / path).read_text().splitlines())
        return said

    def differences(self, ours, theirs):
        left, right = self.changed(ours), self.changed(theirs)
        for path in sorted(left.keys() | right.keys()):
            a, b = left.get(path), right.get(path)
            if a == b:
                continue
            # One side may have written what was there before.
            if a == "as before":
                a = self.description(ours, path)
            if b == "as before":
                b = self.description(theirs, path)
            if a != b:
                yield f"{path}: {a} here, {b} by dpkg"

    def judge(self, number, keep):
        world = self.worlds[number]
        folder = self.top / f"world-{number}"
        folder.mkdir()
        ours, theirs = self.compiled(world, folder), self.installed(world, folder)
        try:
            if (ours.returncode == 0) != (theirs.returncode == 0):
                said = ours.stderr if ours.returncode != 0 else theirs.stdout + theirs.stderr
                who = "alephc" if ours.returncode != 0 else "apt"
                found = [f"only {who} refuses it: {said}"]
            elif ours.returncode != 0:
                found = []
            else:
                found = list(self.differences(folder / "ours", folder / "theirs"))
            if found and keep:
                keep.mkdir(exist_ok=True)
                subprocess.run(["cp", "-a", folder, keep], check=True)
        finally:
            subprocess.run(["umount", folder / "theirs"], check=True)
        shutil.rmtree(folder)
        return {"refused": ours.returncode != 0, "differences": found}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("alephc", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path)
    given = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("apt-ftparchive"):
        print("skipped: this needs root and apt-utils")
        return 77
    known = {}
    if given.results and given.results.exists():
        known = json.loads(given.results.read_text())
    numbers = [
        number
        for number in range(given.first, given.first + given.count)
        if str(number) not in known
    ]
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="worlds.") as name:
        try:
            judge = Judge(given.alephc.resolve(), pathlib.Path(name), numbers)
        except Skip as reason:
            print(f"skipped: {reason}")
            return 77
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            verdicts = pool.map(lambda number: judge.judge(number, given.keep), numbers)
            for number, verdict in zip(numbers, verdicts):
                known[str(number)] = verdict
                for line in verdict["differences"]:
                    print(f"world {number}: {line}", flush=True)
                if given.results:
                    given.results.write_text(json.dumps(known, indent=1) + "\n")
    different = sum(bool(verdict["differences"]) for verdict in known.values())
    refused = sum(verdict["refused"] for verdict in known.values())
    print(f"{len(known)} worlds, {refused} refused by both, {different} differ")
    return 1 if different or not known else 0


if __name__ == "__main__":
    sys.exit(main())
