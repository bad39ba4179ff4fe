"""Signatures of Ed25519 as RFC 8032 defines them, on affine points: short, not fast."""

import hashlib

from common import must

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    both = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + both, -1, P)
    return x % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - both, -1, P) % P


def times(number, point):
    out = (0, 1)
    while number:
        out = add(out, point) if number & 1 else out
        point, number = add(point, point), number >> 1
    return out


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    must(y < P and x * x % P == square, "a key or signature is not a point of the curve")
    return (P - x if x & 1 != sign else x), y


def is_signed(key, signature, data):
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L:
        return False
    base = point_of((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    digest = hashlib.sha512(signature[:32] + key + data).digest()
    ours = times(int.from_bytes(signature[32:], "little"), base)
    theirs = times(int.from_bytes(digest, "little") % L, point_of(key))
    return ours == add(point_of(signature[:32]), theirs)
