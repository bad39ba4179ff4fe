#!/usr/bin/env python3
"""Does the workflow of docs/ci.md run in a container with exactly the options that it states?

containers.py BUILD      a build folder; as root, with a Debian mirror

Starts a Docker daemon of its own with no network, and imports a Debian 12 with the package
installed. In it the workflow's commands run under Docker's default capabilities and filter plus the
stated options, and make the image that is made here. Without any one of the options build and
doctor exit with 4 and name it. Not run: what needs an account (publish) or QEMU (conform). Exits 77
if it cannot run here."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent.parent / name) for name in ("oracle", "support")]
from packages import given_by, installed_root
from run import machine_mirror
from systems import Unreachable

SOURCE = pathlib.Path(__file__).parents[2]
IMAGE = "alephc:test"
RECIPE = SOURCE / "recipes" / "debian-12-minimal"
NOT_RUN = ("alephc publish", "alephc conform")
INSIDE = "cp -r /given /work && cd /work && set -e && "


class Workflow:
    """The first one of docs/ci.md."""

    def __init__(self):
        text = (SOURCE / "docs/ci.md").read_text()
        options = re.search(r"^ +options: (.*)$", text, re.M)[1].split()
        self.options = list(zip(options[::2], options[1::2]))
        self.volume = re.search(r'^ +volumes: \["\w+:(.*)"\]$', text, re.M)[1]
        self.store = re.search(r"ALEPHC_STORE: (\S+) ", text)[1]
        block = text[: text.index("\nThe steps are")]
        lines = re.findall(r"- run: (alephc .*)$", block, re.M)
        self.commands = [line for line in lines if not line.startswith(NOT_RUN)]


class Docker:
    def __init__(self, folder):
        self.folder, self.socket = folder, f"unix://{folder}/socket"

    @contextlib.contextmanager
    def running(self):
        places = ["--data-root", self.folder / "data", "--exec-root", self.folder / "exec"]
        places += ["--pidfile", self.folder / "pid", "-H", self.socket]
        network = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        with open(self.folder / "log", "w") as log:
            daemon = subprocess.Popen(["dockerd", *places, *network], stdout=log, stderr=log)
            try:
                self.wait(daemon)
                yield self
            finally:
                daemon.terminate()
                daemon.wait()

    def wait(self, daemon):
        for _ in range(60):
            if daemon.poll() is not None:
                raise Unreachable("dockerd does not start here")
            if self.call("info").returncode == 0:
                return
            time.sleep(1)
        raise Unreachable("dockerd does not answer")

    def call(self, *arguments, **options):
        argv = ["docker", "-H", self.socket, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, **options)

    def has_apparmor(self):
        return "apparmor" in self.call("info").stdout

    def take(self, root):
        """The root as an image."""
        pack = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        done = self.call("import", "-", IMAGE, stdin=pack.stdout)
        assert done.returncode == 0, done.stderr
        pack.wait()

    def run(self, workflow, options, volume, given, script):
        """In a new container, offline, with the project and the bundle at /given."""
        argv = ["run", "--rm", "--network", "none", "-v", f"{given}:/given"]
        argv += ["-e", f"ALEPHC_STORE={workflow.store}", "-e", "CI=true"]
        argv += [word for option in options for word in option]
        argv += ["-v", f"{volume}:{workflow.volume}"] if volume else []
        return self.call(*argv, IMAGE, "sh", "-c", INSIDE + script)


def offline(command):
    """The lock's packages come from the bundle."""
    if command.startswith(("alephc build", "alephc verify")):
        command += " --bundle /given/bundle"
    return command.replace("alephc ", "alephc --offline ", 1)


def faults_of(docker, workflow, given, sha256, folder):
    script = "; ".join(map(offline, workflow.commands)) + "; sha256sum runtime.squashfs"
    done = docker.run(workflow, workflow.options, folder / "volume", given, script)
    if done.returncode != 0:
        yield f"the workflow fails: {done.stdout[-2000:]}{done.stderr}"
    elif sha256 not in done.stdout:
        yield f"the container makes another image: {done.stdout[-300:]}"
    build = offline("alephc build . -o runtime.squashfs")
    cases = [
        (option[1], [each for each in workflow.options if each != option], folder / f"without-{i}")
        for i, option in enumerate(workflow.options)
        if option[1] != "apparmor=unconfined" or docker.has_apparmor()
    ]
    cases.append(("volume", workflow.options, None))
    for name, options, volume in cases:
        for command in ("alephc doctor", build):
            done = docker.run(workflow, options, volume, given, command)
            said = done.stdout + done.stderr
            if done.returncode != 4 or name not in said:
                yield f"without {name}: '{command}' exits {done.returncode}: {said}"
        print(f"without {name}: refused", flush=True)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    missing = [name for name in ("dockerd", "docker", "cpack") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        print(f"skipped: this needs root and {', '.join(missing) or 'nothing else'}")
        return 77
    faults = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="containers.") as name:
        top = pathlib.Path(name)
        try:
            root, given = installed_root(build, top, "bookworm"), top / "given"
            sha256 = given_by(build / "alephc", RECIPE, given, top, machine_mirror())
            with Docker(top).running() as docker:
                docker.take(root)
                for fault in faults_of(docker, Workflow(), given, sha256, top):
                    print(f"FAILED: {fault}", flush=True)
                    faults += 1
        except Unreachable as reason:
            print(f"skipped: {reason}")
            return 77
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
