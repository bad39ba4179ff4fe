"""Images that cost their reader much, made from nothing: the smallest that each trick needs."""
import struct


class Squashfs:
    """A squashfs 4.0 with uncompressed tables, in which everything can be said."""

    def __init__(self):
        self.inodes, self.folders, self.last = b"", b"", 0

    @staticmethod
    def place(position):
        return position // 8192 * 8194, position % 8192

    def number(self):
        self.last += 1
        return self.last

    def file(self, size):
        """A file that is one hole."""
        number, position = self.number(), len(self.inodes)
        blocks = (size + (1 << 20) - 1) >> 20
        self.inodes += struct.pack(
            "<HHHHIIQQQIIII",
            9,
            0o644,
            0,
            0,
            0,
            number,
            96,
            size,
            size,
            1,
            0xFFFFFFFF,
            0,
            0xFFFFFFFF,
        ) + bytes(4 * blocks)
        return position, number, 2

    def folder(self, entries):
        """entries: (name, what file() or folder() gave); one group for each."""
        number, position, start, listing = self.number(), len(self.inodes), len(self.folders), b""
        for name, (at, child, kind) in entries:
            block, offset = self.place(at)
            listing += (
                struct.pack("<IIIHhHH", 0, block, child, offset, 0, kind, len(name) - 1) + name
            )
        self.folders += listing
        block, offset = self.place(start)
        self.inodes += struct.pack(
            "<HHHHIIIIHHI", 1, 0o755, 0, 0, 0, number, block, 2, len(listing) + 3, offset, 1
        )
        return position, number, 1

    def image(self, root):
        def table(data):
            return b"".join(
                struct.pack("<H", 0x8000 | len(data[i : i + 8192])) + data[i : i + 8192]
                for i in range(0, len(data), 8192)
            )

        inodes, folders = table(self.inodes), table(self.folders)
        inode_at, folder_at = 96, 96 + len(inodes)
        ids_at = folder_at + len(folders)
        ids = table(struct.pack("<I", 0)) + struct.pack("<Q", ids_at)
        block, offset = self.place(root[0])
        none = 0xFFFFFFFFFFFFFFFF
        head = struct.pack(
            "<IIIIIHHHHHHQQQQQQQQ",
            0x73717368,
            self.last,
            0,
            1 << 20,
            0,
            1,
            20,
            0x0001 | 0x0010 | 0x0200,
            1,
            4,
            0,
            block << 16 | offset,
            ids_at + len(ids),
            ids_at + len(ids) - 8,
            none,
            inode_at,
            folder_at,
            none,
            none,
        )
        data = head + inodes + folders + ids
        return data + bytes(-len(data) % 4096)


def shared_folders(depth=60):
    """Two names for each folder below: 2 to the power of depth paths."""
    image = Squashfs()
    at = image.folder([])
    for _ in range(depth):
        at = image.folder([(b"a", at), (b"b", at)])
    return image.image(at)


def huge_hole(size=1 << 40):
    image = Squashfs()
    return image.image(image.folder([(b"hole", image.file(size))]))


def huge_lock(size=64 << 30):
    """A recipe inside that would not fit into any memory."""
    image = Squashfs()
    at = image.folder([(b"runtime.lock", image.file(size)), (b"runtime.toml", image.file(size))])
    for name in (b"alephc", b"share", b"usr"):
        at = image.folder([(name, at)])
    return image.image(at)


def qcow2_of_one_cluster(gib=64):
    """Every cluster of a large disk is the same one of the file."""
    cluster = 65536
    tables = gib * (1 << 30) // (cluster * 8192)
    head = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        b"QFI\xfb",
        3,
        0,
        0,
        16,
        gib << 30,
        0,
        tables,
        cluster,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        4,
        104,
    )
    level1 = struct.pack(">Q", 1 << 63 | 2 * cluster) * tables
    level2 = struct.pack(">Q", 1 << 63 | 3 * cluster) * 8192
    pad = lambda data: data + bytes(-len(data) % cluster)
    return pad(head + bytes(8)) + pad(level1) + pad(level2) + b"x" * cluster


def disk_with_looping_fat():
    """A partition table, an empty ext4 magic and an EFI partition whose first file never ends."""
    sector = 512
    boot = bytearray(sector)
    boot[11:13] = struct.pack("<H", 512)
    boot[13], boot[14:16], boot[16] = 8, struct.pack("<H", 32), 1
    boot[32:36] = struct.pack("<I", 262144)
    boot[36:40] = struct.pack("<I", 256)
    boot[44:48] = struct.pack("<I", 2)
    boot[510:512] = b"\x55\xaa"
    table = struct.pack("<IIII", 0x0FFFFFF8, 0x0FFFFFFF, 3, 2) + bytes(131072 - 16)
    return bytes(boot) + bytes(31 * sector) + table + bytes(262144 * 16)


IMAGES = {
    "shared-folders": shared_folders,
    "huge-hole": huge_hole,
    "huge-lock": huge_lock,
    "one-cluster": qcow2_of_one_cluster,
}
