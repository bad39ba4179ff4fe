#!/usr/bin/env python3
"""How the time of a build grows with the number of packages, on one core and on two.

growth.py ALEPHC [--rounds N] [--markdown FILE]
    as root, with a Debian mirror in this machine's apt configuration

The packages are there, nothing else is: downloads are no part of it. The first row is ten packages
in a part of their own on a base that is built already; the others are whole systems."""
import argparse
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import tomllib

# By its file: the oracle's run.py, which it imports, has the same name.
spec = importlib.util.spec_from_file_location(
    "benchmark", pathlib.Path(__file__).with_name("run.py")
)
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)
LEVEL, LISTS, Bench, machine_mirror, measured = (
    getattr(benchmark, name) for name in ("LEVEL", "LISTS", "Bench", "machine_mirror", "measured")
)

TEN = ["bc", "tree", "pv", "rsync", "less", "file", "time", "zip", "unzip", "lsof"]
SYSTEMS = [
    [],
    ["python3-minimal", "openssh-server", "curl"],
    ["python3-dev", "build-essential", "openssh-server", "curl"],
    LISTS["official"][1],
]


def manifest(packages, part):
    """Files of a project; part is what the manifest itself asks for, when packages are its
    base's."""
    listed = lambda names: ", ".join(f'"{name}"' for name in names)
    base = (
        f'[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n[packages]\ninstall = [{listed(packages)}]\n'
        f'[init]\nprogram = "none"\n[image]\ncompression = "zstd"\nlevel = {LEVEL}\n'
    )
    head = 'schema = 1\n[runtime]\nname = "growth"\n'
    if not part:
        return {"runtime.toml": head + base}
    return {
        "base.toml": "schema = 1\n" + base,
        "runtime.toml": f'{head}extends = ["base.toml"]\n[packages]\ninstall = [{listed(part)}]\n',
    }


class Growth:
    def __init__(self, bench):
        self.bench = bench

    def project(self, packages, part=()):
        """A locked project, with what it needs in the store of all."""
        project = self.bench.fresh("project")
        project.mkdir()
        for name, text in manifest(packages, part).items():
            (project / name).write_text(text)
        store = self.bench.top / "packages"
        self.bench.run_alephc("lock", project, store=store)
        self.bench.run_alephc("vendor", project, "-o", self.bench.fresh("bundle"), store=store)
        return project

    def store(self):
        """One that has the packages and nothing else."""
        store = self.bench.fresh("store")
        store.mkdir(mode=0o700)
        subprocess.run(
            ["cp", "-al", str(self.bench.top / "packages/blobs"), str(store / "blobs")], check=True
        )
        return store

    def build(self, project, store, cores):
        argv = [
            "taskset",
            "-c",
            ",".join(map(str, range(cores))),
            self.bench.alephc,
            "--quiet",
            "--store",
            store,
            "--jobs",
            str(cores),
            "build",
            project,
            "--locked",
            "--offline",
            "-o",
            self.bench.fresh("image"),
        ]
        return measured(argv)["seconds"]

    def system(self, packages, rounds):
        project = self.project(packages)
        return self.row(project, lambda cores: self.build(project, self.store(), cores), rounds)

    def part(self, rounds):
        """The second layer alone: the first is in the store. (Packages that a base lists are a
        layer; the minimal system is none.)"""
        base, project = self.project(SYSTEMS[1]), self.project(SYSTEMS[1], TEN)

        def once(cores):
            store = self.store()
            self.build(base, store, cores)
            return self.build(project, store, cores)

        return self.row(project, once, rounds, layer=-1)

    def row(self, project, once, rounds, layer=0):
        packages = tomllib.loads((project / "runtime.lock").read_text())["layer"][layer]["packages"]
        times = {cores: statistics.median(once(cores) for _ in range(rounds)) for cores in (1, 2)}
        print(
            f"{len(packages)} packages: {times[1]:.2f} s on one core, {times[2]:.2f} s on two",
            flush=True,
        )
        return len(packages), sum(package["size"] for package in packages) / 1e6, times


def table(rows):
    lines = [["packages", "of MB", "one core, s", "two cores, s", "gain"], ["---"] * 5]
    lines += [
        [
            str(count),
            f"{size:.0f}",
            f"{times[1]:.2f}",
            f"{times[2]:.2f}",
            f"{times[1] / times[2]:.2f}",
        ]
        for count, size, times in rows
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown")
    options = parser.parse_args()
    mirror = machine_mirror()
    if os.geteuid() != 0 or not mirror:
        print("skipped: needs root and a Debian mirror")
        return 77
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-growth.") as top:
        growth = Growth(Bench(os.path.abspath(options.alephc), mirror, pathlib.Path(top)))
        rows = [
            growth.part(options.rounds),
            *(growth.system(packages, options.rounds) for packages in SYSTEMS),
        ]
    if options.markdown:
        pathlib.Path(options.markdown).write_text(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
