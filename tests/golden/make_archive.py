#!/usr/bin/env python3
"""Writes tests/golden/archive again: a small signed index without any package behind it, enough to
lock from. The key is thrown away, so the golden lock changes too: run golden/run.py with --accept
afterwards."""
import hashlib
import pathlib
import shutil
import subprocess
import tempfile

here = pathlib.Path(__file__).parent / "archive"
PACKAGES = [  # name, version, further fields
    ("apt", "2.6.1", "Priority: required\nDepends: libbase1 (>= 1.0)\n"),
    ("base-files", "12.4", "Essential: yes\nPriority: required\n"),
    ("dpkg", "1.21.22", "Essential: yes\nPriority: required\nPre-Depends: libbase1\n"),
    ("libbase1", "1.0-2", "Priority: optional\n"),
    ("libtool1", "3.2", "Priority: optional\n"),
    ("tool", "2:1.5~rc1-1+b2", "Priority: optional\nDepends: libtool1 (>= 3), other | libbase1\n"),
    ("extra", "0.1", "Priority: optional\n"),
    ("own", "7", "Priority: optional\nDepends: tool\n"),
]

shutil.rmtree(here, ignore_errors=True)
binary = here / "dists/test/main/binary-amd64"
binary.mkdir(parents=True)
stanzas = []
for name, version, fields in PACKAGES:
    file = f"pool/main/{name[0]}/{name}/{name}_{version.split(':')[-1]}_amd64.deb"
    stanzas.append(
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Golden <golden@example.org>\n{fields}"
        f"Filename: {file}\nSize: {1000 + len(name)}\nSHA256: {hashlib.sha256(name.encode()).hexdigest()}\nDescription: golden\n"
    )
(binary / "Packages").write_text("\n".join(stanzas))
data = (binary / "Packages").read_bytes()
release = (
    "Origin: Golden\nSuite: test\nCodename: test\nDate: Mon, 02 Nov 2026 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
    f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n"
)
with tempfile.TemporaryDirectory() as home:
    gpg = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-gen-key", "Golden <golden@example.org>", "ed25519", "sign", "never"],
        check=True,
        capture_output=True,
    )
    (here / "key.gpg").write_bytes(
        subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
    )
    signed = subprocess.run(
        [*gpg, "--clearsign"], input=release.encode(), check=True, capture_output=True
    ).stdout
    (here / "dists/test/InRelease").write_bytes(signed)
