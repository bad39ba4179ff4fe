#!/usr/bin/env python3
"""Brings files of Alpine's that some tests judge by: the minirootfs with its apk, and a whole
signed index.

They are kept in ALEPHC_ALPINE_DATA, or in /var/tmp/alephc-test-cache/alpine. Both never change:
3.16 is not updated any more. Tests that need them are skipped where they are missing."""
import hashlib
import os
import pathlib
import sys
import urllib.error
import urllib.request

FOLDER = pathlib.Path(os.environ.get("ALEPHC_ALPINE_DATA", "/var/tmp/alephc-test-cache/alpine"))
MIRROR = "https://dl-cdn.alpinelinux.org/alpine/"
FILES = {
    "alpine-minirootfs-3.20.3-x86_64.tar.gz": (
        "v3.20/releases/x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz",
        "d4e6fd67dcf75e40c451560ac7265166c2b72a0f38ddc9aae756a7de3d1efa0c",
    ),
    "APKINDEX-3.16-main-x86_64.tar.gz": (
        "v3.16/main/x86_64/APKINDEX.tar.gz",
        "2272d5ff591c25e1b34c9da94444fe97d56801371c9533459d15889211740cf1",
    ),
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (path, wanted) in FILES.items():
        if (FOLDER / name).exists():
            continue
        try:
            with urllib.request.urlopen(MIRROR + path, timeout=20) as answer:
                content = answer.read()
        except (urllib.error.URLError, OSError) as error:
            print(f"{name}: cannot be fetched: {error}")
            return 1
        found = hashlib.sha256(content).hexdigest()
        if found != wanted:
            print(f"{name}: its sha256 is {found}, not {wanted}")
            return 1
        (FOLDER / name).write_bytes(content)
        print(f"{FOLDER / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
