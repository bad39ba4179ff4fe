"""Alpine: packages and indexes made here, judged by the real apk where there is one; images boot in
a real virtual machine."""
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from apk_fixture import (
    BUILD_TIME,
    Key,
    Package,
    Repository,
    info,
    member,
    repack,
    split_members,
    with_xattrs,
)
from apk_judge import Judge, differences, minirootfs
from fixture import Server, Skip, run

SHARED = {}


def key_of(world):
    """One pair for all tests: making one takes longer than a build."""
    if "key" not in SHARED:
        SHARED["key"] = Key(world.store.parent / "keys")
    return SHARED["key"]


def busybox(world):
    """A shell for scripts, linked statically: the machine's own busybox as a package."""
    path = next(
        (pathlib.Path(p) for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), None
    )
    if not path:
        raise Skip("busybox-static is not installed")
    names = (
        "sh",
        "cat",
        "echo",
        "mkdir",
        "ls",
        "touch",
        "id",
        "adduser",
        "addgroup",
        "chmod",
        "ln",
        "env",
        "pwd",
        "umask",
        "sort",
    )
    return Package(
        "busybox",
        "1.36-r0",
        {
            "bin/busybox": ("file", path.read_bytes(), 0o755),
            **{f"bin/{name}": ("link", "/bin/busybox") for name in names},
        },
        provides=["/bin/sh", "cmd:sh=1.36-r0"],
    )


def repository(world, packages, folder="mirror/v3.22/main", **options):
    return Repository(world.folder / folder, key_of(world)).add(*packages).write(**options)


def manifest(world, install, more="", base="", image='format = "dir"'):
    key = key_of(world)
    shutil.copy(key.public, world.project / key.public.name)
    listed = ", ".join(f'"{each}"' for each in install)
    text = (
        f'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "alpine"\nrelease = "3.22"\nkeyring = "{key.public.name}"\n{base}\n[packages]\ninstall = [{listed}]\n{more}\n'
        f"[image]\n{image}\n"
    )
    if "[init]" not in more:
        text += '[init]\nprogram = "none"\n'
    (world.project / "runtime.toml").write_text(text)


def options(world, store=None):
    return {"mirror": f"file://{world.folder / 'mirror'}", "store": store or world.folder / "store"}


def tree(world, *arguments):
    """The root as the packages left it."""
    shutil.rmtree(world.folder / "out", ignore_errors=True)
    world.ok("build", "project", "--no-normalize", "-o", "out", *arguments, **options(world))
    return world.folder / "out"


def locked(world):
    text = (world.project / "runtime.lock").read_text()
    return re.findall(r'{ name = "([^"]+)", version = "([^"]+)"', text)


SAYS = '#!/bin/sh\nset -e\necho "{0} $(pwd) $(umask) $#: $*" >> /order\n'


def everything():
    """Packages that exercise what apk's format and solver know."""
    script = lambda word: SAYS.format(word)
    return [
        Package(
            "libone",
            "1.2.3-r1",
            {"usr/lib/libone.so.1.2.3": "one", "usr/lib/libone.so.1": ("link", "libone.so.1.2.3")},
            provides=["so:libone.so.1=1.2.3"],
        ),
        Package(
            "libone",
            "1.2.4_rc1-r0",
            {"usr/lib/libone.so.1.2.4": "newer"},
            provides=["so:libone.so.1=1.2.4"],
        ),
        Package(
            "libtwo",
            "2.0-r0",
            {"usr/lib/libtwo.so.2": "two"},
            depend=["so:libone.so.1"],
            provides=["so:libtwo.so.2=2.0"],
        ),
        Package(
            "tool",
            "3.0-r0",
            {
                "usr/bin/tool": ("file", "#!/bin/sh\n", 0o755),
                "usr/bin/tool-suid": ("file", "x", 0o4755),
            },
            depend=["so:libtwo.so.2", "/bin/sh"],
            provides=["cmd:tool=3.0-r0"],
        ),
        Package(
            "tool-dev",
            "3.0-r0",
            {"usr/lib/pkgconfig/tool.pc": "pc", "usr/include/tool.h": "h"},
            depend=["tool=3.0-r0"],
            provides=["pc:tool=3.0"],
        ),
        Package(
            "tool-doc",
            "3.0-r0",
            {"usr/share/man/man1/tool.1": "man"},
            install_if=["tool=3.0-r0", "docs"],
        ),
        Package("docs", "1-r0", {"usr/share/doc/README": "docs"}),
        Package(
            "wants-tool",
            "1-r0",
            {"usr/share/wants-tool": "x"},
            depend=["cmd:tool", "pc:tool>=2.9", "tool-dev~3"],
        ),
        Package(
            "exact",
            "1-r0",
            {"usr/share/exact": "x"},
            depend=["libold=1.0-r0", "libold<2", "libold>0.9", "libold<=1.0-r0", "libold>=1.0-r0"],
        ),
        Package("libold", "1.0-r0", {"usr/lib/libold": "1"}),
        Package("libold", "1.0-r1", {"usr/lib/libold": "1.1"}),
        Package("libold", "2.0-r0", {"usr/lib/libold": "2"}),
        Package(
            "mta-a",
            "1-r0",
            {"usr/sbin/mta-a": "a"},
            provides=["mta", "cmd:sendmail=1"],
            provider_priority="10",
        ),
        Package(
            "mta-b",
            "1-r0",
            {"usr/sbin/mta-b": "b"},
            provides=["mta", "cmd:sendmail=1"],
            provider_priority="20",
        ),
        Package("mailer", "1-r0", {"usr/bin/mailer": "m"}, depend=["mta"]),
        Package("db-a", "1-r0", {"usr/bin/db-a": "a"}, provides=["database=5"]),
        Package("db-b", "1-r0", {"usr/bin/db-b": "b"}, provides=["database=6"]),
        Package("needs-db", "1-r0", {"usr/bin/needs-db": "n"}, depend=["database<6"]),
        Package("hates", "1-r0", {"usr/bin/hates": "h"}, depend=["!libtwo-debug", "choice"]),
        Package(
            "choice-new",
            "2-r0",
            {"usr/bin/choice": "new"},
            provides=["choice=2"],
            depend=["libtwo-debug"],
        ),
        Package("choice-old", "1-r0", {"usr/bin/choice": "old"}, provides=["choice=1"]),
        Package("libtwo-debug", "1-r0", {"usr/lib/debug": "d"}),
        Package(
            "cycle-a",
            "1-r0",
            {"usr/share/cycle-a": "a"},
            depend=["cycle-b"],
            scripts={"post-install": script("cycle-a.post-install")},
        ),
        Package(
            "cycle-b",
            "1-r0",
            {"usr/share/cycle-b": "b"},
            depend=["cycle-c"],
            scripts={"post-install": script("cycle-b.post-install")},
        ),
        Package(
            "cycle-c",
            "1-r0",
            {"usr/share/cycle-c": "c"},
            depend=["cycle-a"],
            scripts={"pre-install": script("cycle-c.pre-install")},
        ),
        Package("meta", "1-r0", {}, depend=["tool", "exact"]),
        Package(
            "owner-user",
            "1-r0",
            {
                "var/lib/daemon": ("dir", 0o750, "daemon", 2),
                "var/lib/daemon/state": ("file", "s", 0o640, "service", 901),
                "etc/daemon.conf": "conf\n",
            },
            depend=["/bin/sh"],
            scripts={
                "pre-install": "#!/bin/sh\nset -e\necho 'service:x:777:777::/:/bin/false' >> /etc/passwd\necho 'service:x:777:' >> /etc/group\n",
                "post-install": script("owner-user.post-install"),
            },
        ),
        Package(
            "accounts",
            "1-r0",
            {
                "etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:12:13::/:/bin/false\n",
                "etc/group": "root:x:0:\ndaemon:x:13:\n",
            },
        ),
        Package(
            "first",
            "1-r0",
            {
                "usr/share/shared/file": "first",
                "usr/share/shared/kept": "kept",
                "usr/share/shared": ("dir", 0o775),
            },
        ),
        Package(
            "second",
            "1-r0",
            {"usr/share/shared/file": "second", "usr/share/shared": ("dir", 0o757)},
            replaces=["first"],
        ),
        Package(
            "third",
            "1-r0",
            {"usr/share/ranked": "third"},
            replaces=["fourth"],
            replaces_priority="5",
        ),
        Package(
            "fourth",
            "1-r0",
            {"usr/share/ranked": "fourth", "usr/share/fourth": "4"},
            replaces=["third"],
            replaces_priority="1",
        ),
        Package(
            "links",
            "1-r0",
            {
                "usr/bin/linked": ("file", "linked", 0o755),
                "usr/bin/zlinked": ("hard", "usr/bin/linked"),
                "usr/bin/absolute": ("link", "/usr/bin/linked"),
                "usr/share/dangling": ("link", "nowhere/at all"),
            },
        ),
        Package(
            "names",
            "1-r0",
            {
                "usr/share/with space/ünïcode": "u",
                "usr/share/" + "n" * 120 + "/" + "f" * 200: "long",
                "top-file": "root",
                "usr/share/names/.keep_x": "",
                "usr/share/.hidden": "h",
            },
        ),
        Package(
            "folders",
            "1-r0",
            {
                "srv/private": ("dir", 0o700),
                "srv/sticky": ("dir", 0o1777),
                "srv/empty": ("dir", 0o755),
                "proc": ("dir", 0o755),
                "tmp": ("dir", 0o1777),
            },
        ),
        Package(
            "writes-config",
            "1-r0",
            {"usr/share/writes-config": "x"},
            depend=["/bin/sh"],
            scripts={
                "post-install": "#!/bin/sh\nset -e\nmkdir -p /etc/init.d /etc/apk\necho local > /etc/zconf\necho local > /etc/init.d/zserve\necho local > /etc/apk/zlist\necho same > /etc/zsame\n"
                "mkdir -m 700 -p /opt/made\necho local > /opt/made/file\n"
            },
        ),
        Package(
            "zconfig",
            "1-r0",
            {
                "etc/zconf": "packaged\n",
                "etc/zsame": ("file", "same\n", 0o600),
                "etc/init.d/zserve": ("file", "#!/bin/sh\n", 0o755),
                "etc/apk/zlist": "packaged\n",
                "opt/made/file": "packaged\n",
            },
            depend=["writes-config"],
        ),
        Package(
            "protects", "1-r0", {"etc/apk/protected_paths.d/more.list": "+opt/kept\n-etc/open\n"}
        ),
        Package(
            "protected",
            "1-r0",
            {"opt/kept/zfile": "packaged\n", "etc/open/zfile": "packaged\n"},
            depend=["protects", "writes-protected"],
        ),
        Package(
            "writes-protected",
            "1-r0",
            {"usr/share/writes-protected": "x"},
            depend=["/bin/sh"],
            scripts={
                "post-install": "#!/bin/sh\nset -e\nmkdir -p /opt/kept /etc/open\necho local > /opt/kept/zfile\necho local > /etc/open/zfile\n"
            },
        ),
        Package(
            "scripts",
            "1.5-r2",
            {"usr/share/scripts": "s"},
            depend=["/bin/sh"],
            scripts={
                kind: script(f"scripts.{kind}")
                for kind in (
                    "pre-install",
                    "post-install",
                    "pre-deinstall",
                    "post-deinstall",
                    "pre-upgrade",
                    "post-upgrade",
                )
            },
        ),
        Package(
            "triggered",
            "1-r0",
            {"usr/share/triggered": "t"},
            depend=["/bin/sh"],
            triggers=["/usr/share/shared", "/usr/lib/*", "/nowhere"],
            scripts={
                "trigger": '#!/bin/sh\nset -e\nfor folder; do echo "trigger $folder"; done | sort >> /triggered\n'
            },
        ),
        Package("noarch-data", "1-r0", {"usr/share/noarch": "n"}, arch="noarch"),
        Package(
            "xattrs",
            "1-r0",
            entries=[
                (info("usr", tarfile.DIRTYPE, mode=0o755), None),
                (info("usr/bin", tarfile.DIRTYPE, mode=0o755), None),
                (
                    with_xattrs(
                        info("usr/bin/capable", size=1, mode=0o755),
                        {
                            "security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                            "user.note": "n",
                        },
                    ),
                    b"c",
                ),
                (with_xattrs(info("usr/bin/noted", size=1), {"user.note": "other"}), b"n"),
            ],
        ),
        Package("libone-extra", "1-r0", {"usr/lib/extra": "e"}),
        Package("born-a", "1-r0", {"usr/share/born": "a"}, origin="born"),
        Package("born-b", "1-r0", {"usr/share/born": "b"}, origin="born"),
        Package(
            "etc-mode",
            "1-r0",
            {
                "etc": ("dir", 0o700),
                "etc/etc-mode": "x",
                "var": ("dir", 0o711),
                "var/cache": ("dir", 0o711),
                "var/cache/misc": ("dir", 0o700),
                "var/cache/misc/x": "x",
            },
        ),
        Package(
            "mixed-scripts",
            "1-r0",
            {"usr/share/mixed": "m"},
            depend=["/bin/sh"],
            scripts={
                kind: script(f"mixed.{kind}")
                for kind in (
                    "post-upgrade",
                    "pre-deinstall",
                    "post-install",
                    "pre-upgrade",
                    "post-deinstall",
                    "pre-install",
                )
            },
        ),
        Package(
            "gone-mode",
            "1-r0",
            {
                "usr/share/modes": ("dir", 0o2775),
                "usr/share/modes/file": ("file", "m", 0o600),
                "usr/share/modes/other": ("file", "m", 0o444),
            },
        ),
    ]


def requests():
    return [
        "busybox",
        "tool",
        "docs",
        "wants-tool",
        "exact",
        "mailer",
        "needs-db",
        "hates",
        "cycle-a",
        "meta",
        "accounts",
        "owner-user",
        "first",
        "second",
        "third",
        "fourth",
        "links",
        "names",
        "folders",
        "writes-config",
        "zconfig",
        "protected",
        "scripts",
        "triggered",
        "noarch-data",
        "gone-mode",
        "libone<1.2.4",
        "xattrs",
        "libone-extra",
        "born-a",
        "born-b",
        "etc-mode",
        "mixed-scripts",
    ]


def test_the_same_root_as_apk(world):
    judge = Judge(world.folder / "judge")
    packages = [busybox(world), *everything()]
    assert len({package.name for package in packages}) >= 40
    repository(world, packages)
    manifest(world, requests())
    ours = tree(world)
    theirs = judge.install(
        key_of(world), [judge.share(world.folder / "mirror", "repo") + "/v3.22/main"], requests()
    )
    found = differences(ours, theirs)
    assert not found, "\n".join(found)
    assert (
        (ours / "order")
        .read_text()
        .splitlines()[-1]
        .startswith("scripts.post-install / 0022 1: 1.5-r2")
    )


def test_the_packages_of_a_real_root(world):
    judge = Judge(world.folder / "judge")
    packages = list(repack(minirootfs(world.folder / "mini")))
    assert len(packages) == 14
    repository(world, packages)
    world_file = [package.name for package in packages]
    manifest(world, world_file)
    theirs = judge.install(
        key_of(world), [judge.share(world.folder / "mirror", "repo") + "/v3.22/main"], world_file
    )
    found = differences(tree(world), theirs)
    assert not found, "\n".join(found)


def real_root(world, image='format = "dir"', more="", packages=None):
    """A project with the minirootfs's packages, and its repository."""
    found = list(repack(minirootfs(world.folder / "mini")))
    repository(world, found)
    manifest(world, packages or [package.name for package in found], more, image=image)
    return found


def in_root(root, *arguments, check=True):
    result = subprocess.run(
        ["chroot", str(root), *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert (
        not check or result.returncode == 0
    ), f"{arguments} exits {result.returncode}:\n{result.stdout}{result.stderr}"
    return result


def test_apk_goes_on_inside_the_image(world):
    real_root(world)
    world.ok("build", "project", "-o", "out", **options(world))
    root = world.folder / "out"
    more = (
        Repository(world.folder / "more", key_of(world))
        .add(
            Package(
                "extra",
                "1-r0",
                {"usr/bin/extra": ("file", "#!/bin/sh\necho extra\n", 0o755)},
                depend=["extra-lib", "/bin/sh"],
                scripts={"post-install": "#!/bin/sh\necho extra > /extra-was-here\n"},
            ),
            Package("extra-lib", "1-r0", {"usr/lib/extra": "x"}),
        )
        .write()
    )
    run("cp", "-a", str(more.folder), str(root / "more"))
    run("cp", str(key_of(world).public), str(root / "etc/apk/keys"))
    before = (root / "lib/apk/db/installed").read_bytes()
    apk = lambda *arguments: in_root(
        root,
        "apk",
        "--no-network",
        "--no-cache",
        "--repositories-file",
        "/dev/null",
        "--repository",
        "/more",
        *arguments,
    )
    assert apk("audit", "--system").stdout == "", apk("audit", "--system").stdout
    apk("add", "extra")
    assert in_root(root, "/usr/bin/extra").stdout == "extra\n"
    assert (root / "extra-was-here").exists()
    (root / "usr/lib/extra").write_text("broken")
    assert "usr/lib/extra" in apk("audit", "--system").stdout
    apk("fix", "extra-lib")
    assert (root / "usr/lib/extra").read_text() == "x"
    apk("del", "extra")
    assert not (root / "usr/bin/extra").exists()
    assert not (root / "usr/lib/extra").exists()
    assert (
        root / "lib/apk/db/installed"
    ).read_bytes() == before, "apk writes the database otherwise than it found it"


def shared_project(world, name):
    """A recipe of ours, with the repository of the test."""
    source = pathlib.Path(__file__).resolve().parents[2] / "recipes" / name
    shutil.rmtree(world.project)
    shutil.copytree(source, world.project)
    key = key_of(world)
    shutil.copy(key.public, world.project / key.public.name)
    text = (world.project / "runtime.toml").read_text()
    assert 'release = "3.22"' in text
    (world.project / "runtime.toml").write_text(
        text.replace('release = "3.22"', f'release = "3.22"\nkeyring = "{key.public.name}"')
    )


def static_image(world):
    repository(world, repack(minirootfs(world.folder / "mini")))
    shared_project(world, "alpine-static")
    image = world.folder / "static.image"
    world.ok("build", "project", "-o", image, **options(world))
    return image


def machine(world, *arguments):
    """run and conform need Debian's kernel, from the machine's own mirrors, and a store that keeps
    it."""
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("qemu-system-x86_64 is not installed")
    argv = [
        world.alephc,
        "--store",
        str(world.store.parent / "vm-store"),
        "--json",
        *map(str, arguments),
    ]
    result = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=600,
    )
    if "no mirror" in result.stderr:
        raise Skip("no Debian mirror can be reached, which has the kernel")
    assert (
        result.returncode == 0
    ), f"{arguments} exits {result.returncode}:\n{result.stdout}{result.stderr}"
    return json.loads(result.stdout)


def conforms(world, image, least):
    checks = machine(world, "conform", image)["checks"]
    assert len(checks) >= least, checks
    assert not [check for check in checks if check["verdict"] == "fail"], checks


def test_the_static_recipe_is_small_and_boots(world):
    image = static_image(world)
    assert image.stat().st_size <= 2_500_000, image.stat().st_size
    probe = pathlib.Path(world.alephc).parent / "compiler/boot/alephc-probe"
    answer = machine(world, "run", image, "--program", probe, "--request", "GET /some/path")
    assert answer["body"] == "probe /some/path", answer
    conforms(world, image, 25)


def machine_python():
    """The machine's own Python with the C library that it is linked to, as Alpine's package of that
    name would be called."""
    paths = set()
    for package in (
        "python3-minimal",
        "python3.11-minimal",
        "libpython3.11-minimal",
        "libpython3.11-stdlib",
        "media-types",
    ):
        listed = run("dpkg-query", "-L", package, check=False)
        paths |= {
            line
            for line in listed.stdout.splitlines()
            if line.startswith(("/usr/bin/python3", "/usr/lib/python3", "/etc/mime.types"))
        }
    programs = [path for path in paths if path == "/usr/bin/python3.11" or path.endswith(".so")]
    if "/usr/bin/python3.11" not in programs:
        raise Skip("the machine's python3 is not Debian 12's")
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", *programs).stdout)
    files: dict[str, tuple] = {}
    for path in sorted(paths | set(libraries)):
        place = pathlib.Path(path)
        if place.is_symlink() and path not in libraries:
            files[path[1:]] = ("link", os.readlink(place))
        elif place.is_file():
            files[path[1:]] = ("file", place.read_bytes(), place.stat().st_mode & 0o777)
    return Package("python3", "3.11.2-r0", files, provides=["cmd:python3=3.11.2-r0"])


ASGI = """
import sys

async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{sys.version_info[0]} {scope['path']}".encode()})
"""


def test_the_python_recipe_serves_asgi_programs(world):
    data = Package(
        "alpine-baselayout-data",
        "3-r0",
        {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
            "etc/group": "root:x:0:root\nnobody:x:65534:\n",
            "etc/shadow": ("file", "root:*::0:::::\n", 0o640),
        },
    )
    shell = busybox(world)
    shell.fields["provides"] = ["cmd:sh=1.36-r0"]
    repository(
        world,
        [
            data,
            shell,
            machine_python(),
            Package(
                "busybox-binsh",
                "1.36-r0",
                {"usr/share/binsh": "x"},
                depend=["busybox"],
                provides=["/bin/sh"],
            ),
        ],
    )
    shared_project(world, "alpine-python")
    image = world.folder / "python.image"
    world.ok("build", "project", "-o", image, **options(world))
    (world.folder / "main.py").write_text(ASGI)
    answer = machine(
        world, "run", image, "--program", world.folder / "main.py", "--request", "GET /hello"
    )
    assert answer["status"] == 200, answer
    assert answer["body"] == "3 /hello", answer
    conforms(world, image, 35)


def base(world):
    """A few small packages that need no minirootfs."""
    return [
        busybox(world),
        Package(
            "app",
            "1.0-r0",
            {"usr/bin/app": ("file", "#!/bin/sh\necho app\n", 0o755)},
            depend=["lib>=1", "/bin/sh"],
        ),
        Package("lib", "1.0-r0", {"usr/lib/lib": "1"}),
        Package(
            "compiler",
            "1-r0",
            {"usr/bin/compiler": ("file", "#!/bin/sh\necho compiled > /compiled\n", 0o755)},
            depend=["compiler-lib"],
        ),
        Package("compiler-lib", "1-r0", {"usr/lib/compiler": "c"}),
    ]


def test_layers_follow_the_parts(world):
    repository(
        world,
        [
            *base(world),
            Package(
                "late",
                "1-r0",
                {"etc/motd": "late\n", "usr/lib/late": "x"},
                scripts={"post-install": "#!/bin/sh\necho late >> /order\n"},
            ),
        ],
    )
    manifest(world, ["late", "busybox"])
    (world.project / "part.toml").write_text(
        'schema = 1\n[packages]\ninstall = ["app", "busybox"]\n'
    )
    text = (world.project / "runtime.toml").read_text()
    (world.project / "runtime.toml").write_text(
        text.replace('name = "t"', 'name = "t"\nextends = ["part.toml"]')
    )
    root = tree(world)
    lock = (world.project / "runtime.lock").read_text()
    assert re.findall(r'\[\[layer\]\]\nname = "([^"]+)"', lock) == ["part.toml", "own"], lock
    assert (root / "etc/apk/world").read_text() == "app\nbusybox\nlate\n"
    names = re.findall(r"^P:(.*)", (root / "lib/apk/db/installed").read_text(), re.M)
    assert names == ["app", "busybox", "late", "lib"], names
    assert (root / "order").read_text() == "late\n"


def test_a_tagged_repository_gives_what_is_asked_of_it(world):
    repository(world, base(world))
    edge = [
        Package("app", "2.0-r0", {"usr/bin/app": "2"}, depend=["lib>=2"]),
        Package("lib", "2.0-r0", {"usr/lib/lib": "2"}),
        Package("compiler", "9-r0", {"usr/bin/compiler": "9"}),
    ]
    repository(world, edge, folder="project/edge/main")
    repositories = f'[[repository]]\nname = "edge"\nurl = "file://{world.project}/edge/main"\nsuite = "./"\nkey = "{key_of(world).public.name}"\nfingerprint = "{key_of(world).fingerprint}"\n'
    manifest(world, ["busybox", "app@edge", "compiler"], repositories)
    root = tree(world)
    assert dict(locked(world)) == {
        "app": "2.0-r0",
        "busybox": "1.36-r0",
        "compiler": "1-r0",
        "compiler-lib": "1-r0",
        "lib": "2.0-r0",
    }
    assert (root / "etc/apk/world").read_text() == "app@edge\nbusybox\ncompiler\n"
    assert re.findall(r"^s:(.*)", (root / "lib/apk/db/installed").read_text(), re.M) == [
        "edge",
        "edge",
    ]
    manifest(world, ["app@edgy"], repositories)
    result = world.fails(1, "there is no repository 'edgy'", "lock", "project", **options(world))
    assert "did you mean 'edge'?" in result.stderr


def test_apk_agrees_about_tags_and_pins(world):
    judge = Judge(world.folder / "judge")
    repository(world, [*base(world), Package("lib", "1.5-r0", {"usr/lib/lib": "1.5"})])
    repository(
        world,
        [
            Package("app", "2.0-r0", {"usr/bin/app": "2"}, depend=["lib"]),
            Package("lib", "2.0-r0", {"usr/lib/lib": "2"}),
        ],
        folder="project/edge",
    )
    judge.share(world.folder / "mirror", "repo")
    judge.share(world.project / "edge", "edge")
    repositories = f'[[repository]]\nname = "edge"\nurl = "file://{world.project}/edge"\nsuite = "./"\nkey = "{key_of(world).public.name}"\nfingerprint = "{key_of(world).fingerprint}"\n'
    for number, wanted in enumerate(
        (
            ["busybox", "app@edge"],
            ["busybox", "app@edge", "lib<1.2"],
            ["busybox", "app", "lib@edge"],
            ["busybox", "app", "lib~1.0"],
            ["busybox", "lib@edge>1"],
        )
    ):
        (world.project / "runtime.lock").unlink(missing_ok=True)  # whose versions would stay
        manifest(world, wanted, repositories)
        tagged = any("@" in each for each in wanted)
        ours = tree(world)
        theirs = judge.install(
            key_of(world),
            ["/repo/v3.22/main", ("@edge " if tagged else "") + "/edge"],
            wanted,
            into=f"t{number}",
        )
        found = differences(ours, theirs)
        assert not found, f"{wanted}: " + "\n".join(found)


def test_what_steps_need_only_is_gone_in_the_end(world):
    real = list(repack(minirootfs(world.folder / "mini")))
    repository(world, [*[package for package in base(world) if package.name != "busybox"], *real])
    manifest(
        world,
        ["busybox", "busybox-binsh", "app", "lib"],
        'build = ["compiler", "apk-tools"]\n[[run]]\nname = "compile"\nscript = "compiler"\n',
    )
    world.ok("build", "project", "-o", "out", **options(world))
    root = world.folder / "out"
    assert (root / "compiled").read_text() == "compiled\n"
    names = re.findall(r"^P:(.*)", (root / "lib/apk/db/installed").read_text(), re.M)
    assert names == ["app", "busybox", "busybox-binsh", "lib", "musl"], names
    assert not (root / "usr/bin/compiler").exists()
    assert not (root / "sbin/apk").exists()
    assert (root / "etc/apk/world").read_text() == "app\nbusybox\nbusybox-binsh\nlib\n"


def test_an_index_that_cannot_be_trusted_is_refused(world):
    made = repository(world, base(world))
    index = made.folder / "x86_64/APKINDEX.tar.gz"
    good = index.read_bytes()
    manifest(world, ["busybox", "app"])
    lock = lambda code, text: world.fails(
        code, text, "lock", "project", "--update", **options(world)
    )
    index.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    lock(3, "has a bad signature by")
    index.write_bytes(good[: len(good) // 2])
    lock(3, "has a bad signature by")
    index.write_bytes(split_members(good)[1])
    lock(3, "is not signed")
    index.write_bytes(b"<html>no such page</html>" * 100)
    lock(3, "damaged archive")
    stranger = Key(world.folder / "stranger", "stranger@example.org-00000002")
    made.write(key=stranger)
    lock(3, "is signed by a key that is not trusted")
    namesake = Key(world.folder / "namesake")
    made.write(key=namesake)
    lock(3, "has a bad signature by")
    made.write(algorithm="RSA256")
    world.ok("lock", "project", "--update", **options(world))
    made.write(time=BUILD_TIME - 86400)
    lock(3, "the index of alpine/v3.22/main is older than the locked one")
    made.write(time=BUILD_TIME + 86400, algorithm="RSA512")
    world.ok("lock", "project", "--update", **options(world))
    shutil.copytree(made.folder, world.project / "other")
    repositories = f'[[repository]]\nname = "edge"\nurl = "file://{world.project}/other"\nsuite = "./"\nkey = "{key_of(world).public.name}"\nfingerprint = "{"A" * 40}"\n'
    manifest(world, ["busybox", "app"], repositories)
    lock(3, "is signed by another key than the pinned one")
    for text in (
        "P:app\nV:1\n\n",
        "P:../app\nV:1-r0\nA:x86_64\nC:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "no field\n\n",
        "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:app\nV:1-r0\nA:x86_64\nS:-1\n\n",
    ):
        broken = Repository(world.folder / "mirror/v3.22/main", key_of(world))
        broken.packages = [
            type("Stanza", (), {"stanza": lambda self, text=text: text.rstrip("\n") + "\n"})()
        ]
        broken.write(time=BUILD_TIME + 172800)
        manifest(world, ["busybox", "app"])
        lock(3, "the package index is damaged")


def test_a_package_that_is_not_the_indexed_one_is_refused(world):
    filler = lambda name: Package(name, "1-r0", {f"usr/share/{name}": "x" * 5000})
    names = [
        "app",
        "other-data",
        "longer",
        "shorter",
        "no-data",
        "no-control",
        "no-package",
        "empty",
    ]
    made = repository(world, [*base(world), *map(filler, names[1:])])
    path = lambda name: made.folder / "x86_64" / f"{name}-1{'.0' if name == 'app' else ''}-r0.apk"
    good = {name: path(name).read_bytes() for name in names}
    swapped = Package(
        "app",
        "1.0-r0",
        {"usr/bin/app": ("file", "#!/bin/sh\necho evil\n", 0o755)},
        depend=["lib>=1", "/bin/sh"],
    ).make(key_of(world))
    path("app").write_bytes(swapped)
    path("other-data").write_bytes(
        good["other-data"][:-20] + bytes([good["other-data"][-20] ^ 1]) + good["other-data"][-19:]
    )
    path("longer").write_bytes(good["longer"] + b"more")
    path("shorter").write_bytes(good["shorter"][:-50])
    path("no-data").write_bytes(b"".join(split_members(good["no-data"])[:2]))
    path("no-control").write_bytes(
        good["no-control"][: len(split_members(good["no-control"])[0]) + 40]
    )
    path("no-package").write_bytes(b"not a package at all".ljust(len(good["no-package"]), b"."))
    path("empty").write_bytes(b"")
    manifest(world, ["busybox", *names])
    result = world.fails(
        3,
        "the bytes of app 1.0-r0 are not what the signed index promises",
        "build",
        "project",
        "-o",
        "out",
        **options(world),
    )
    for name in names:
        assert f"the bytes of {name} 1" in result.stderr, f"{name} is not in {result.stderr}"
    assert not (world.folder / "out").exists()
    assert not (world.project / "runtime.lock").exists()
    for name in names:
        path(name).write_bytes(good[name])
    world.ok("build", "project", "-o", "out", **options(world))
    # Later, the lock knows its sha256: a damaged copy of the store is fetched again, another
    # mirror's other bytes are refused.
    package = re.search(
        r'name = "app".*?sha256 = "([0-9a-f]+)"', (world.project / "runtime.lock").read_text()
    )[1]
    blob = world.folder / "store/blobs" / package[:2] / package
    for folder in ("layers", "decoded"):
        shutil.rmtree(world.folder / "store" / folder)
    blob.chmod(0o644)
    blob.write_bytes(b"damaged")
    world.ok("build", "project", "-o", "out2", **options(world))
    assert blob.read_bytes() == good["app"]
    path("app").write_bytes(swapped)
    world.fails(
        3,
        "the bytes of app 1.0-r0 are not what the signed index promises",
        "build",
        "project",
        "--locked",
        "-o",
        "out3",
        **options(world, world.folder / "fresh"),
    )


def test_a_package_that_reaches_out_of_the_root_is_refused(world):
    host = world.folder / "host"
    host.mkdir()
    evil = b"evil"
    cases = {
        "parent": ([(info("usr/../../../escaped", size=4), evil)], 3, "leaves the root"),
        "absolute": ([(info(f"{host}/escaped", size=4), evil)], 3, "is absolute"),
        "symlink": (
            [
                (info("usr", tarfile.DIRTYPE, mode=0o755), None),
                (info("usr/out", tarfile.SYMTYPE, link="../../../../../../.." + str(host)), None),
                (info("usr/out/escaped", size=4), evil),
            ],
            3,
            "leaves the root",
        ),
        "device": (
            [
                (info("usr", tarfile.DIRTYPE, mode=0o755), None),
                (info("usr/null", tarfile.CHRTYPE), None),
            ],
            3,
            "which no package may bring",
        ),
        "hardlink": (
            [
                (info("usr", tarfile.DIRTYPE, mode=0o755), None),
                (info("usr/passwd", tarfile.LNKTYPE, link="../../../../etc/passwd"), None),
            ],
            3,
            "leaves the root",
        ),
    }
    for name, (entries, code, text) in cases.items():
        repository(world, [busybox(world), Package("evil", "1-r0", entries=entries)])
        manifest(world, ["busybox", "evil"])
        (world.project / "runtime.lock").unlink(missing_ok=True)
        world.fails(code, text, "build", "project", "-o", "out", **options(world))
        assert not list(host.iterdir()), name
        assert not (world.folder / "out").exists(), name
    # An absolute symlink is the image's own affair: it leads below the root.
    inside = [
        (info("usr", tarfile.DIRTYPE, mode=0o755), None),
        (info("usr/out", tarfile.SYMTYPE, link="/srv"), None),
        (info("srv", tarfile.DIRTYPE, mode=0o755), None),
        (info("usr/out/inside", size=4), evil),
    ]
    repository(world, [busybox(world), Package("evil", "1-r0", entries=inside)])
    (world.project / "runtime.lock").unlink(missing_ok=True)
    assert (tree(world) / "srv/inside").read_bytes() == evil


def test_symlinks_of_a_script_do_not_lead_alephc_out(world):
    host = world.folder / "host"
    tricks = {
        "exec": f"rm -rf /lib/apk/exec; ln -s {host} /lib/apk/exec",
        "database": f"rm -rf /lib/apk/db; mkdir -p {host}; ln -s {host} /lib/apk/db",
        "etc": f"mv /etc /etc.old; ln -s {host} /etc",
        "whole": f"rm -rf /lib/apk; ln -s {host} /lib/apk",
        "dots": f"rm -rf /lib/apk/exec; ln -s ../../../../../../../../..{host} /lib/apk/exec",
    }
    for name, trick in tricks.items():
        host.mkdir()
        for file in (f"{name}-1-r0.post-install", "installed", "world", "db"):
            (host / file).touch()
        before = sorted(host.rglob("*"))
        later = Package(
            "later",
            "1-r0",
            {"etc/later": "x", "usr/share/later": "x"},
            depend=[name],
            scripts={"post-install": "#!/bin/sh\ntrue\n"},
        )
        repository(
            world,
            [
                busybox(world),
                Package(
                    name,
                    "1-r0",
                    {"usr/share/trick": "x"},
                    depend=["/bin/sh"],
                    scripts={"post-install": f"#!/bin/sh\n{trick}\n"},
                ),
                later,
            ],
        )
        (world.project / "runtime.lock").unlink(missing_ok=True)
        manifest(world, ["busybox", "later"])
        world.run("build", "project", "-o", "out", **options(world))
        assert (
            sorted(host.rglob("*")) == before
        ), f"{name}: alephc followed a symlink out of the root"
        assert all(
            path.stat().st_size == 0 for path in before
        ), f"{name}: alephc followed a symlink out of the root"
        shutil.rmtree(host)
        shutil.rmtree(world.folder / "out", ignore_errors=True)


def padded_gzip(data, size):
    """A gzip member of exactly this size: filled up by the file name in its head."""
    plain = gzip.compress(data, 0, mtime=0)
    room = size - len(plain) - 1
    assert room >= 0, room
    return plain[:3] + b"\x08" + plain[4:10] + b"n" * room + b"\0" + plain[10:]


def test_scripts_beside_the_signature_are_refused(world):
    """The signature's member is covered by no hash of the index: nothing but the signature may be
    taken from it."""
    name, signed = key_of(world).sign(b"anything")
    roomy = member([(info(name, size=100_000), os.urandom(100_000))], False)
    good = Package("good", "1-r0", {"usr/share/good": "x"})
    good.make(key_of(world))
    control, data = good.parts[1:]
    good.bytes, good.size = roomy + control + data, len(roomy + control + data)
    good.make = lambda key=None: good.bytes  # type: ignore[assignment]
    made = repository(world, [busybox(world), good])
    script = b"#!/bin/sh\ntouch /pwned\n"
    for entries in (
        [
            (info(".post-install", size=len(script), mode=0o755), script),
            (info(name, size=len(signed)), signed),
        ],
        [
            (info(name, size=len(signed)), signed),
            (info(".post-install", size=len(script), mode=0o755), script),
        ],
    ):
        tar = gzip.decompress(member(entries, False))
        (made.folder / "x86_64/good-1-r0.apk").write_bytes(
            padded_gzip(tar, len(roomy)) + control + data
        )
        manifest(world, ["busybox", "good"])
        world.fails(
            3,
            "the bytes of good 1-r0 are not what the signed index promises",
            "build",
            "project",
            "-o",
            "out",
            **options(world),
        )


def test_a_doctored_lock_brings_no_other_data(world):
    made = repository(world, base(world))
    manifest(world, ["busybox", "app"], image='format = "squashfs"')
    world.ok("lock", "project", **options(world))
    app = next(package for package in made.packages if package.name == "app")
    other = Package(
        "app",
        "1.0-r0",
        {"usr/bin/app": ("file", "#!/bin/sh\necho evi\n", 0o755)},
        depend=["lib>=1", "/bin/sh"],
    )
    other.make(key_of(world))
    swapped = (
        app.parts[0] + app.parts[1] + padded_gzip(gzip.decompress(other.parts[2])[:3072], 4096)
    )
    path = made.folder / "x86_64/app-1.0-r0.apk"
    path.write_bytes(swapped)
    lock = world.project / "runtime.lock"
    head, rest = re.split(r"(?<=\n)(?=declared = )", lock.read_text(), maxsplit=1)
    rest = rest.replace(
        hashlib.sha256(app.bytes).hexdigest(), hashlib.sha256(swapped).hexdigest()
    ).replace(f"size = {app.size}", f"size = {len(swapped)}")
    lock.write_text(
        re.sub(
            r'digest = "[0-9a-f]+"', f'digest = "{hashlib.sha256(rest.encode()).hexdigest()}"', head
        )
        + rest
    )
    world.fails(
        3, "its files have sha256", "build", "project", "--locked", "-o", "out", **options(world)
    )
    result = world.run(
        "--json", "verify", "project", "--trust-key", key_of(world).public.name, **options(world)
    )
    assert result.returncode == 3, result.stdout + result.stderr
    assert [
        check["verdict"]
        for check in json.loads(result.stdout)["checks"]
        if check["check"] == "packages"
    ] == ["mismatch"], result.stdout


def test_a_package_that_promises_nothing_of_its_data_is_refused(world):
    repository(
        world, [busybox(world), Package("bare", "1-r0", {"usr/share/bare": "x"}, datahash=False)]
    )
    manifest(world, ["busybox", "bare"])
    world.fails(
        3,
        "the bytes of bare 1-r0 are not what the signed index promises",
        "lock",
        "project",
        **options(world),
    )
    repository(
        world,
        [busybox(world), Package("foreign", "1-r0", {"usr/share/foreign": "x"}, arch="aarch64")],
    )
    manifest(world, ["busybox", "foreign"])
    world.fails(1, "there is no package 'foreign'", "lock", "project", **options(world))


def test_what_a_script_removed_may_come_back_as_something_else(world):
    removes = Package(
        "removes",
        "1-r0",
        {"usr/share/was/file": "f", "usr/share/was/inner/file": "f", "usr/share/link": "f"},
        depend=["/bin/sh"],
    )
    later = Package(
        "later",
        "1-r0",
        {"usr/share/was": ("link", "nowhere"), "usr/share/link/file": "now a folder"},
        depend=["removes-more"],
    )
    cleaner = Package(
        "removes-more",
        "1-r0",
        {"usr/share/cleaner": "c"},
        depend=["removes"],
        scripts={"post-install": "#!/bin/sh\nset -e\nrm -r /usr/share/was /usr/share/link\n"},
    )
    shell = busybox(world)
    shell.entries.append((info("bin/rm", tarfile.SYMTYPE, mode=0o777, link="/bin/busybox"), None))
    repository(world, [shell, removes, cleaner, later])
    manifest(world, ["later"])
    for name, wanted in (("a.toml", "busybox"), ("b.toml", "removes"), ("c.toml", "removes-more")):
        (world.project / name).write_text(f'schema = 1\n[packages]\ninstall = ["{wanted}"]\n')
    text = (world.project / "runtime.toml").read_text()
    (world.project / "runtime.toml").write_text(
        text.replace('name = "t"', 'name = "t"\nextends = ["a.toml", "b.toml", "c.toml"]')
    )
    root = tree(world)
    assert os.readlink(root / "usr/share/was") == "nowhere"
    assert (root / "usr/share/link/file").read_text() == "now a folder"
    assert sorted(os.listdir(root / "usr/share/link")) == ["file"]


def test_a_package_under_another_name_is_refused(world):
    liar = Package("bad", "1-r0", {"usr/share/bad": "x"})
    other = Package("worse", "1-r0", {"usr/share/bad": "x"})
    for package in (other, liar):
        package.make(key_of(world))
    liar.identity, liar.size = other.identity, other.size
    liar.make = lambda key=None: other.bytes  # type: ignore[assignment]
    repository(world, [busybox(world), liar])
    manifest(world, ["busybox", "bad"])
    world.fails(3, "says that it is worse 1-r0", "build", "project", "-o", "out", **options(world))


def test_what_cannot_be_installed_together_is_explained(world):
    packages = [
        *base(world),
        Package("hates-lib", "1-r0", {"usr/share/hates": "x"}, depend=["!lib"]),
        Package("wants-more", "1-r0", {"usr/share/more": "x"}, depend=["app", "lib>=2"]),
        Package(
            "wants-nothing-there", "1-r0", {"usr/share/nothing": "x"}, depend=["so:libnowhere.so.1"]
        ),
        Package("also-app", "1-r0", {"usr/bin/app": "other"}),
        Package(
            "fails",
            "1-r0",
            {"usr/share/fails": "x"},
            scripts={"post-install": "#!/bin/sh\necho this goes wrong >&2\nexit 3\n"},
        ),
    ]
    repository(world, packages)
    refused = lambda install, text: (
        manifest(world, install),
        world.fails(1, text, "build", "project", "-o", "out", **options(world)),
    )[1].stderr
    text = refused(["busybox", "app", "hates-lib"], "these packages cannot be installed together")
    assert "hates-lib" in text, text
    assert "lib" in text, text
    text = refused(["busybox", "wants-more"], "these packages cannot be installed together")
    assert "lib>=2" in text, text
    assert "runtime.toml" in text, text
    text = refused(
        ["busybox", "wants-nothing-there"], "these packages cannot be installed together"
    )
    assert "so:libnowhere.so.1" in text, text
    refused(["busybox", "ap"], "there is no package 'ap'")
    refused(["busybox", "app", "also-app"], "/usr/bin/app is in")
    text = refused(["busybox", "fails"], "fails-1-r0.post-install")
    assert "this goes wrong" in text, text
    manifest(
        world,
        ["busybox"],
        'debconf = ["a b c d"]\nrecommends = true\n',
        base='snapshot = "20240101T000000Z"\nimage_sources = "snapshot"',
    )
    result = world.fails(
        1, "'debconf' applies only to Debian", "build", "project", **options(world)
    )
    assert result.stderr.count("error:") == 4, result.stderr


def test_a_vendored_lock_builds_after_the_mirror_moved_on(world):
    made = repository(world, base(world))
    manifest(world, ["busybox", "app"], image='format = "squashfs"')
    world.ok("build", "project", "-o", "first.image", **options(world))
    world.ok("vendor", "project", "-o", "bundle.tar", **options(world))
    for file in (made.folder / "x86_64").iterdir():
        file.unlink()
    fresh = world.folder / "fresh"
    result = world.fails(
        1,
        " was not found on any server",
        "build",
        "project",
        "--locked",
        "-o",
        "second.image",
        **options(world, fresh),
    )
    assert "app 1.0-r0" in result.stderr, result.stderr
    assert "--mirror" in result.stderr, result.stderr
    world.ok(
        "--offline",
        "build",
        "project",
        "--locked",
        "--bundle",
        "bundle.tar",
        "-o",
        "second.image",
        **options(world, world.folder / "third"),
    )
    assert (world.folder / "first.image").read_bytes() == (
        world.folder / "second.image"
    ).read_bytes()
    proven = world.ok(
        "--json",
        "--offline",
        "verify",
        "project",
        "--bundle",
        "bundle.tar",
        "--image",
        "first.image",
        "--trust-key",
        key_of(world).public.name,
        "--rebuild",
        **options(world, world.folder / "fourth"),
    )
    verdicts = {check["check"]: check["verdict"] for check in json.loads(proven.stdout)["checks"]}
    assert set(verdicts.values()) == {"verified"}, proven.stdout
    assert {"packages", "rebuild", "image"} <= set(verdicts), proven.stdout


def test_images_can_be_looked_at(world):
    made = repository(world, base(world))
    manifest(world, ["busybox", "app"], image='format = "squashfs"')
    world.ok("build", "project", "-o", "one.image", **options(world))
    shown = world.ok("why", "project", "lib", **options(world)).stdout
    assert "lib is needed by app" in shown, shown
    assert "app is asked for in packages.install (runtime.toml:10" in shown, shown
    assert (
        "belongs to the package app"
        in world.ok("why", "project", "/usr/bin/app", **options(world)).stdout
    )
    made.add(Package("lib", "1.1-r0", {"usr/lib/lib": "1.1"})).write(time=BUILD_TIME + 60)
    world.ok("build", "project", "-o", "same.image", **options(world))
    assert (world.folder / "same.image").read_bytes() == (world.folder / "one.image").read_bytes()
    text = world.ok("lock", "project", "--update-package", "lib", **options(world)).stdout
    assert dict(locked(world))["lib"] == "1.1-r0", text
    world.ok("build", "project", "-o", "two.image", **options(world))
    result = world.run("diff", "one.image", "two.image", **options(world))
    assert "lib" in result.stdout, result.stdout + result.stderr
    assert "1.0-r0" in result.stdout, result.stdout + result.stderr
    assert "1.1-r0" in result.stdout, result.stdout + result.stderr
    inspected = world.ok("--json", "inspect", "two.image", **options(world)).stdout
    assert json.loads(inspected)["packages"] == 3, inspected


def test_packages_of_the_project_are_installed(world):
    repository(world, base(world))
    local = Package(
        "local",
        "0.1-r0",
        {"usr/bin/local": ("file", "#!/bin/sh\necho local\n", 0o755)},
        depend=["app"],
    )
    (world.project / "local.apk").write_bytes(local.make(key_of(world)))
    manifest(world, ["busybox"], 'files = ["local.apk"]\n')
    root = tree(world)
    assert (root / "usr/bin/local").exists()
    assert dict(locked(world))["app"] == "1.0-r0"
    assert (root / "etc/apk/world").read_text() == f"busybox\nlocal><{local.identity}\n"
    (world.project / "local.apk").write_bytes(b"no package")
    world.fails(3, "local.apk", "lock", "project", **options(world))


def test_builds_are_the_same_under_variation(world):
    repository(world, repack(minirootfs(world.folder / "mini")))
    shared_project(world, "alpine-static")
    compare = pathlib.Path(__file__).resolve().parents[1] / "reproducibility/run.py"
    result = subprocess.run(
        [
            "python3",
            str(compare),
            world.alephc,
            "--pairwise",
            "--mirror",
            f"file://{world.folder}/mirror",
            str(world.project),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert ", 0 different" in result.stdout, result.stdout + result.stderr
    print("  " + re.search(r"\d+ builds compared, \d+ different", result.stdout)[0])


def test_mirrors_stand_in_for_each_other(world):
    repository(world, base(world), folder="good/v3.22/main")
    shutil.copytree(world.folder / "good", world.folder / "bad")
    index = world.folder / "bad/v3.22/main/x86_64/APKINDEX.tar.gz"
    index.write_bytes(index.read_bytes()[:-1] + b"x")
    (world.folder / "bad/v3.22/main/x86_64/app-1.0-r0.apk").unlink()
    (world.folder / "bad/v3.22/main/x86_64/lib-1.0-r0.apk").write_bytes(b"other bytes")
    server = Server(world.folder)
    server.faults = {"good/v3.22/main/x86_64/busybox": "truncate-once"}
    manifest(world, ["busybox", "app"], base=f'mirrors = ["{server.url}/good"]')
    world.ok(
        "build", "project", "-o", "out", mirror=f"{server.url}/bad", store=world.folder / "store"
    )
    asked = [path for path in server.requests if "app-1.0" in path]
    assert asked == [
        "/bad/v3.22/main/x86_64/app-1.0-r0.apk",
        "/good/v3.22/main/x86_64/app-1.0-r0.apk",
    ], asked
    assert "127.0.0.1" not in (world.project / "runtime.lock").read_text().split("[manifest", 1)[0]
