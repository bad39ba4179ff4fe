#!/usr/bin/env python3
"""Benchmarks against the usual tools, in turn (A B A B …) in one run; figures as ratios of medians.

run.py ALEPHC [--rounds N] [--json FILE] [--markdown FILE] [--svg FILE] [--against ALEPHC]
[WORKLOAD…]
    as root, with a Debian mirror in this machine's apt configuration
    --against: the other side is another alephc, each with stores of its own

Every workload ends in a hashed squashfs (zstd, alephc's default level) but "lock" and "verify".
Nothing is deleted while a workload is timed, and a while is waited afterwards: ext4 slows the
creation of files after a large removal. Figures are written after each workload."""
import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "oracle"))
from run import LISTS, machine_mirror, mmdebstrap

LEVEL = 9  # of zstd, alephc's default
SETTLE = 320  # seconds after a removal: ext4 passes over inodes that were freed in the last 300
ROOM = 20e9  # bytes that a workload may need
SMALL_PACKAGES = ["tree", "jq", "bc", "pv", "rsync"]


def measured(argv, **options):
    """Seconds, peak memory in MB (of the largest of its processes) and MB written to disk."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **options,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(map(str, argv))}")
    return {
        "seconds": time.monotonic() - start,
        "peak_mb": usage.ru_maxrss / 1024,
        "written_mb": usage.ru_oublock / 2048,
    }


def timed(action):
    start = time.monotonic()
    action()
    return {"seconds": time.monotonic() - start}


class Bench:
    def __init__(self, alephc, mirror, top):
        self.alephc, self.mirror, self.top, self.count = alephc, mirror, top, 0

    def fresh(self, what):
        self.count += 1
        return self.top / f"{self.count}-{what}"

    def clean(self):
        """Where space gets short, removes what the timed builds left, and waits until the
        filesystem has forgotten it."""
        if shutil.disk_usage(self.top).free > ROOM:
            return
        left = [path for path in self.top.iterdir() if re.match(r"\d+-", path.name)]
        for path in left:
            subprocess.run(["rm", "-rf", str(path)], check=True)
        if left:
            subprocess.run(["sync"], check=True)
            time.sleep(SETTLE)

    # alephc's side

    def run_alephc(self, command, project, *arguments, store):
        return measured(
            [self.alephc, "--quiet", "--store", store, command, project, *arguments],
            env={key: value for key, value in os.environ.items() if key != "CI"},
        )

    def project(self, name, part=None):
        """A project of one of the oracle's lists, with its lock."""
        release, packages = LISTS[name.split("+")[0]]
        project = self.top / f"{name}-project"
        if project.exists():
            return project
        project.mkdir()
        listed = ", ".join(
            f'"{package}"'
            for package in [*packages, *([] if part or "+" not in name else [name.split("+")[1]])]
        )
        base = (
            f'[base]\ndistro = "debian"\nrelease = "{release}"\nsuites = ["{release}"]\n[packages]\ninstall = [{listed}]\n'
            f'[init]\nprogram = "none"\n[image]\ncompression = "zstd"\nlevel = {LEVEL}\n'
        )
        head = f'schema = 1\n[runtime]\nname = "bench"\n'
        if part:
            (project / "base.toml").write_text("schema = 1\n" + base)
            base = 'extends = ["base.toml"]\n' + part
        (project / "runtime.toml").write_text(head + base)
        self.run_alephc("lock", project, store=self.top / "lock-store")
        return project

    def cold(self, name):
        project = self.project(name)
        return self.run_alephc(
            "build", project, "--locked", "-o", self.fresh("image"), store=self.fresh("store")
        )

    def cold_with_lock(self, name):
        project, again, store = self.project(name), self.fresh("project"), self.fresh("store")
        again.mkdir()
        shutil.copy(project / "runtime.toml", again)
        return self.run_alephc("build", again, "-o", self.fresh("image"), store=store)

    def packages_cached(self, name):
        """A store with the packages and nothing else."""
        project, store, warm = self.project(name), self.fresh("store"), self.warm_store(name)
        store.mkdir(mode=0o700)
        subprocess.run(["cp", "-al", str(warm / "blobs"), str(store / "blobs")], check=True)
        return self.run_alephc(
            "build", project, "--locked", "--offline", "-o", self.fresh("image"), store=store
        )

    def packages_used(self, name):
        """A store where another list was built that had all of these packages."""
        store, project = self.warm_store(name), self.fresh("project")
        shutil.copytree(self.project(name), project)
        for kind in ("actions", "blocks"):
            shutil.rmtree(store / kind)
        return self.run_alephc(
            "build", project, "--locked", "--offline", "-o", self.fresh("image"), store=store
        )

    def warm_store(self, name):
        store = self.top / f"{name}-warm-store"
        if not store.exists():
            self.run_alephc(
                "build",
                self.project(name),
                "--locked",
                "-o",
                self.top / f"{name}.squashfs",
                store=store,
            )
        return store

    def nothing(self, name):
        return self.run_alephc(
            "build",
            self.project(name),
            "--locked",
            "-o",
            self.top / f"{name}.squashfs",
            store=self.warm_store(name),
        )

    def one_file(self, name):
        """Another content of a small file, with the lock made again: what an edit costs."""
        store, project = self.warm_store(name), self.top / f"{name}-file-project"
        if not project.exists():
            shutil.copytree(self.project(name), project)
            (project / "hello").write_text("0\n")
            with open(project / "runtime.toml", "a") as manifest:
                manifest.write('[[file]]\ntarget = "/srv/hello"\nsource = "hello"\n')
            self.run_alephc("build", project, "-o", self.top / f"{name}-file.squashfs", store=store)
        (project / "hello").write_text(f"{self.count}\n" * (1 + self.count))
        self.count += 1
        return self.run_alephc(
            "build", project, "-o", self.top / f"{name}-file.squashfs", store=store
        )

    def another_package(self):
        self.count += 1
        return SMALL_PACKAGES[self.count % len(SMALL_PACKAGES)]

    def package_in_own_part(self, name):
        store, package = self.warm_store(name), self.another_package()
        project = self.project(
            f"{name}+{package}-part", part=f'[packages]\ninstall = ["{package}"]\n'
        )
        return self.run_alephc("build", project, "--locked", "-o", self.fresh("image"), store=store)

    def package_in_list(self, name):
        store, package = self.warm_store(name), self.another_package()
        return self.run_alephc(
            "build",
            self.project(f"{name}+{package}"),
            "--locked",
            "-o",
            self.fresh("image"),
            store=store,
        )

    def lock(self, name):
        project, again = self.project(name), self.fresh("project")
        again.mkdir()
        shutil.copy(project / "runtime.toml", again)
        return self.run_alephc("lock", again, store=self.top / "lock-store")

    def verify(self, name):
        self.warm_store(name)
        return measured(
            [
                self.alephc,
                "--quiet",
                "verify",
                "--image",
                self.top / f"{name}.squashfs",
                "--expect",
                self.sha256(name),
            ]
        )

    def sha256(self, name):
        return subprocess.run(
            ["sha256sum", str(self.top / f"{name}.squashfs")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[0]

    def pack(self, name, known):
        """A build whose store has forgotten that it wrote the image, and nothing else."""
        store, project = self.warm_store(name), self.project(name)
        if not known:
            shutil.rmtree(store / "blocks")
        for record in (store / "actions").iterdir():
            if '"name":"write squashfs"' in record.read_text().replace('": "', '":"'):
                record.unlink()
        return self.run_alephc("build", project, "--locked", "-o", self.fresh("image"), store=store)

    # The others' side

    def squashfs(self, tree):
        measured(
            [
                "mksquashfs",
                tree,
                f"{tree}.squashfs",
                "-comp",
                "zstd",
                "-Xcompression-level",
                LEVEL,
                "-noappend",
                "-quiet",
                "-no-progress",
            ]
        )
        measured(["sha256sum", f"{tree}.squashfs"])

    def mmdebstrap(self, name, extra=()):
        release, packages = LISTS[name]
        tree = self.fresh("tree")

        def both():
            mmdebstrap(release, packages, self.mirror, tree, extra)
            self.squashfs(tree)

        return timed(both)

    def mmdebstrap_cached(self, name):
        kept = self.top / f"{name}-debs"
        if not kept.exists():
            kept.mkdir()
            self.mmdebstrap(
                name,
                [
                    '--aptopt=APT::Keep-Downloaded-Packages "true"',
                    "--skip=essential/unlink",
                    "--skip=cleanup/apt",
                    f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {kept}/',
                ],
            )
        return self.mmdebstrap(
            name,
            [
                f'--setup-hook=mkdir -p "$1/var/cache/apt/archives" && cp {kept}/*.deb "$1/var/cache/apt/archives/"'
            ],
        )

    def debootstrap(self, name):
        release, packages = LISTS[name]
        tree = self.fresh("tree")

        def all_of_it():
            measured(["debootstrap", "--variant=minbase", release, tree, self.mirror])
            if packages:
                apt = [
                    "chroot",
                    tree,
                    "env",
                    "DEBIAN_FRONTEND=noninteractive",
                    "apt-get",
                    "-q",
                    "-y",
                    "--no-install-recommends",
                ]
                measured([*apt, "update"])
                measured([*apt, "install", *packages])
            self.squashfs(tree)

        return timed(all_of_it)

    def tree_of(self, name):
        tree = self.top / f"{name}-tree"
        if not tree.exists():
            self.run_alephc(
                "build",
                self.project(name),
                "--locked",
                "-o",
                tree,
                "--set",
                "image.format=dir",
                store=self.warm_store(name),
            )
        return tree

    def mksquashfs(self, name):
        return measured(
            [
                "mksquashfs",
                self.tree_of(name),
                self.fresh("squashfs"),
                "-comp",
                "zstd",
                "-Xcompression-level",
                LEVEL,
                "-noappend",
                "-quiet",
                "-no-progress",
            ]
        )

    def gensquashfs(self, name):
        return measured(
            [
                "gensquashfs",
                "-q",
                "-c",
                "zstd",
                "-X",
                f"level={LEVEL}",
                "-D",
                self.tree_of(name),
                self.fresh("squashfs"),
            ]
        )

    def apt_simulate(self, name):
        """apt-get -s install in a root where nothing is installed, its lists there."""
        release, packages = LISTS[name]
        root = self.top / f"{name}-apt"
        options = [
            word
            for key in (
                "Dir=" + str(root),
                "Dir::State::status=" + str(root / "status"),
                "APT::Architecture=amd64",
                "APT::Architectures=amd64",
                "APT::Install-Recommends=false",
                "Acquire::Languages=none",
                "APT::Sandbox::User=root",
            )
            for word in ("-o", key)
        ]
        if not root.exists():
            for folder in (
                "etc/apt/apt.conf.d",
                "etc/apt/preferences.d",
                "etc/apt/trusted.gpg.d",
                "var/lib/apt/lists/partial",
                "var/cache/apt/archives/partial",
            ):
                (root / folder).mkdir(parents=True)
            (root / "status").write_text("")
            (root / "etc/apt/sources.list").write_text(
                f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {self.mirror} {release} main\n"
            )
            measured(["apt-get", *options, "update"])
        return measured(
            [
                "apt-get",
                *options,
                "-s",
                "install",
                *packages,
                "dpkg",
                "apt",
                "libc-bin",
                "coreutils",
            ]
        )


WORKLOADS = {
    "official": (
        "the official list, nothing in the store",
        lambda b: b.cold("official"),
        "mmdebstrap + mksquashfs",
        lambda b: b.mmdebstrap("official"),
    ),
    "official-lock": (
        "the same, locked first",
        lambda b: b.cold_with_lock("official"),
        "mmdebstrap + mksquashfs",
        None,
    ),
    "minbase": (
        "the minimal system",
        lambda b: b.cold("minbase"),
        "mmdebstrap + mksquashfs",
        lambda b: b.mmdebstrap("minbase"),
    ),
    "cached": (
        "the official list, packages there",
        lambda b: b.packages_cached("official"),
        "mmdebstrap + mksquashfs, packages there",
        lambda b: b.mmdebstrap_cached("official"),
    ),
    "decoded": (
        "the official list, packages of another build",
        lambda b: b.packages_used("official"),
        "mmdebstrap + mksquashfs, packages there",
        None,
    ),
    "file": (
        "one file of the official image changed",
        lambda b: b.one_file("official"),
        None,
        None,
    ),
    "part": (
        "a package in a part of its own",
        lambda b: b.package_in_own_part("official"),
        None,
        None,
    ),
    "package": (
        "a package more in the official list",
        lambda b: b.package_in_list("official"),
        None,
        None,
    ),
    "nothing": ("nothing changed", lambda b: b.nothing("official"), None, None),
    "lock": (
        "lock, indexes there",
        lambda b: b.lock("official"),
        "apt-get -s install",
        lambda b: b.apt_simulate("official"),
    ),
    "verify": (
        "an image against its hash",
        lambda b: b.verify("official"),
        "sha256sum",
        lambda b: measured(["sha256sum", b.top / "official.squashfs"]),
    ),
    "pack": (
        "packing alone, no block known",
        lambda b: b.pack("official", False),
        "mksquashfs",
        lambda b: b.mksquashfs("official"),
    ),
    "pack-gen": (
        "packing alone, no block known",
        lambda b: b.pack("official", False),
        "gensquashfs",
        lambda b: b.gensquashfs("official"),
    ),
    "pack-known": (
        "packing alone, blocks known",
        lambda b: b.pack("official", True),
        "mksquashfs",
        lambda b: b.mksquashfs("official"),
    ),
    "debootstrap": (
        "the official list",
        lambda b: b.cold("official"),
        "debootstrap + apt + mksquashfs",
        lambda b: b.debootstrap("official"),
    ),
}
WITH = {
    "official": ["official-lock"],
    "cached": ["decoded"],
}  # timed in the same rounds, against the same runs of the other
NEEDS = {"debootstrap": "debootstrap", "pack-gen": "gensquashfs"}


def measure_against(bench, other, name, count, results):
    """All rounds of a workload, in turns with another alephc."""
    sides = [bench, other]
    for side in sides:
        side.project("minbase" if name == "minbase" else "official")
        if name not in (
            "official",
            "minbase",
            "debootstrap",
        ):  # what is made once is not part of it
            WORKLOADS[name][1](side)
    ours, theirs = [], []
    for _ in range(count):
        ours.append(WORKLOADS[name][1](bench))
        theirs.append(WORKLOADS[name][1](other))
    results[name] = {"alephc": summary(ours), "peer": summary(theirs)}
    results[name]["ratio"] = results[name]["alephc"]["median"] / results[name]["peer"]["median"]
    print(
        f"{name}: {seconds_of(ours)} s, the other {seconds_of(theirs)} s, ratio {results[name]['ratio']:.2f}",
        flush=True,
    )


def fill_page_cache(folder):
    """Memory that a virtual machine touches for the first time is made by its host, which can take
    longer than what is timed. Once all of it has been used, files take the places of others."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    file = folder / "sparse"
    with open(file, "wb") as sparse:
        sparse.truncate(pages)
    with open(file, "rb", buffering=0) as sparse:
        buffer = bytearray(1 << 20)
        while sparse.readinto(buffer):
            pass


def measure(bench, name, count, results):
    """All rounds of a workload and of those that share them: each of ours, then the other."""
    names, theirs = [name, *WITH.get(name, [])], WORKLOADS[name][3]
    for action in (
        *(WORKLOADS[each][1] for each in names),
        theirs,
    ):  # what is made once is not part of it
        if action and name not in ("official", "minbase", "debootstrap"):
            action(bench)
    bench.project("minbase" if name == "minbase" else "official")
    ours: dict[str, list] = {each: [] for each in names}
    peer: list = []
    for _ in range(count):
        for each in names:
            ours[each].append(WORKLOADS[each][1](bench))
        if theirs:
            peer.append(theirs(bench))
    for each in names:
        results[each] = {"alephc": summary(ours[each])}
        line = f"{each}: alephc {seconds_of(ours[each])} s"
        if theirs:
            results[each]["peer"] = summary(peer)
            results[each]["ratio"] = (
                results[each]["alephc"]["median"] / results[each]["peer"]["median"]
            )
            line += (
                f", {WORKLOADS[each][2]} {seconds_of(peer)} s, ratio {results[each]['ratio']:.2f}"
            )
        print(line, flush=True)


def summary(rounds):
    times = [each["seconds"] for each in rounds]
    return {
        "median": statistics.median(times),
        "least": min(times),
        "most": max(times),
        "peak_mb": max(each.get("peak_mb", 0) for each in rounds),
        "written_mb": statistics.median(each.get("written_mb", 0) for each in rounds),
    }


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = (
        int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1024
    )
    return f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}, {memory} MB, Linux {platform.release()}"


def seconds_of(rounds):
    return " ".join(f"{each['seconds']:.2f}" for each in rounds)


def row(name, result):
    what, _, other, _ = WORKLOADS[name]
    ours, theirs = result["alephc"], result.get("peer")
    spread = lambda s: f"{s['median']:.2f} ({s['least']:.2f} – {s['most']:.2f})"
    some = lambda number: f"{number:.0f}" if number else ""
    return [
        what,
        spread(ours),
        f"{other or 'another alephc'}: {spread(theirs)}" if theirs else "",
        f"{result['ratio']:.2f}" if theirs else "",
        some(ours["peak_mb"]),
        some(ours["written_mb"]),
    ]


def markdown(results):
    rows = [
        [
            "workload",
            "alephc, s (least – most)",
            "the other, s (least – most)",
            "ratio",
            "peak of alephc, MB",
            "written, MB",
        ],
        ["---"] * 6,
    ]
    return (
        "\n".join(
            f"| {' | '.join(cells)} |"
            for cells in [*rows, *(row(name, result) for name, result in results.items())]
        )
        + "\n"
    )


def drawing(results):
    """Bars: what alephc takes of the other's time."""
    compared = [(name, result) for name, result in results.items() if "peer" in result]
    height, top = 34, 30
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{top + height * len(compared) + 10}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="19" fill="#333">time of alephc as a part of the other tool\'s (grey: the other)</text>',
    ]
    for row, (name, result) in enumerate(compared):
        y, width = top + row * height, 360
        what, _, other, _ = WORKLOADS[name]
        out += [
            f'<text x="10" y="{y + 13}" fill="#111">{what}</text>',
            f'<text x="10" y="{y + 27}" fill="#888" font-size="10">against {other}</text>',
            f'<rect x="310" y="{y + 3}" width="{width}" height="22" fill="#ddd"/>',
            f'<rect x="310" y="{y + 3}" width="{min(1.15, result["ratio"]) * width:.0f}" height="22" fill="#2a6f97"/>',
            f'<text x="750" y="{y + 19}" fill="#111" text-anchor="end">{result["ratio"]:.2f}</text>',
        ]
    return "\n".join([*out, "</svg>"]) + "\n"


def save(options, results):
    for path, text in (
        (options.json, json.dumps({"machine": machine(), "results": results}, indent=1) + "\n"),
        (options.markdown, f"{machine()}\n\n{markdown(results)}"),
        (options.svg, drawing(results)),
    ):
        if path:
            pathlib.Path(path).write_text(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc")
    parser.add_argument("workloads", nargs="*", help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    for option in ("--json", "--markdown", "--svg", "--against"):
        parser.add_argument(option)
    options = parser.parse_intermixed_args()
    mirror = machine_mirror()
    missing = [tool for tool in ("mmdebstrap", "mksquashfs") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing or not mirror:
        print("skipped: benchmarks need root, mmdebstrap, mksquashfs and a Debian mirror")
        return 77
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-bench.") as top_name:
        top = pathlib.Path(top_name)
        fill_page_cache(top)
        bench = Bench(os.path.abspath(options.alephc), mirror, top)
        if options.against:
            (top / "other").mkdir()
            other = Bench(os.path.abspath(options.against), mirror, top / "other")
        companions = (
            [] if options.against else [each for shared in WITH.values() for each in shared]
        )
        for name in options.workloads or [each for each in WORKLOADS if each not in companions]:
            if name in NEEDS and not shutil.which(NEEDS[name]):
                print(f"{name}: skipped, {NEEDS[name]} is not installed", flush=True)
                continue
            if options.against:
                measure_against(bench, other, name, options.rounds, results)
            else:
                measure(bench, name, options.rounds, results)
            save(options, results)
            bench.clean()
    return 0


if __name__ == "__main__":
    sys.exit(main())
