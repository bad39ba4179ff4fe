#!/usr/bin/env python3
"""Is aleph-init what its source makes, wherever alephc was compiled? Does verify name any other?

source.py BUILD      a build folder; as root, with a Debian mirror

Exits 77 if it cannot run here. The alephc "of another compiler" is this build's with another byte
in the init that it carries: it has to build the released one from source, with the packages that
compiler/init/runtime.lock names."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from locks import relocked
from release import PROJECT, TABLE, source_digest
from run import machine_mirror
from systems import Unreachable, alephc_on, mirror_options, outside_ci

RECIPE = """schema = 1
[runtime]
name = "small"
[base]
distro = "none"
[image]
format = "squashfs"
"""


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def released():
    """The program's digest in the table, which has to be of the source as it is."""
    words = [
        line.split() for line in TABLE.read_text().splitlines() if line and not line.startswith("#")
    ]
    programs = dict(words)
    assert source_digest(PROJECT) in programs, "compiler/init changed: run tests/init/release.py"
    return programs[source_digest(PROJECT)]


def of_another_compiler(build, place):
    """An alephc whose own init differs by one byte of a message."""
    init = (build / "compiler/init/program/aleph-init").read_bytes()
    program = (build / "alephc").read_bytes()
    assert program.count(init) == 1, "alephc carries the init once"
    text = init.index(b"aleph-init")
    other = init[:text] + b"A" + init[text + 1 :]
    place.write_bytes(program.replace(init, other))
    place.chmod(0o755)


def recipe(folder):
    folder.mkdir()
    (folder / "runtime.toml").write_text(RECIPE)
    return folder


def verdict(alephc, store, *arguments):
    done = subprocess.run(
        [alephc, "--store", store, "--json", "verify", *arguments],
        env=outside_ci(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_built_from_source(build, top, mirror):
    """The recipe's lock, made here, gives the same image with an alephc of another compiler."""
    project, other = recipe(top / "project"), top / "other-alephc"
    of_another_compiler(build, other)
    alephc_on(build / "alephc", top / "store", "lock", project)
    name_init(project / "runtime.lock", own_init(build), released())
    options = mirror_options(mirror)
    alephc_on(
        other, top / "other-store", *options, "build", project, "--locked", "-o", top / "of-other"
    )
    other.unlink()
    init = top / "built"
    blobs = top / "other-store/blobs"
    init.write_bytes(next(blobs.rglob(released())).read_bytes())
    alephc_on(
        build / "alephc",
        top / "store",
        "build",
        project,
        "--locked",
        "--init",
        init,
        "-o",
        top / "here",
    )
    assert sha256(init.read_bytes()) == released()
    assert (top / "of-other").read_bytes() == (top / "here").read_bytes()


def name_init(lock, old, new):
    """Makes the lock name another init."""
    lock.write_text(relocked(lock.read_text(), lambda body: body.replace(old, new)))


def own_init(build):
    return sha256((build / "compiler/init/program/aleph-init").read_bytes())


def test_backdoor(build, top, _mirror):
    """verify leaves an image undecided whose lock names an init that is not a release."""
    project, init = recipe(top / "backdoor"), top / "backdoored-init"
    own = (build / "compiler/init/program/aleph-init").read_bytes()
    init.write_bytes(own.replace(b"aleph-init", b"Aleph-init", 1))
    alephc, store, image = build / "alephc", top / "store", top / "backdoored"
    alephc_on(alephc, store, "lock", project)
    honest = top / "honest"
    alephc_on(alephc, store, "build", project, "--locked", "-o", honest)
    rebuild = [str(project), "--rebuild", "--image"]
    assert verdict(alephc, store, *rebuild, str(honest))[0] == 0
    name_init(project / "runtime.lock", own_init(build), sha256(init.read_bytes()))
    alephc_on(alephc, store, "build", project, "--locked", "--init", init, "-o", image)
    store = top / "store-without-it"  # the image brings its init
    for command in ([*rebuild, str(image)], [*rebuild, str(image), "--strict"]):
        code, said = verdict(alephc, store, *command)
        assert code == 1, (command, said)
        assert [row["verdict"] for row in said["checks"] if row["check"] == "init"] == [
            "undecided"
        ], said


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if os.geteuid() != 0:
        print("skipped: this needs root")
        return 77
    mirror = machine_mirror()
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-init.") as name:
        for test in (test_backdoor, test_built_from_source):
            top = pathlib.Path(name) / test.__name__
            top.mkdir()
            try:
                test(build, top, mirror)
            except Unreachable as reason:
                print(f"skipped: {reason}")
                return 77
            print(f"ok   {test.__name__}", flush=True)
            shutil.rmtree(top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
