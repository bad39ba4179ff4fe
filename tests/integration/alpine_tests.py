"""Alpine: packages and indexes made here, judged by the real apk where there is one; images boot in a real virtual machine."""
import base64, gzip, hashlib, io, json, os, pathlib, re, shutil, subprocess, tarfile

from apk_fixture import BUILD_TIME, Key, Package, Repository, identity_of, info, member, repack
from apk_judge import DATA, Judge, differences, minirootfs, picture
from fixture import Skip, run

SHARED = {}


def key_of(world):
    """One pair for all tests: making one takes longer than a build."""
    if "key" not in SHARED:
        SHARED["key"] = Key(world.store.parent / "keys")
    return SHARED["key"]


def busybox(world):
    """A shell for scripts, linked statically: the machine's own busybox as a package."""
    path = next((pathlib.Path(p) for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), None)
    if not path:
        raise Skip("busybox-static is not installed")
    names = ("sh", "cat", "echo", "mkdir", "ls", "touch", "id", "adduser", "addgroup", "chmod", "ln", "env", "pwd", "umask", "sort")
    return Package("busybox", "1.36-r0", {"bin/busybox": ("file", path.read_bytes(), 0o755), **{f"bin/{name}": ("link", "/bin/busybox") for name in names}},
                   provides=["/bin/sh", "cmd:sh=1.36-r0"])


def repository(world, packages, folder="mirror/v3.20/main", **options):
    return Repository(world.folder / folder, key_of(world)).add(*packages).write(**options)


def manifest(world, install, more="", base="", image='format = "dir"'):
    key = key_of(world)
    shutil.copy(key.public, world.project / key.public.name)
    listed = ", ".join(f'"{each}"' for each in install)
    text = (f'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "alpine"\nrelease = "3.20"\nkeyring = "{key.public.name}"\n{base}\n[packages]\ninstall = [{listed}]\n{more}\n'
            f'[image]\n{image}\n')
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


SAYS = "#!/bin/sh\nset -e\necho \"{0} $(pwd) $(umask) $#: $*\" >> /order\n"


def everything():
    """Packages that exercise what apk's format and solver know."""
    script = lambda word: SAYS.format(word)
    return [
        Package("libone", "1.2.3-r1", {"usr/lib/libone.so.1.2.3": "one", "usr/lib/libone.so.1": ("link", "libone.so.1.2.3")}, provides=["so:libone.so.1=1.2.3"]),
        Package("libone", "1.2.4_rc1-r0", {"usr/lib/libone.so.1.2.4": "newer"}, provides=["so:libone.so.1=1.2.4"]),
        Package("libtwo", "2.0-r0", {"usr/lib/libtwo.so.2": "two"}, depend=["so:libone.so.1"], provides=["so:libtwo.so.2=2.0"]),
        Package("tool", "3.0-r0", {"usr/bin/tool": ("file", "#!/bin/sh\n", 0o755), "usr/bin/tool-suid": ("file", "x", 0o4755)}, depend=["so:libtwo.so.2", "/bin/sh"], provides=["cmd:tool=3.0-r0"]),
        Package("tool-dev", "3.0-r0", {"usr/lib/pkgconfig/tool.pc": "pc", "usr/include/tool.h": "h"}, depend=["tool=3.0-r0"], provides=["pc:tool=3.0"]),
        Package("tool-doc", "3.0-r0", {"usr/share/man/man1/tool.1": "man"}, install_if=["tool=3.0-r0", "docs"]),
        Package("docs", "1-r0", {"usr/share/doc/README": "docs"}),
        Package("wants-tool", "1-r0", {"usr/share/wants-tool": "x"}, depend=["cmd:tool", "pc:tool>=2.9", "tool-dev~3"]),
        Package("exact", "1-r0", {"usr/share/exact": "x"}, depend=["libold=1.0-r0", "libold<2", "libold>0.9", "libold<=1.0-r0", "libold>=1.0-r0"]),
        Package("libold", "1.0-r0", {"usr/lib/libold": "1"}),
        Package("libold", "1.0-r1", {"usr/lib/libold": "1.1"}),
        Package("libold", "2.0-r0", {"usr/lib/libold": "2"}),
        Package("mta-a", "1-r0", {"usr/sbin/mta-a": "a"}, provides=["mta", "cmd:sendmail=1"], provider_priority="10"),
        Package("mta-b", "1-r0", {"usr/sbin/mta-b": "b"}, provides=["mta", "cmd:sendmail=1"], provider_priority="20"),
        Package("mailer", "1-r0", {"usr/bin/mailer": "m"}, depend=["mta"]),
        Package("db-a", "1-r0", {"usr/bin/db-a": "a"}, provides=["database=5"]),
        Package("db-b", "1-r0", {"usr/bin/db-b": "b"}, provides=["database=6"]),
        Package("needs-db", "1-r0", {"usr/bin/needs-db": "n"}, depend=["database<6"]),
        Package("hates", "1-r0", {"usr/bin/hates": "h"}, depend=["!libtwo-debug", "choice"]),
        Package("choice-new", "2-r0", {"usr/bin/choice": "new"}, provides=["choice=2"], depend=["libtwo-debug"]),
        Package("choice-old", "1-r0", {"usr/bin/choice": "old"}, provides=["choice=1"]),
        Package("libtwo-debug", "1-r0", {"usr/lib/debug": "d"}),
        Package("cycle-a", "1-r0", {"usr/share/cycle-a": "a"}, depend=["cycle-b"], scripts={"post-install": script("cycle-a.post-install")}),
        Package("cycle-b", "1-r0", {"usr/share/cycle-b": "b"}, depend=["cycle-c"], scripts={"post-install": script("cycle-b.post-install")}),
        Package("cycle-c", "1-r0", {"usr/share/cycle-c": "c"}, depend=["cycle-a"], scripts={"pre-install": script("cycle-c.pre-install")}),
        Package("meta", "1-r0", {}, depend=["tool", "exact"]),
        Package("owner-user", "1-r0", {"var/lib/daemon": ("dir", 0o750, "daemon", 2), "var/lib/daemon/state": ("file", "s", 0o640, "service", 901), "etc/daemon.conf": "conf\n"},
                depend=["/bin/sh"], scripts={"pre-install": "#!/bin/sh\nset -e\necho 'service:x:777:777::/:/bin/false' >> /etc/passwd\necho 'service:x:777:' >> /etc/group\n",
                                             "post-install": script("owner-user.post-install")}),
        Package("accounts", "1-r0", {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\ndaemon:x:12:13::/:/bin/false\n", "etc/group": "root:x:0:\ndaemon:x:13:\n"}),
        Package("first", "1-r0", {"usr/share/shared/file": "first", "usr/share/shared/kept": "kept", "usr/share/shared": ("dir", 0o775)}),
        Package("second", "1-r0", {"usr/share/shared/file": "second", "usr/share/shared": ("dir", 0o757)}, replaces=["first"]),
        Package("third", "1-r0", {"usr/share/ranked": "third"}, replaces=["fourth"], replaces_priority="5"),
        Package("fourth", "1-r0", {"usr/share/ranked": "fourth", "usr/share/fourth": "4"}, replaces=["third"], replaces_priority="1"),
        Package("links", "1-r0", {"usr/bin/linked": ("file", "linked", 0o755), "usr/bin/zlinked": ("hard", "usr/bin/linked"), "usr/bin/absolute": ("link", "/usr/bin/linked"),
                                  "usr/share/dangling": ("link", "nowhere/at all")}),
        Package("names", "1-r0", {"usr/share/with space/ünïcode": "u", "usr/share/" + "n" * 120 + "/" + "f" * 200: "long", "top-file": "root", "usr/share/names/.keep_x": "", "usr/share/.hidden": "h"}),
        Package("folders", "1-r0", {"srv/private": ("dir", 0o700), "srv/sticky": ("dir", 0o1777), "srv/empty": ("dir", 0o755), "proc": ("dir", 0o755), "tmp": ("dir", 0o1777)}),
        Package("writes-config", "1-r0", {"usr/share/writes-config": "x"}, depend=["/bin/sh"],
                scripts={"post-install": "#!/bin/sh\nset -e\nmkdir -p /etc/init.d /etc/apk\necho local > /etc/zconf\necho local > /etc/init.d/zserve\necho local > /etc/apk/zlist\necho same > /etc/zsame\n"
                                         "mkdir -m 700 -p /opt/made\necho local > /opt/made/file\n"}),
        Package("zconfig", "1-r0", {"etc/zconf": "packaged\n", "etc/zsame": "same\n", "etc/init.d/zserve": ("file", "#!/bin/sh\n", 0o755), "etc/apk/zlist": "packaged\n", "opt/made/file": "packaged\n"},
                depend=["writes-config"]),
        Package("protects", "1-r0", {"etc/apk/protected_paths.d/more.list": "+opt/kept\n-etc/open\n"}),
        Package("protected", "1-r0", {"opt/kept/zfile": "packaged\n", "etc/open/zfile": "packaged\n"}, depend=["protects", "writes-protected"]),
        Package("writes-protected", "1-r0", {"usr/share/writes-protected": "x"}, depend=["/bin/sh"],
                scripts={"post-install": "#!/bin/sh\nset -e\nmkdir -p /opt/kept /etc/open\necho local > /opt/kept/zfile\necho local > /etc/open/zfile\n"}),
        Package("scripts", "1.5-r2", {"usr/share/scripts": "s"}, depend=["/bin/sh"],
                scripts={kind: script(f"scripts.{kind}") for kind in ("pre-install", "post-install", "pre-deinstall", "post-deinstall", "pre-upgrade", "post-upgrade")}),
        Package("triggered", "1-r0", {"usr/share/triggered": "t"}, depend=["/bin/sh"], triggers=["/usr/share/shared", "/usr/lib/*", "/nowhere"],
                scripts={"trigger": "#!/bin/sh\nset -e\nfor folder; do echo \"trigger $folder\"; done | sort >> /triggered\n"}),
        Package("noarch-data", "1-r0", {"usr/share/noarch": "n"}, arch="noarch"),
        Package("gone-mode", "1-r0", {"usr/share/modes": ("dir", 0o2775), "usr/share/modes/file": ("file", "m", 0o600), "usr/share/modes/other": ("file", "m", 0o444)}),
    ]


def requests():
    return ["busybox", "tool", "docs", "wants-tool", "exact", "mailer", "needs-db", "hates", "cycle-a", "meta", "accounts", "owner-user", "first", "second", "third", "fourth", "links", "names", "folders",
            "writes-config", "zconfig", "protected", "scripts", "triggered", "noarch-data", "gone-mode", "libone<1.2.4"]


def test_the_same_root_as_apk(world):
    judge = Judge(world.folder / "judge")
    packages = [busybox(world), *everything()]
    assert len({package.name for package in packages}) >= 40
    repository(world, packages)
    manifest(world, requests())
    ours = tree(world)
    theirs = judge.install(key_of(world), [judge.share(world.folder / "mirror", "repo") + "/v3.20/main"], requests())
    found = differences(picture(ours), picture(theirs))
    assert not found, "\n".join(found)
    assert (ours / "order").read_text().splitlines()[-1].startswith("scripts.post-install / 0022 1: 1.5-r2")


def test_the_packages_of_a_real_root(world):
    judge = Judge(world.folder / "judge")
    packages = list(repack(minirootfs(world.folder / "mini")))
    assert len(packages) == 14
    repository(world, packages)
    world_file = [package.name for package in packages]
    manifest(world, world_file)
    theirs = judge.install(key_of(world), [judge.share(world.folder / "mirror", "repo") + "/v3.20/main"], world_file)
    found = differences(picture(tree(world)), picture(theirs))
    assert not found, "\n".join(found)


def real_root(world, image='format = "dir"', more="", packages=None):
    """A project with the minirootfs's packages, and its repository."""
    found = list(repack(minirootfs(world.folder / "mini")))
    repository(world, found)
    manifest(world, packages or [package.name for package in found], more, image=image)
    return found


def in_root(root, *arguments, check=True):
    result = subprocess.run(["chroot", str(root), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    assert not check or result.returncode == 0, f"{arguments} exits {result.returncode}:\n{result.stdout}{result.stderr}"
    return result


def test_apk_goes_on_inside_the_image(world):
    real_root(world)
    world.ok("build", "project", "-o", "out", **options(world))
    root = world.folder / "out"
    more = Repository(world.folder / "more", key_of(world)).add(
        Package("extra", "1-r0", {"usr/bin/extra": ("file", "#!/bin/sh\necho extra\n", 0o755)}, depend=["extra-lib", "/bin/sh"], scripts={"post-install": "#!/bin/sh\necho extra > /extra-was-here\n"}),
        Package("extra-lib", "1-r0", {"usr/lib/extra": "x"})).write()
    run("cp", "-a", str(more.folder), str(root / "more"))
    run("cp", str(key_of(world).public), str(root / "etc/apk/keys"))
    before = (root / "lib/apk/db/installed").read_bytes()
    apk = lambda *arguments: in_root(root, "apk", "--no-network", "--no-cache", "--repositories-file", "/dev/null", "--repository", "/more", *arguments)
    assert apk("audit", "--system").stdout == "", apk("audit", "--system").stdout
    apk("add", "extra")
    assert in_root(root, "/usr/bin/extra").stdout == "extra\n" and (root / "extra-was-here").exists()
    (root / "usr/lib/extra").write_text("broken")
    assert "usr/lib/extra" in apk("audit", "--system").stdout
    apk("fix", "extra-lib")
    assert (root / "usr/lib/extra").read_text() == "x"
    apk("del", "extra")
    assert not (root / "usr/bin/extra").exists() and not (root / "usr/lib/extra").exists()
    assert (root / "lib/apk/db/installed").read_bytes() == before, "apk writes the database otherwise than it found it"


def shared_project(world, name):
    """A recipe of ours, with the repository of the test."""
    source = pathlib.Path(__file__).resolve().parents[2] / "recipes" / name
    shutil.rmtree(world.project)
    shutil.copytree(source, world.project)
    key = key_of(world)
    shutil.copy(key.public, world.project / key.public.name)
    text = (world.project / "runtime.toml").read_text()
    assert 'release = "3.20"' in text
    (world.project / "runtime.toml").write_text(text.replace('release = "3.20"', f'release = "3.20"\nkeyring = "{key.public.name}"'))


def static_image(world):
    repository(world, repack(minirootfs(world.folder / "mini")))
    shared_project(world, "alpine-static")
    image = world.folder / "static.image"
    world.ok("build", "project", "-o", image, **options(world))
    return image


def test_the_static_recipe_is_small_and_boots(world):
    image = static_image(world)
    assert image.stat().st_size <= 2_500_000, image.stat().st_size
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("qemu-system-x86_64 is not installed")
    probe = pathlib.Path(world.alephc).parent / "compiler/boot/alephc-probe"
    vm = [world.alephc, "--store", str(world.store.parent / "vm-store"), "--json"]
    machine = lambda *arguments: subprocess.run([*vm, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=world.folder, env=world.alephc_env(), timeout=600)
    answer = machine("run", image, "--program", probe, "--request", "GET /some/path")
    if "no mirror" in answer.stderr:
        raise Skip("no Debian mirror can be reached, which has the kernel")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["body"] == "probe /some/path", answer.stdout
    result = machine("conform", image)
    assert result.returncode == 0, result.stdout + result.stderr
    checks = json.loads(result.stdout)["checks"]
    assert len(checks) >= 25 and not [check for check in checks if check["verdict"] == "fail"], checks


def base(world):
    """A few small packages that need no minirootfs."""
    return [busybox(world), Package("app", "1.0-r0", {"usr/bin/app": ("file", "#!/bin/sh\necho app\n", 0o755)}, depend=["lib>=1", "/bin/sh"]),
            Package("lib", "1.0-r0", {"usr/lib/lib": "1"}), Package("compiler", "1-r0", {"usr/bin/compiler": ("file", "#!/bin/sh\necho compiled > /compiled\n", 0o755)}, depend=["compiler-lib"]),
            Package("compiler-lib", "1-r0", {"usr/lib/compiler": "c"})]


def test_layers_follow_the_parts(world):
    repository(world, [*base(world), Package("late", "1-r0", {"etc/motd": "late\n", "usr/lib/late": "x"}, scripts={"post-install": "#!/bin/sh\necho late >> /order\n"})])
    manifest(world, ["late", "busybox"])
    (world.project / "part.toml").write_text('schema = 1\n[packages]\ninstall = ["app", "busybox"]\n')
    text = (world.project / "runtime.toml").read_text()
    (world.project / "runtime.toml").write_text(text.replace('name = "t"', 'name = "t"\nextends = ["part.toml"]'))
    root = tree(world)
    lock = (world.project / "runtime.lock").read_text()
    assert re.findall(r'\[\[layer\]\]\nname = "([^"]+)"', lock) == ["part.toml", "own"], lock
    assert (root / "etc/apk/world").read_text() == "app\nbusybox\nlate\n"
    names = re.findall(r"^P:(.*)", (root / "lib/apk/db/installed").read_text(), re.M)
    assert names == ["app", "busybox", "late", "lib"], names
    assert (root / "order").read_text() == "late\n"


def test_a_tagged_repository_gives_what_is_asked_of_it(world):
    repository(world, base(world))
    edge = [Package("app", "2.0-r0", {"usr/bin/app": "2"}, depend=["lib>=2"]), Package("lib", "2.0-r0", {"usr/lib/lib": "2"}), Package("compiler", "9-r0", {"usr/bin/compiler": "9"})]
    repository(world, edge, folder="edge/main")
    repositories = f'[[repository]]\nname = "edge"\nurl = "file://{world.folder}/edge/main"\nsuite = "./"\nkey = "{key_of(world).public.name}"\nfingerprint = "{key_of(world).fingerprint}"\n'
    manifest(world, ["busybox", "app@edge", "compiler"], repositories)
    root = tree(world)
    assert dict(locked(world)) == {"app": "2.0-r0", "busybox": "1.36-r0", "compiler": "1-r0", "compiler-lib": "1-r0", "lib": "2.0-r0"}
    assert (root / "etc/apk/world").read_text() == "app@edge\nbusybox\ncompiler\n"
    assert re.findall(r"^s:(.*)", (root / "lib/apk/db/installed").read_text(), re.M) == ["edge", "edge"]
    manifest(world, ["app@edgy"], repositories)
    result = world.fails(1, "there is no repository 'edgy'", "lock", "project", **options(world))
    assert "did you mean 'edge'?" in result.stderr


def test_apk_agrees_about_tags_and_pins(world):
    judge = Judge(world.folder / "judge")
    repository(world, [*base(world), Package("lib", "1.5-r0", {"usr/lib/lib": "1.5"})])
    repository(world, [Package("app", "2.0-r0", {"usr/bin/app": "2"}, depend=["lib"]), Package("lib", "2.0-r0", {"usr/lib/lib": "2"})], folder="edge")
    judge.share(world.folder / "mirror", "repo")
    judge.share(world.folder / "edge", "edge")
    repositories = f'[[repository]]\nname = "edge"\nurl = "file://{world.folder}/edge"\nsuite = "./"\nkey = "{key_of(world).public.name}"\nfingerprint = "{key_of(world).fingerprint}"\n'
    for number, wanted in enumerate((["busybox", "app@edge"], ["busybox", "app@edge", "lib<1.2"], ["busybox", "app", "lib@edge"], ["busybox", "app", "lib~1.0"], ["busybox", "lib@edge>1"])):
        (world.project / "runtime.lock").unlink(missing_ok=True)  # whose versions would stay
        manifest(world, wanted, repositories)
        tagged = any("@" in each for each in wanted)
        ours = tree(world)
        theirs = judge.install(key_of(world), ["/repo/v3.20/main", ("@edge " if tagged else "") + "/edge"], wanted, into=f"t{number}")
        found = differences(picture(ours), picture(theirs))
        assert not found, f"{wanted}: " + "\n".join(found)


def test_what_steps_need_only_is_gone_in_the_end(world):
    real = list(repack(minirootfs(world.folder / "mini")))
    repository(world, [*[package for package in base(world) if package.name != "busybox"], *real])
    manifest(world, ["busybox", "busybox-binsh", "app", "lib"], 'build = ["compiler", "apk-tools"]\n[[run]]\nname = "compile"\nscript = "compiler"\n')
    world.ok("build", "project", "-o", "out", **options(world))
    root = world.folder / "out"
    assert (root / "compiled").read_text() == "compiled\n"
    names = re.findall(r"^P:(.*)", (root / "lib/apk/db/installed").read_text(), re.M)
    assert names == ["app", "busybox", "busybox-binsh", "lib", "musl"], names
    assert not (root / "usr/bin/compiler").exists() and not (root / "sbin/apk").exists()
    assert (root / "etc/apk/world").read_text() == "app\nbusybox\nbusybox-binsh\nlib\n"
