"""Packages and scripts that attack: the host is unchanged and the build says what failed."""
import contextlib
import io
import os
import pathlib
import shutil
import tarfile
import time

SCRIPTS = {
    "core-pattern": "echo '|/tmp/pwned' > /proc/sys/kernel/core_pattern",
    "sysrq": "echo b > /proc/sysrq-trigger",
    "mknod-disk": "mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/tmp/stolen bs=1 count=1",
    "mount": "mount -t tmpfs tmpfs /mnt",
    "user-namespace": "unshare -Ur true",
    "network": "perl -MIO::Socket -e 'IO::Socket::INET->new(PeerAddr=>\"192.0.2.1\",PeerPort=>80,Timeout=>2) or exit 1'",
    "kill-all": "kill -9 -1; kill -9 1; exit 1",
    "module": "perl -e 'exit(syscall(175,0,0,0) == 0 ? 0 : 1)'",
    "reboot": "perl -e 'exit(syscall(169,0xfee1dead,672274793,0x1234567,0) == 0 ? 0 : 1)'",
    "clock": "date -s 2001-01-01",
    "host-name": "hostname evil",
    "keyring": "perl -e 'exit(syscall(250,0,-3,1) >= 0 ? 0 : 1)'",
    "debugger": "perl -e 'exit(syscall(101,16,1,0,0) == 0 ? 0 : 1)'",
    "other-root": "ls /proc/1/root/work >/dev/null 2>&1 || ls /proc/1/root/../../root/.ssh/authorized_keys",
    "kernel-log": "dd if=/proc/kcore of=/tmp/k bs=1 count=1 && test -s /tmp/k",
}


def tar_with(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, value in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if kind == "dir":
                info.type = tarfile.DIRTYPE
            elif kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, value
            elif kind == "hard":
                info.type, info.linkname = tarfile.LNKTYPE, value
            elif kind == "device":
                info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 1
            else:
                info.size = len(value)
            archive.addfile(info, io.BytesIO(value.encode()) if kind == "file" else None)
    return out.getvalue()


LINK = [
    ("./usr", "dir", ""),
    ("./usr/share", "dir", ""),
    ("./usr/share/evil", "link", "../../../../../tmp"),
]
EVIL_LINK = tar_with(*LINK)
EVIL_SYMLINK = tar_with(*LINK, ("./usr/share/evil/alephc-evil", "file", "x"))
EVIL_DEBS = {
    "evil-dots": (tar_with(("./../../../../tmp/alephc-evil", "file", "x")), "leaves the root"),
    "evil-absolute": (tar_with(("/tmp/alephc-evil", "file", "x")), "is absolute"),
    # The symlink is another package's; a package's own comes last, as with dpkg.
    "evil-below": (
        tar_with(
            ("./usr", "dir", ""),
            ("./usr/share", "dir", ""),
            ("./usr/share/evil/alephc-evil", "file", "x"),
        ),
        "leaves the root",
    ),
    "evil-device": (tar_with(("./dev", "dir", ""), ("./dev/mem2", "device", "")), "device"),
    "evil-hard": (tar_with(("./x", "hard", "../../../../etc/passwd")), "leaves the root"),
}


def prepare(archive):
    for name, script in SCRIPTS.items():
        archive.add_package("attack-" + name, scripts=[("postinst", f"#!/bin/sh\n{script}\n")])
    for name, (data, _) in EVIL_DEBS.items():
        fields = "Depends: evil-link\n" if name == "evil-below" else ""
        archive.add_package(name, tar=data, fields=fields)
    archive.add_package("evil-link", tar=EVIL_LINK)
    archive.add_package("evil-symlink", tar=EVIL_SYMLINK)
    archive.add_package(
        "fork-bomb",
        scripts=[
            (
                "postinst",
                '#!/usr/bin/perl\nmy $n = 0; while ($n < 100000) { my $p = fork(); last unless defined $p; if ($p == 0) { sleep 1000; exit } $n++ } die "stopped after $n\\n";\n',
            )
        ],
    )
    archive.add_package(
        "disk-filler", scripts=[("postinst", "#!/bin/sh\nexec dd if=/dev/zero of=/fill bs=1M\n")]
    )
    archive.add_package("setuid", files=[("usr/bin/rootme", "#!/bin/sh\n", 0o4755)])
    archive.add_package(
        "log-trick",
        scripts=[
            (
                "postinst",
                "#!/bin/sh\nset -e\nmkdir -p /var/tmp/alephc-trick\nrm -rf /var/log\nln -s /var/tmp/alephc-trick /var/log\n",
            )
        ],
    )
    archive.add_package(
        "trigger-trick",
        scripts=[
            (
                "triggers",
                "interest-noawait ../../../../../../../../../../var/tmp/alephc-trick/trigger\n",
            )
        ],
    )
    archive.add_package(
        "link-trick",
        scripts=[
            (
                "postinst",
                "#!/bin/sh\nset -e\nmv /run /run.old; ln -s /../../../../../../var/tmp/alephc-trick /run; rm -rf /var/lib/dpkg/tmp.ci; ln -s /var/tmp/alephc-trick /var/lib/dpkg/tmp.ci\n",
            )
        ],
    )
    archive.add_package(
        "escape-chroot",
        scripts=[
            (
                "postinst",
                "#!/usr/bin/perl\nmkdir 'x'; chroot 'x' or die; chdir '..' for 1..64; chroot '.'; exit(-e '/var/tmp/alephc-marker' ? 0 : 1);\n",
            )
        ],
    )


def test_a_file_below_its_packages_own_symlink_stays_in_the_root(world):
    before = host_state()
    world.manifest(packages=["evil-symlink"])
    tree = world.build()
    assert (tree / "usr/share/evil/alephc-evil").read_text() == "x"
    assert not (tree / "usr/share/evil").is_symlink()
    assert host_state() == before


def host_state():
    return (
        pathlib.Path("/proc/sys/kernel/core_pattern").read_text(),
        os.uname().nodename,
        pathlib.Path("/proc/mounts").read_text(),
        os.path.exists("/tmp/alephc-evil"),
    )


def fails_unharmed(world, package, text):
    before = host_state()
    world.manifest(packages=[package])
    # The base system in a layer of its own, which the store then has for all of them.
    (world.project / "base.toml").write_text('schema = 1\n[packages]\ninstall = ["dpkg"]\n')
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace('name = "t"\n', 'name = "t"\nextends = ["base.toml"]\n')
    )
    result = world.run("build", "project", "-o", "image.squashfs")
    assert result.returncode in (1, 3), f"{package}: exit {result.returncode}\n{result.stderr}"
    assert text in result.stderr, f"{package}: '{text}' is not in\n{result.stderr}"
    assert host_state() == before, f"{package} changed the host"
    assert not list(world.folder.glob("*.squashfs"))


def test_scripts_that_reach_for_the_host_fail(world):
    marker = time.time()
    for name in SCRIPTS:
        fails_unharmed(world, "attack-" + name, "configuring packages failed")
    assert time.time() - marker < 900
    assert time.time() > 1700000000


def test_a_chroot_does_not_help_to_get_out(world):
    pathlib.Path("/var/tmp/alephc-marker").touch()
    try:
        fails_unharmed(world, "escape-chroot", "configuring packages failed")
    finally:
        pathlib.Path("/var/tmp/alephc-marker").unlink()


def test_packages_that_leave_the_root_are_refused(world):
    for name, (_, text) in EVIL_DEBS.items():
        fails_unharmed(world, name, text)
    assert not os.path.exists("/tmp/alephc-evil")


def test_a_fork_bomb_is_stopped(world):
    start = time.monotonic()
    fails_unharmed(world, "fork-bomb", "stopped after")
    assert time.monotonic() - start < 300


def test_a_script_cannot_fill_the_disk(world):
    free = os.statvfs(world.store).f_bavail
    fails_unharmed(world, "disk-filler", "configuring packages failed")
    time.sleep(1)
    assert os.statvfs(world.store).f_bavail > free * 0.9


def test_setuid_programs_stay_inside_the_private_store(world):
    world.manifest(packages=["setuid"])
    world.ok("build", "project", "-o", "image.img")
    assert world.store.stat().st_mode & 0o077 == 0
    found = list(world.store.glob("layers/*/root/usr/bin/rootme"))
    assert found
    assert found[0].stat().st_mode & 0o4000


@contextlib.contextmanager
def bait():
    """A folder of the host's that packages try to reach."""
    trick = pathlib.Path("/var/tmp/alephc-trick")
    (trick / "alephc").mkdir(parents=True)
    for name in ("alephc/keep", "dpkg.log"):
        (trick / name).touch()
    before = sorted(trick.rglob("*"))
    try:
        yield
        assert sorted(trick.rglob("*")) == before, "alephc followed a symlink out of the tree"
    finally:
        shutil.rmtree(trick)


def test_symlinks_of_a_script_do_not_lead_alephc_out(world):
    for package in ("link-trick", "log-trick", "trigger-trick"):
        with bait():
            world.manifest(
                '[[run]]\nname = "after"\ninputs = ["key.gpg"]\nscript = "true"\n',
                packages=[package],
            )
            world.run("build", "project", "-o", "image.img")
