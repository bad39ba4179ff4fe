#!/usr/bin/env python3
"""Checks what alephc says of an image, from docs/spec/ and nothing of alephc.

check.py LOCK [--bundle FILE [--keys FOLDER]] [--receipt FILE [--image FILE]]
         [--statement FILE --key PUB]

LOCK is runtime.lock; files of the project are looked for beside it. The bundle holds the signed
indexes and the packages. --keys: a folder of OpenPGP keyrings (*.gpg) or Alpine's keys (*.rsa.pub);
without it the bundle says whom to trust, and the row says so. Needs Python 3.11 and gpgv, and for
the tree of an image unsquashfs and root. Exit 0: all of it holds; 1: a part could not be checked;
3: something is wrong."""

import argparse
import base64
import bz2
import email.utils
import gzip
import hashlib
import json
import lzma
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zlib

import alpine
import cid
from common import Wrong, must, sha256
from ed25519 import is_signed

# The lock: docs/spec/lock.md

HEAD = re.compile(rb'(?:#[^\n]*\n)*lock = 1\ndigest = "([0-9a-f]{64})"\n')


def manifest_text(body):
    """The [manifest] of a lock as a manifest: without that word in front of its tables."""
    text = b"\n" + body.partition(b"\n[manifest]\n")[2]
    return re.sub(rb"\n(\[\[?)manifest\.", rb"\n\1", text)[1:]


def read_lock(text):
    head = HEAD.match(text)
    must(head, "its first lines are not those of a lock")
    body = text[head.end() :]
    must(sha256(body) == head[1].decode(), "the digest line does not fit what follows it")
    lock = tomllib.loads(text.decode())
    must(sha256(manifest_text(body)) == lock["manifest_digest"], "manifest_digest is another")
    return lock


def packages_of(lock):
    return [package for layer in lock.get("layer", []) for package in layer["packages"]]


def listed(lock, table):
    return lock.get(table, {}).get("packages", [])


def input_at(path):
    """Kind and sha256 of a file of the project."""
    if path.is_symlink():
        return "link", sha256(os.fsencode(os.readlink(path)))
    if path.is_dir():
        return "folder", sha256(b"")
    return ("executable" if path.stat().st_mode & 0o100 else "file"), sha256(path.read_bytes())


def check_inputs(lock, folder):
    inputs = lock.get("input", [])
    for item in inputs:
        found = input_at(folder / item["path"])
        must(found == (item["kind"], item["sha256"]), f"{item['path']} is not the locked one")
    return f"sha256 {lock['sha256']}, {len(inputs)} files of the project"


# The bundle: docs/spec/bundle.md


def read_bundle(file, lock):
    """Every blob by the sha256 of its bytes, and keyrings by repository."""
    files = {}
    with tarfile.open(file, "r:") as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            files[member.name.removeprefix("./")] = tar.extractfile(member).read()
    index = json.loads(files.pop("bundle.json"))
    must(
        sha256(files.pop("runtime.lock")) == lock["sha256"] == index["lock"],
        "it is of another lock",
    )
    blobs = {sha256(data): data for data in files.values()}
    must({f"blobs/{digest}" for digest in blobs} == set(files), "a blob has other bytes")
    keyrings = index["keyrings"]
    must({*index["blobs"], *keyrings.values()} == set(blobs), "its blobs are not those it names")
    return blobs, {name: blobs[digest] for name, digest in keyrings.items()}


def check_blobs(lock, blobs):
    """What the lock names by its hash."""
    items = [*packages_of(lock), *listed(lock, "python"), *listed(lock, "node")]
    items += [*lock.get("archive", []), *lock.get("init", [])]
    items = [item for item in items if item.get("from") != "file"]  # those are in the project
    for item in items:
        data = blobs.get(item["sha256"])
        must(data is not None, f"{item['name']} is not in the bundle")
        must(item.get("size", len(data)) == len(data), f"{item['name']} has another size")
        kind, _, value = item.get("integrity", "").partition("-")
        digest = hashlib.new(kind, data).digest() if kind else b""
        must(digest == base64.b64decode(value), f"{item['name']} has another integrity")
    return len(items)


# The chain from a signed index to a package


def stanzas(text):
    for block in re.split(r"\n\n+", text):
        fields = re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*(?:\n[ \t].*)*)", block, re.M)
        if fields:
            yield {name.lower(): value for name, value in fields}


def open_release(data, keyrings):
    """The signed text, and the fingerprints of the keys that signed it."""
    with tempfile.TemporaryDirectory() as folder:
        signed, text = pathlib.Path(folder, "signed"), pathlib.Path(folder, "text")
        signed.write_bytes(data)
        argv = ["gpgv", "--status-fd", "1", "--output", str(text)]
        for number, ring in enumerate(keyrings):
            pathlib.Path(folder, f"{number}.gpg").write_bytes(ring)
            argv += ["--keyring", f"{folder}/{number}.gpg"]
        run = subprocess.run([*argv, str(signed)], capture_output=True, check=False)
        status = run.stdout.decode(errors="replace")
        must("BADSIG" not in status and "REVKEYSIG" not in status, "its signature is bad")
        valid = [line.split() for line in re.findall(r"^\[GNUPG:\] VALIDSIG (.*)$", status, re.M)]
        must(valid and text.exists(), "no key of the keyring made its signature")
        return text.read_text(), {words[at] for words in valid for at in (0, -1)}


def unpacked(name, data):
    known: dict = {"xz": lzma.decompress, "gz": gzip.decompress, "bz2": bz2.decompress}
    return known.get(name.rpartition(".")[2], bytes)(data)


def debian_packages(repository, keyrings, blobs):
    """Name, version and architecture of every package of a signed index → (size, hash, path)."""
    text, signers = open_release(blobs[repository["index"]], keyrings)
    must(repository["signer"] in signers, "the signer is another key")
    release = next(stanzas(text))
    date = int(email.utils.parsedate_to_datetime(release["date"]).timestamp())
    must(date == repository["date"], f"its date is {release['date']}")
    suites = {release.get("suite"), release.get("codename"), f"{release.get('codename')}-updates"}
    suite = repository["suite"]
    must(suite in suites or suite.endswith("/"), f"it is of the suite {release.get('suite')}")
    lines = [line.split() for line in release["sha256"].splitlines() if line.strip()]
    lists = {digest: name for digest, _, name in lines if re.search(r"\bPackages(\.\w+)?$", name)}
    packages: dict = {}
    for digest in lists.keys() & blobs.keys():
        for fields in stanzas(unpacked(lists[digest], blobs[digest]).decode()):
            key = (fields["package"], fields["version"], fields["architecture"])
            path = fields["filename"].removeprefix("./")
            packages.setdefault(key, set()).add((int(fields["size"]), fields["sha256"], path))
    return packages


def pem_bytes(text):
    return base64.b64decode(re.sub(rb"-----.*?-----|\s", b"", text))


def known_packages(lock, blobs, bundled, keys):
    """Of each repository whose index is signed as the lock says."""
    of_alpine = lock["manifest"]["base"]["distro"] == "alpine"
    known = {}
    for repository in lock.get("repository", []):
        name = f"{repository['name']}/{repository['suite']}"
        must(repository["index"] in blobs, f"the signed index of {name} is not in the bundle")
        rings = keys or [bundled[name]]
        try:
            if of_alpine:
                known[name] = alpine.packages(repository, [*map(pem_bytes, rings)], blobs)
            else:
                known[name] = debian_packages(repository, rings, blobs)
        except Wrong as problem:
            raise Wrong(f"the index of {name}: {problem}") from None
    return known


def check_chain(lock, bundle, folder):
    blobs, bundled = read_bundle(bundle, lock)
    files = check_blobs(lock, blobs)
    patterns = ("*.gpg", "*.rsa.pub") if folder else ()
    keys = [path.read_bytes() for pattern in patterns for path in sorted(folder.glob(pattern))]
    known = known_packages(lock, blobs, bundled, keys)
    chosen = [package for package in packages_of(lock) if package["from"] in known]
    for package in chosen:
        key = (package["name"], package["version"], package["arch"])
        digest = package.get("identity", package["sha256"])
        found = known[package["from"]].get(key, set())
        must(
            {(package["size"], digest, path) for path in (package["path"], None)} & found,
            f"{' '.join(key)} is not in the index of {package['from']}",
        )
        if "identity" in package:
            alpine.check_package(package, blobs[package["sha256"]])
    text = f"{len(chosen)} packages in {len(known)} signed indexes, {files} files"
    return text + ("" if keys else ", by the bundle's own keys")


# The tree: docs/spec/tree.md


def escaped(data):
    return "".join(chr(b) if 0x20 < b < 0x7F and b != 0x25 else f"%{b:02X}" for b in data)


def attributes(full):
    found = []
    for name in sorted(os.listxattr(full, follow_symlinks=False), key=os.fsencode):
        value = os.getxattr(full, name, follow_symlinks=False)
        shown = escaped(os.fsencode(name)).replace(",", "%2C").replace("=", "%3D")
        found.append(f"{shown}={value.hex()}")
    return ",".join(found) or "-"


def line_of(root, path, first_names):
    full = os.path.join(root, path)
    info = os.lstat(full)
    letter = stat.filemode(info.st_mode)[0].replace("-", "f")
    detail = link = "-"
    if letter == "f":
        with open(full, "rb") as file:
            detail = f"{info.st_size}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    elif letter == "l":
        detail = escaped(os.readlink(full))
    elif letter in "cb":
        detail = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    if letter != "d" and info.st_nlink > 1:
        first = first_names.setdefault((info.st_dev, info.st_ino), path)
        link = "-" if first == path else "%2D" if first == b"-" else escaped(first)
    owner = f"{stat.S_IMODE(info.st_mode):04o} {info.st_uid} {info.st_gid}"
    return f"{escaped(path) or '.'} {letter} {owner} {detail} {link} {attributes(full)}\n"


def tree_digest(root):
    paths = [b""]
    for folder, names, files in os.walk(root):
        below = os.path.relpath(folder, root)
        paths += [os.path.normpath(os.path.join(below, name)) for name in names + files]
    first_names: dict = {}
    lines = [line_of(root, path, first_names) for path in sorted(paths)]
    return "2:" + sha256(("alephc-tree 2\n" + "".join(lines)).encode())


def accounts_of(path, count):
    """The name and the numbers of each account."""
    lines = path.read_text().splitlines() if path.is_file() else []
    fields = [line.split(":") for line in lines if line.count(":") >= count]
    return [":".join([each[0], *each[2 : count + 1]]) for each in fields]


def check_tree(image, receipt):
    must(receipt["format"] == "squashfs", None)
    must(os.geteuid() == 0 and shutil.which("unsquashfs"), None)
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(folder, "root")
        argv = ["unsquashfs", "-quiet", "-no-progress", "-dest", root, str(image)]
        done = subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode
        must(done == 0, "unsquashfs cannot read the image")
        found = tree_digest(os.fsencode(root))
        must(found == receipt["tree"], f"the image holds {found}, not {receipt['tree']}")
        for name, count, key in (("passwd", 3, "accounts"), ("group", 2, "groups")):
            accounts = accounts_of(pathlib.Path(root, "etc", name), count)
            must(accounts == receipt[key], f"{key} are not those of /etc/{name}")
        return found


# The receipt: docs/spec/receipt.md


def check_receipt(receipt, lock):
    must(receipt["receipt"] == 1, "it is of another version")
    must(receipt["lock"] == lock["sha256"], "it is of another lock")
    for key in ("epoch", "source_date_epoch"):
        must(receipt[key] == lock[key], f"{key} is not the lock's")
    return f"of the lock, about {receipt['sha256']}"


def check_image(receipt, image):
    with open(image, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        must((found, file.tell()) == (receipt["sha256"], receipt["size"]), "it has other bytes")
        for version in (0, 1):
            name = cid.of_file(file, version)
            must(name == receipt[f"cid_v{version}"], f"its CID is {name}")
    return receipt["cid_v0"]


# The statement: docs/spec/statement.md


def dependencies(lock):
    for at in lock.get("repository", []):
        yield f"index:{at['name']}:{at['suite']}", at["index"]
    for at in packages_of(lock):
        yield f"package:{at['name']}:{at['version']}:{at['arch']}", at["sha256"]
    for at in listed(lock, "python"):
        yield f"python:{at['file']}", at["sha256"]
    for at in listed(lock, "node"):
        yield f"npm:{at['name']}:{at['version']}", at["sha256"]
    for kind, key in (("archive", "name"), ("init", "name"), ("input", "path")):
        for at in lock.get(kind, []):
            yield f"{kind}:{at[key]}", at["sha256"]


def check_statement(envelope, key, lock, receipt):
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    must(kind == "application/vnd.in-toto+json", f"it is of the type {kind}")
    data = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signatures = [base64.b64decode(each["sig"]) for each in envelope["signatures"]]
    must(any(is_signed(key, each, data) for each in signatures), "the key did not sign it")
    said = json.loads(payload)
    definition = said["predicate"]["buildDefinition"]
    types = (said["_type"], said["predicateType"], definition["buildType"])
    wanted = ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1")
    must(types == (*wanted, "urn:alephc:build:1"), "it is about something else")
    (subject,) = said["subject"]
    must(subject["digest"]["sha256"] == receipt["sha256"], "it is about another image")
    parameters = definition["externalParameters"]
    must(parameters["lock"]["sha256"] == lock["sha256"], "it is about another lock")
    named = [(at["uri"], at["digest"]["sha256"]) for at in definition["resolvedDependencies"]]
    ours = [(f"urn:alephc:{name}", digest) for name, digest in dependencies(lock)]
    must(named == ours, "its dependencies are not the lock's")
    tree = said["predicate"]["runDetails"]["byproducts"][0]["digest"]
    must(f"2:{tree['alephcTree2']}" == receipt["tree"], "it is about another tree")
    return "signed by the key, about this lock, image and tree"


FAULTS: tuple = (Wrong, KeyError, ValueError, IndexError, TypeError, OSError, EOFError)
FAULTS += (tarfile.TarError, zlib.error, lzma.LZMAError)


def check(what, action):
    """Prints the row; what the action returns."""
    try:
        text = action()
    except FAULTS as problem:
        undecided = problem.args == (None,)
        why = "needs a squashfs, unsquashfs and root" if undecided else problem
        print(f"{'unchecked' if undecided else 'WRONG':9} {what}: {why}")
        return 1 if undecided else 3
    print(f"{'ok':9} {what}: {text}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=pathlib.Path)
    for name in ("bundle", "keys", "receipt", "image", "statement", "key"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    given = parser.parse_args()
    lock: dict = {}

    def the_lock():
        text = given.lock.read_bytes()
        lock.update(read_lock(text), sha256=sha256(text))
        return check_inputs(lock, given.lock.parent)

    results = [check("lock", the_lock)]
    receipt = json.loads(given.receipt.read_bytes()) if given.receipt else {}
    if given.bundle and lock:
        results.append(check("chain", lambda: check_chain(lock, given.bundle, given.keys)))
    if receipt:
        results.append(check("receipt", lambda: check_receipt(receipt, lock)))
    if given.image:
        results.append(check("image", lambda: check_image(receipt, given.image)))
        results.append(check("tree", lambda: check_tree(given.image, receipt)))
    if given.statement:
        envelope = json.loads(given.statement.read_bytes())
        key = pem_bytes(given.key.read_bytes())[-32:]
        results.append(check("statement", lambda: check_statement(envelope, key, lock, receipt)))
    sys.exit(max(results))


if __name__ == "__main__":
    main()
