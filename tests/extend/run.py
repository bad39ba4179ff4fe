#!/usr/bin/env python3
"""Adds a toy image format and a toy distribution to alephc, and uses them.

run.py ALEPHC      as root, in a build tree below the project; exit 77 where that cannot be

What is added may touch exactly the files that docs/architecture.md names in "To add …". The project
is changed in an overlay that only this process sees, so that the build tree compiles no more than
what the additions change."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "integration"))

# File → pairs of a text that stands in it once, and what it becomes.
FORMAT = {
    "compiler/image/CMakeLists.txt": [
        ("    tar/writer.cpp\n", "    tar/writer.cpp\n    toy/toy.cpp\n"),
        ("    tar/tar.hpp\n", "    tar/tar.hpp\n    toy/toy.hpp\n"),
    ],
    "compiler/image/image_format.cpp": [
        (
            '#include "image/tar/tar.hpp"\n',
            '#include "image/tar/tar.hpp"\n#include "image/toy/toy.hpp"\n',
        ),
        ("&folder_format()}", "&folder_format(), &toy_format()}"),
    ],
    "compiler/manifest/keys.cpp": [("disk|qcow2|tar|dir", "disk|qcow2|tar|dir|toy")],
    "docs/manifest.md": [(r"tar \| dir |", r"tar \| dir \| toy |")],
    "docs/formats.md": [
        ("| `dir` | a folder", "| `toy` | a listing and contents | |\n| `dir` | a folder")
    ],
}
DISTRO = {
    "compiler/distro/CMakeLists.txt": [
        ("    none/none.cpp\n", "    none/none.cpp\n    toy/toy.cpp\n"),
        ("    none/none.hpp\n", "    none/none.hpp\n    toy/toy.hpp\n"),
    ],
    "compiler/distro/distro.cpp": [
        (
            '#include "distro/none/none.hpp"\n',
            '#include "distro/none/none.hpp"\n#include "distro/toy/toy.hpp"\n',
        ),
        (
            "Row{none::kTraits, none::distro}",
            "Row{none::kTraits, none::distro}, Row{toy::kTraits, toy::distro}",
        ),
    ],
    "compiler/manifest/keys.cpp": [("debian|ubuntu|alpine|none", "debian|ubuntu|alpine|none|toy")],
    "docs/manifest.md": [(r"alpine \| none |", r"alpine \| none \| toy |")],
}
SCHEMA = "schemas/runtime.schema.json"


def say(text):
    print(text, flush=True)


def run(*argv, **options):
    words = [str(word) for word in argv]
    result = subprocess.run(words, capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise SystemExit(
            f"failed: {' '.join(words)}\n{result.stdout[-3000:]}{result.stderr[-3000:]}"
        )
    return result.stdout


def replaced(path, pairs):
    text = path.read_text()
    for old, new in pairs:
        if text.count(old) != 1:
            raise SystemExit(f"{path.relative_to(ROOT)} does not have '{old}' once")
        text = text.replace(old, new)
    path.write_text(text)


def add(folder, edits):
    """Returns the paths of what was added and edited."""
    new = sorted(path.relative_to(HERE / folder) for path in (HERE / folder).rglob("*.?pp"))
    for path in new:
        (ROOT / path).parent.mkdir(exist_ok=True)
        shutil.copy(HERE / folder / path, ROOT / path)
    for path, pairs in edits.items():
        replaced(ROOT / path, pairs)
    return {str(path) for path in new} | set(edits)


def named_in_docs(what):
    """The paths of a row of "To add …", x standing for toy."""
    for line in (ROOT / "docs/architecture.md").read_text().splitlines():
        if not line.startswith(f"| {what} |"):
            continue
        paths = set()
        for path in re.findall(r"`([^`]+)`", line):
            path = re.sub(r"\bx\b", "toy", path)
            paths.add(
                path if path.startswith(("docs/", "schemas/", "tests/")) else f"compiler/{path}"
            )
        return paths
    raise SystemExit(f"docs/architecture.md does not say how to add {what}")


def check_touched(what, touched):
    named = named_in_docs(what)
    if touched != named:
        raise SystemExit(
            f"to add {what}: docs/architecture.md names {sorted(named)}, and {sorted(touched)} were touched"
        )
    say(f"{what}: {len(touched)} files, as docs/architecture.md says")


def build(alephc):
    """Makes the schema that the table of keys gives, and alephc with it."""
    tree = next(folder for folder in alephc.parents if (folder / "CMakeCache.txt").exists())
    run("cmake", "--build", tree, "--target", "alephc")
    (ROOT / SCHEMA).write_text(run(alephc, "schema"))
    run("cmake", "--build", tree, "--target", "alephc")


class Project:
    def __init__(self, work, name, text):
        self.folder = work / name
        self.folder.mkdir()
        head = f'schema = 1\n[runtime]\nname = "{name}"\n'
        (self.folder / "runtime.toml").write_text(head + text)

    def image(self, alephc, store, suffix, *arguments):
        image = self.folder.parent / f"{self.folder.name}{suffix}"
        if not (self.folder / "runtime.lock").exists():
            run(alephc, "--store", store, "lock", self.folder)  # CI=true: build makes no lock
        run(alephc, "--store", store, "build", self.folder, "-o", image, *arguments)
        return image


def use_format(alephc, work):
    text = '[base]\ndistro = "none"\n[init]\nprogram = "none"\n[image]\nformat = "toy"\n'
    project = Project(
        work, "format", text + '[[file]]\ntarget = "/etc/motd"\ncontent = "hello\\n"\n'
    )
    first = project.image(alephc, work / "store", ".toy")
    second = project.image(alephc, work / "second-store", "-again.toy")
    assert first.read_bytes() == second.read_bytes(), "two builds differ"
    assert first.read_bytes().startswith(b"TOYIMAGE"), "the image is not of the format"
    other = project.image(alephc, work / "store", ".tar", "--set", "image.format=tar")
    listing = run(alephc, "tree", first)
    assert "etc/motd" in listing, listing
    assert listing == run(alephc, "tree", other), "a tar of the same tree reads differently"
    say("a toy image was written, read and compared")


def pack(path, name, text):
    file = path.parent / name
    file.write_text(text)
    with tarfile.open(path, "w") as tar:
        tar.add(file, name)
    file.unlink()
    data = path.read_bytes()
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def use_distribution(alephc, work):
    from fixture import Server

    archive = work / "archive/one"
    archive.mkdir(parents=True)
    index = f"ball 1.5 {pack(archive / 'ball.tar', 'ball', 'round')}\nkite 2 {pack(archive / 'kite.tar', 'kite', 'light')}\n"
    (archive / "index").write_text(index)
    server = Server(work / "archive")
    text = (
        '[base]\ndistro = "toy"\nrelease = "one"\nmirrors = ["'
        + server.url
        + '"]\n[init]\nprogram = "none"\n'
    )
    project = Project(work, "distribution", text + '[packages]\ninstall = ["kite"]\n')
    image = project.image(alephc, work / "store", ".squashfs")
    listing = run(alephc, "tree", image)
    assert re.search(r"^kite ", listing, re.M), listing
    assert not re.search(r"^ball ", listing, re.M), listing
    packages = run(alephc, "inspect", image, "--sbom", "cyclonedx")
    assert "pkg:generic/toy/kite@2" in packages, packages
    say("a toy distribution was locked, installed and listed")


def inside(alephc):
    check_touched("an image format", add("format", FORMAT) | {SCHEMA})
    check_touched("a distribution", add("distro", DISTRO) | {SCHEMA})
    build(alephc)
    say("alephc was built with both")
    with tempfile.TemporaryDirectory(prefix="extend-") as work:
        use_format(alephc, pathlib.Path(work))
        use_distribution(alephc, pathlib.Path(work))


def in_overlay(alephc):
    """Runs this script again where the project is an overlay of itself."""
    with tempfile.TemporaryDirectory(prefix="extend-", dir="/var/tmp") as upper:
        for name in ("upper", "work"):
            os.mkdir(f"{upper}/{name}")
        mount = f"mount -t overlay overlay -o lowerdir='{ROOT}',upperdir={upper}/upper,workdir={upper}/work '{ROOT}'"
        script = f"{mount} || exit 77; cd '{ROOT}'; exec '{sys.executable}' '{__file__}' '{alephc}' --inside"
        return subprocess.run(["unshare", "-m", "sh", "-c", script], check=False).returncode


def main():
    alephc = pathlib.Path(sys.argv[1]).resolve()
    if "--inside" in sys.argv:
        return inside(alephc)
    if os.geteuid() != 0 or ROOT not in alephc.parents:
        say("skipped: needs root, and a build tree below the project")
        return 77
    code = in_overlay(alephc)
    if code == 77:
        say("skipped: no overlay can be mounted here")
    return code


if __name__ == "__main__":
    sys.exit(main())
