#!/usr/bin/env python3
"""The oracle: trees of alephc against mmdebstrap's, for four package lists, from the same mirror.

run.py ALEPHC [LIST…]    as root, with a Debian mirror in this machine's apt configuration; about
ten minutes

Each list is built by mmdebstrap twice (what differs between the two is noise) and by alephc once,
and compared by compare.py with exceptions.txt. Trees are kept in $ALEPHC_ORACLE_DIR (default
/var/tmp/alephc-oracle); existing ones of mmdebstrap are used again unless --fresh is given."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

here = pathlib.Path(__file__).parent
OFFICIAL = (
    "python3-minimal openssh-server socat libsecp256k1-1 python3-aiohttp python3-msgpack python3-setuptools python3-venv "
    "python3-pip python3-cytoolz python3-pydantic iproute2 unzip nodejs npm build-essential python3-dev python3-fastapi "
    "docker.io cgroupfs-mount nftables iputils-ping curl locales"
).split()
LISTS: dict[str, tuple[str, list[str]]] = {
    "minbase": ("bookworm", []),
    "official": ("bookworm", OFFICIAL),
    "services": (
        "bookworm",
        ["nginx", "postgresql-client", "redis-server", "default-jre-headless", "php-fpm"],
    ),
    "bullseye": ("bullseye", ["python3", "nodejs", "build-essential"]),
}
STEP_TIME = "1704067200"  # SOURCE_DATE_EPOCH inside alephc's steps
HOOKS = "/usr/share/mmdebstrap/hooks/merged-usr"


def machine_mirror():
    for file in [
        pathlib.Path("/etc/apt/sources.list"),
        *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*")),
    ]:
        if not file.is_file() or file.suffix not in ("", ".list", ".sources"):
            continue
        for line in file.read_text().splitlines():
            match = re.match(r"(?:URIs:|deb)\s.*?(\S+://\S+)", line)
            if match and not match[1].rstrip("/").endswith("security"):
                return match[1]
    return None


def mmdebstrap(release, packages, mirror, target, extra=()):
    # bullseye has no usr-is-merged, which the hook installs: there the links are made as
    # debootstrap makes them.
    merge = (
        [f"--hook-dir={HOOKS}"]
        if release != "bullseye"
        else [
            '--setup-hook=for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s usr/$d "$1/$d"; done'
        ]
    )
    include = [f"--include={','.join(packages)}"] if packages else []
    subprocess.run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            *merge,
            '--aptopt=Acquire::Check-Valid-Until "false"',
            *extra,
            *include,
            release,
            str(target),
            f"deb {mirror} {release} main",
        ],
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": STEP_TIME},
    )


def alephc_tree(alephc, name, release, packages, top):
    project = top / f"{name}.project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    listed = ", ".join(f'"{package}"' for package in packages)
    (project / "runtime.toml").write_text(
        f'schema = 1\n[runtime]\nname = "oracle"\n[base]\ndistro = "debian"\nrelease = "{release}"\nsuites = ["{release}"]\n'
        f'check_valid_until = false\n[packages]\ninstall = [{listed}]\n[init]\nprogram = "none"\n[image]\nformat = "dir"\n'
    )
    target = top / f"{name}.alephc"
    shutil.rmtree(target, ignore_errors=True)
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    subprocess.run(
        [
            alephc,
            "--quiet",
            "--store",
            str(top / "store"),
            "build",
            str(project),
            "-o",
            str(target),
            "--no-normalize",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    return target


def main():
    arguments = [word for word in sys.argv[1:] if word != "--fresh"]
    alephc, wanted = os.path.abspath(arguments[0]), arguments[1:] or list(LISTS)
    mirror = machine_mirror()
    if os.geteuid() != 0 or not shutil.which("mmdebstrap") or not mirror:
        print("skipped: the oracle needs root, mmdebstrap and a Debian mirror")
        return 77
    top = pathlib.Path(os.environ.get("ALEPHC_ORACLE_DIR", "/var/tmp/alephc-oracle"))
    top.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in wanted:
        release, packages = LISTS[name]
        references = [top / f"{name}.{number}" for number in (1, 2)]
        for reference in references:
            if "--fresh" in sys.argv:
                shutil.rmtree(reference, ignore_errors=True)
            if not reference.exists():
                mmdebstrap(release, packages, mirror, reference)
        tree = alephc_tree(alephc, name, release, packages, top)
        print(f"{name}: ", end="", flush=True)
        failed += subprocess.run(
            [
                sys.executable,
                str(here / "compare.py"),
                str(tree),
                *map(str, references),
                "--exceptions",
                str(here / "exceptions.txt"),
            ]
        ).returncode
        status = [(root / "var/lib/dpkg/status").read_bytes() for root in (tree, references[0])]
        print(f"  dpkg status: {'the same' if status[0] == status[1] else 'DIFFERS'}")
        failed += status[0] != status[1]
        for check in ("--audit",):
            output = subprocess.run(
                ["dpkg", "--root", str(tree), check], capture_output=True, text=True
            ).stdout
            print(f"  dpkg {check}: {'silent' if not output else output}")
            failed += bool(output)
        verify = subprocess.run(
            ["chroot", str(tree), "dpkg", "--verify"], capture_output=True, text=True
        ).stdout
        print(f"  dpkg --verify: {'clean' if not verify else verify}")
        failed += bool(verify)
    print(f"{len(wanted) - min(failed, len(wanted))} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
