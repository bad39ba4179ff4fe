"""Hashes, identifiers and signatures of the network once more, in the plainest Python: an opinion
that owes nothing to alephc."""
import hashlib
import json


def keccak256(data):
    rotations = [
        [0, 36, 3, 41, 18],
        [1, 44, 10, 45, 2],
        [62, 6, 43, 15, 61],
        [28, 55, 25, 21, 56],
        [27, 20, 39, 8, 14],
    ]
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            if register & 1:
                constant |= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    rotate = (
        lambda value, by: ((value << by) | (value >> (64 - by))) & (2**64 - 1) if by else value
    )
    padded = bytearray(data) + b"\x01"
    padded += b"\0" * (-len(padded) % 136)
    padded[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for begin in range(0, len(padded), 136):
        for i in range(17):
            state[i % 5][i // 5] ^= int.from_bytes(
                padded[begin + 8 * i : begin + 8 * i + 8], "little"
            )
        for constant in constants:
            column = [
                state[x][0] ^ state[x][1] ^ state[x][2] ^ state[x][3] ^ state[x][4]
                for x in range(5)
            ]
            for x in range(5):
                mixed = column[(x - 1) % 5] ^ rotate(column[(x + 1) % 5], 1)
                for y in range(5):
                    state[x][y] ^= mixed
            moved = [[0] * 5 for _ in range(5)]
            for x in range(5):
                for y in range(5):
                    moved[y][(2 * x + 3 * y) % 5] = rotate(state[x][y], rotations[x][y])
            for x in range(5):
                for y in range(5):
                    state[x][y] = moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y])
            state[0][0] ^= constant
    return b"".join(state[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(count, point):
    total = None
    while count:
        if count & 1:
            total = add(total, point)
        point, count = add(point, point), count >> 1
    return total


def ethereum_signer(text, signature):
    """The address in lower case that signed a text by EIP-191."""
    raw = bytes.fromhex(signature[2:])
    r, s, v = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64] - 27
    data = text.encode()
    message = int.from_bytes(
        keccak256(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data), "big"
    )
    y = pow(r**3 + 7, (P + 1) // 4, P)
    if y % 2 != v % 2:
        y = P - y
    inverse = pow(r, -1, N)
    key = add(times(s * inverse % N, (r, y)), times(-message * inverse % N, G))
    return "0x" + keccak256(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:].hex()


Q = 2**255 - 19
D = -121665 * pow(121666, -1, Q) % Q
BASE_Y = 4 * pow(5, -1, Q) % Q


def edwards_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, -1, Q) % Q
    x = pow(square, (Q + 3) // 8, Q)
    if (x * x - square) % Q:
        x = x * pow(2, (Q - 1) // 4, Q) % Q
    assert (x * x - square) % Q == 0, "no point of the curve"
    return Q - x if x % 2 != sign else x


def edwards_add(a, b):
    product = D * a[0] * b[0] * a[1] * b[1] % Q
    return (
        (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, Q) % Q,
        (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, Q) % Q,
    )


def edwards_times(count, point):
    total = (0, 1)
    while count:
        if count & 1:
            total = edwards_add(total, point)
        point, count = edwards_add(point, point), count >> 1
    return total


def decode_point(data):
    number = int.from_bytes(data, "little")
    y = number & (2**255 - 1)
    return edwards_x(y, number >> 255), y


def good_ed25519(key, text, signature):
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little")
    left = edwards_times(s, (edwards_x(BASE_Y, 0), BASE_Y))
    return left == edwards_add(
        decode_point(signature[:32]),
        edwards_times(h % (2**252 + 27742317777372353535851937790883648493), decode_point(key)),
    )


ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def to_base58(data):
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        out = ALPHABET[digit] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def from_base58(text):
    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return b"\0" * (len(text) - len(text.lstrip("1"))) + body


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def cid_v0(data):
    def block(links, size, body=None, sizes=()):
        unixfs = (
            b"\x08\x02"
            + (b"\x12" + varint(len(body)) + body if body else b"")
            + b"\x18"
            + varint(size)
        )
        unixfs += b"".join(b"\x20" + varint(each) for each in sizes)
        out = (
            b"".join(b"\x12" + varint(len(link)) + link for link in links)
            + b"\x0a"
            + varint(len(unixfs))
            + unixfs
        )
        return out

    def node(serialized, size, below=0):
        return b"\x12\x20" + hashlib.sha256(serialized).digest(), size, len(serialized) + below

    nodes = []
    for begin in range(0, max(len(data), 1), 262144):
        chunk = data[begin : begin + 262144]
        nodes.append(node(block([], len(chunk), chunk), len(chunk)))
    while len(nodes) > 1:
        level = []
        for begin in range(0, len(nodes), 174):
            group = nodes[begin : begin + 174]
            links = [
                b"\x0a" + varint(len(hash)) + hash + b"\x12\x00\x18" + varint(total)
                for hash, _, total in group
            ]
            size = sum(each[1] for each in group)
            level.append(
                node(
                    block(links, size, sizes=[each[1] for each in group]),
                    size,
                    sum(each[2] for each in group),
                )
            )
        nodes = level
    return to_base58(nodes[0][0])


def signature_is_good(message):
    text = "\n".join((message["chain"], message["sender"], message["type"], message["item_hash"]))
    if message["chain"] == "ETH":
        return ethereum_signer(text, message["signature"]) == message["sender"].lower()
    if message["chain"] == "SOL":
        signature = json.loads(message["signature"])
        return signature["publicKey"] == message["sender"] and good_ed25519(
            from_base58(message["sender"]), text.encode(), from_base58(signature["signature"])
        )
    return False
