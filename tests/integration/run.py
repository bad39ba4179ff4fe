#!/usr/bin/env python3
"""End-to-end tests of the real program, as root, against an archive of our own on loopback.

run.py ALEPHC SUITE [TEST…]     SUITE: locks, builds, hostile, trust, vm, alpine, …

A test is a function called test_… in SUITE_tests.py that takes a World. A suite without prepare()
has no archive of Debian packages."""
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

sys.path[:0] = [
    str(pathlib.Path(__file__).parents[1] / name) for name in ("integration", "support")
]
from fixture import Archive, Skip, base_packages, run


class World:
    """What a test works with: a fresh folder, the archive, and alephc with a store that keeps the
    base layer warm."""

    def __init__(self, alephc, archive, store, folder):
        self.alephc, self.archive, self.store, self.folder = alephc, archive, store, folder
        self.project = folder / "project"
        self.project.mkdir()
        if archive:
            shutil.copy(archive.key, self.project / "key.gpg")

    def manifest(self, text="", packages=(), base="", name="t"):
        listed = ", ".join(f'"{package}"' for package in packages)
        (self.project / "runtime.toml").write_text(
            f'schema = 1\n[runtime]\nname = "{name}"\n[base]\ndistro = "debian"\nrelease = "test"\nsuites = ["test"]\nkeyring = "key.gpg"\n'
            f'{base}\n[packages]\ninstall = [{listed}]\n[init]\nprogram = "none"\n{text}'
        )

    def alephc_env(self):
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ALEPH_API_HOST": "http://127.0.0.1:1",
        }

    def run(self, *arguments, store=None, mirror=None, env=None, **options):
        argv = [
            self.alephc,
            "--store",
            str(store or self.store),
            "--mirror",
            mirror or self.archive.url,
            *map(str, arguments),
        ]
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            env={**self.alephc_env(), **(env or {})},
            timeout=600,
            **options,
        )

    def ok(self, *arguments, **options):
        result = self.run(*arguments, **options)
        assert (
            result.returncode == 0
        ), f"alephc {' '.join(map(str, arguments))} exits {result.returncode}:\n{result.stdout[-3000:]}{result.stderr}"
        return result

    def fails(self, code, text, *arguments, **options):
        result = self.run(*arguments, **options)
        assert (
            result.returncode == code
        ), f"exit {result.returncode}, not {code}:\n{result.stdout}{result.stderr}"
        assert text in result.stderr, f"'{text}' is not in:\n{result.stderr}"
        assert not list(self.folder.glob("*.squashfs")), "an image was left behind"
        return result

    def build(self, *arguments, **options):
        """Builds to a folder image.squashfs's content and returns (result, path of the unpacked
        tree)."""
        self.ok("build", "project", "-o", "image.squashfs", *arguments, **options)
        tree = self.folder / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        run("unsquashfs", "-q", "-d", str(tree), str(self.folder / "image.squashfs"))
        (self.folder / "image.squashfs").unlink()
        return tree


def make_archive(module, alephc, cache, folder):
    folder.mkdir()
    debs = base_packages(alephc, cache)
    archive = Archive(folder)
    for deb in debs.iterdir():
        shutil.copy(deb, archive.root / "pool")
    module.prepare(archive)
    archive.publish()
    return archive


def main():
    alephc, suite = os.path.abspath(sys.argv[1]), sys.argv[2]
    wanted = sys.argv[3:]
    if os.geteuid() != 0:
        print("skipped: these tests need root")
        return 77
    missing = [
        tool
        for tool in ("gpg", "apt-ftparchive", "dpkg-deb", "unsquashfs", "ar", "xz")
        if not shutil.which(tool)
    ]
    if missing:
        print(f"skipped: not installed: {', '.join(missing)}")
        return 77
    module = importlib.import_module(f"{suite}_tests")
    cache = pathlib.Path(os.environ.get("ALEPHC_TEST_CACHE", "/var/tmp/alephc-test-cache"))
    cache.mkdir(parents=True, exist_ok=True)
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-test.") as top_name:
        top = pathlib.Path(top_name)
        archive = None
        if hasattr(module, "prepare"):
            try:
                archive = make_archive(module, alephc, cache, top / "archive")
            except Skip as reason:
                print(f"skipped: {reason}")
                return 77
        tests = [
            (name, test)
            for name, test in vars(module).items()
            if name.startswith("test_") and (not wanted or name in wanted)
        ]
        for name, test in tests:
            folder = top / name
            folder.mkdir()
            if archive:
                archive.server.faults, archive.server.requests, archive.server.login = {}, [], None
            start = time.monotonic()
            try:
                test(World(alephc, archive, top / "store", folder))
                passed += 1
                verdict = "ok"
            except Skip as reason:
                skipped += 1
                verdict = f"skipped: {reason}"
            except Exception:
                failed += 1
                verdict = "FAILED\n" + traceback.format_exc()
            print(f"{name} {verdict} ({time.monotonic() - start:.1f} s)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
