"""The signed indexes of Alpine, and what they promise of packages: docs/spec/lock.md."""

import base64
import hashlib
import io
import re
import tarfile
import zlib

from common import must, sha256

# DigestInfo of PKCS #1 v1.5 (RFC 8017, section 9.2), by the word in the name of a signature.
DIGEST_INFOS = {
    "RSA": ("sha1", "3021300906052b0e03021a05000414"),
    "RSA256": ("sha256", "3031300d060960864801650304020105000420"),
    "RSA512": ("sha512", "3051300d060960864801650304020305000440"),
}


def members_of(data):
    """The gzip members of a package or an index, each packed and unpacked."""
    found = []
    while data:
        stream = zlib.decompressobj(31)
        text = stream.decompress(data)
        must(stream.eof, "a gzip member is cut off")
        rest = stream.unused_data
        found.append((data[: len(data) - len(rest)], text))
        data = rest
    return found


def files_of(text):
    """Members but the last of a package are tars without an end."""
    with tarfile.open(fileobj=io.BytesIO(text + bytes(1024)), mode="r:") as tar:
        files = filter(tarfile.TarInfo.isfile, tar)
        return {file.name: (tar.extractfile(file).read(), int(file.mtime)) for file in files}


def value_at(der, at):
    """Where the contents of a value of DER begin, and their size."""
    size, at = der[at + 1], at + 2
    if size & 0x80:
        size, at = int.from_bytes(der[at : at + (size & 0x7F)], "big"), at + (size & 0x7F)
    return at, size


def rsa_numbers(der):
    """Modulus and exponent of a SubjectPublicKeyInfo."""
    algorithm, size = value_at(der, value_at(der, 0)[0])
    bits, _ = value_at(der, algorithm + size)  # the first byte counts unused bits
    modulus, size = value_at(der, value_at(der, bits + 1)[0])
    exponent, length = value_at(der, modulus + size)
    numbers = der[modulus : modulus + size], der[exponent : exponent + length]
    return [int.from_bytes(number, "big") for number in numbers]


def is_signed(der, word, signature, data):
    modulus, exponent = rsa_numbers(der)
    size = (modulus.bit_length() + 7) // 8
    plain = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    kind, info = DIGEST_INFOS[word]
    tail = bytes.fromhex(info) + hashlib.new(kind, data).digest()
    return plain == b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail


def packages(repository, keys, blobs):
    """Name, version and architecture of every package of a signed index → (size, identity)."""
    signature, *signed = members_of(blobs[repository["index"]])
    covered = b"".join(packed for packed, _ in signed)
    signers = set()
    for name, (made, _) in files_of(signature[1]).items():
        word = name.split(".")[2]
        signers |= {sha256(der)[:40].upper() for der in keys if is_signed(der, word, made, covered)}
    must(repository["signer"] in signers, "its signature is not that of the signer")
    text, time = files_of(b"".join(text for _, text in signed))["APKINDEX"]
    must(time == repository["date"], "its date is another")
    found: dict = {}
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        if "P" in fields:
            key = (fields["P"], fields["V"], fields["A"])
            found.setdefault(key, set()).add((int(fields["S"]), fields["C"], None))
    return found


def check_package(package, data):
    """The identity is the hash of the control member, which in turn has that of the data."""
    (control, text), (contents, _) = members_of(data)[-2:]
    identity = "Q1" + base64.b64encode(hashlib.sha1(control).digest()).decode()
    must(identity == package["identity"], f"{package['name']} has another identity")
    info = files_of(text)[".PKGINFO"][0].decode()
    promised = re.search(r"^datahash = (\w+)$", info, re.M)
    must(promised and sha256(contents) == promised[1], f"{package['name']} has other data")
