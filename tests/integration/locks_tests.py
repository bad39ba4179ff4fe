"""lock: what is chosen, what is verified, what is refused."""
import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import tomllib

from fixture import Skip


def prepare(archive):
    archive.add_package(
        "alpha", "1", files=[("usr/share/alpha", "one\n", 0o644)], fields="Depends: beta\n"
    )
    archive.add_package("beta", "1")
    archive.add_package("broken", "1", fields="Depends: missing-one (>= 2)\n")
    archive.add_package("needs-broken", "1", fields="Depends: broken\n")


def packages(world):
    lock = tomllib.loads((world.project / "runtime.lock").read_text())
    return {package["name"]: package for layer in lock["layer"] for package in layer["packages"]}


def test_a_lock_names_everything_and_no_machine(world):
    world.manifest(packages=["alpha"])
    world.ok("lock", "project")
    found = packages(world)
    assert {"alpha", "beta", "dpkg", "apt"} <= found.keys()
    assert found["beta"]["auto"]
    assert "auto" not in found["alpha"]
    text = (world.project / "runtime.lock").read_text()
    assert "127.0.0.1" not in text
    assert str(world.folder) not in text
    world.ok("lock", "project", "--check")


def test_the_same_manifest_gives_the_same_lock(world):
    world.manifest(packages=["alpha"])
    world.ok("lock", "project")
    first = (world.project / "runtime.lock").read_text()
    (world.project / "runtime.lock").unlink()
    world.ok("lock", "project", store=world.folder / "other-store")
    assert (world.project / "runtime.lock").read_text() == first


def test_a_locked_version_stays_until_told(world):
    world.manifest(packages=["beta"])
    world.ok("lock", "project")
    world.archive.add_package("beta", "2")
    world.archive.publish(date="Tue, 03 Nov 2026 00:00:00 UTC")
    world.manifest(packages=["alpha"])
    assert "alpha 1" in world.ok("lock", "project").stdout
    assert packages(world)["beta"]["version"] == "1"
    assert "beta 1 → 2" in world.ok("lock", "project", "--outdated").stdout
    assert packages(world)["beta"]["version"] == "1"
    assert "beta 1 → 2" in world.ok("lock", "project", "--update-package", "beta").stdout
    assert packages(world)["beta"]["version"] == "2"
    world.fails(2, "the lock has no package 'bta'", "lock", "project", "--update-package", "bta")


def test_unknown_packages_are_named_with_near_names(world):
    world.manifest(packages=["alhpa", "beta=9", "dpkg/sid"])
    result = world.fails(1, "there is no package 'alhpa'", "lock", "project")
    assert "did you mean 'alpha'?" in result.stderr
    assert "'beta' has no version 9" in result.stderr
    assert "'sid' is none of the manifest's suites" in result.stderr


def test_an_unsatisfiable_dependency_is_explained_by_its_chain(world):
    world.manifest(packages=["needs-broken"])
    result = world.fails(1, "these packages cannot be installed together", "lock", "project")
    assert "missing-one" in result.stderr, result.stderr
    assert "needs-broken → broken" in result.stderr, result.stderr


def test_an_unknown_release_is_refused(world):
    world.manifest()
    text = (world.project / "runtime.toml").read_text().replace('"test"', '"bookwrm"')
    (world.project / "runtime.toml").write_text(text)
    result = world.fails(1, "no mirror has the suite 'bookwrm'", "lock", "project")
    assert "did you mean 'bookworm'?" in result.stderr


def test_a_tampered_release_is_refused(world):
    file = world.archive.root / "dists/test/InRelease"
    good = file.read_text()
    file.write_text(good.replace("Origin: Fixture", "Origin: fixture"))
    world.manifest()
    try:
        world.fails(
            3, "the signature of debian/test is bad", "lock", "project", store=world.folder / "s"
        )
        file.write_text("Origin: Evil\nDate: Mon, 02 Nov 2026 00:00:00 UTC\nSHA256:\n\n" + good)
        world.fails(3, "the signature of debian/test", "lock", "project", store=world.folder / "s")
    finally:
        file.write_text(good)


def test_a_release_of_another_key_is_refused(world):
    world.manifest()
    (world.project / "key.gpg").write_bytes(b"")
    world.fails(3, "cannot be verified", "lock", "project")


def test_an_expired_release_is_refused_unless_told(world):
    world.archive.publish(valid_until="Wed, 01 Jan 2025 00:00:00 UTC")
    try:
        world.manifest()
        world.fails(3, "expired on 2025-01-01", "lock", "project")
        world.manifest(base="check_valid_until = false")
        world.ok("lock", "project")
    finally:
        world.archive.publish(date="Tue, 03 Nov 2026 00:00:00 UTC")


def test_a_release_that_apt_would_refuse_is_refused(world):
    """Other suite, unreadable or future dates, a field twice: signed all the same."""
    suite = world.archive.root / "dists/test"
    good = (suite / "Release").read_text()
    date = next(line for line in good.splitlines() if line.startswith("Date: "))
    world.manifest()
    cases = [
        (
            "is that of another suite",
            good.replace("Suite: test", "Suite: other").replace("Codename: test", "Codename: else"),
        ),
        ("is that of another suite", good.replace("Suite: test", "Suite: test-updates")),
        ("is of the future", good.replace(date, "Date: Sat, 01 Jan 2099 00:00:00 UTC")),
        ("without a date", good.replace(date + "\n", "")),
        ("unreadable date", good.replace(date, "Date: two days ago")),
        (
            "unreadable end of validity",
            good.replace(date, date + "\nValid-Until: when it is ready"),
        ),
        ("two fields 'Date'", good.replace(date, date + "\nDate: Mon, 01 Jun 2026 00:00:00 UTC")),
    ]
    try:
        for why, text in cases:
            (suite / "Release").write_text(text)
            world.archive.sign(suite)
            world.fails(3, why, "lock", "project", store=world.folder / "s")
            assert not (world.project / "runtime.lock").exists()
        nameless = good.replace("Suite: test\n", "").replace("Codename: test\n", "")
        (suite / "Release").write_text(nameless)
        world.archive.sign(suite)
        world.ok("lock", "project", store=world.folder / "s")
    finally:
        (suite / "Release").write_text(good)
        world.archive.sign(suite)


def test_a_weak_signature_is_refused(world):
    suite = world.archive.root / "dists/test"
    world.manifest()
    gpg = world.archive.gpg
    for name, kind in (
        ("Short <s@example.org>", "rsa1024"),
        ("Old <o@example.org>", "dsa2048"),
        ("Long <l@example.org>", "rsa2048"),
    ):
        gpg("--batch", "--passphrase", "", "--quick-gen-key", name, kind, "sign", "never")
    key = world.project / "key.gpg"
    key.write_bytes(
        subprocess.run(
            ["gpg", "--homedir", str(world.archive.gnupg), "--export"],
            capture_output=True,
            check=True,
        ).stdout
    )
    try:
        for why, options in (
            ("RSA with 1024 bits", ["-u", "s@example.org"]),
            ("a key of DSA", ["-u", "o@example.org"]),
            ("over a digest that can be forged", ["-u", "l@example.org", "--digest-algo", "SHA1"]),
        ):
            world.archive.sign(suite, *options)
            world.fails(3, why, "lock", "project", store=world.folder / "s")
        # One good signature is enough, whatever stands beside it.
        world.archive.sign(suite, "-u", "s@example.org", "-u", "l@example.org")
        world.ok("lock", "project", store=world.folder / "s")
    finally:
        for name in ("s@example.org", "o@example.org", "l@example.org"):
            gpg("--batch", "--yes", "--delete-secret-and-public-key", fingerprint_of(world, name))
        world.archive.sign(suite)


def fingerprint_of(world, name):
    listing = world.archive.gpg("--list-keys", "--with-colons", name).stdout
    return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))


def test_a_clock_of_2040_still_verifies_what_is_locked_today(world):
    """Every key of today has an end; so does the trust in it, but not in what it signed."""
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        raise Skip("libfaketime is not installed")
    home = tempfile.mkdtemp(prefix="gpg", dir="/tmp")  # gpg's agent allows no long path
    gpg = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-gen-key", "Today <t@example.org>", "rsa2048", "sign", "5y"],
        check=True,
        capture_output=True,
    )
    suite = world.archive.root / "dists/test"
    good = (suite / "InRelease").read_text()
    (suite / "InRelease").unlink()
    try:
        subprocess.run(
            [*gpg, "--clearsign", "-o", str(suite / "InRelease"), str(suite / "Release")],
            check=True,
            capture_output=True,
        )
        world.manifest()
        (world.project / "key.gpg").write_bytes(
            subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
        )
        world.ok("lock", "project")
        later = world.alephc_env() | {
            "LD_PRELOAD": str(library),
            "FAKETIME": "@2040-01-01 00:00:00",
        }
        report = json.loads(
            world.ok("--json", "verify", "project", "--trust-key", "key.gpg", env=later).stdout
        )
        assert report["verdict"] == "verified", report
        assert "key expired since, on 2031-" in str(report), report
        assert "days old" in str(report), report
        report = json.loads(
            world.ok("--json", "verify", "project", "--trust-key", "key.gpg").stdout
        )
        assert report["verdict"] == "verified", report
        assert "expired" not in str(report), report
        world.fails(
            3,
            "made with the expired key",
            "lock",
            "--update",
            "project",
            env=later,
            store=world.folder / "s",
        )
    finally:
        (suite / "InRelease").write_text(good)
        shutil.rmtree(home, ignore_errors=True)


def test_an_older_release_than_locked_is_refused(world):
    world.manifest()
    world.ok("lock", "project")
    world.archive.publish(date="Mon, 01 Jun 2026 00:00:00 UTC")
    try:
        world.fails(3, "is older than the locked one", "lock", "project", "--update")
    finally:
        world.archive.publish(date="Tue, 03 Nov 2026 00:00:00 UTC")


def test_an_index_with_another_hash_is_refused(world):
    world.archive.server.faults = {"Packages.xz": "flip"}
    world.manifest()
    world.fails(
        3, "are not what the signed index promises", "lock", "project", store=world.folder / "s"
    )


def test_a_dead_first_mirror_is_passed_over(world):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/debian"
    world.manifest()
    result = subprocess.run(
        [
            world.alephc,
            "--store",
            str(world.folder / "s"),
            "--mirror",
            dead,
            "--mirror",
            world.archive.url,
            "lock",
            "project",
        ],
        capture_output=True,
        text=True,
        cwd=world.folder,
        env=world.alephc_env(),
    )
    assert result.returncode == 0, result.stderr


def test_a_repository_of_its_own_needs_its_pinned_key(world):
    repository = '[[repository]]\nname = "extra"\nurl = "%s"\nsuite = "test"\nkey = "key.gpg"\nfingerprint = "%s"\npriority = 600\n'
    world.manifest(
        text=repository % (world.archive.url, world.archive.fingerprint), packages=["alpha"]
    )
    world.ok("lock", "project")
    assert packages(world)["alpha"]["from"] == "extra/test"
    world.manifest(text=repository % (world.archive.url, "0" * 40), packages=["alpha"])
    world.fails(3, "is not of the pinned key", "lock", "project")


def test_offline_says_what_it_lacks(world):
    world.manifest()
    world.fails(1, "--offline forbids it", "--offline", "lock", "project", store=world.folder / "s")


def test_an_edited_lock_is_refused(world):
    world.manifest()
    world.ok("lock", "project")
    lock = world.project / "runtime.lock"
    lock.write_text(re.sub("size = ([0-9]+)", "size = 1", lock.read_text(), count=1))
    world.fails(3, "the lock was edited or damaged", "lock", "project", "--check")


def test_local_packages_are_chosen(world):
    deb = world.archive.add_package("localone", "7", fields="Depends: alpha\n")
    (world.project / "localone.deb").write_bytes(deb.read_bytes())
    deb.unlink()
    world.manifest(text="")
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace("install = []", 'install = []\nfiles = ["localone.deb"]')
    )
    (world.project / "runtime.toml").write_text(text)
    world.ok("lock", "project")
    found = packages(world)
    assert found["localone"]["from"] == "file"
    assert found["localone"]["path"] == "localone.deb"
    assert "alpha" in found
    (world.project / "localone.deb").write_bytes(b"no package")
    world.fails(3, "reading the package localone.deb", "lock", "project")


def test_removing_an_essential_package_is_an_error(world):
    world.manifest()
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace("install = []", 'install = []\nremove = ["dpkg"]')
    )
    (world.project / "runtime.toml").write_text(text)
    world.fails(1, "'dpkg' is essential and cannot be removed", "lock", "project")


def test_a_date_takes_the_index_of_then(world):
    world.archive.publish(
        date="Sun, 01 Nov 2026 00:00:00 UTC", valid_until="Mon, 02 Nov 2026 00:00:00 UTC"
    )
    try:
        world.manifest()
        world.fails(3, "expired on 2026-11-02", "lock", "project")
        world.fails(2, "'yesterday' is not a date", "lock", "project", "--date", "yesterday")
        world.ok("lock", "project", "--date", "20261101T120000Z")
        world.manifest(base='snapshot = "20261101T120000Z"')
        world.ok("lock", "project")
    finally:
        world.archive.publish(date="Tue, 03 Nov 2026 00:00:00 UTC")


def test_the_snapshot_archive_is_asked_for_a_date(world):
    world.manifest()
    proxy = {"https_proxy": world.archive.server.url, "HTTPS_PROXY": world.archive.server.url}
    result = subprocess.run(
        [
            world.alephc,
            "--store",
            str(world.folder / "s"),
            "lock",
            "project",
            "--date",
            "20200101T000000Z",
        ],
        capture_output=True,
        text=True,
        cwd=world.folder,
        env={**world.alephc_env(), **proxy},
    )
    assert result.returncode == 1, result.stderr
    assert "/archive/debian/20200101T000000Z/" in result.stderr, result.stderr


def test_a_proxy_is_used(world):
    world.manifest()
    url = world.archive.url.replace("127.0.0.1", "archive.invalid")
    world.ok(
        "lock",
        "project",
        mirror=url,
        store=world.folder / "s",
        env={"http_proxy": world.archive.server.url},
    )
    assert any(
        path.startswith("http://archive.invalid") for path in world.archive.server.requests
    ), world.archive.server.requests


def test_credentials_come_from_netrc_and_reach_nothing(world):
    world.archive.server.login = "name:s3cret-word"
    world.manifest()
    world.fails(1, "HTTP 401", "lock", "project", store=world.folder / "s")
    (world.folder / ".netrc").write_text("machine 127.0.0.1 login name password s3cret-word\n")
    shown = world.ok("--verbose", "lock", "project", store=world.folder / "s")
    (world.folder / ".netrc").unlink()
    kept = [
        file
        for file in (world.folder / "s").rglob("*")
        if file.is_file() and b"s3cret-word" in file.read_bytes()
    ]
    assert not kept
    assert (
        "s3cret-word"
        not in shown.stdout + shown.stderr + (world.project / "runtime.lock").read_text()
    )


def test_a_stalling_mirror_is_given_up(world):
    world.archive.server.faults = {"Packages.xz": "stall"}
    good = world.folder / "good"
    good.symlink_to(world.archive.root)
    world.manifest()
    result = subprocess.run(
        [
            world.alephc,
            "--verbose",
            "--store",
            str(world.folder / "s"),
            "--mirror",
            world.archive.url,
            "--mirror",
            f"file://{good}",
            "lock",
            "project",
        ],
        capture_output=True,
        text=True,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "Operation too slow" in result.stderr, result.stderr
