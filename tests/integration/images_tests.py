"""Output formats, read back by their own tools: e2fsck, btrfs check, the kernel's mounts, tar,
qemu-img, fsck.fat, veritysetup."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from fixture import Skip, run
from nasty_tree import NastyTree
from systems import AS_USER

SETTINGS: dict[str, list[str]] = {
    "ext4": [],
    "btrfs": [],
    "btrfs zstd": ["compression=zstd", "subvolume=root"],
    "tar": [],
    "disk": [],
    "disk btrfs": ["filesystem=btrfs"],
    "qcow2": [],
    "qcow2 gzip": ["compression=gzip"],
    "qcow2 none": ["compression=none", "filesystem=btrfs"],
}


def write_image(world, folder, name, file, *settings, jobs=2, check=True):
    tool = pathlib.Path(world.alephc).parent / "tests/write_image"
    return run(
        str(tool),
        str(folder),
        name.split()[0],
        str(file),
        f"jobs={jobs}",
        *SETTINGS.get(name, []),
        *settings,
        check=check,
    )


def tree_of(world, image, store=None):
    return run(world.alephc, "tree", str(image)).stdout


def digest_of(world, image):
    return tree_of(world, image).splitlines()[-1].split()[-1]


def sha256(file):
    with open(file, "rb") as stream:
        return (
            hashlib.file_digest(stream, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else hashlib.sha256(stream.read()).hexdigest()
        )


class Mounted:
    """The kernel's own view of a filesystem in a file."""

    def __init__(self, world, image, kind, options="loop,ro"):
        if kind not in pathlib.Path("/proc/filesystems").read_text() or not os.path.exists(
            "/dev/loop-control"
        ):
            raise Skip(f"the kernel mounts no {kind} here")
        self.folder = world.folder / "mount"
        self.argv = ["mount", "-t", kind, "-o", options, str(image), str(self.folder)]

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        run(*self.argv)
        return self.folder

    def __exit__(self, *_):
        # A sandbox that another test starts at this moment has a copy of the mount: then umount
        # does not write what is left.
        run("sync", "-f", str(self.folder))
        run("umount", str(self.folder))


def check_filesystem(image, kind):
    if kind == "ext4":
        run("e2fsck", "-fn", str(image))
    else:
        result = run("btrfs", "check", "--check-data-csum", str(image))
        assert "no error found" in result.stdout + result.stderr, result.stdout + result.stderr


def small_tree(world):
    NastyTree(world.folder / "tree", files=1500, sparse=300 << 20)
    return world.folder / "tree"


def test_every_format_holds_a_nasty_tree_and_is_the_same_for_any_number_of_jobs(world):
    tree = small_tree(world)
    wanted = tree_of(world, tree).splitlines()
    for name in SETTINGS:
        first, second = world.folder / "first", world.folder / "second"
        digest = write_image(world, tree, name, first, jobs=1).stdout.strip()
        write_image(world, tree, name, second, jobs=8)
        assert sha256(first) == sha256(second), f"{name}: 1 and 8 jobs differ"
        got = [
            line for line in tree_of(world, first).splitlines() if not line.startswith("# outside ")
        ]
        different = [pair for pair in zip(wanted, got) if pair[0] != pair[1]][:3]
        assert got == wanted, f"{name} reads back another tree: {different}"
        assert wanted[-1].endswith(digest)
        first.unlink(), second.unlink()


def test_filesystems_are_clean_and_the_kernel_reads_the_same_tree(world):
    tree = small_tree(world)
    for name, kind in (("ext4", "ext4"), ("btrfs", "btrfs"), ("btrfs zstd", "btrfs")):
        image = world.folder / "image"
        digest = write_image(world, tree, name, image).stdout.strip()
        check_filesystem(image, kind)
        with Mounted(world, image, kind) as folder:
            assert list(pathlib.Path(folder).glob("lost+found")) == (
                [folder / "lost+found"] if kind == "ext4" else []
            )
            if kind == "btrfs":
                assert digest_of(world, folder) == digest, name
            else:
                got = [
                    line
                    for line in tree_of(world, folder).splitlines()
                    if not line.startswith("lost+found ")
                ]
                assert got[:-1] == tree_of(world, tree).splitlines()[:-1]
        # What was written is a filesystem to live in, too.
        with Mounted(world, image, kind, "loop") as folder:
            shutil.copytree(pathlib.Path(__file__).parent, folder / "more")
            shutil.rmtree(folder / "many")
        check_filesystem(image, kind)
        image.unlink()


def test_btrfs_of_the_kernel_is_read_with_and_without_root(world):
    tree = small_tree(world)
    wanted = digest_of(world, tree)
    for options in (
        "loop",
        "loop,compress-force=zlib",
        "loop,compress-force=zstd:5",
        "loop,nodatacow",
    ):
        image = world.folder / "other"
        with open(image, "wb") as file:
            file.truncate(600 << 20)
        run("mkfs.btrfs", "-q", str(image))
        with Mounted(world, image, "btrfs", options) as folder:
            run("cp", "-a", f"{tree}/.", str(folder))
            os.chown(folder, 0, 0)
            folder.chmod(0o755)
            run("btrfs", "subvolume", "create", str(folder / "removed"))
            run("btrfs", "subvolume", "delete", "-C", str(folder / "removed"))
        assert digest_of(world, image) == wanted, options
        image.chmod(0o644)
        world.folder.parent.chmod(0o755), world.folder.chmod(0o755)
        rootless = run(
            *AS_USER,
            world.alephc,
            "--store",
            "/nonexistent",
            "tree",
            str(image),
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        assert rootless.returncode == 0, rootless.stderr
        assert wanted in rootless.stdout, rootless.stderr
        image.unlink()


def test_btrfs_of_mkfs_is_read(world):
    tree = small_tree(world)
    image = world.folder / "other"
    with open(image, "wb") as file:
        file.truncate(900 << 20)
    for name in (
        "user.large",
        "user.empty",
        "user.bytes",
    ):  # what mkfs.btrfs leaves out, or stumbles over
        os.removexattr(tree / "attributes/user", name)
    run("mkfs.btrfs", "-q", "--rootdir", str(tree), str(image))
    wanted, got = tree_of(world, tree).splitlines(), tree_of(world, image).splitlines()
    links = lambda lines: [
        line for line in lines if line.startswith(("links/", "contents/", "names/"))
    ]
    assert links(got) == links(wanted)


def test_a_tree_of_fifty_thousand_files_and_four_gibibytes_of_nothing(world):
    tree = world.folder / "tree"
    NastyTree(tree)
    wanted = digest_of(world, tree)
    for kind in ("ext4", "btrfs"):
        image = world.folder / "image"
        assert write_image(world, tree, kind, image).stdout.strip() == wanted
        check_filesystem(image, kind)
        assert os.stat(image).st_blocks * 512 < 300 << 20, "the image is not sparse"
        image.unlink()
    (tree / "attributes/acl").chmod(0o750)
    result = write_image(world, tree, "squashfs", world.folder / "image", check=False)
    assert result.returncode == 1, result.stderr
    assert "/attributes/acl has an access list" in result.stderr, result.stderr
    assert not (world.folder / "image").exists()


def test_limits_are_told_with_the_path(world):
    tree = world.folder / "tree"
    tree.mkdir()
    (tree / "file").write_text("x")
    os.setxattr(tree / "file", "user.large", b"x" * 3900)
    os.setxattr(tree / "file", "user.more", b"y" * 60)
    result = write_image(world, tree, "ext4", world.folder / "ok", check=False)
    assert result.returncode == 0, result.stderr
    (tree / "lost+found").write_text("no folder")
    result = write_image(world, tree, "ext4", world.folder / "image", check=False)
    assert result.returncode == 1, result.stderr
    assert "/lost+found is not a folder" in result.stderr, result.stderr
    (tree / "lost+found").unlink()
    result = write_image(
        world, tree, "ext4", world.folder / "image2", "label=" + "l" * 17, check=False
    )
    assert result.returncode == 1, result.stderr
    assert "16 bytes" in result.stderr, result.stderr
    (tree / "big").write_bytes(os.urandom(20 << 20))
    for name in ("ext4", "btrfs", "disk"):
        result = write_image(
            world, tree, name, world.folder / f"small-{name}", "size=16M", check=False
        )
        assert result.returncode == 1, result.stderr
        assert 'image.size = "16M" is too small: the tree needs ' in result.stderr, result.stderr
        needed = result.stderr.split("the tree needs ")[1].split()[0]
        write_image(world, tree, name, world.folder / f"fits-{name}", f"size={needed}")
        assert os.stat(world.folder / f"fits-{name}").st_size == int(needed[:-1]) << 20


PROJECT = """schema = 1
[runtime]
name = "t"
kind = "instance"
[base]
distro = "none"
[[file]]
target = "/srv"
source = "srv"
[boot]
kernel = "none"
"""


def small_project(world, text=""):
    (world.project / "srv").mkdir(exist_ok=True)
    for index in range(60):
        (world.project / f"srv/{index}").write_text(f"{index} " * index * 50)
    (world.project / "runtime.toml").write_text(PROJECT + text)


def build(world, output, *arguments):
    return subprocess.run(
        [
            world.alephc,
            "--store",
            str(world.folder / "store"),
            "build",
            "project",
            "-o",
            str(output),
            *arguments,
        ],
        capture_output=True,
        text=True,
        cwd=world.folder,
        env=world.alephc_env(),
    )


def test_build_makes_every_format_and_inspect_and_diff_read_it(world):
    small_project(world)
    digests = set()
    for kind in ("squashfs", "ext4", "btrfs", "disk", "qcow2", "tar", "dir"):
        result = build(world, f"image.{kind}", "--set", f"image.format={kind}", "--json")
        assert result.returncode == 0, result.stdout + result.stderr
        outcome = json.loads(result.stdout)
        image = world.folder / f"image.{kind}"
        assert outcome["format"] == kind
        if kind != "dir":
            assert outcome["sha256"] == sha256(image)
            assert outcome["size"] == image.stat().st_size
            assert outcome["size"] % 4096 == 0
        digests.add(outcome["tree"])
        assert digest_of(world, image) == outcome["tree"], kind
        shown = json.loads(run(world.alephc, "inspect", str(image), "--json").stdout)
        assert shown["format"] == kind, shown
    assert len(digests) == 1
    result = run(
        world.alephc,
        "diff",
        str(world.folder / "image.qcow2"),
        str(world.folder / "image.btrfs"),
        check=False,
    )
    assert "tree" in result.stdout, result.stdout
    assert "/srv/1" not in result.stdout, result.stdout


def test_a_disk_is_what_partition_tools_expect(world):
    tree = small_tree(world)
    efi = tree / "boot/efi/EFI/BOOT"
    for folder in (tree / "boot", tree / "boot/efi", tree / "boot/efi/EFI", efi):
        folder.mkdir(mode=0o755)
    contents = {
        "BOOTX64.EFI": os.urandom(100000),
        "A rather long name for a file.txt": b"long",
        "grubx64.efi": b"",
        "übergröße.cfg": b"wide",
    }
    for name, content in contents.items():
        (efi / name).write_bytes(content)
        (efi / name).chmod(0o755)
    image = world.folder / "disk.img"
    digest = write_image(world, tree, "disk", image, "uefi=true").stdout.strip()
    assert digest_of(world, image) == digest
    for tool, argv in (
        ("sgdisk", ["sgdisk", "-v", str(image)]),
        ("sfdisk", ["sfdisk", "--verify", str(image)]),
    ):
        if shutil.which(tool):
            result = run(*argv)
            assert (
                "No problems found" in result.stdout or "No errors detected" in result.stdout
            ), result.stdout
    with open(image, "rb") as file:
        table = file.read(1 << 20)
    assert table[510:512] == b"\x55\xaa"
    assert table[512:520] == b"EFI PART"
    assert table[450] == 0xEE
    if shutil.which("fsck.fat"):
        esp = world.folder / "esp.img"
        with open(image, "rb") as file, open(esp, "wb") as out:
            file.seek(1 << 20)
            out.write(file.read(64 << 20))
        run("fsck.fat", "-n", str(esp))
        if shutil.which("mcopy"):
            copied = world.folder / "copied"
            run(
                "mcopy",
                "-s",
                "-i",
                str(esp),
                "::EFI",
                str(copied),
                env={**os.environ, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"},
            )
            for name, content in contents.items():
                if name.isascii():
                    assert (copied / "BOOT" / name).read_bytes() == content, name


def test_qcow2_is_what_qemu_reads(world):
    if not shutil.which("qemu-img"):
        raise Skip("qemu-img is not installed")
    tree = small_tree(world)
    disk = world.folder / "disk"
    write_image(world, tree, "disk", disk)
    for name in ("qcow2", "qcow2 gzip", "qcow2"):
        image = world.folder / "image.qcow2"
        write_image(world, tree, name, image, *(["compression=none"] if image.exists() else []))
        assert "No errors were found" in run("qemu-img", "check", str(image)).stdout
        assert (
            "identical"
            in run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", str(image), str(disk)).stdout
        )
        image.unlink()


def test_qcow2_of_others_is_read(world):
    if not shutil.which("qemu-img"):
        raise Skip("qemu-img is not installed")
    disk = world.folder / "disk"
    digest = write_image(world, small_tree(world), "disk", disk).stdout.strip()
    variants: list[list[str]] = [
        ["-c"],
        [],
        ["-o", "cluster_size=4k"],
        ["-c", "-o", "compression_type=zstd"],
        ["-o", "compat=0.10"],
    ]
    for options in variants:
        other = world.folder / "other.qcow2"
        run("qemu-img", "convert", "-O", "qcow2", *options, str(disk), str(other))
        assert digest_of(world, other) == digest, options
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-F",
        "raw",
        "-b",
        str(disk),
        str(world.folder / "over.qcow2"),
    )
    result = run(world.alephc, "tree", str(world.folder / "over.qcow2"), check=False)
    assert result.returncode == 1, result.stderr
    assert "backing file" in result.stderr, result.stderr


def test_verity_is_what_veritysetup_verifies(world):
    small_project(world)
    for kind in ("squashfs", "ext4", "btrfs"):
        result = build(
            world,
            f"image.{kind}",
            "--set",
            f"image.format={kind}",
            "--set",
            "image.verity=true",
            "--json",
        )
        assert result.returncode == 0, result.stderr
        image = world.folder / f"image.{kind}"
        root = pathlib.Path(f"{image}.roothash").read_text().strip()
        assert json.loads(result.stdout)["verity_root"] == root
        if not shutil.which("veritysetup"):
            raise Skip("veritysetup is not installed")
        run("veritysetup", "verify", str(image), f"{image}.verity", root)
        with open(image, "r+b") as file:
            file.seek(5000)
            byte = file.read(1)
            file.seek(5000)
            file.write(bytes([byte[0] ^ 1]))
        assert (
            run(
                "veritysetup", "verify", str(image), f"{image}.verity", root, check=False
            ).returncode
            != 0
        )


def test_what_cannot_be_written_leaves_nothing_behind(world):
    small_project(world, '[image]\nformat = "ext4"\nsize = "1M"\n')
    result = build(world, "image")
    assert result.returncode == 1, result.stderr
    assert "is too small" in result.stderr, result.stderr
    small_project(
        world, '[image]\nformat = "btrfs"\nverity = true\nblock_size = "64K"\nfilesystem = "ext4"\n'
    )
    result = build(world, "image")
    assert result.returncode == 1, result.stderr
    assert "'filesystem' means nothing for btrfs" in result.stderr, result.stderr
    (world.project / "runtime.toml").write_text(
        PROJECT.replace('kernel = "none"', 'kernel = "auto"') + '[image]\nformat = "disk"\n'
    )
    result = build(world, "image")
    assert result.returncode == 1, result.stderr
    assert "there is no kernel" in result.stderr, result.stderr
    assert "grub-mkimage" in result.stderr, result.stderr
    assert "runtime.toml:" in result.stderr, result.stderr
    assert sorted(path.name for path in world.folder.iterdir()) == ["project", "store"]


def test_a_full_disk_is_told_and_nothing_is_left(world):
    small_project(world)
    (world.project / "srv/large").write_bytes(os.urandom(40 << 20))
    assert build(world, "image.tar", "--set", "image.format=tar").returncode == 0
    for kind in ("ext4", "btrfs", "qcow2"):
        small = world.folder / "small"
        small.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=60M", "tmpfs", str(small))
        try:
            result = subprocess.run(
                [
                    world.alephc,
                    "--store",
                    str(small / "store"),
                    "build",
                    "project",
                    "-o",
                    str(small / "image"),
                    "--set",
                    f"image.format={kind}",
                ],
                capture_output=True,
                text=True,
                cwd=world.folder,
                env=world.alephc_env(),
            )
            assert result.returncode == 4, result.stderr
            assert "No space left" in result.stderr, result.stderr
            assert not (small / "image").exists(), list((small / "store").glob("work*/*"))
            assert not list((small / "store").glob("work*/*")), list(
                (small / "store").glob("work*/*")
            )
        finally:
            run("umount", str(small))
