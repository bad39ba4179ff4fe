"""Alpine packages, indexes and keys made by the tests: nothing of it comes from a network."""
import base64
import gzip
import hashlib
import io
import pathlib
import subprocess
import tarfile
import zlib

BUILD_TIME = 1700000000


def run(*argv, data=None):
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


class Key:
    """An RSA key pair; signatures name it by the name of its public file."""

    def __init__(self, folder, name="test@example.org-00000001"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.private, self.public = self.folder / f"{name}.rsa", self.folder / f"{name}.rsa.pub"
        run("openssl", "genrsa", "-out", str(self.private), "2048")
        run("openssl", "rsa", "-in", str(self.private), "-pubout", "-out", str(self.public))

    @property
    def fingerprint(self):
        return (
            hashlib.sha256(
                run("openssl", "rsa", "-pubin", "-in", str(self.public), "-outform", "DER")
            )
            .hexdigest()[:40]
            .upper()
        )

    def sign(self, data, algorithm="RSA"):
        digest = {"RSA": "-sha1", "RSA256": "-sha256", "RSA512": "-sha512"}[algorithm]
        signature = run("openssl", "dgst", digest, "-sign", str(self.private), data=data)
        return f".SIGN.{algorithm}.{self.public.name}", signature


def with_xattrs(entry, xattrs):
    entry.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in xattrs.items()}
    return entry


def info(
    name,
    type=tarfile.REGTYPE,
    size=0,
    mode=0o644,
    mtime=BUILD_TIME,
    user="root",
    uid=0,
    group=None,
    gid=None,
    link="",
):
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.mode, entry.mtime, entry.linkname = type, size, mode, mtime, link
    entry.uname, entry.gname = user, user if group is None else group
    entry.uid, entry.gid = uid, uid if gid is None else gid
    return entry


def member(entries, end):
    """A gzip member with a tar; without the end of an archive if another follows."""
    raw = io.BytesIO()
    tar = tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT)
    for entry, data in entries:
        if not entry.name.startswith("."):
            digest = sha1_of(entry, data)
            if digest:
                entry.pax_headers = {**entry.pax_headers, "APK-TOOLS.checksum.SHA1": digest}
        tar.addfile(entry, io.BytesIO(data) if data is not None else None)
    size = tar.offset
    data = raw.getvalue()[:size]
    if end:
        data += b"\0" * 1024
    return gzip.compress(data, 6, mtime=0)


def split_members(data):
    """The gzip members of a file, as they are: a signature may hold any bytes, so they are found by
    reading."""
    members = []
    while data:
        reader = zlib.decompressobj(31)
        reader.decompress(data)
        members.append(data[: len(data) - len(reader.unused_data)])
        data = reader.unused_data
    return members


def sha1_of(entry, data):
    if entry.type == tarfile.REGTYPE:
        return hashlib.sha1(data).hexdigest()
    return (
        hashlib.sha1(entry.linkname.encode()).hexdigest() if entry.type == tarfile.SYMTYPE else None
    )


def identity_of(control):
    return "Q1" + base64.b64encode(hashlib.sha1(control).digest()).decode()


class Package:
    """files: path → text, or ("dir", mode), ("link", target), ("hard", path), ("file", text, mode[,
    user, uid]). scripts: type → text."""

    LISTS = ("depend", "provides", "install_if", "replaces", "triggers")

    def __init__(
        self,
        name,
        version="1.0-r0",
        files=None,
        scripts=None,
        arch="x86_64",
        entries=None,
        datahash=True,
        **fields,
    ):
        self.has_datahash = datahash
        self.name, self.version, self.arch = name, version, arch
        self.scripts, self.fields = scripts or {}, fields
        self.entries = entries if entries is not None else self.entries_of(files or {})

    @staticmethod
    def entries_of(files):
        entries, folders = [], set()
        for path in sorted(files):
            for parent in reversed(pathlib.PurePosixPath(path).parents):
                if str(parent) != "." and str(parent) not in folders:
                    folders.add(str(parent))
                    if str(parent) not in files:
                        entries.append((info(str(parent), tarfile.DIRTYPE, mode=0o755), None))
            what = files[path] if isinstance(files[path], tuple) else ("file", files[path], 0o644)
            if what[0] == "dir":
                folders.add(path)
                entries.append((info(path, tarfile.DIRTYPE, mode=what[1], **owner(what[2:])), None))
            elif what[0] == "link":
                entries.append((info(path, tarfile.SYMTYPE, mode=0o777, link=what[1]), None))
            elif what[0] == "hard":
                entries.append((info(path, tarfile.LNKTYPE, link=what[1]), None))
            else:
                data = what[1].encode() if isinstance(what[1], str) else what[1]
                entries.append((info(path, size=len(data), mode=what[2], **owner(what[3:])), data))
        return entries

    @property
    def installed_size(self):
        """0 means to apk that there is nothing to unpack."""
        return sum(max(1, entry.size) for entry, _ in self.entries) + len(self.scripts)

    def make(self, key=None):
        """The bytes; with them self.identity and self.size are known."""
        data = member(self.entries, True)
        lines = [
            f"pkgname = {self.name}",
            f"pkgver = {self.version}",
            f"pkgdesc = Test package {self.name}",
            "url = https://example.org/",
            f"builddate = {BUILD_TIME}",
            f"size = {self.installed_size}",
            f"arch = {self.arch}",
            f"origin = {self.fields.get('origin', self.name)}",
            "commit = 0123456789abcdef0123456789abcdef01234567",
            "maintainer = Test <test@example.org>",
            "license = MIT",
        ]
        for key_name, value in self.fields.items():
            if key_name == "origin":
                continue
            if key_name == "triggers":
                value = [" ".join(value)]
            for each in value if isinstance(value, (list, tuple)) else [value]:
                lines.append(f"{key_name} = {each}")
        if self.has_datahash:
            lines.append(f"datahash = {hashlib.sha256(data).hexdigest()}")
        text = ("\n".join(lines) + "\n").encode()
        control_entries = [(info(".PKGINFO", size=len(text)), text)]
        for kind, script in self.scripts.items():
            control_entries.append(
                (info(f".{kind}", size=len(script), mode=0o755), script.encode())
            )
        control = member(control_entries, False)
        self.identity = identity_of(control)
        signature = b""
        if key:
            name, signed = key.sign(control)
            signature = member([(info(name, size=len(signed)), signed)], False)
        self.parts = (signature, control, data)
        self.bytes = signature + control + data
        self.size = len(self.bytes)
        return self.bytes

    def stanza(self):
        lines = [
            f"C:{self.identity}",
            f"P:{self.name}",
            f"V:{self.version}",
            f"A:{self.arch}",
            f"S:{self.size}",
            f"I:{self.installed_size}",
            f"T:Test package {self.name}",
            "U:https://example.org/",
            "L:MIT",
            f"o:{self.fields.get('origin', self.name)}",
            "m:Test <test@example.org>",
            f"t:{BUILD_TIME}",
            "c:0123456789abcdef0123456789abcdef01234567",
        ]
        if "provider_priority" in self.fields:
            lines.append(f"k:{self.fields['provider_priority']}")
        for letter, key_name in (("D", "depend"), ("p", "provides"), ("i", "install_if")):
            value = self.fields.get(key_name)
            if value:
                lines.append(
                    f"{letter}:{' '.join(value if isinstance(value, (list, tuple)) else [value])}"
                )
        return "\n".join(lines) + "\n"


def owner(values):
    return dict(zip(("user", "uid"), values))


class Repository:
    """A folder as `apk` wants it: FOLDER/x86_64/{APKINDEX.tar.gz,*.apk}."""

    def __init__(self, folder, key, arch="x86_64"):
        self.folder, self.key, self.arch = pathlib.Path(folder), key, arch
        self.packages = []
        (self.folder / arch).mkdir(parents=True, exist_ok=True)

    def add(self, *packages):
        for package in packages:
            self.packages.append(package)
            # apk looks below the architecture that the index gives the package.
            (self.folder / package.arch).mkdir(exist_ok=True)
            (self.folder / package.arch / f"{package.name}-{package.version}.apk").write_bytes(
                package.make(self.key)
            )
        return self

    def write(self, time=BUILD_TIME, algorithm="RSA", key=None):
        text = "".join(package.stanza() + "\n" for package in self.packages).encode()
        description = b"test"
        index = member(
            [
                (info("DESCRIPTION", size=len(description), mtime=time), description),
                (info("APKINDEX", size=len(text), mtime=time), text),
            ],
            True,
        )
        name, signed = (key or self.key).sign(index, algorithm)
        (self.folder / self.arch / "APKINDEX.tar.gz").write_bytes(
            member([(info(name, size=len(signed)), signed)], False) + index
        )
        return self


def repack(root, key=None):
    """Packages out of what apk's database in a folder says is installed there: the same files and
    scripts under the same names."""
    root = pathlib.Path(root)
    scripts: dict[str, dict] = {}
    with tarfile.open(root / "lib/apk/db/scripts.tar") as tar:
        for entry in tar:
            stem, identity, kind = entry.name.rsplit(".", 2)
            scripts.setdefault(identity, {})[kind] = tar.extractfile(entry).read().decode()
    triggers = {}
    for line in (root / "lib/apk/db/triggers").read_text().splitlines():
        identity, *globs = line.split()
        triggers[identity] = globs
    for stanza in (root / "lib/apk/db/installed").read_text().strip().split("\n\n"):
        yield repack_one(root, stanza, scripts, triggers)


def repack_one(root, stanza, scripts, triggers):
    fields, entries, folder = {}, [], ""
    for line in stanza.splitlines():
        letter, value = line[0], line[2:]
        if letter == "F":
            folder = value
            if folder:
                entries.append((info(folder, tarfile.DIRTYPE, mode=0o755), None))
        elif letter in "Ma":
            uid, gid, mode = value.split(":")[:3]
            entry = entries[-1][0]
            if entry.type != tarfile.SYMTYPE:
                entry.mode = int(mode, 8)
            entry.uid, entry.gid, entry.uname, entry.gname = int(uid), int(gid), "", ""
        elif letter == "R":
            path = f"{folder}/{value}".lstrip("/")
            place = root / path
            if place.is_symlink():
                entries.append(
                    (info(path, tarfile.SYMTYPE, mode=0o777, link=str(place.readlink())), None)
                )
            else:
                data = place.read_bytes()
                entries.append((info(path, size=len(data)), data))
        elif letter not in "Z":
            fields[letter] = value
    extra = {}
    for letter, key_name in (
        ("D", "depend"),
        ("p", "provides"),
        ("i", "install_if"),
        ("r", "replaces"),
    ):
        if letter in fields:
            extra[key_name] = fields[letter].split()
    for letter, key_name in (("q", "replaces_priority"), ("k", "provider_priority")):
        if letter in fields:
            extra[key_name] = fields[letter]
    if fields["C"] in triggers:
        extra["triggers"] = triggers[fields["C"]]
    return Package(
        fields["P"],
        fields["V"],
        scripts=scripts.get(fields["C"], {}),
        entries=entries,
        origin=fields["o"],
        **extra,
    )
