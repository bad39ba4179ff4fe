#!/usr/bin/env python3
"""Writers of output formats beside the usual tools, on the same folder, in turn.

formats.py WRITE_IMAGE FOLDER [ROUNDS]     WRITE_IMAGE: build/release/tests/write_image

Both read the folder from the page cache. write_image also hashes every file twice (for the listing,
and again while it copies), as the other tools do not."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def timed(argv, output):
    output.unlink(missing_ok=True)
    start = time.monotonic()
    subprocess.run(
        list(map(str, argv)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.monotonic() - start


def main():
    tool, folder = sys.argv[1], sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as work:
        ours, theirs = pathlib.Path(work) / "ours", pathlib.Path(work) / "theirs"
        size = int(
            subprocess.run(
                ["du", "-sm", folder], capture_output=True, text=True, check=True
            ).stdout.split()[0]
        )
        rows = {
            "ext4": (
                "mke2fs -d",
                [tool, folder, "ext4", ours],
                [
                    "mke2fs",
                    "-q",
                    "-F",
                    "-t",
                    "ext4",
                    "-d",
                    folder,
                    theirs,
                    f"{size * 5 // 4 + 64}M",
                ],
            ),
            "btrfs": (
                "mkfs.btrfs --rootdir",
                [tool, folder, "btrfs", ours],
                ["mkfs.btrfs", "-q", "-m", "single", "--rootdir", folder, theirs],
            ),
            "squashfs": (
                "mksquashfs",
                [tool, folder, "squashfs", ours, "level=9"],
                [
                    "mksquashfs",
                    folder,
                    theirs,
                    "-comp",
                    "zstd",
                    "-Xcompression-level",
                    "9",
                    "-no-progress",
                    "-quiet",
                ],
            ),
            "tar": (
                "tar",
                [tool, folder, "tar", ours],
                [
                    "tar",
                    "--xattrs",
                    "--numeric-owner",
                    "--sort=name",
                    "-cf",
                    theirs,
                    "-C",
                    folder,
                    ".",
                ],
            ),
        }
        for name, (peer, own, other) in rows.items():
            if not shutil.which(str(other[0])):
                print(f"{name}: {other[0]} is not installed")
                continue
            times = []
            for _ in range(rounds):
                if name == "btrfs":
                    theirs.unlink(missing_ok=True)
                    theirs.touch()
                    os.truncate(theirs, (size * 2 + 256) << 20)
                    start = time.monotonic()
                    subprocess.run(
                        list(map(str, other)),
                        check=True,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                    second = time.monotonic() - start
                else:
                    second = timed(other, theirs)
                times.append((timed(own, ours), second))
            first, second = (statistics.median(column) for column in zip(*times))
            print(f"{name}: {first:.2f} s, {peer} {second:.2f} s, ratio {first / second:.2f}")


if __name__ == "__main__":
    main()
