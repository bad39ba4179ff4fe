"""The CIDs that IPFS gives a file: docs/spec/receipt.md."""

import base64
import hashlib

CHUNK = 1 << 18  # bytes of a leaf
LINKS = 174  # of a node
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def varint(value):
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    """A field of Protocol Buffers: bytes, or a number."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def name_of(digest, is_raw, version):
    prefix = b"" if version == 0 else b"\x01\x55" if is_raw else b"\x01\x70"
    return prefix + b"\x12\x20" + digest


def parent_of(nodes, version):
    links = b""
    for digest, _, total, is_raw in nodes:
        name = name_of(digest, is_raw, version)
        links += field(2, field(1, name) + field(2, b"") + field(3, total))
    size = sum(node[1] for node in nodes)
    sizes = b"".join(field(4, node[1]) for node in nodes)
    block = links + field(1, field(1, 2) + field(3, size) + sizes)
    total = len(block) + sum(node[2] for node in nodes)
    return hashlib.sha256(block).digest(), size, total, False


def of_file(file, version):
    """Nodes are (digest, bytes of the file, bytes with all below, whether it is raw)."""
    file.seek(0)
    level = []
    while chunk := file.read(CHUNK):
        unix = field(1, field(1, 2) + field(2, chunk) + field(3, len(chunk)))
        block = chunk if version == 1 else unix
        level.append((hashlib.sha256(block).digest(), len(chunk), len(block), version == 1))
    while len(level) > 1:
        groups = [level[at : at + LINKS] for at in range(0, len(level), LINKS)]
        level = [parent_of(nodes, version) for nodes in groups]
    name = name_of(level[0][0], level[0][3], version)
    if version == 1:
        return "b" + base64.b32encode(name).decode().lower().rstrip("=")
    number, text = int.from_bytes(name, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return text
