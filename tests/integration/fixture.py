"""A signed package archive of our own on loopback: real Debian packages of the minimal system,
fetched once through this machine's mirror, plus packages made here. The server can be told to
misbehave."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import tomllib
import urllib.parse

from http_server import Handler, HttpServer


class Skip(Exception):
    pass


def run(*argv, check=True, **options):
    result = subprocess.run(
        argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options
    )
    if check and result.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {result.stderr[-2000:]}")
    return result


class Server(HttpServer):
    """Serves a folder, also as a proxy for any host; faults maps a part of a path to what goes
    wrong there, login is "name:password" or None."""

    def __init__(self, folder):
        self.folder, self.login = folder, None
        self.faults: dict[str, str] = {}
        self.requests: list[str] = []
        outer = self

        class FolderHandler(Handler):
            def do_GET(self):
                outer.requests.append(self.path)
                fault = next(
                    (what for part, what in outer.faults.items() if part in self.path), None
                )
                if not self.is_allowed(outer.login):
                    return self.answer(401, b"")
                file = outer.folder / urllib.parse.urlparse(self.path).path.lstrip("/")
                if fault == "gone" or not file.is_file():
                    return self.answer(404, b"")
                data = file.read_bytes()
                if fault == "error":
                    return self.answer(503, b"")
                if fault == "flip":
                    data = data[:-1] + bytes([data[-1] ^ 1])
                start = 0
                wanted = self.headers.get("Range")
                if wanted:
                    start = int(wanted.split("=")[1].split("-")[0])
                    if start >= len(data):
                        return self.answer(416, b"")
                status = 206 if wanted else 200
                self.send_response(status)
                self.send_header("Content-Length", str(len(data) - start))
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                self.end_headers()
                body = data[start:]
                if fault in ("truncate", "stall"):
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    if fault == "stall":
                        time.sleep(30)
                    self.close_connection = True
                    return
                if fault == "truncate-once":
                    outer.faults = {
                        part: what for part, what in outer.faults.items() if what != "truncate-once"
                    }
                    self.wfile.write(body[: len(body) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(body)

        super().__init__(FolderHandler)


class Archive:
    """dists/ and pool/ with a throw-away key. The suite is called test."""

    def __init__(self, folder):
        self.folder = folder
        self.gnupg = folder / "gnupg"
        self.gnupg.mkdir(mode=0o700)
        self.root = folder / "debian"
        (self.root / "pool").mkdir(parents=True)
        self.gpg(
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            "Fixture <f@example.org>",
            "ed25519",
            "sign",
            "never",
        )
        self.key = folder / "key.gpg"
        self.key.write_bytes(
            subprocess.run(
                ["gpg", "--homedir", str(self.gnupg), "--export"], capture_output=True, check=True
            ).stdout
        )
        listing = self.gpg("--list-keys", "--with-colons").stdout
        self.fingerprint = next(
            line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")
        )
        self.server = Server(folder)

    def gpg(self, *arguments):
        return run("gpg", "--homedir", str(self.gnupg), "--pinentry-mode", "loopback", *arguments)

    def add_package(self, name, version="1", files=(), scripts=(), fields="", tar=None):
        """files: (path, text, mode); tar: a raw data.tar instead."""
        with tempfile.TemporaryDirectory() as work_name:
            work = pathlib.Path(work_name)
            (work / "p/DEBIAN").mkdir(parents=True)
            (work / "p/DEBIAN/control").write_text(
                f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: F <f@example.org>\n{fields}Description: fixture\n"
            )
            for path, text, mode in files:
                file = work / "p" / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
                file.chmod(mode)
            for script, text in scripts:
                (work / "p/DEBIAN" / script).write_text(text)
                (work / "p/DEBIAN" / script).chmod(0o755)
            sums = [
                f"{hashlib.md5((work / 'p' / path).read_bytes()).hexdigest()}  {path}\n"
                for path, _, _ in files
            ]
            (work / "p/DEBIAN/md5sums").write_text("".join(sums))
            conffiles = [f"/{path}\n" for path, _, _ in files if path.startswith("etc/")]
            if conffiles:
                (work / "p/DEBIAN/conffiles").write_text("".join(conffiles))
            deb = self.root / f"pool/{name}_{version}_amd64.deb"
            run("dpkg-deb", "-Zgzip", "--root-owner-group", "-b", str(work / "p"), str(deb))
            if tar is not None:
                (work / "debian-binary").write_text("2.0\n")
                (work / "data.tar").write_bytes(tar)
                run("dpkg-deb", "-e", str(deb), str(work / "control"))
                run("tar", "-C", str(work / "control"), "-cf", str(work / "control.tar"), ".")
                deb.unlink()
                run("ar", "rc", str(deb), "debian-binary", "control.tar", "data.tar", cwd=work)
            return deb

    def publish(
        self, date="Mon, 02 Nov 2026 00:00:00 UTC", valid_until=None, architectures=("amd64",)
    ):
        suite = self.root / "dists/test"
        lines = [
            "Origin: Fixture",
            "Suite: test",
            "Codename: test",
            f"Date: {date}",
            f"Architectures: {' '.join(architectures)}",
            "Components: main",
            "Acquire-By-Hash: no",
        ]
        lines += [f"Valid-Until: {valid_until}"] if valid_until else []
        lines.append("SHA256:")
        for arch in architectures:
            place = f"main/binary-{arch}"
            binary = suite / place
            binary.mkdir(parents=True, exist_ok=True)
            packages = run(
                "apt-ftparchive", "--arch", arch, "packages", "pool", cwd=self.root
            ).stdout
            (binary / "Packages").write_text(packages)
            run("xz", "-kf", str(binary / "Packages"))
            for name in ("Packages", "Packages.xz"):
                data = (binary / name).read_bytes()
                lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {place}/{name}")
        (suite / "Release").write_text("\n".join(lines) + "\n")
        self.sign(suite)

    def sign(self, suite, *options):
        """Makes suite/InRelease of suite/Release; options go to gpg."""
        (suite / "InRelease").unlink(missing_ok=True)
        self.gpg(
            "--batch",
            "--passphrase",
            "",
            *options,
            "--clearsign",
            "-o",
            str(suite / "InRelease"),
            str(suite / "Release"),
        )

    @property
    def url(self):
        return self.server.url + "/debian"


class UbuntuArchive(Archive):
    """Laid out and signed as Ubuntu's: pockets of one archive, by-hash, no end of validity,
    packages packed with zstd."""

    def __init__(self, folder):
        folder.mkdir()
        super().__init__(folder)

    def repack(self, deb):
        with tempfile.TemporaryDirectory() as work:
            run("dpkg-deb", "-R", str(deb), f"{work}/p")
            run("dpkg-deb", "-Zzstd", "-b", f"{work}/p", str(deb))

    def publish_pocket(self, suite, pools, date):
        """pools: component → folder below the archive."""
        root = self.root / "dists" / suite
        lines = [
            "Origin: Ubuntu",
            "Label: Ubuntu",
            f"Suite: {suite}",
            "Version: 22.04",
            f"Codename: {suite.split('-')[0]}",
            f"Date: {date}",
            "Architectures: amd64 arm64 armhf i386 ppc64el riscv64 s390x",
            "Components: main restricted universe multiverse",
            "Acquire-By-Hash: yes",
            "SHA256:",
        ]
        for component in ("main", "restricted", "universe", "multiverse"):
            binary = root / component / "binary-amd64"
            (binary / "by-hash/SHA256").mkdir(parents=True)
            packages = (
                run("apt-ftparchive", "packages", pools[component], cwd=self.root).stdout
                if component in pools
                else ""
            )
            (binary / "Packages").write_text(packages)
            run("xz", "-kf", str(binary / "Packages"))
            for name in ("Packages", "Packages.xz"):
                data = (binary / name).read_bytes()
                digest = hashlib.sha256(data).hexdigest()
                (binary / "by-hash/SHA256" / digest).write_bytes(data)
                lines.append(f" {digest} {len(data)} {component}/binary-amd64/{name}")
            (binary / "Packages").unlink()  # the archive has the packed ones only
        (root / "Release").write_text("\n".join(lines) + "\n")
        self.gpg(
            "--batch",
            "--passphrase",
            "",
            "--clearsign",
            "-o",
            str(root / "InRelease"),
            str(root / "Release"),
        )


def base_packages(alephc, cache):
    """The minimal Debian 12 as .deb files, fetched through this machine's own mirror."""
    done = cache / "complete"
    if done.exists():
        return cache / "debs"
    project = cache / "project"
    project.mkdir(parents=True, exist_ok=True)
    (project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "base"\n[base]\ndistro = "debian"\nrelease = "bookworm"\n'
        'suites = ["bookworm"]\n[init]\nprogram = "none"\n'
    )
    store = cache / "store"
    result = run(
        alephc,
        "--store",
        str(store),
        "build",
        str(project),
        "-o",
        str(cache / "base.squashfs"),
        check=False,
        env={key: value for key, value in os.environ.items() if key != "CI"},
    )
    if result.returncode == 1 and "no mirror" in result.stderr:
        raise Skip("no Debian mirror can be reached")
    if result.returncode != 0:
        raise RuntimeError(result.stderr)
    lock = tomllib.loads((project / "runtime.lock").read_text())
    (cache / "debs").mkdir()
    for layer in lock["layer"]:
        for package in layer["packages"]:
            name = (
                f'{package["name"]}_{package["version"].replace(":", "%3a")}_{package["arch"]}.deb'
            )
            shutil.copy(
                store / "blobs" / package["sha256"][:2] / package["sha256"], cache / "debs" / name
            )
    done.touch()
    return cache / "debs"
