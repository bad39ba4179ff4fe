"""A Python package index and an npm registry on loopback, with packages made by the tests."""
import base64
import hashlib
import io
import json
import re
import tarfile
import zipfile

from http_server import Handler, HttpServer


def wheel(name, version, files, tag="py3-none-any", requires=(), scripts=()):
    """(file name, bytes) of a wheel."""
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": "\n".join(
            [
                "Metadata-Version: 2.1",
                f"Name: {name}",
                f"Version: {version}",
                *(f"Requires-Dist: {each}" for each in requires),
            ]
        )
        + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if scripts:
        members[f"{info}/entry_points.txt"] = "[console_scripts]\n" + "".join(
            f"{each}\n" for each in scripts
        )
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in members.items()
    )
    members[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), text)
    return f"{name}-{version}-{tag}.whl", out.getvalue()


def tarball(files, top="package", modes={}):
    """A .tgz, as npm packs it and as a source distribution is."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=6) as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size, member.mode, member.mtime = (
                len(text.encode()),
                modes.get(path, 0o644),
                499162500,
            )
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def sdist(name, version, files):
    return f"{name}-{version}.tar.gz", tarball(
        {**files, "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"},
        f"{name}-{version}",
    )


def integrity(data):
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


class Registry(HttpServer):
    """files: name → bytes, listed in pages by project, absolute: by whole addresses; yanked: names
    with a reason; login: "user:password" or None."""

    def __init__(self):
        self.login = None
        self.files: dict = {}
        self.yanked: dict = {}
        self.tarballs: dict = {}
        self.requests: list[str] = []
        self.absolute = False
        registry = self

        class RegistryHandler(Handler):
            def do_GET(self):
                registry.requests.append(self.path)
                if not self.is_allowed(registry.login):
                    header = ("WWW-Authenticate", 'Basic realm="index"')
                    return self.answer(401, b"", "text/html", header)
                path = self.path.split("#")[0].split("?")[0]
                if match := re.fullmatch(r"/simple/([a-z0-9-]+)/", path):
                    body = registry.page(match[1])
                    return self.answer(200 if body else 404, body or b"", "text/html")
                if match := re.fullmatch(r"/files/(.+)", path):
                    return (
                        self.answer(200, registry.files[match[1]])
                        if match[1] in registry.files
                        else self.answer(404, b"")
                    )
                if path in registry.tarballs:
                    return self.answer(200, registry.tarballs[path])
                return self.answer(404, b"")

        super().__init__(RegistryHandler)

    def page(self, project):
        normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
        links = []
        for file, data in sorted(self.files.items()):
            name = file.split("-")[0] if file.endswith(".whl") else file.rsplit("-", 1)[0]
            if normal(name) != project:
                continue
            yank = f' data-yanked="{self.yanked[file]}"' if file in self.yanked else ""
            links.append(
                f'<a href="{self.url if self.absolute else "../.."}/files/{file}#sha256={hashlib.sha256(data).hexdigest()}"{yank}>{file}</a><br>'
            )
        return (
            f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode() if links else None
        )

    def add(self, file_and_bytes):
        self.files[file_and_bytes[0]] = file_and_bytes[1]
        return file_and_bytes[0]

    def add_npm(self, name, version, data):
        self.tarballs[f"/{name}/-/{name.split('/')[-1]}-{version}.tgz"] = data
        return integrity(data)
