"""Ways to tamper with what vouches for an image. Each makes files beside the honest ones and gives
the arguments of check.py that must find it."""

import base64
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import cid

LINE_OF_PACKAGE = re.compile(r'^  \{ name = "[^"]+", version.*\},\n', re.M)


def sealed(text):
    """A lock's text with the digest line that fits it."""
    head, _, body = text.partition("\n")[2].partition("\n")
    line, _, body = body.partition("\n")
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{text.partition(chr(10))[0]}\n{head}\ndigest = "{digest}"\n{body}'


def another_digit(random, text):
    """One digit of a hexadecimal number is another one."""
    at = random.choice([at for at, letter in enumerate(text) if letter in "0123456789abcdef"])
    return text[:at] + random.choice(sorted(set("0123456789abcdef") - {text[at]})) + text[at + 1 :]


def another_bit(random, data, start=0):
    at = random.randrange(start, len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


class Evidence:
    """The honest files in a folder: runtime.lock with its project, bundle, image, receipt,
    statement and its key."""

    def __init__(self, folder):
        self.folder, self.count = pathlib.Path(folder), 0
        self.lock = (self.folder / "runtime.lock").read_text()
        self.receipt = json.loads((self.folder / "receipt.json").read_text())
        self.statement = json.loads((self.folder / "statement.json").read_text())
        with tarfile.open(self.folder / "bundle.tar") as tar:
            files = [member for member in tar if member.isfile()]
            self.members = {file.name: tar.extractfile(file).read() for file in files}
        self.prefix = "./" if "./bundle.json" in self.members else ""

    def put(self, name, data):
        self.count += 1
        path = self.folder / f"tampered-{self.count}-{name}"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def arguments(self, **changed):
        """Of check.py: the files that say something about what changed, the others honest. What
        would find any change at all, such as a statement of a lock that was made to fit, is left
        out: it must be found by what was changed."""
        names = {"lock": "runtime.lock", "bundle": "bundle.tar", "receipt": "receipt.json"}
        if "statement" in changed:
            names = {"lock": "runtime.lock", "receipt": "receipt.json", "key": "key.pub"}
        elif "image" in changed:
            names = {"lock": "runtime.lock", "receipt": "receipt.json"}
        files = {key: self.folder / name for key, name in names.items()} | changed
        options = [word for key in files if key != "lock" for word in (f"--{key}", files[key])]
        return [files["lock"], *options]

    def bundle(self, lock=None, changes=None, blobs=None):
        """Packed again. changes: of members; blobs: old hash → new bytes, under their own hash."""
        members = self.members | (changes or {})
        index = json.loads(members[self.prefix + "bundle.json"])
        for old, data in (blobs or {}).items():
            new = hashlib.sha256(data).hexdigest()
            del members[f"{self.prefix}blobs/{old}"]
            members[f"{self.prefix}blobs/{new}"] = data
            index["blobs"] = [new if digest == old else digest for digest in index["blobs"]]
            names = index["keyrings"]
            index["keyrings"] = {key: new if names[key] == old else names[key] for key in names}
        if lock is not None:
            members[self.prefix + "runtime.lock"] = lock.encode()
            index["lock"] = hashlib.sha256(lock.encode()).hexdigest()
        members[self.prefix + "bundle.json"] = json.dumps(index).encode()
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return self.put("bundle.tar", out.getvalue())

    def forged(self, lock):
        """A lock, and everything that only repeats its hash: what is left is its own promise."""
        text = sealed(lock)
        digest = hashlib.sha256(text.encode()).hexdigest()
        receipt = self.put("receipt.json", json.dumps(self.receipt | {"lock": digest}))
        return {"lock": self.put("lock", text), "bundle": self.bundle(text), "receipt": receipt}

    def forged_arguments(self, lock):
        return self.arguments(**self.forged(lock))


# Each takes the random numbers and the evidence, and gives (what was done, arguments).


def byte_of_the_lock(random, evidence):
    body = evidence.lock.index("digest = ")
    at = random.randrange(body, len(evidence.lock))
    text = evidence.lock[:at] + random.choice("abcx019") + evidence.lock[at + 1 :]
    if text == evidence.lock:
        text += "\n"
    return f"byte {at} of the lock", evidence.arguments(lock=evidence.put("lock", text))


def field_of_a_package(random, evidence):
    line = random.choice(LINE_OF_PACKAGE.findall(evidence.lock))
    name = random.choice(["name", "version", "arch", "size", "sha256", "path"])
    start, old, end = re.split(rf'(?<= {name} = )"?([^",]+)', line, maxsplit=1)
    new = {"size": f"{old}1", "sha256": another_digit(random, old)}.get(name, f"{old}0")
    quote = "" if name == "size" else '"'
    lock = evidence.lock.replace(line, f"{start}{quote}{new}{end}")
    return f"{name} of a package, all hashes made to fit", evidence.forged_arguments(lock)


def swapped_package(random, evidence):
    """Two packages change their files: each file is one that the index knows."""
    lines = random.sample(LINE_OF_PACKAGE.findall(evidence.lock), 2)
    files = [re.search(r'size = \d+, sha256 = "\w+"', line)[0] for line in lines]
    lock = evidence.lock
    for line, ours, others in zip(lines, files, files[::-1], strict=True):
        lock = lock.replace(line, line.replace(ours, others))
    return "the files of two packages swapped", evidence.forged_arguments(lock)


def backdoored_package(random, evidence):
    line = random.choice(LINE_OF_PACKAGE.findall(evidence.lock))
    digest, size = re.search(r'size = (\d+), sha256 = "(\w+)"', line).group(2, 1)
    data = another_bit(random, evidence.members[f"{evidence.prefix}blobs/{digest}"])
    lock = sealed(evidence.lock.replace(digest, hashlib.sha256(data).hexdigest()))
    files = evidence.forged(lock) | {"bundle": evidence.bundle(lock, blobs={digest: data})}
    return f"a package of {size} bytes with another bit, in lock and bundle", evidence.arguments(
        **files
    )


def repository_of_the_lock(random, evidence):
    block = random.choice(re.findall(r"\[\[repository\]\]\n(?:.+\n)+", evidence.lock))
    name = random.choice(["suite", "date", "signer", "index"])
    old = re.search(rf'^{name} = "?([^"\n]+)', block, re.M)[1]
    new = (
        str(int(old) + 3600)
        if name == "date"
        else "trixie"
        if name == "suite"
        else another_digit(random, old)
    )
    lock = evidence.lock.replace(block, block.replace(old, new))
    return f"{name} of a repository", evidence.forged_arguments(lock)


def manifest_of_the_lock(random, evidence):
    head, mark, manifest = evidence.lock.partition("\n[manifest]\n")
    word = random.choice(
        ['name = "', 'target = "', "schema = ", 'release = "', 'distro = "', "[manifest."]
    )
    assert mark
    lines = [line for line in manifest.splitlines() if word in line] or [manifest.splitlines()[0]]
    line = random.choice(lines)
    lock = (
        head
        + mark
        + manifest.replace(
            line, line + "# " if line.endswith("]") else line[:-1] + "x" + line[-1], 1
        )
    )
    return "the manifest in the lock", evidence.forged_arguments(lock)


def blob_of_the_bundle(random, evidence):
    name = random.choice([name for name in evidence.members if "blobs/" in name])
    data = another_bit(random, evidence.members[name])
    if random.random() < 0.5:
        return "a bit of a blob", evidence.arguments(bundle=evidence.bundle(changes={name: data}))
    old = name.rpartition("/")[2]
    return "a blob under its new hash", evidence.arguments(
        bundle=evidence.bundle(blobs={old: data})
    )


def signed_index(random, evidence):
    """A bit of the text that is signed, with the lock made to fit."""
    old = random.choice(re.findall(r'^index = "(\w+)"', evidence.lock, re.M))
    data = evidence.members[f"{evidence.prefix}blobs/{old}"]
    end = data.find(b"-----BEGIN PGP SIGNATURE")
    at = random.randrange(data.index(b"\n\n") + 2, end if end > 0 else len(data))
    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    lock = sealed(evidence.lock.replace(old, hashlib.sha256(data).hexdigest()))
    files = evidence.forged(lock) | {"bundle": evidence.bundle(lock, blobs={old: data})}
    return "a signed index, with the lock made to fit", evidence.arguments(**files)


def project_file(random, evidence):
    block = random.choice(re.findall(r"\[\[input\]\]\n(?:.+\n)+", evidence.lock))
    old = re.search(r'sha256 = "(\w+)"', block)[1]
    lock = evidence.lock.replace(old, another_digit(random, old))
    return "a file of the project", evidence.forged_arguments(lock)


def field_of_the_receipt(random, evidence):
    keys = ["lock", "epoch", "source_date_epoch", "size", "sha256", "cid_v0", "cid_v1", "tree"]
    name = random.choice([*keys, "accounts", "groups"])
    old = evidence.receipt[name]
    if isinstance(old, str):
        changed: object = old[:-1] + ("b" if old[-1] == "a" else "a")
    else:
        changed = old[1:] if isinstance(old, list) else old + 1
    receipt = evidence.put("receipt.json", json.dumps(evidence.receipt | {name: changed}))
    return f"{name} of the receipt", evidence.arguments(
        receipt=receipt, image=evidence.folder / "image"
    )


def bit_of_the_image(random, evidence):
    image = evidence.put("image", another_bit(random, (evidence.folder / "image").read_bytes()))
    return "a bit of the image", evidence.arguments(image=image)


def file_of_the_image(random, evidence):
    """Packed again with a change, and with a receipt whose hashes are those of the new file."""
    root = evidence.folder / "root"
    if not root.exists():
        argv = ["unsquashfs", "-quiet", "-no-progress", "-dest", root, evidence.folder / "image"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    changed = evidence.folder / "changed"
    shutil.rmtree(changed, ignore_errors=True)
    subprocess.run(["cp", "-a", root, changed], check=True)
    files = sorted(
        path for path in (changed / "etc").iterdir() if path.is_file() and not path.is_symlink()
    )
    path = random.choice(files)
    changes = {
        "contents": lambda: path.write_bytes(path.read_bytes() + b"\n"),
        "a mode": lambda: path.chmod(path.stat().st_mode ^ 0o020),
        "a setuid bit": lambda: path.chmod(path.stat().st_mode | 0o4000),
        "an owner": lambda: os.chown(path, 1000, -1),
        "a group": lambda: os.chown(path, -1, 1000),
        "a file more": lambda: (changed / "etc" / "cron.daily-2").write_text("#!/bin/sh\n"),
        "a file less": path.unlink,
        "a link's target": lambda: (
            (changed / "bin").unlink(),
            (changed / "bin").symlink_to("usr/sbin"),
        ),
        "an attribute": lambda: os.setxattr(path, "user.x", b"1"),
        "a hard link": lambda: os.link(path, changed / "etc" / "another-name"),
        "a device": lambda: os.mknod(changed / "dev" / "memory", 0o20666, os.makedev(1, 1)),
    }
    what = random.choice(sorted(changes))
    changes[what]()
    image = evidence.folder / "changed.squashfs"
    image.unlink(missing_ok=True)
    argv = [
        "mksquashfs",
        changed,
        image,
        "-quiet",
        "-no-progress",
        "-comp",
        "gzip",
        "-Xcompression-level",
        "1",
    ]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    with open(image, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        names = {f"cid_v{version}": cid.of_file(file, version) for version in (0, 1)}
    fitting = evidence.receipt | {"sha256": sha256, "size": image.stat().st_size} | names
    receipt = evidence.put("receipt.json", json.dumps(fitting))
    what = f"{what} in the image, all hashes made to fit"
    return what, evidence.arguments(receipt=receipt, image=image)


def statement_bytes(random, evidence):
    payload = base64.b64decode(evidence.statement["payload"])
    name = random.choice(["payload", "signature", "type"])
    statement = json.loads(json.dumps(evidence.statement))
    if name == "payload":
        statement["payload"] = base64.b64encode(another_bit(random, payload)).decode()
    elif name == "signature":
        signature = base64.b64decode(statement["signatures"][0]["sig"])
        statement["signatures"][0]["sig"] = base64.b64encode(
            another_bit(random, signature)
        ).decode()
    else:
        statement["payloadType"] += "x"
    changed = evidence.put("statement.json", json.dumps(statement))
    return f"{name} of the statement", evidence.arguments(statement=changed)


def signed_statement(random, evidence):
    """Signed by the right key, about something else."""
    payload = json.loads(base64.b64decode(evidence.statement["payload"]))
    definition = payload["predicate"]["buildDefinition"]
    places = {
        "image": payload["subject"][0]["digest"],
        "lock": definition["externalParameters"]["lock"],
        "dependency": random.choice(definition["resolvedDependencies"])["digest"],
        "tree": payload["predicate"]["runDetails"]["byproducts"][0]["digest"],
    }
    what = random.choice(sorted(places))
    key = next(iter(places[what]))
    places[what][key] = another_digit(random, places[what][key])
    text, kind = json.dumps(payload).encode(), evidence.statement["payloadType"]
    data = evidence.put("signed", f"DSSEv1 {len(kind)} {kind} {len(text)} ".encode() + text)
    signature = data.with_suffix(".sig")
    argv = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", evidence.folder / "key"]
    subprocess.run([*argv, "-in", data, "-out", signature], check=True)
    sig = base64.b64encode(signature.read_bytes()).decode()
    statement = {
        "payloadType": kind,
        "payload": base64.b64encode(text).decode(),
        "signatures": [{"sig": sig}],
    }
    changed = evidence.put("statement.json", json.dumps(statement))
    return f"{what} of a signed statement", evidence.arguments(statement=changed)


KINDS = [
    byte_of_the_lock,
    field_of_a_package,
    swapped_package,
    backdoored_package,
    repository_of_the_lock,
    manifest_of_the_lock,
    blob_of_the_bundle,
    signed_index,
    project_file,
    field_of_the_receipt,
    bit_of_the_image,
    file_of_the_image,
    statement_bytes,
    signed_statement,
]
