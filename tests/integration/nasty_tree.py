"""A folder with everything that an image format may stumble over. Made by root: it has device nodes
and owners."""
import os
import pathlib
import struct

SPARSE_SIZE = 4 << 30


def capability(permitted):
    """VFS_CAP_REVISION_2, effective."""
    return struct.pack("<IIIII", 0x02000001, permitted, 0, 0, 0)


def access_list(user):
    """POSIX_ACL_XATTR_VERSION 2: u::rwx, u:USER:r-x, g::r-x, m::r-x, o::---"""
    undefined = 0xFFFFFFFF
    entries = [
        (1, 7, undefined),
        (2, 5, user),
        (4, 5, undefined),
        (16, 5, undefined),
        (32, 0, undefined),
    ]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class NastyTree:
    def __init__(self, folder, files=50000, sparse=SPARSE_SIZE):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o755)
        for index in range(files):
            self.file(
                f"many/{index % 7}/{'x' * (index % 40)}{index}",
                str(index).encode() * (index % 900) if index % 3 else b"",
            )
        self.names()
        self.links()
        self.attributes()
        self.special()
        self.contents(sparse)

    def path(self, name):
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        return path

    def folder_at(self, name, mode=0o755):
        path = self.path(name)
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def file(self, name, data=b"", mode=0o644, owner=(0, 0), xattrs=None):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data)
        os.chown(path, *owner)
        os.chmod(path, mode)
        for key, value in (xattrs or {}).items():
            os.setxattr(path, key, value)
        return path

    def names(self):
        self.file("names/" + "n" * 255, b"long")
        self.file(b"names/\xff\xfe not utf-8 \x80", b"bytes")
        self.file("names/ \t\n\\\"'$`;|&", b"shell")
        self.file("names/-rf", b"option")
        self.file("names/...", b"dots")
        self.folder_at("empty", 0o700)
        self.file("/".join(["deep"] * 120) + "/file", b"deep")
        for index in range(3000):
            self.file(f"one-of-many/{'long-name-' * 12}{index}")
        os.chmod(self.path("one-of-many"), 0o1777)

    def links(self):
        first = self.file("hard/first", b"linked" * 2000, xattrs={"user.of": b"all"})
        for index in range(1200):
            os.link(first, self.path(f"hard/{'again-' * 6}{index}"))
        os.link(first, self.path("other/again"))
        for name, target in {
            "short": "x",
            "59": "a" * 59,
            "60": "b" * 60,
            "long": ("target/" * 585)[:4095],
        }.items():
            os.symlink(target, self.path(f"links/{name}"))

    def attributes(self):
        self.file(
            "attributes/ping", b"ELF", 0o755, xattrs={"security.capability": capability(1 << 13)}
        )
        self.file(
            "attributes/acl", b"acl", 0o750, xattrs={"system.posix_acl_access": access_list(1234)}
        )
        os.setxattr(
            self.folder_at("attributes/default"), "system.posix_acl_default", access_list(77)
        )
        self.file(
            "attributes/user",
            b"user",
            xattrs={"user.empty": b"", "user.large": b"L" * 2500, "user.bytes": bytes(range(256))},
        )
        self.file("attributes/setuid", b"suid", 0o6755, owner=(70000, 2000000000))

    def special(self):
        os.mkfifo(self.path("special/fifo"), 0o600)
        os.mknod(self.path("special/null"), 0o020666, os.makedev(1, 3))
        os.mknod(self.path("special/large"), 0o060660, os.makedev(259, 70000))

    def contents(self, sparse):
        for size in (1, 2047, 2048, 2049, 4095, 4096, 4097, 65535, 65536, 131072, 131073, 1000000):
            self.file(f"contents/{size}", os.urandom(size))
            self.file(f"contents/zeros-{size}", bytes(size))
        block = os.urandom(4096)
        # Holes that are worth one and some that are not, at both ends and between.
        self.file(
            "contents/holes",
            b"".join(bytes(hole) + block for hole in (65536, 4096, 131072, 61440, 200000, 12))
            + bytes(300000),
        )
        self.file("contents/many-holes", (block + bytes(65536)) * 700)
        self.file("contents/text", b"the same line again and again\n" * 100000)
        with open(self.path("contents/sparse"), "wb") as file:
            file.seek(sparse // 2 + 5)
            file.write(b"middle")
            file.truncate(sparse)


if __name__ == "__main__":
    import sys

    NastyTree(sys.argv[1])
