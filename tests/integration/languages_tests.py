"""[python], [node], npm archives and volumes: real Debian with its own Python and pip, packages of
a registry on loopback."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib
import venv

from fixture import Skip, run
from language_fixture import Registry, integrity, sdist, tarball, wheel

HEAD = 'schema = 1\n[runtime]\nname = "t"\nextends = ["stdlib:debian/python", "stdlib:debian/slim"]\n[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n[packages]\nbuild = ["python3-pip"]\n[init]\nprogram = "none"\n'


class Project:
    def __init__(self, world, text, head=HEAD):
        self.world, self.registry, self.folder = world, Registry(), world.project
        self.store = world.store.parent / "languages-store"
        self.env = {
            **world.alephc_env(),
            "PIP_INDEX_URL": f"{self.registry.url}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "NPM_CONFIG_REGISTRY": self.registry.url,
        }
        self.write(text, head)

    def write(self, text, head=HEAD):
        (self.folder / "runtime.toml").write_text(head + text)

    def run(self, *arguments, store=None, env=None):
        return subprocess.run(
            [self.world.alephc, "--store", str(store or self.store), *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.world.folder,
            env={**self.env, **(env or {})},
            timeout=900,
        )

    def ok(self, *arguments, **options):
        result = self.run(*arguments, **options)
        if result.returncode == 1 and "no mirror" in result.stderr:
            raise Skip("no Debian mirror can be reached")
        assert (
            result.returncode == 0
        ), f"{arguments} exits {result.returncode}:\n{result.stdout[-2000:]}{result.stderr}"
        return result

    def fails(self, code, text, *arguments, **options):
        result = self.run(*arguments, **options)
        assert (
            result.returncode == code
        ), f"exit {result.returncode}, not {code} with '{text}':\n{result.stdout}{result.stderr}"
        assert (
            text in result.stderr
        ), f"exit {result.returncode}, not {code} with '{text}':\n{result.stdout}{result.stderr}"
        return result

    def lock(self):
        return tomllib.loads((self.folder / "runtime.lock").read_text())

    def tree(self, *arguments, **options):
        image, tree = self.world.folder / "image.squashfs", self.world.folder / "tree"
        self.ok("build", "project", "-o", image, *arguments, **options)
        shutil.rmtree(tree, ignore_errors=True)
        run("unsquashfs", "-q", "-d", str(tree), str(image))
        return tree, hashlib.sha256(image.read_bytes()).hexdigest()


def fill(registry):
    registry.add(
        wheel(
            "Foo.Bar".replace(".", "_"),
            "1.0",
            {"foo_bar/__init__.py": '"""doc"""\nassert True\nvalue = 1\n'},
            requires=("dep>=1", 'windows-only; sys_platform == "win32"'),
            scripts=("foo = foo_bar:main",),
        )
    )
    registry.add(wheel("dep", "1.0", {"dep.py": "version = 1\n"}))
    registry.add(
        wheel("dep", "2.0", {"dep.py": "version = 2\n"}, tag="cp312-cp312-manylinux_2_17_x86_64")
    )
    registry.add(
        wheel("dep", "1.5", {"dep.py": "version = 15\n"}, tag="cp311-abi3-manylinux_2_17_x86_64")
    )
    registry.add(
        wheel("dep", "1.6", {"dep.py": "version = 16\n"}, tag="cp311-cp311-musllinux_1_1_x86_64")
    )


def test_wheels_are_chosen_by_the_targets_own_pip_and_installed_offline(world):
    project = Project(world, '[python]\nrequirements = ["foo.bar~=1.0"]\noptimize = [2, 0]\n')
    fill(project.registry)
    tree, first = project.tree()
    packages = {package["name"]: package for package in project.lock()["python"]["packages"]}
    assert set(packages) == {"foo-bar", "dep"}, packages
    assert packages["dep"]["version"] == "1.5", "neither Python 3.12's nor musl's is for Debian 12"
    assert (
        project.registry.url not in (project.folder / "runtime.lock").read_text()
    ), "the lock names no host"
    libs = tree / "opt/aleph/libs"
    assert (libs / "dep.py").read_text() == "version = 15\n"
    assert (libs / "bin/foo").exists()
    caches = sorted(path.name for path in (libs / "foo_bar/__pycache__").iterdir())
    assert caches == ["__init__.cpython-311.opt-2.pyc", "__init__.cpython-311.pyc"], caches
    assert all(
        (libs / "foo_bar/__pycache__" / name).read_bytes()[4:8] == b"\x01\0\0\0" for name in caches
    ), "unchecked hashes"
    assert not (tree / "usr/bin/pip3").exists()
    assert not list((tree / "run").iterdir())
    # Another machine: nothing in its store, the index is asked where the file is.
    _, second = project.tree("--locked", store=world.folder / "other")
    assert first == second
    # Without an index: everything is in the store.
    project.registry.close()
    shutil.rmtree(world.folder / "other/layers")
    shutil.rmtree(world.folder / "other/actions")
    _, third = project.tree("--locked", "--offline", store=world.folder / "other")
    assert first == third
    project.fails(
        1,
        "dep-1.5-cp311-abi3-manylinux_2_17_x86_64.whl",
        "build",
        "project",
        "--locked",
        "-o",
        world.folder / "x",
        store=world.folder / "third",
    )


def test_a_locked_version_stays_until_it_is_told_to_move(world):
    project = Project(world, '[python]\nrequirements = ["dep"]\n')
    project.registry.add(wheel("dep", "1.0", {"dep.py": "v = 1\n"}))
    project.ok("lock", "project")
    project.registry.add(wheel("dep", "1.1", {"dep.py": "v = 2\n"}))
    project.registry.add(wheel("more", "1", {"more.py": "v = 2\n"}))
    project.write('[python]\nrequirements = ["dep", "more"]\n')
    result = project.ok("lock", "project")
    assert "+ python more 1 " in result.stdout + result.stderr, result.stdout + result.stderr
    assert [package["version"] for package in project.lock()["python"]["packages"]] == ["1.0", "1"]
    project.ok("lock", "project", "--update-package", "dep")
    assert [package["version"] for package in project.lock()["python"]["packages"]] == ["1.1", "1"]
    project.fails(
        2, "the lock has no package 'nothing'", "lock", "project", "--update-package", "nothing"
    )


def test_lock_files_of_other_tools_decide_by_their_hashes(world):
    project = Project(world, '[python]\nlock_files = ["pylock.toml"]\n')
    name, data = wheel("dep", "1.0", {"dep.py": "v = 1\n"})
    project.registry.add((name, data)), project.registry.add(
        wheel("dep", "1.1", {"dep.py": "v = 2\n"})
    )
    digest = hashlib.sha256(data).hexdigest()
    pylock = 'lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "dep"\nversion = "1.0"\nwheels = [{ name = "%s", hashes = { sha256 = "%s" } }]\n[[packages]]\nname = "win"\nversion = "1"\nmarker = "sys_platform == \'win32\'"\n'
    (project.folder / "pylock.toml").write_text(pylock % (name, digest))
    project.ok("lock", "project")
    assert [package["sha256"] for package in project.lock()["python"]["packages"]] == [digest]
    (project.folder / "pylock.toml").write_text(pylock % (name, "0" * 64))
    project.fails(3, "has a hash that the lock file does not know", "lock", "project")
    project.write('[python]\nlock_files = ["uv.lock"]\n')
    (project.folder / "uv.lock").write_text(
        'version = 1\nrequires-python = ">=3.9"\n[[package]]\nname = "app"\nversion = "0"\nsource = { virtual = "." }\ndependencies = [{ name = "dep" }]\n'
        f'[[package]]\nname = "dep"\nversion = "1.0"\nsource = {{ registry = "x" }}\nwheels = [{{ url = "x", hash = "sha256:{digest}" }}]\n'
    )
    project.ok("lock", "project")
    assert [
        (package["name"], package["version"]) for package in project.lock()["python"]["packages"]
    ] == [("dep", "1.0")]


def test_requirements_and_constraints_files_are_inputs(world):
    project = Project(
        world,
        '[python]\nrequirements_files = ["req/requirements.txt"]\nconstraints_files = ["constraints.txt"]\n',
    )
    fill(project.registry)
    (project.folder / "req").mkdir()
    (project.folder / "req/requirements.txt").write_text("foo-bar\n")
    (project.folder / "constraints.txt").write_text("dep==1.0\n")
    project.ok("lock", "project")
    assert [
        (package["name"], package["version"]) for package in project.lock()["python"]["packages"]
    ] == [("dep", "1.0"), ("foo-bar", "1.0")]
    (project.folder / "constraints.txt").write_text("dep==1.5\n")
    project.fails(1, "'constraints.txt' changed", "lock", "project", "--check")
    project.ok("lock", "project", "--update")
    assert project.lock()["python"]["packages"][0]["version"] == "1.5"


def test_sources_are_built_by_name_only_and_offline(world):
    setup = "from setuptools import setup\nsetup(name='src', version='1.0', py_modules=['src'])\n"
    project = Project(world, '[python]\nrequirements = ["src"]\n')
    project.registry.add(sdist("src", "1.0", {"setup.py": setup, "src.py": "value = 3\n"}))
    project.fails(1, "python.sdist", "lock", "project")
    project.write(
        '[python]\nrequirements = ["src"]\nsdist = ["src"]\n',
        HEAD.replace('"python3-pip"', '"python3-pip", "python3-setuptools", "python3-wheel"'),
    )
    tree, first = project.tree()
    assert (tree / "opt/aleph/libs/src.py").read_text() == "value = 3\n"
    assert project.lock()["python"]["packages"][0]["file"] == "src-1.0.tar.gz"
    _, second = project.tree("--locked", store=world.folder / "other")
    assert first == second


def test_what_an_index_takes_back_or_changes_is_told(world):
    project = Project(world, '[python]\nrequirements = ["dep==1.0"]\n')
    name, data = wheel("dep", "1.0", {"dep.py": "v = 1\n"})
    project.registry.add((name, data))
    project.registry.yanked[name] = "broken"
    result = project.ok("lock", "project")
    assert "yanked" in result.stderr, result.stderr
    assert "broken" in result.stderr, result.stderr
    fresh = world.folder / "fresh"
    project.registry.files[name] = wheel("dep", "1.0", {"dep.py": "v = 666\n"})[1]
    project.fails(3, name, "build", "project", "--locked", "-o", world.folder / "x", store=fresh)
    del project.registry.files[name]
    result = project.fails(
        1,
        "no Python index has " + name,
        "build",
        "project",
        "--locked",
        "-o",
        world.folder / "x",
        store=fresh,
    )
    assert not list(world.folder.glob("x*"))
    project.write('[python]\nrequirements = ["nothing-like-it"]\n')
    project.fails(1, "no wheel of nothing-like-it", "lock", "project")


def test_private_indexes_are_asked_with_the_machines_credentials(world):
    project = Project(world, '[python]\nrequirements = ["dep"]\n')
    project.registry.add(wheel("dep", "1.0", {"dep.py": "v = 1\n"}))
    project.registry.login = "me:secret-word"
    project.run("lock", "project")
    assert not (project.folder / "runtime.lock").exists()
    (world.folder / ".netrc").write_text("machine 127.0.0.1 login me password secret-word\n")
    (world.folder / ".netrc").chmod(0o600)
    project.ok("lock", "project")
    tree, _ = project.tree("--locked", store=world.folder / "other")
    assert (tree / "opt/aleph/libs/dep.py").exists()
    assert not (tree / "root/.netrc").exists()
    # In the index's address: they go along to files of the same host.
    (world.folder / ".netrc").unlink()
    (project.folder / "runtime.lock").unlink()
    project.registry.absolute = True
    project.env["PIP_INDEX_URL"] = (
        project.registry.url.replace("://", "://me:secret-word@") + "/simple"
    )
    project.ok("lock", "project")
    project.tree("--locked", store=world.folder / "third")
    for place in (
        project.folder,
        *(
            world.folder / store / part
            for store in ("other", "third")
            for part in ("actions", "logs")
        ),
    ):
        found = subprocess.run(
            ["grep", "-rl", "secret-word", str(place)], capture_output=True, text=True
        ).stdout
        assert not found, found


def test_without_pip_it_is_said_what_is_missing(world):
    project = Project(
        world, '[python]\nrequirements = ["dep"]\n', HEAD.replace('build = ["python3-pip"]\n', "")
    )
    project.fails(1, "add python3-pip to packages.build", "lock", "project")


def test_a_volume_holds_one_folder_and_nothing_else(world):
    project = Project(
        world,
        '[python]\nrequirements = ["dep"]\ntarget = "/opt/packages"\n',
        HEAD.replace('name = "t"', 'name = "t"\nkind = "volume"').replace(
            '[init]\nprogram = "none"\n', ""
        ),
    )
    project.registry.add(wheel("dep", "1.0", {"dep.py": "v = 1\n"}))
    tree, first = project.tree()
    assert sorted(path.name for path in tree.iterdir()) == [
        "__pycache__",
        "dep-1.0.dist-info",
        "dep.py",
    ]
    # Its bill of materials is that of its lock, without the system that made it.
    image = world.folder / "image.squashfs"
    assert "holds no recipe" in project.ok("inspect", "--sbom", "cyclonedx", image).stderr
    for file in (image, pathlib.Path(f"{image}.receipt.json")):
        shutil.copy(file, project.folder)
    listed = project.ok("inspect", "--sbom", "cyclonedx", project.folder / image.name)
    assert [each["purl"] for each in json.loads(listed.stdout)["components"]] == [
        "pkg:pypi/dep@1.0"
    ], listed
    assert not listed.stderr, listed
    for file in project.folder.glob("image.squashfs*"):
        file.unlink()
    _, second = project.tree("--locked", store=world.folder / "other")
    assert first == second
    (project.folder / "code").mkdir()
    (project.folder / "code/main.py").write_text("x = 1\n")
    project.write(
        '[[file]]\ntarget = "/opt/code"\nsource = "code"\n',
        'schema = 1\n[runtime]\nname = "t"\nkind = "volume"\n[base]\ndistro = "none"\n',
    )
    tree, _ = project.tree()
    assert [path.name for path in tree.iterdir()] == ["main.py"]
    project.write(
        '[[file]]\ntarget = "/srv/x"\ncontent = "x"\n',
        'schema = 1\n[runtime]\nname = "t"\nkind = "volume"\n[base]\ndistro = "none"\n',
    )
    project.fails(
        1, "nothing was put into /opt/code", "build", "project", "-o", world.folder / "x.squashfs"
    )


NODE_HEAD = 'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "none"\n[init]\nprogram = "none"\n'


def package_lock(packages):
    return json.dumps({"name": "x", "lockfileVersion": 3, "packages": {"": {}, **packages}})


def test_npm_packages_are_installed_as_npm_does(world):
    project = Project(world, '[node]\nlockfile = "package-lock.json"\n', NODE_HEAD)
    tool = tarball(
        {"package.json": "{}", "cli.js": "#!/usr/bin/env node\n", "lib/index.js": "x\n"},
        modes={"lib/index.js": 0o600},
    )
    inner, scoped = tarball({"package.json": "{}"}, top="other-name"), tarball(
        {"package.json": '{"s":1}'}
    )
    hash = project.registry.add_npm("tool", "1.0.0", tool)
    lock = {
        "node_modules/tool": {"version": "1.0.0", "integrity": hash, "bin": {"tool": "./cli.js"}},
        "node_modules/tool/node_modules/inner": {
            "version": "2.0.0",
            "integrity": project.registry.add_npm("inner", "2.0.0", inner),
        },
        "node_modules/@s/thing": {
            "version": "3.0.0",
            "integrity": project.registry.add_npm("@s/thing", "3.0.0", scoped),
        },
        "node_modules/dev": {"version": "1.0.0", "dev": True},
    }
    (project.folder / "package-lock.json").write_text(package_lock(lock))
    tree, first = project.tree()
    modules = tree / "opt/node_modules"
    assert sorted(path.name for path in modules.iterdir()) == [".bin", "@s", "tool"]
    assert os.readlink(modules / ".bin/tool") == "../tool/cli.js"
    assert (modules / "tool/cli.js").stat().st_mode & 0o777 == 0o755
    assert (modules / "tool/lib/index.js").stat().st_mode & 0o777 == 0o644
    assert (modules / "tool/node_modules/inner/package.json").exists()
    assert (modules / "@s/thing/package.json").read_text() == '{"s":1}'
    _, second = project.tree("--locked", store=world.folder / "other")
    assert first == second
    # Other bytes under the same name.
    project.registry.add_npm("tool", "1.0.0", inner)
    project.fails(
        3,
        "tool@1.0.0",
        "build",
        "project",
        "--locked",
        "-o",
        world.folder / "x",
        store=world.folder / "third",
    )
    (project.folder / "runtime.lock").unlink()
    project.fails(3, "package-lock.json promises", "lock", "project", store=world.folder / "third")
    (project.folder / "package-lock.json").write_text(
        package_lock({"node_modules/x": {"version": "1.0.0"}})
    )
    project.fails(1, "has no integrity", "lock", "project")
    (project.folder / "package-lock.json").write_text("{}")
    project.fails(1, "not a package-lock.json of version 2 or 3", "lock", "project")


def test_npm_packages_are_looked_for_where_they_were_locked(world):
    project = Project(world, '[node]\nlockfile = "package-lock.json"\n', NODE_HEAD)
    data = tarball({"package.json": "{}"})
    project.registry.tarballs["/elsewhere/tool.tgz"] = data
    places = {
        "node_modules/tool": {
            "version": "1.0.0",
            "integrity": integrity(data),
            "resolved": f"{project.registry.url}/elsewhere/tool.tgz",
        }
    }
    (project.folder / "package-lock.json").write_text(package_lock(places))
    _, first = project.tree()
    _, second = project.tree("--locked", store=world.folder / "other")
    assert first == second
    # The registry that has no such package is asked first both times, at lock and at build time.
    assert (
        project.registry.requests == ["/tool/-/tool-1.0.0.tgz", "/elsewhere/tool.tgz"] * 2
    ), project.registry.requests


def test_an_npm_package_is_an_archive(world):
    data = tarball({"bin/node": "#!/bin/sh\n"}, modes={"bin/node": 0o755})
    project = Project(world, "", NODE_HEAD)
    hash = project.registry.add_npm("@s/node", "20.0.0", data)
    text = f'[[archive]]\nname = "node"\nversion = "20.0.0"\nnpm = "@s/node@{{version}}"\nINTEGRITY\nstrip = 1\ntarget = "/usr/local"\n'
    project.write(text.replace("INTEGRITY", f'integrity = "{hash}"'), NODE_HEAD)
    tree, _ = project.tree()
    assert (tree / "usr/local/bin/node").stat().st_mode & 0o111
    project.write(text.replace("INTEGRITY", f'integrity = "{integrity(b"other")}"'), NODE_HEAD)
    project.fails(3, "is not what its integrity says", "lock", "project")
    project.write(text.replace("INTEGRITY", ""), NODE_HEAD)
    assert "pinned as it is now" in project.ok("lock", "project").stderr


def test_bills_of_materials_are_valid(world):
    """By the schemas of SPDX and CycloneDX, where the machine reaches a Python index for their
    validators."""
    project = Project(world, '[python]\nrequirements = ["dep"]\n')
    project.registry.add(wheel("dep", "1.0", {"dep.py": "v = 1\n"}))
    image = world.folder / "i.squashfs"
    project.ok("build", "project", "-o", image)
    texts = {
        form: project.ok("inspect", "--sbom", form, image).stdout for form in ("spdx", "cyclonedx")
    }
    assert texts["spdx"] == project.ok("inspect", "--sbom", "spdx", image).stdout
    purls = [component["purl"] for component in json.loads(texts["cyclonedx"])["components"]]
    assert "pkg:pypi/dep@1.0" in purls, purls
    assert any(
        re.fullmatch(r"pkg:deb/debian/libc6@[^?]+\?arch=amd64&distro=bookworm", purl)
        for purl in purls
    ), purls
    assert not any("python3-pip" in purl for purl in purls), "what was purged again is not in it"
    assert len(json.loads(texts["spdx"])["packages"]) == len(purls) + 1
    tools = (
        pathlib.Path(os.environ.get("ALEPHC_TEST_CACHE", "/var/tmp/alephc-test-cache"))
        / "validators"
    )
    if not (tools / "done").exists():
        venv.create(tools, clear=True)
        pip = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(tools / "bin/python"),
                "install",
                "-q",
                "cyclonedx-python-lib[validation]",
                "spdx-tools",
                "packageurl-python",
            ],
            capture_output=True,
        )
        if pip.returncode != 0:
            raise Skip("no Python index is in reach")
        (tools / "done").touch()
    check = """
import json
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
spdx, cyclonedx = sys.argv[1:]
text = open(cyclonedx).read()
assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
assert not validate_full_spdx_document(parse_file(spdx))
for component in json.loads(text)["components"]:
    assert PackageURL.from_string(component["purl"]).to_string() == component["purl"], component["purl"]
print("valid")
"""
    for form, text in texts.items():
        (world.folder / f"{form}.spdx.json").write_text(text)
    result = subprocess.run(
        [
            tools / "bin/python",
            "-c",
            check,
            str(world.folder / "spdx.spdx.json"),
            str(world.folder / "cyclonedx.spdx.json"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "valid", result.stdout + result.stderr
