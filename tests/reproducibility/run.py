#!/usr/bin/env python3
"""The same lock, built under variation: one factor at a time and all at once, every recipe, every
format. As root.

run.py ALEPHC [--pairwise | --formats] [--markdown FILE] [RECIPE…]     RECIPE: a folder, or "init"
for what alephc init makes; default: all below recipes/

--formats builds each output format ten times: root and rootless, 1 and 9 jobs, the store on three
filesystems. Without RECIPE on a small tree of its own, which needs no mirror.

--pairwise builds so few combinations that each pair of levels of two factors meets at least once:
what CI runs."""
import argparse
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "support"))
from systems import AS_USER

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMATS = {
    "squashfs zstd": [],
    "squashfs xz": ["image.compression=xz", "image.level=6"],
    "squashfs gzip": ["image.compression=gzip"],
    "squashfs lz4": ["image.compression=lz4"],
    "tar": ["image.format=tar"],
    "ext4": ["image.format=ext4"],
    "ext4 of 200 MiB with verity": ["image.format=ext4", "image.size=200M", "image.verity=true"],
    "btrfs": ["image.format=btrfs"],
    "btrfs zstd in a subvolume": [
        "image.format=btrfs",
        "image.compression=zstd",
        "image.subvolume=root",
    ],
}
DISKS = {
    "disk": ["image.format=disk"],
    "disk btrfs": ["image.format=disk", "image.filesystem=btrfs"],
    "qcow2": ["image.format=qcow2"],
    "qcow2 gzip": ["image.format=qcow2", "image.compression=gzip"],
}
SMALL = """schema = 1
[runtime]
name = "small"
kind = "instance"
[base]
distro = "none"
[boot]
kernel = "none"
[[file]]
target = "/bin/busybox"
source = "busybox"
mode = "0755"
[[file]]
target = "/srv"
source = "srv"
[[file]]
target = "/links/short"
link = "../bin/busybox"
[[file]]
target = "/links/long"
link = "%s"
""" % (
    "/".join(["target"] * 30)
)


class Variant:
    """How one build is run: the command around alephc, its arguments and its surroundings."""

    def __init__(self, work, alephc, bundle):
        self.work, self.alephc = work, alephc
        self.project, self.store = work / "project", work / "store"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(work), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        self.options, self.before, self.around = ["--offline"], [], []
        self.build = ["--locked", "--bundle", str(bundle)]
        self.cwd, self.preload, self.twice, self.copies = work, [], False, 1

    def script(self, output, extra):
        argv = [
            *self.around,
            str(self.alephc),
            "--store",
            str(self.store),
            "-q",
            *self.options,
            "build",
            str(self.project),
            *self.build,
            "-o",
            str(output),
        ]
        for each in extra:
            argv += ["--set", each]
        return "\n".join(["set -e", *self.before, "exec " + " ".join(f"'{word}'" for word in argv)])

    def run(self, output, extra):
        if self.preload:
            self.env["LD_PRELOAD"] = ":".join(self.preload)
        argv = [
            "unshare",
            "-mu",
            "--propagation",
            "private",
            "sh",
            "-c",
            self.script(output, extra),
        ]
        return subprocess.Popen(
            argv,
            cwd=self.cwd,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )


def library(variant, name):
    return str(
        pathlib.Path(variant.alephc).resolve().parent / f"compiler/vary/alephc-vary-{name}.so"
    )


def clock(variant):
    variant.preload.append(library(variant, "clock"))
    variant.build += ["--vary", "clock"]


def directory_order(variant):
    variant.preload.append(library(variant, "order"))
    variant.build += ["--vary", "directory-order"]


def disorderfs(variant):
    shutil.move(variant.project, variant.work / "ordered")
    variant.project.mkdir()
    variant.before.append(
        f"disorderfs --shuffle-dirents=yes '{variant.work / 'ordered'}' '{variant.project}' >/dev/null"
    )


def time_zone(variant):
    variant.env["TZ"] = "Pacific/Kiritimati"


def language(variant):
    variant.env.update(LC_ALL="tr_TR.UTF-8", LANG="tr_TR.UTF-8", LANGUAGE="tr")


def umask(variant):
    variant.before.append("umask 027")


def host_name(variant):
    variant.before.append("hostname varied-host")


def one_core(variant):
    variant.around = ["taskset", "-c", "0", *variant.around]


def jobs_one(variant):
    variant.options += ["--jobs", "1"]


def jobs_nine(variant):
    variant.options += ["--jobs", "9"]


def tmpfs(variant):
    variant.store.mkdir(parents=True, exist_ok=True)
    variant.before.append(f"mount -t tmpfs -o size=6G,mode=0755 tmpfs '{variant.store}'")


def btrfs(variant):
    image = variant.work / "btrfs.img"
    with open(image, "wb") as file:
        file.truncate(6 << 30)
    subprocess.run(
        ["mkfs.btrfs", "-q", str(image)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    variant.store.mkdir(parents=True, exist_ok=True)
    variant.before.append(f"mount -o loop '{image}' '{variant.store}'")


def long_path(variant):
    variant.store = variant.work / "/".join(["a-rather-long-name-of-a-folder"] * 6) / "store"


def working_folder(variant):
    variant.cwd = pathlib.Path("/")
    shutil.move(variant.project, variant.work / "another name")
    variant.project = variant.work / "another name"


def noise(variant):
    variant.env.update(
        {f"NOISE_{i}": "x" * i for i in range(50)},
        DEBUG="1",
        VERBOSE="1",
        MAKEFLAGS="-j7",
        PYTHONHASHSEED="random",
        PERL_HASH_SEED="1",
        USER="somebody",
        SOURCE_DATE_EPOCH="1",
        DEBIAN_FRONTEND="readline",
        LD_BIND_NOW="1",
    )


def warm(variant):
    variant.twice = True


def dead_mirror(variant):
    variant.options = ["--mirror", "http://127.0.0.1:9/debian"]
    variant.build = ["--locked"]


def at_once(variant):
    variant.copies = 2


def rootless(variant):
    shutil.chown(variant.work, 4321, 4321)
    subprocess.run(["chown", "-R", "4321:4321", str(variant.project)], check=True)
    (variant.work / "ids").write_text("builder:200000:65536\n")
    (variant.work / "passwd").write_text(
        pathlib.Path("/etc/passwd").read_text() + "builder:x:4321:4321::/:/bin/sh\n"
    )
    for file in ("/etc/subuid", "/etc/subgid"):
        pathlib.Path(file).touch()
        variant.before.append(f"mount --bind '{variant.work}/ids' {file}")
    variant.before.append(f"mount --bind '{variant.work}/passwd' /etc/passwd")
    variant.env["TMPDIR"] = str(variant.work)
    variant.around = [*variant.around, *AS_USER]


# factor: levels; the first is the reference. Levels of one factor exclude each other.
FACTORS = {
    "clock": {"+400 days, scripts too": clock},
    "time zone": {"Kiritimati": time_zone},
    "language": {"tr_TR": language},
    "umask": {"027": umask},
    "host name": {"another": host_name},
    "user": {"rootless": rootless},
    "cores": {"1": one_core},
    "jobs": {"1": jobs_one, "9": jobs_nine},
    "store's filesystem": {"tmpfs": tmpfs, "btrfs": btrfs},
    "store's path": {"long": long_path},
    "working folder": {"another": working_folder},
    "order of folders": {"backwards": directory_order, "disorderfs under the project": disorderfs},
    "environment": {"noise": noise},
    "store": {"warm": warm},
    "mirrors": {"a dead one first": dead_mirror},
    "builds": {"two at once": at_once},
}
# What cannot be had together: a store that only root can mount belongs to root, each build mounts
# its own, a bundle needs no mirror.
APART = {
    frozenset(pair)
    for pair in (
        ("user", "store's filesystem"),
        ("user", "order of folders"),
        ("store's path", "store's filesystem"),
        ("mirrors", "user"),
        ("builds", "store's filesystem"),
    )
}
NEEDS = {btrfs: "mkfs.btrfs", disorderfs: "disorderfs", rootless: "newuidmap", one_core: "taskset"}
NOT_VARIED = [
    "the kernel and its version",
    "the CPU's model and architecture",
    "the machine's own clock (programs that are linked statically see it)",
    "versions of the libraries that pack images (the receipt names them)",
]


def missing(make):
    tool = NEEDS.get(make)
    if tool and not shutil.which(tool):
        return f"{tool} is not installed"
    if make is disorderfs and not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    if make is btrfs and not (
        "btrfs" in pathlib.Path("/proc/filesystems").read_text()
        and os.path.exists("/dev/loop-control")
    ):
        return "the kernel mounts no btrfs here"
    if (
        make is rootless
        and subprocess.run(
            [*AS_USER, "unshare", "-U", "true"],
            capture_output=True,
        ).returncode
        != 0
    ):
        return "user namespaces are forbidden"
    return None


def prepare(alephc, recipe, work, mirror=None):
    """A lock and a bundle of a recipe, in a scratch copy."""
    work.mkdir(exist_ok=True)
    project = work / "project"
    if str(recipe) == "init":
        subprocess.run(
            [str(alephc), "-q", "init", str(project)], check=True, stdout=subprocess.DEVNULL
        )
    else:
        shutil.copytree(recipe, project, ignore=shutil.ignore_patterns("runtime.lock"))
    store = work / "lock-store"
    bundle = work / "bundle"
    argv = [str(alephc), "--store", str(store), "-q", *(["--mirror", mirror] if mirror else [])]
    env = {key: value for key, value in os.environ.items() if key != "CI"}
    result = subprocess.run(
        [*argv, "lock", str(project), "--update", "--vendor", str(bundle)],
        capture_output=True,
        text=True,
        env=env,
    )
    if result.returncode != 0 and "no mirror" in result.stderr:
        print("skipped: no Debian mirror can be reached")
        sys.exit(77)
    if result.returncode != 0:
        sys.exit(f"cannot lock {recipe}: {result.stderr}")
    shutil.rmtree(store)
    return project, bundle


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(alephc, project, bundle, levels, extra=()):
    """sha256 of the image under some levels; several when builds ran at once or again."""
    with tempfile.TemporaryDirectory(
        dir=os.environ.get("TMPDIR", "/var/tmp"), prefix="alephc-vary."
    ) as work_name:
        work = pathlib.Path(work_name)
        work.chmod(0o755)
        variant = Variant(work, alephc, bundle)
        shutil.copytree(project, variant.project)
        for make in levels:
            make(variant)
        hashes = set()
        for turn in range(2 if variant.twice else 1):
            outputs = [work / f"image-{turn}-{copy}" for copy in range(variant.copies)]
            processes = [variant.run(output, extra) for output in outputs]
            for process, output in zip(processes, outputs):
                text, _ = process.communicate()
                if process.returncode != 0:
                    return {f"FAILED: {text.strip()[-600:]}"}
                hashes.add(digest(output))
        return hashes


def small_recipe(folder):
    """Files of many sizes, with holes and without."""
    project = folder / "small"
    (project / "srv/many").mkdir(parents=True)
    (project / "runtime.toml").write_text(SMALL)
    shutil.copy(shutil.which("busybox"), project / "busybox")
    for index in range(300):
        (project / f"srv/many/{index}").write_text(f"{index}\n" * (index * 5))
    block = bytes(range(256)) * 16
    (project / "srv/holes").write_bytes((block + bytes(100000)) * 40)
    (project / "srv/zeros").write_bytes(bytes(3000000))
    return project


def format_rows():
    rows: tuple[list, ...] = (
        [],
        [jobs_one],
        [jobs_nine],
        [tmpfs],
        [btrfs],
        [rootless],
        [rootless, jobs_one],
        [tmpfs, jobs_nine],
        [btrfs, jobs_one],
        [clock, jobs_nine],
    )
    for levels in rows:
        yield " + ".join(level.__name__ for level in levels) or "as it is", levels


def compare_formats(alephc, recipe, top):
    """True if every format is the same in ten of ten builds."""
    project, bundle = prepare(alephc, recipe, top)
    good = True
    for name, extra in {**FORMATS, **DISKS}.items():
        if (
            name.startswith("squashfs") and name != "squashfs zstd"
        ):  # the compressor is all that differs
            continue
        hashes, built = set(), 0
        for _, makes in format_rows():
            if next(filter(None, map(missing, makes)), None):
                continue
            hashes |= build(alephc, project, bundle, makes, extra)
            built += 1
        same = len(hashes) == 1 and not any("FAILED" in each for each in hashes)
        good = good and same
        print(
            f"  {recipe.name} {name}: "
            + (
                f"{built} of {built} builds are the same"
                if same
                else f"DIFFERENT: {', '.join(sorted(hashes))}"
            ),
            flush=True,
        )
    return good


def single_rows():
    for factor, levels in FACTORS.items():
        for level, make in levels.items():
            yield f"{factor}: {level}", [make]
    together = [
        next(iter(levels.values()))
        for factor, levels in FACTORS.items()
        if factor not in ("user", "mirrors", "store's path", "builds")
    ]
    yield "all at once, as root", together
    together = [
        next(iter(levels.values()))
        for factor, levels in FACTORS.items()
        if factor not in ("mirrors", "store's filesystem", "order of folders")
    ]
    yield "all at once, rootless", together


def pairwise_rows():
    """Greedy: rows are filled with the levels that cover most pairs not met yet."""
    choices = {factor: [None, *levels] for factor, levels in FACTORS.items() if factor != "mirrors"}
    pairs = lambda row: {
        frozenset(pair)
        for pair in itertools.combinations([(factor, row[factor]) for factor in row], 2)
    }
    allowed = lambda row: not any(
        frozenset(pair) in APART
        for pair in itertools.combinations([factor for factor in row if row[factor]], 2)
    )
    wanted = {
        frozenset(((a, x), (b, y)))
        for a, b in itertools.combinations(choices, 2)
        for x in choices[a]
        for y in choices[b]
        if not (x and y and frozenset((a, b)) in APART)
    }
    while wanted:
        row = dict(next(iter(sorted(wanted, key=lambda pair: sorted(map(str, pair))))))
        for factor in choices:
            if factor in row:
                continue
            options = [level for level in choices[factor] if allowed({**row, factor: level})]
            row[factor] = max(
                options, key=lambda level: len(pairs({**row, factor: level}) & wanted)
            )
        wanted -= pairs(row)
        chosen = {factor: level for factor, level in row.items() if level}
        yield ", ".join(
            f"{factor} {level}" for factor, level in chosen.items()
        ) or "nothing varied", [FACTORS[factor][level] for factor, level in chosen.items()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc", type=pathlib.Path)
    parser.add_argument("recipes", nargs="*", type=pathlib.Path)
    parser.add_argument("--pairwise", action="store_true")
    parser.add_argument("--formats", action="store_true")
    parser.add_argument("--mirror", help="where the lock and the bundle are made from")
    parser.add_argument("--markdown", type=pathlib.Path)
    arguments = parser.parse_intermixed_args()
    if os.geteuid() != 0:
        print("skipped: these tests need root")
        return 77
    alephc = arguments.alephc.resolve()
    recipes = arguments.recipes or sorted(
        path.parent for path in (ROOT / "recipes").glob("*/runtime.toml")
    )
    rows: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    different = 0
    with tempfile.TemporaryDirectory(
        dir=os.environ.get("TMPDIR", "/var/tmp"), prefix="alephc-lock."
    ) as top_name:
        top = pathlib.Path(top_name)
        top.chmod(0o755)
        if arguments.formats:
            chosen = arguments.recipes or [small_recipe(top)]
            return (
                0
                if all(
                    [
                        compare_formats(alephc, recipe, top / f"{recipe.name}.work")
                        for recipe in chosen
                    ]
                )
                else 1
            )
        for recipe in recipes:
            project, bundle = prepare(alephc, recipe, top / recipe.name, arguments.mirror)
            reference = build(alephc, project, bundle, [])
            columns.append(recipe.name)
            print(f"{recipe.name}: {', '.join(reference)}", flush=True)
            plan: list[tuple] = [
                (name, makes, [])
                for name, makes in (pairwise_rows() if arguments.pairwise else single_rows())
            ]
            if not arguments.pairwise:
                plan += [
                    (f"format {name}: jobs 1 and 9, another clock", [clock, jobs_nine], extra)
                    for name, extra in FORMATS.items()
                ]
            for name, makes, extra in plan:
                why = next(filter(None, map(missing, makes)), None)
                if why:
                    verdict = f"not varied: {why}"
                else:
                    wanted = (
                        build(alephc, project, bundle, [jobs_one], extra) if extra else reference
                    )
                    got = build(alephc, project, bundle, makes, extra)
                    verdict = (
                        "same"
                        if got == wanted and len(got) == 1
                        else "DIFFERENT: " + ", ".join(sorted(got))
                    )
                    different += verdict != "same"
                rows.setdefault(name, {})[recipe.name] = verdict
                print(f"  {name}: {verdict}", flush=True)
    print(f"{sum(len(row) for row in rows.values())} builds compared, {different} different")
    for each in NOT_VARIED:
        print(f"not varied: {each}")
    if arguments.markdown:
        lines = ["| factor | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
        lines += [
            f"| {name} | " + " | ".join(row.get(column, "") for column in columns) + " |"
            for name, row in rows.items()
        ]
        arguments.markdown.write_text("\n".join(lines) + "\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
