"""Instances: the recipes' disks in a virtual machine, from SeaBIOS and from OVMF, with a seed as a
node gives it."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from fixture import Skip, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = {}
ASK = "hostname; findmnt -nbo SIZE /; systemctl is-active qemu-guest-agent ssh; cloud-init status --wait; systemctl --failed --no-legend; cat /etc/machine-id; cat /etc/apt/sources.list"


def store_of(world):
    return str(world.store.parent / "instances-store")


def image_of(world, recipe):
    """Built from a scratch copy, whose lock is made again: the mirror has dropped what an old one
    names."""
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("qemu-system-x86_64 is not installed")
    if recipe not in SHARED:
        project = world.store.parent / recipe
        shutil.copytree(ROOT / "recipes" / recipe, project)
        (project / "runtime.lock").unlink(missing_ok=True)
        image = world.store.parent / f"{recipe}.image"
        result = subprocess.run(
            [world.alephc, "--store", store_of(world), "build", str(project), "-o", str(image)],
            capture_output=True,
            text=True,
            env=world.alephc_env(),
            cwd=world.folder,
            timeout=1800,
        )
        if result.returncode == 1 and "no mirror" in result.stderr:
            raise Skip("no Debian mirror can be reached")
        assert result.returncode == 0, result.stderr
        SHARED[recipe] = image
    return SHARED[recipe]


def answers(world, image, *options):
    """What the instance says of itself over ssh, with a key that only its seed knows."""
    key = world.folder / "key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    log = open(world.folder / "log", "w+")
    process = subprocess.Popen(
        [
            world.alephc,
            "--store",
            store_of(world),
            "run",
            str(image),
            "--authorized-key",
            f"{key}.pub",
            "--cpus",
            "2",
            "--console",
            "--disk-size",
            "4G",
            *options,
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=world.alephc_env(),
    )
    try:
        deadline = time.monotonic() + 900
        while "answers after" not in (text := pathlib.Path(log.name).read_text(errors="replace")):
            assert process.poll() is None, f"the instance does not come up:\n{text[-3000:]}"
            assert time.monotonic() < deadline, f"the instance does not come up:\n{text[-3000:]}"
            time.sleep(1)
        port = text.split("ssh -p ")[1].split()[0]
        while True:
            result = subprocess.run(
                [
                    "ssh",
                    "-q",
                    "-i",
                    str(key),
                    "-p",
                    port,
                    "-o",
                    "StrictHostKeyChecking=no",
                    "-o",
                    "UserKnownHostsFile=/dev/null",
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    "ConnectTimeout=10",
                    "root@127.0.0.1",
                    ASK,
                ],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=900,
            )
            if (
                result.returncode != 255 or time.monotonic() > deadline
            ):  # sshd may answer before cloud-init has put the key
                break
            time.sleep(3)
        assert (
            result.returncode == 0
        ), f"{result.stdout}{result.stderr}\n{pathlib.Path(log.name).read_text(errors='replace')[-3000:]}"
        return [line for line in result.stdout.splitlines() if line.strip(".")]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        log.close()


def check_answers(lines):
    assert lines[0] == "alephc", lines
    assert int(lines[1]) > 3.5e9, f"the root did not grow: {lines}"
    assert lines[2:4] == ["active", "active"], lines
    assert lines[4] == "status: done", lines
    assert len(lines[5]) == 32, f"failed units, or no machine id: {lines}"
    assert re.fullmatch(
        r"deb \[check-valid-until=no\] https://snapshot\.\S+/archive/debian/\d{8}T\d{6}Z (bookworm|trixie) main",
        lines[6],
    ), lines
    return lines[5]


def ovmf():
    if not os.path.exists("/usr/share/ovmf/OVMF.fd"):
        raise Skip("ovmf is not installed")
    return "--firmware", "uefi"


def every_boot():
    """Emulated, each takes minutes: one of six is booted whenever the tests run."""
    if os.environ.get("ALEPHC_EVERY_BOOT") != "1":
        raise Skip("only with ALEPHC_EVERY_BOOT=1")


def test_debian_12_starts_from_seabios(world):
    check_answers(answers(world, image_of(world, "debian-12-instance")))


def test_debian_13_starts_from_ovmf(world):
    every_boot()
    check_answers(answers(world, image_of(world, "debian-13-instance"), *ovmf()))


def test_debian_12_starts_from_ovmf(world):
    every_boot()
    image = image_of(world, "debian-12-instance")
    first = check_answers(answers(world, image, *ovmf()))
    (world.folder / "key").unlink()
    assert first != check_answers(answers(world, image)), "two machines have one id"


def test_debian_13_starts_from_seabios(world):
    every_boot()
    check_answers(answers(world, image_of(world, "debian-13-instance")))


def test_a_bare_btrfs_root_starts_with_a_kernel_of_the_hosts(world):
    every_boot()
    check_answers(answers(world, image_of(world, "debian-12-instance-btrfs")))


def test_options_of_functions_are_refused(world):
    (world.project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "t"\nkind = "instance"\n[base]\ndistro = "none"\n[boot]\nkernel = "none"\n[image]\nformat = "disk"\n'
    )
    result = subprocess.run(
        [world.alephc, "--store", store_of(world), "run", str(world.project), "--request", "GET /"],
        capture_output=True,
        text=True,
        env=world.alephc_env(),
    )
    assert result.returncode == 2, result.stderr
    assert "--request is for functions" in result.stderr, result.stderr
