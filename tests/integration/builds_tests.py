"""build: what the image holds, what stays the same, what happens when things go wrong."""
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

from fixture import UbuntuArchive, run


def linked_files():
    """A data.tar with two names for one file, and a file of its own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:

        def put(name, data=b"", **fields):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, 5
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))

        for folder in ("./", "./usr/", "./usr/share/", "./usr/share/in-place/"):
            put(folder, type=tarfile.DIRTYPE, mode=0o755)
        put("./usr/share/in-place/first", b"packaged\n")
        put(
            "./usr/share/in-place/second",
            type=tarfile.LNKTYPE,
            linkname="./usr/share/in-place/first",
        )
        put("./usr/share/in-place/single", b"single\n")
    return out.getvalue()


def prepare(archive):
    archive.add_package(
        "conf",
        "1",
        files=[("etc/conf.d/main", "setting\n", 0o644)],
        scripts=[("postinst", "#!/bin/sh\nset -e\necho configured > /var/lib/conf-state\n")],
    )
    (archive.folder / "x").mkdir(exist_ok=True)
    archive.add_package(
        "tool",
        "1",
        files=[("usr/bin/tool", "#!/bin/sh\necho tool\n", 0o755)],
        fields="Depends: toollib\n",
    )
    archive.add_package("toollib", "1", files=[("usr/share/toollib/data", "x\n", 0o644)])
    archive.add_package(
        "diverter",
        "1",
        files=[("usr/bin/which-one", "new\n", 0o755)],
        scripts=[
            (
                "preinst",
                "#!/bin/sh\nset -e\ndpkg-divert --package diverter --add --rename --divert /usr/bin/which-one.old /usr/bin/which-one\n",
            )
        ],
    )
    archive.add_package("diverted", "1", files=[("usr/bin/which-one", "old\n", 0o755)])
    archive.add_package(
        "replacer",
        "1",
        files=[("usr/share/both", "replacer\n", 0o644)],
        fields="Replaces: replaced\n",
    )
    archive.add_package("replaced", "1", files=[("usr/share/both", "replaced\n", 0o644)])
    archive.add_package("clash-a", "1", files=[("usr/share/clash", "a\n", 0o644)])
    archive.add_package("clash-b", "1", files=[("usr/share/clash", "b\n", 0o644)])
    archive.add_package(
        "in-place",
        "1",
        tar=linked_files(),
        scripts=[
            (
                "postinst",
                "#!/bin/sh\nset -e\necho more >> /usr/share/in-place/first\nchmod 600 /usr/share/in-place/first\necho more >> /usr/share/in-place/single\nln /usr/share/in-place/single /usr/share/in-place/third\n",
            )
        ],
    )
    archive.add_package("compiler", "1", files=[("usr/bin/py3compile", COMPILER, 0o755)])
    for name, arguments in (
        ("module-a", "-p 'module a' -X *.py"),
        ("module-b", "-p b"),
        ("module-bad", "bad"),
    ):
        archive.add_package(
            name,
            "1",
            scripts=[
                (
                    "postinst",
                    f"#!/bin/sh\nset -e\ncommand -v py3compile > /dev/null || exit 0\npy3compile {arguments}\n",
                )
            ],
        )
    archive.add_package(
        "watcher",
        "1",
        scripts=[
            (
                "postinst",
                '#!/bin/sh\nset -e\nif [ "$1" = triggered ]; then echo "$2" >> /var/lib/watched; fi\n',
            ),
            ("triggers", "interest-noawait /usr/share/toollib\n"),
        ],
    )
    archive.add_package(
        "asks",
        "1",
        scripts=[
            (
                "postinst",
                '#!/bin/sh\nset -e\n. /usr/share/debconf/confmodule\ndb_get asks/colour\necho "$RET" > /var/lib/asks\n',
            ),
            (
                "templates",
                "Template: asks/colour\nType: string\nDefault: red\nDescription: colour\n more\n",
            ),
        ],
        fields="Depends: debconf\n",
    )


COMPILER = """#!/bin/sh
test "$1" != bad || { echo "cannot compile"; exit 3; }
dpkg-query -W -f '${db:Status-Status}\\n' module-a module-b > "/var/lib/compiled-$2"
printf '%s\\n' "$@" >> "/var/lib/compiled-$2"
"""

EVERYTHING = '''
[[file]]
target = "/srv/app/data"
source = "data"
[[file]]
target = "/etc/motd"
content = "hello\\n"
mode = "0600"
owner = "app:app"
[[file]]
target = "/etc/conf.d/main"
append = true
content = "more\\n"
[[user]]
name = "app"
uid = 1234
authorized_keys = ["ssh-ed25519 AAAA x"]
[[run]]
name = "make"
inputs = ["data"]
script = """
test "$(id -un)" = root; test "$(hostname)" = alephc; ischroot; test "$TZ" = UTC
cp /run/alephc/inputs/data/one /srv/made; tool > /srv/tool-said
ln /srv/made /srv/made-too; date > /srv/dated; touch -d 2020-01-01 /srv/dated; echo "$SOURCE_DATE_EPOCH" > /srv/dated
"""
[[run]]
name = "as-user"
user = "app"
script = """
#!/bin/sh -e
test "$(id -u)" = 1234
echo mine > "/tmp/x"
"""
[system]
hostname = "box"
'''


def everything(world):
    (world.project / "data").mkdir()
    (world.project / "data/one").write_text("1\n")
    (world.project / "data/run").write_text("#!/bin/sh\n")
    (world.project / "data/run").chmod(0o755)
    world.manifest(
        EVERYTHING,
        packages=["conf", "tool"],
        base='image_sources = ["deb http://example.org/debian test main"]',
    )


def sha(world, *arguments, **options):
    result = json.loads(
        world.ok("--json", "build", "project", "-o", "image.squashfs", *arguments, **options).stdout
    )
    (world.folder / "image.squashfs").unlink()
    return result["sha256"]


def test_an_image_holds_what_the_manifest_says(world):
    everything(world)
    tree = world.build()
    assert (tree / "etc/conf.d/main").read_text() == "setting\nmore\n"
    assert (tree / "var/lib/conf-state").read_text() == "configured\n"
    assert (tree / "srv/app/data/run").stat().st_mode & 0o777 == 0o755
    assert (tree / "srv/app/data/one").stat().st_mode & 0o777 == 0o644
    motd = (tree / "etc/motd").stat()
    assert (motd.st_mode & 0o777, motd.st_uid, motd.st_gid) == (0o600, 1234, 1234)
    assert "app:!:" in (tree / "etc/shadow").read_text()
    assert (tree / "home/app/.ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert (tree / "srv/tool-said").read_text() == "tool\n"
    assert (tree / "srv/made").stat().st_nlink == 2
    assert (tree / "etc/hostname").read_text() == "box\n"
    assert "example.org" in (tree / "etc/apt/sources.list").read_text()
    assert not list((tree / "tmp").iterdir())
    assert not list((tree / "run").iterdir())
    assert not (tree / "usr/sbin/policy-rc.d").exists()
    assert (tree / "usr/share/alephc/runtime.lock").read_text() == (
        world.project / "runtime.lock"
    ).read_text()
    status = run("dpkg", "--root", str(tree), "--audit").stdout
    assert status == "", status
    times = {path.lstat().st_mtime for path in tree.rglob("*")}
    assert len(times) == 1, f"{len(times)} different times"


def test_dpkg_verify_is_clean_and_apt_works_inside(world):
    world.manifest(packages=["conf", "tool"])
    tree = world.build("--set", "image.embed_recipe=false")
    verified = run("chroot", str(tree), "dpkg", "--verify", check=False).stdout
    assert verified == "", verified
    shutil.copytree(world.archive.root, tree / "mnt/debian")
    (tree / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/mnt/debian test main\n")
    (tree / "var/lib/apt/lists/partial").mkdir(parents=True, exist_ok=True)
    (tree / "var/cache/apt/archives/partial").mkdir(parents=True, exist_ok=True)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
    run(
        "chroot",
        str(tree),
        "apt-get",
        "-o",
        "APT::Sandbox::User=root",
        "-o",
        "Acquire::Check-Date=false",
        "update",
        env=environment,
    )
    run("chroot", str(tree), "apt-get", "-y", "install", "diverted", env=environment)
    assert (tree / "usr/bin/which-one").read_text() == "old\n"


def test_two_builds_from_nothing_are_the_same(world):
    everything(world)
    first = sha(world, "--jobs", "1", store=world.folder / "one")
    shutil.move(world.project, world.folder / "elsewhere")
    shutil.copytree(world.folder / "elsewhere", world.project)
    assert (
        sha(
            world,
            "--jobs",
            "8",
            store=world.folder / "two/deeper/still",
            env={"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "EXTRA": "x"},
        )
        == first
    )


SEEN = """
cd /srv
perl -e 'opendir(D, "many"); print "$_\\n" for readdir D' > of-perl
find many > of-find
hostname -f > full-name
sed -n 's/-.*//p; q' /proc/self/maps > address
cp /etc/hosts seen-hosts
touch /etc/mailname
"""


def test_steps_see_nothing_of_the_filesystem_or_of_chance(world):
    """On ext4 or whatever this machine has, and on tmpfs, which lists what was made last first."""
    world.manifest(
        text=f"[[run]]\nname = 'make'\nscript = 'mkdir /srv/many; cd /srv/many; for i in $(seq 500); do : > $((i * 7919 % 500)); done'\n"
        f"[[run]]\nname = 'see'\nscript = {json.dumps(SEEN)}\n"
    )
    trees = set()
    mounted = world.folder / "memory"
    mounted.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(mounted))
    try:
        for store in (world.folder / "on-disk", mounted / "store"):
            built = world.ok("--json", "build", "project", "-o", "seen.img", store=store)
            trees.add(json.loads(built.stdout)["tree"])
            (world.folder / "seen.img").unlink()
    finally:
        run("umount", str(mounted))
    assert len(trees) == 1, trees
    srv = world.build(store=world.folder / "on-disk") / "srv"
    names = (srv / "of-perl").read_text().split()
    assert names == sorted(names), names[:5]
    assert len(names) == 502, len(names)
    assert (srv / "full-name").read_text() == "alephc.localdomain\n"
    assert "alephc.localdomain alephc" in (srv / "seen-hosts").read_text()
    assert (srv / "address").read_text().startswith("5555"), "addresses are random"
    assert not (srv.parent / "etc/hosts").exists()
    assert (srv.parent / "etc/mailname").exists()


def test_nothing_to_do_runs_nothing(world):
    everything(world)
    world.ok("build", "project", "-o", "image.squashfs")
    result = json.loads(world.ok("--json", "build", "project", "-o", "image.squashfs").stdout)
    assert all(step["cached"] for step in result["steps"])
    (world.folder / "image.squashfs").unlink()


def test_a_changed_file_reruns_only_what_depends_on_it(world):
    everything(world)
    world.ok("build", "project", "-o", "image.squashfs")
    (world.project / "data/one").write_text("2\n")
    stale = world.run("plan", "project")
    assert stale.returncode == 1, stale.stderr
    assert "'data/one' changed" in stale.stderr, stale.stderr
    world.ok("lock", "project")
    plan = world.ok("plan", "project").stdout
    assert "files" in plan, plan
    assert "will run" in plan, plan
    assert "file /" in plan, plan
    assert " changed" in plan, plan
    steps = json.loads(world.ok("--json", "build", "project", "-o", "image.squashfs").stdout)[
        "steps"
    ]
    cached = {step["id"]: step["cached"] for step in steps}
    assert cached["install:packages"]
    assert cached["system"]
    assert not cached["files"]
    assert not cached["run:make"]
    (world.folder / "image.squashfs").unlink()


def test_known_blocks_give_the_bytes_of_a_build_from_nothing(world):
    everything(world)
    noise = random.Random(1)
    (world.project / "data/large").write_bytes(noise.randbytes(300_000) + b"again" * 100_000)
    own = world.folder / "own"
    sha(world, store=own)
    (world.project / "data/one").write_text("changed\n" * 50)
    assert sha(world, store=own) == sha(world, store=world.folder / "second")
    # Nothing is copied from a former image that was damaged.
    indexes = list((own / "blocks").iterdir())
    assert len(indexes) == 2
    for index in indexes:
        image = own / "blobs" / index.name[:2] / index.name
        data = bytearray(image.read_bytes())
        for offset in range(100, len(data), 5000):
            data[offset] ^= 1
        image.chmod(0o600)
        image.write_bytes(data)
    (world.project / "data/one").write_text("changed again\n")
    assert sha(world, store=own) == sha(world, store=world.folder / "third")


def decoded_in(world, *arguments, **options):
    """Packages that a build decodes."""
    world.ok(
        "build", "project", "-o", "image.squashfs", "--trace", "trace.json", *arguments, **options
    )
    (world.folder / "image.squashfs").unlink()
    spans = json.loads((world.folder / "trace.json").read_text())["traceEvents"]
    return {span["name"].split()[0] for span in spans if span["cat"] == "decode"}


def test_a_package_is_decoded_once(world):
    own = world.folder / "own"
    world.manifest(packages=["conf", "in-place", "toollib"])
    assert {"conf", "in-place", "dpkg"} <= decoded_in(world, store=own)
    world.manifest(packages=["conf", "in-place", "tool"])
    # Of in-place no layer has what it ships: its script changed that.
    assert decoded_in(world, store=own) == {"tool", "in-place"}
    assert sha(world, store=own) == sha(world, store=world.folder / "second")
    # What was touched is decoded again.
    for file in own.glob("layers/*/root/usr/bin/tool"):
        file.write_text("forged\n")
    for text in (own / "decoded").iterdir():
        if b"configured > /var/lib/conf-state" in text.read_bytes():
            text.chmod(0o600)
            text.write_bytes(text.read_bytes().replace(b"configured", b"Configured"))
    world.manifest(packages=["conf", "in-place", "tool", "watcher"])
    assert decoded_in(world, store=own) == {"conf", "tool", "in-place", "watcher"}
    assert sha(world, store=own) == sha(world, store=world.folder / "third")


def test_scripts_see_the_same_files_whether_decoded_or_found(world):
    """Their numbers of names too, and what one script writes in place reaches no other build."""
    world.manifest(
        '[[run]]\nname = "look"\nscript = "cd /usr; find . -type f -printf \'%p %n %m %s\\\\n\' | sort > /srv/seen"\n',
        packages=["in-place"],
    )
    own = world.folder / "own"
    folder = world.build(store=own) / "usr/share/in-place"
    files = {name: folder / name for name in ("first", "second", "single", "third")}
    assert files["second"].read_text() == "packaged\nmore\n"
    assert files["second"].stat().st_mode & 0o777 == 0o600
    assert (
        files["first"].stat().st_ino == files["second"].stat().st_ino
    ), "the script's chmod split the two names"
    assert files["third"].read_text() == "single\nmore\n"
    assert files["third"].stat().st_ino == files["single"].stat().st_ino
    fresh = sha(world, store=own)
    world.manifest(packages=["in-place", "conf"])
    sha(world, store=own)
    for action in (own / "actions").iterdir():
        action.unlink()
    world.manifest(
        '[[run]]\nname = "look"\nscript = "cd /usr; find . -type f -printf \'%p %n %m %s\\\\n\' | sort > /srv/seen"\n',
        packages=["in-place"],
    )
    assert decoded_in(world, store=own) == {"in-place"}
    assert sha(world, store=own) == fresh


def test_byte_compilation_waits_for_all_packages(world):
    world.manifest(packages=["module-a", "module-b", "compiler"])
    tree = world.build()
    assert (
        tree / "var/lib/compiled-module a"
    ).read_text() == "installed\ninstalled\n-p\nmodule a\n-X\n*.py\n"
    assert (tree / "var/lib/compiled-b").read_text() == "installed\ninstalled\n-p\nb\n"
    world.manifest(packages=["module-a"])
    assert not list((world.build() / "var/lib").glob("compiled-*"))
    world.manifest(packages=["module-a", "module-bad", "compiler"])
    assert (
        "log: cannot compile"
        in world.fails(
            1, "configuring packages failed", "build", "project", "-o", "image.squashfs"
        ).stderr
    )


def test_layers_follow_the_parts(world):
    (world.project / "part.toml").write_text('schema = 1\n[packages]\ninstall = ["watcher"]\n')
    world.manifest(packages=["tool", "diverted"])
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace('name = "t"\n', 'name = "t"\nextends = ["part.toml"]\n')
    )
    (world.project / "runtime.toml").write_text(text)
    tree = world.build()
    plan = world.ok("plan", "project").stdout
    assert "install:part.toml" in plan
    assert "install:own" in plan
    assert (tree / "var/lib/watched").read_text() == "/usr/share/toollib\n"
    assert run("dpkg", "--root", str(tree), "--audit").stdout == ""


def test_diversions_and_replaced_files_are_dpkgs(world):
    world.manifest(packages=["diverter", "diverted", "replacer", "replaced"])
    tree = world.build()
    assert (tree / "usr/bin/which-one").read_text() == "new\n"
    assert (tree / "usr/bin/which-one.old").read_text() == "old\n"
    assert (tree / "usr/share/both").read_text() == "replacer\n"
    owner = run("dpkg", "--admindir", str(tree / "var/lib/dpkg"), "-S", "/usr/share/both").stdout
    assert owner.startswith("replacer:"), owner


def test_packages_that_clash_are_refused(world):
    world.manifest(packages=["clash-a", "clash-b"])
    world.fails(
        1,
        "/usr/share/clash is in clash-b 1 and also in clash-a 1",
        "build",
        "project",
        "-o",
        "image.squashfs",
    )


def test_debconf_answers_are_given(world):
    world.manifest(packages=["asks"])
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace("install =", 'debconf = ["asks asks/colour string blue"]\ninstall =')
    )
    (world.project / "runtime.toml").write_text(text)
    assert (world.build() / "var/lib/asks").read_text() == "blue\n"


def test_build_packages_are_there_for_steps_only(world):
    world.manifest('[[run]]\nname = "use"\nscript = "tool > /srv/said"\n')
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace("install =", 'build = ["tool"]\ninstall =')
    )
    (world.project / "runtime.toml").write_text(text)
    tree = world.build()
    assert (tree / "srv/said").read_text() == "tool\n"
    assert not (tree / "usr/bin/tool").exists()
    assert not (tree / "usr/share/toollib").exists()
    assert "tool" not in run("dpkg-query", "--admindir", str(tree / "var/lib/dpkg"), "-W").stdout


def test_archives_are_unpacked(world):
    (world.project / "src/top/sub").mkdir(parents=True)
    (world.project / "src/top/sub/file").write_text("in archive\n")
    run("tar", "-C", str(world.project / "src"), "-cJf", str(world.project / "a.tar.xz"), "top")
    world.manifest('[[archive]]\nname = "a"\nsource = "a.tar.xz"\nstrip = 1\ntarget = "/opt/a"\n')
    assert (world.build() / "opt/a/sub/file").read_text() == "in archive\n"


def test_formats_agree_on_the_tree(world):
    everything(world)
    trees = set()
    for form in ("squashfs", "tar", "dir"):
        out = world.folder / f"out.{form}"
        result = json.loads(
            world.ok(
                "--json", "build", "project", "-o", out, "--set", f"image.format={form}"
            ).stdout
        )
        trees.add(result["tree"])
        trees.add(json.loads(world.ok("--json", "tree", out).stdout)["tree"])
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    assert len(trees) == 1, trees


def test_the_kernel_mounts_what_was_written(world):
    world.manifest(packages=["tool"])
    image = world.folder / "i.img"
    digest = json.loads(world.ok("--json", "build", "project", "-o", image).stdout)["tree"]
    where = world.folder / "mnt"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "squashfs", "-o", "loop,ro", str(image), str(where)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        from fixture import Skip

        raise Skip("this kernel mounts no squashfs: " + mounted.stderr.strip())
    try:
        assert json.loads(world.ok("--json", "tree", where).stdout)["tree"] == digest
    finally:
        run("umount", str(where))


def test_an_expectation_that_does_not_hold_keeps_the_image_in_the_store(world):
    world.manifest()
    result = world.fails(
        3, "the sha256 differs", "build", "project", "-o", "image.squashfs", "--expect", "0" * 64
    )
    assert "expected " + "0" * 64 in result.stderr
    assert "alephc diff" in result.stderr
    assert "built" in result.stderr
    kept = next(word for word in result.stderr.split() if "/blobs/" in word)
    assert pathlib.Path(kept).exists()
    world.fails(
        2,
        "aleph.im rejects",
        "build",
        "project",
        "--expect",
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    )
    world.manifest('[expect]\nmax_size = "1K"\n')
    world.fails(1, "more than expect.max_size allows", "build", "project", "-o", "image.squashfs")
    world.manifest()
    good = json.loads(world.ok("--json", "build", "project", "-o", "image.img").stdout)
    for name in ("sha256", "cid_v0", "cid_v1"):
        world.ok("build", "project", "-o", "image.img", "--expect", good[name])


def test_locked_builds_never_write_the_lock(world):
    world.manifest()
    world.fails(1, "does not exist", "build", "project", "--locked")
    world.fails(1, "does not exist", "build", "project", env={"CI": "true"})
    world.ok("lock", "project")
    world.manifest(packages=["tool"])
    world.fails(1, "is stale: the manifest changed", "build", "project", "--locked")


def test_a_failing_script_shows_its_log_and_a_way_in(world):
    world.manifest('[[run]]\nname = "boom"\nscript = "echo before; echo reason >&2; exit 7"\n')
    result = world.fails(1, "the script 'boom' failed", "build", "project", "-o", "image.squashfs")
    assert "exit code 7" in result.stderr
    assert "log: reason" in result.stderr
    assert "alephc shell --at run:boom" in result.stderr
    inside = world.ok(
        "shell",
        "--path",
        "project",
        "--at",
        "run:boom",
        "--",
        "sh",
        "-c",
        "cat /etc/debian_version; hostname",
    )
    assert "alephc" in inside.stdout


def test_the_trace_of_a_failed_build_is_written(world):
    world.manifest('[[run]]\nname = "boom"\nscript = "exit 7"\n')
    world.fails(
        1,
        "the script 'boom' failed",
        "build",
        "project",
        "-o",
        "image.squashfs",
        "--trace",
        "trace.json",
        store=world.folder / "own",
    )
    spans = json.loads((world.folder / "trace.json").read_text())["traceEvents"]
    assert {"step", "unpack", "install"} <= {span["cat"] for span in spans}
    assert all(span["dur"] >= 0 for span in spans)


def test_a_script_with_network_is_pinned_by_its_result(world):
    script = '[[run]]\nname = "net"\nnetwork = true\nscript = "ls /sys /proc/net > /dev/null; cat /proc/sys/kernel/random/uuid > /srv/fetched"\n'
    world.manifest(script)
    world.ok("lock", "project")
    world.fails(
        1,
        "the lock lacks the result of a script with network",
        "build",
        "project",
        "--locked",
        "-o",
        "image.squashfs",
        store=world.folder / "s",
    )
    first = sha(world)
    assert "[[run]]" in (world.project / "runtime.lock").read_text()
    assert sha(world, "--locked") == first
    world.fails(
        3,
        "gave another result than the locked one",
        "build",
        "project",
        "--locked",
        "-o",
        "image.squashfs",
        store=world.folder / "t",
    )


def test_downloads_that_fail_are_resumed_retried_or_refused(world):
    world.manifest(packages=["tool"])
    world.ok("lock", "project")
    server = world.archive.server
    server.faults = {"/dpkg_": "truncate-once"}
    sha(world, store=world.folder / "a")
    server.faults = {"/tool_": "flip"}
    world.fails(
        3,
        "the bytes of tool 1 are not what the signed index promises",
        "build",
        "project",
        "-o",
        "image.squashfs",
        store=world.folder / "b",
    )
    server.faults = {"/tool_": "gone"}
    world.fails(
        1,
        "tool 1 was not found on any server",
        "build",
        "project",
        "-o",
        "image.squashfs",
        store=world.folder / "b",
    )
    server.faults = {"/toollib_": "truncate"}
    world.fails(
        1,
        "toollib 1 was not found on any server",
        "build",
        "project",
        "-o",
        "image.squashfs",
        store=world.folder / "c",
    )
    assert not list((world.folder / "c/work").glob("*")), "work was left behind"
    server.faults = {}
    world.ok("--offline", "build", "project", "-o", "image.img", store=world.folder / "a")


def test_a_full_disk_is_a_clear_error(world):
    world.manifest()
    world.ok("lock", "project")
    small = world.folder / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(small))
    try:
        world.fails(
            4,
            "No space left on device",
            "build",
            "project",
            "-o",
            "image.squashfs",
            store=small / "store",
        )
    finally:
        run("umount", str(small))


def test_without_root_it_says_so(world):
    world.manifest()
    world.ok("lock", "project")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as public:
        os.chmod(public, 0o777)
        program = shutil.copy(world.alephc, public)
        result = subprocess.run(
            [
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                program,
                "--store",
                public + "/s",
                "build",
                "x",
            ],
            capture_output=True,
            text=True,
            cwd=public,
            env={"PATH": os.environ["PATH"], "HOME": public},
        )
    assert result.returncode == 4, result.stderr
    assert "this user cannot have one" in result.stderr, result.stderr


def mounts(folder):
    """Ours only: other programs of this machine mount things too."""
    return [
        line
        for line in pathlib.Path("/proc/mounts").read_text().splitlines()
        if str(folder) in line
    ]


def test_killed_builds_leave_nothing_and_the_next_succeeds(world):
    everything(world)
    world.ok("lock", "project")
    store = world.folder / "s"
    expected = sha(world, store=store)
    start = time.monotonic()
    sha(world, store=world.folder / "timed")
    length = time.monotonic() - start
    generator = random.Random(20)
    for attempt in range(20):
        victim = world.folder / f"kill{attempt % 3}"
        process = subprocess.Popen(
            [
                world.alephc,
                "--store",
                str(victim),
                "--mirror",
                world.archive.url,
                "-q",
                "build",
                "project",
                "-o",
                "image.squashfs",
            ],
            cwd=world.folder,
            env=world.alephc_env(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(generator.uniform(0.02, length))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (world.folder / "image.squashfs").unlink(missing_ok=True)
        time.sleep(0.2)
        assert mounts(world.folder) == [], "a mount was left"
        left = subprocess.run(["pgrep", "-f", str(victim)], capture_output=True, text=True).stdout
        assert left == "", f"processes were left: {left}"
        if attempt % 5 == 4:
            assert sha(world, store=victim) == expected
            assert not list((victim / "work").iterdir())
            shutil.rmtree(victim)


def test_interrupted_builds_exit_130(world):
    world.manifest('[[run]]\nname = "slow"\nscript = "sleep 60"\n')
    world.ok("lock", "project")
    process = subprocess.Popen(
        [world.alephc, "--store", str(world.store), "build", "project", "-o", "image.squashfs"],
        cwd=world.folder,
        env=world.alephc_env(),
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(8 if not (world.store / "actions").exists() else 4)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130, (process.returncode, errors)
    assert "interrupted" in errors, (process.returncode, errors)


def test_two_builds_at_once_share_a_store(world):
    everything(world)
    world.ok("lock", "project")
    store = world.folder / "shared"
    processes = [
        subprocess.Popen(
            [
                world.alephc,
                "--store",
                str(store),
                "--mirror",
                world.archive.url,
                "--json",
                "build",
                "project",
                "-o",
                f"image{i}.img",
            ],
            cwd=world.folder,
            env=world.alephc_env(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    results = [json.loads(process.communicate()[0]) for process in processes]
    assert results[0]["sha256"] == results[1]["sha256"]


def test_a_damaged_store_heals(world):
    everything(world)
    good = sha(world)
    for file in world.store.glob("layers/*/root/etc/motd"):
        file.write_text("evil\n")
    os.utime(world.project / "runtime.toml")
    (world.project / "data/one").write_text("changed\n")
    world.ok("build", "project", "-o", "image.squashfs")
    (world.project / "data/one").write_text("1\n")
    assert sha(world) == good
    # Nothing had to look into the damaged layers of the first build: the image was there.
    world.fails(1, "run 'alephc build', which makes it again", "why", "project", "/etc/motd")
    assert sha(world) == good
    world.ok("why", "project", "/etc/motd")
    (world.folder / "image.squashfs").unlink(missing_ok=True)


def test_why_explains_packages_and_paths(world):
    everything(world)
    world.build()
    chain = world.ok("why", "project", "toollib").stdout
    assert "tool is asked for in packages.install" in chain, chain
    assert "toollib is in Depends of tool" in chain, chain
    path = world.ok("why", "project", "/usr/bin/tool").stdout
    assert "written by step install:packages" in path, path
    assert "belongs to the package tool" in path, path


def test_graph_inspect_hash_and_gc_answer(world):
    everything(world)
    world.ok("build", "project", "-o", "image.img")
    assert world.ok("graph", "project", "--format", "dot").stdout.startswith("digraph")
    assert world.ok("graph", "project", "--format", "svg").stdout.startswith("<svg")
    assert json.loads(world.ok("graph", "project", "--format", "json").stdout)["steps"]
    sizes = json.loads(world.ok("--json", "inspect", "image.img", "--sizes").stdout)
    assert sizes["packages"] > 80
    assert sizes["recipe"]
    assert sizes["by_package"]["tool"] > 0
    (world.folder / "bare/usr/lib").mkdir(parents=True)
    for line, system in (
        ("PRETTY_NAME=", "unknown"),
        ("PRETTY_NAME=One", "One"),
        ('PRETTY_NAME="Two words"', "Two words"),
    ):
        (world.folder / "bare/usr/lib/os-release").write_text(f'ID="x"\n{line}\n')
        assert f"system    {system}\n" in world.ok("inspect", "bare").stdout
    assert world.ok("hash", "image.img").stdout.startswith("sha256  ")
    receipt = json.loads((world.folder / "image.img.receipt.json").read_text())
    assert "app:1234:1234" in receipt["accounts"]
    try:
        import jsonschema

        jsonschema.validate(receipt, json.loads(world.ok("schema", "receipt").stdout))
    except ImportError:
        print("skipped: the receipt's schema needs python3-jsonschema")
    assert "kept" in world.ok("gc").stdout
    assert all(
        (world.store / "blobs" / index.name[:2] / index.name).exists()
        for index in (world.store / "blocks").iterdir()
    )
    result = json.loads(world.ok("--json", "build", "project", "-o", "image.img").stdout)
    assert all(step["cached"] for step in result["steps"]), "gc took what a manifest uses"


def test_init_makes_a_project_that_is_well_formed(world):
    world.ok("init", "fresh")
    result = world.run("lock", "fresh", "--check")
    assert result.returncode == 1
    assert "does not exist" in result.stderr
    world.fails(2, "exists already", "init", "fresh")


def test_a_package_may_replace_a_file_of_a_layer_below(world):
    (world.project / "part.toml").write_text('schema = 1\n[packages]\ninstall = ["replaced"]\n')
    world.manifest(packages=["replacer"])
    text = (
        (world.project / "runtime.toml")
        .read_text()
        .replace('name = "t"\n', 'name = "t"\nextends = ["part.toml"]\n')
    )
    (world.project / "runtime.toml").write_text(text)
    tree = world.build()
    assert (tree / "usr/share/both").read_text() == "replacer\n"
    owner = run("dpkg", "--admindir", str(tree / "var/lib/dpkg"), "-S", "/usr/share/both").stdout
    assert owner.startswith("replacer:"), owner
    assert "replaced" not in owner, owner
    assert run("dpkg", "--root", str(tree), "--audit").stdout == ""


def test_a_recorded_result_is_held_against_the_next_build(world):
    world.manifest()
    world.ok("build", "project", "-o", "image.img", "--record")
    receipt = json.loads((world.project / "runtime.receipt.json").read_text())
    assert receipt == json.loads((world.folder / "image.img.receipt.json").read_text())
    world.ok("build", "project", "-o", "image.img", "--locked")
    recorded = world.project / "runtime.receipt.json"
    good = recorded.read_text()
    recorded.write_text(good.replace(receipt["sha256"], "0" * 64))
    result = world.fails(
        3,
        "not the recorded one: the sha256 differs",
        "build",
        "project",
        "-o",
        "image.squashfs",
        "--locked",
    )
    assert "alephc diff" in result.stderr
    # Other libraries may compress differently: the tree still has to be the same.
    recorded.write_text(good.replace(receipt["sha256"], "0" * 64).replace("libzstd 1", "libzstd 0"))
    assert "libzstd 0" in world.ok("build", "project", "-o", "image.img", "--locked").stderr
    recorded.write_text(
        good.replace(receipt["tree"], "2:" + "1" * 64)
        .replace(receipt["sha256"], "0" * 64)
        .replace("libzstd 1", "libzstd 0")
    )
    world.fails(
        3,
        "not the recorded one: the tree digest differs",
        "build",
        "project",
        "-o",
        "image.squashfs",
        "--locked",
    )
    recorded.write_text("{")
    world.fails(1, "is not a receipt", "build", "project", "-o", "image.squashfs", "--locked")
    world.ok("build", "project", "-o", "image.img", "--record")
    assert recorded.read_text() == good


def on_a_terminal(world, *arguments):
    """What a person would see: runs alephc on a pseudo terminal."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [world.alephc, "--store", str(world.store), "--mirror", world.archive.url, *arguments],
        cwd=world.folder,
        env={**world.alephc_env(), "TERM": "xterm"},
        stdin=child,
        stdout=child,
        stderr=child,
    )
    os.close(child)
    seen = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    os.close(parent)
    assert process.wait() == 0, seen.decode()
    return seen.decode()


def test_progress_is_live_on_a_terminal_and_plain_elsewhere(world):
    world.manifest('[[run]]\nname = "slow"\nscript = "sleep 1"\n')
    live = on_a_terminal(world, "build", "project", "-o", "image.img")
    assert "\x1b[" in live, live
    assert "\r" in live, live
    assert "run slow" in live, live
    world.manifest('[[run]]\nname = "other"\nscript = "sleep 2"\n')
    plain = world.ok("build", "project", "-o", "image.img").stderr
    assert "\x1b" not in plain, plain
    assert "\r" not in plain, plain
    assert len([line for line in plain.splitlines() if "run other" in line]) == 1, plain


def test_completion_scripts_are_well_formed_and_know_every_command(world):
    commands = [
        line.split()[0]
        for line in world.ok("--help").stdout.split("Subcommands:")[1].splitlines()
        if line.startswith("  ") and line.strip()
    ]
    assert "build" in commands
    for shell in ("bash", "zsh", "fish"):
        script = world.ok("completion", shell).stdout
        assert all(command in script for command in commands), shell
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=script, text=True, check=True)
    world.fails(2, "completion", "completion", "tcsh")


def test_ubuntu_is_taken_from_an_archive_like_its_own(world):
    archive = UbuntuArchive(world.folder.parent / "ubuntu")  # short: a socket goes below it
    for component in ("main", "universe", "updates"):
        (archive.root / "pool" / component).mkdir()
    for deb in (world.archive.root / "pool").glob("*.deb"):
        if (
            "f@example.org" not in run("dpkg-deb", "-f", str(deb), "Maintainer").stdout
        ):  # real ones only
            shutil.copy(deb, archive.root / "pool/main")
    archive.repack(next((archive.root / "pool/main").glob("hostname_*.deb")))
    extra = archive.add_package(
        "extra", "1", [("usr/share/extra", "one\n", 0o644)], fields="Section: universe/misc\n"
    )
    archive.repack(extra)
    shutil.move(extra, archive.root / "pool/universe")
    newer = archive.add_package(
        "extra", "2", [("usr/share/extra", "two\n", 0o644)], fields="Phased-Update-Percentage: 10\n"
    )
    shutil.move(newer, archive.root / "pool/updates")
    archive.publish_pocket(
        "jammy", {"main": "pool/main", "universe": "pool/universe"}, "Thu, 21 Apr 2022 17:16:08 UTC"
    )
    archive.publish_pocket(
        "jammy-updates", {"universe": "pool/updates"}, "Mon, 02 Nov 2026 00:00:00 UTC"
    )
    archive.publish_pocket("jammy-security", {}, "Mon, 02 Nov 2026 00:00:00 UTC")
    shutil.copy(archive.key, world.project / "ubuntu.gpg")
    manifest = (
        'schema = 1\n[runtime]\nname = "u"\n[base]\ndistro = "ubuntu"\nrelease = "jammy"\ncomponents = ["main", "universe"]\nimage_sources = "snapshot"\n'
        'keyring = "ubuntu.gpg"\n[packages]\ninstall = ["extra"]\n[init]\nprogram = "none"\n'
    )
    (world.project / "runtime.toml").write_text(manifest)
    mirror = archive.server.url + "/debian"
    tree = world.build(mirror=mirror)
    assert (
        tree / "usr/share/extra"
    ).read_text() == "two\n", "a phased update depends on the machine"
    lock = (world.project / "runtime.lock").read_text()
    assert '"ubuntu"' in lock
    assert "jammy-updates" in lock
    assert archive.fingerprint in lock
    sources = (tree / "etc/apt/sources.list").read_text()
    assert (
        "https://snapshot.ubuntu.com/ubuntu/20220422T051608Z jammy main universe" in sources
    ), sources
