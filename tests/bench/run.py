#!/usr/bin/env python3
"""Benchmarks against the usual tools, in turn (A B A B …) in one run; figures as ratios of medians.

run.py ALEPHC [--rounds N] [--json FILE] [WORKLOAD…]      as root, with a Debian mirror in this machine's apt configuration

Workloads: official (the official runtime's list, lock made before, empty store → hashed squashfs, against mmdebstrap and
mksquashfs with the same compressor and level), minbase (the same for the minimal system), nothing (a build with nothing to do;
no peer). Nothing is deleted before the end: ext4 slows the creation of files for minutes after a large removal."""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "oracle"))
from run import LISTS, machine_mirror, mmdebstrap

LEVEL = 9  # of zstd, alephc's default


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


class Bench:
    def __init__(self, alephc, mirror, top):
        self.alephc, self.mirror, self.top, self.count = alephc, mirror, top, 0

    def fresh(self, what):
        self.count += 1
        return self.top / f"{self.count}-{what}"

    def project(self, name):
        release, packages = LISTS[name]
        project = self.top / f"{name}-project"
        if project.exists():
            return project
        project.mkdir()
        listed = ", ".join(f'"{package}"' for package in packages)
        (project / "runtime.toml").write_text(
            f'schema = 1\n[runtime]\nname = "{name}"\n[base]\ndistro = "debian"\nrelease = "{release}"\nsuites = ["{release}"]\n'
            f'[packages]\ninstall = [{listed}]\n[init]\nprogram = "none"\n[image]\ncompression = "zstd"\nlevel = {LEVEL}\n')
        self.run_alephc("lock", project, store=self.top / "lock-store")
        return project

    def run_alephc(self, command, project, *arguments, store):
        subprocess.run([self.alephc, "--quiet", "--store", str(store), command, str(project), *map(str, arguments)], check=True,
                       stdout=subprocess.DEVNULL, env={key: value for key, value in os.environ.items() if key != "CI"})

    def cold(self, name):
        project, image, store = self.project(name), self.fresh("image"), self.fresh("store")
        return timed(lambda: self.run_alephc("build", project, "--locked", "-o", image, store=store))

    def peer(self, name):
        release, packages = LISTS[name]
        tree = self.fresh("tree")

        def both():
            mmdebstrap(release, packages, self.mirror, tree)
            subprocess.run(["mksquashfs", str(tree), f"{tree}.squashfs", "-comp", "zstd", "-Xcompression-level", str(LEVEL), "-noappend",
                            "-quiet", "-no-progress"], check=True, stdout=subprocess.DEVNULL)
        return timed(both)

    def nothing(self):
        project, image, store = self.project("minbase"), self.top / "again.squashfs", self.top / "warm-store"
        if not image.exists():
            self.run_alephc("build", project, "-o", image, store=store)
        return timed(lambda: self.run_alephc("build", project, "-o", image, store=store))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc")
    parser.add_argument("workloads", nargs="*", default=["official", "minbase", "nothing"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_intermixed_args()
    mirror = machine_mirror()
    missing = [tool for tool in ("mmdebstrap", "mksquashfs") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing or not mirror:
        print("skipped: benchmarks need root, mmdebstrap, mksquashfs and a Debian mirror")
        return 77
    results = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-bench.") as top:
        bench = Bench(os.path.abspath(options.alephc), mirror, pathlib.Path(top))
        workloads = {"official": (lambda: bench.cold("official"), lambda: bench.peer("official")),
                     "minbase": (lambda: bench.cold("minbase"), lambda: bench.peer("minbase")),
                     "nothing": (bench.nothing, None)}
        for name in options.workloads:
            ours, theirs = workloads[name]
            if name != "nothing":
                bench.project(name)
            rounds = {"alephc": [], "peer": []}
            for _ in range(options.rounds):
                rounds["alephc"].append(ours())
                if theirs:
                    rounds["peer"].append(theirs())
            median = {who: statistics.median(times) for who, times in rounds.items() if times}
            ratio = median["alephc"] / median["peer"] if "peer" in median else None
            results[name] = {"rounds": rounds, "median": median, "ratio": ratio}
            shown = ", ".join(f"{who} {' '.join(f'{t:.2f}' for t in times)} s (median {statistics.median(times):.2f})"
                              for who, times in rounds.items() if times)
            print(f"{name}: {shown}" + (f", ratio {ratio:.2f}" if ratio else ""), flush=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
