"""The real apk as judge: it installs the same packages from the same repository, in a chroot made
of Alpine's minirootfs."""
import difflib
import hashlib
import os
import pathlib
import stat
import subprocess

from fixture import Skip, run

DATA = pathlib.Path(os.environ.get("ALEPHC_ALPINE_DATA", "/var/tmp/alephc-test-cache/alpine"))


def minirootfs(folder):
    """Alpine's minirootfs unpacked into a folder."""
    archives = sorted(DATA.glob("alpine-minirootfs-*-x86_64.tar.gz"))
    if not archives:
        raise Skip("Alpine's minirootfs is missing; run tests/support/fetch_alpine.py")
    folder.mkdir(parents=True, exist_ok=True)
    run("tar", "-xzf", str(archives[0]), "-C", str(folder))
    return folder


class Judge:
    def __init__(self, folder):
        self.root = minirootfs(folder)
        for file in (self.root / "etc/apk/keys").iterdir():
            file.unlink()

    def apk(self, *arguments, check=True):
        result = subprocess.run(
            ["chroot", str(self.root), "/sbin/apk", *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        if check and result.returncode != 0:
            raise AssertionError(
                f"apk {' '.join(arguments)} exits {result.returncode}:\n{result.stdout}{result.stderr}"
            )
        return result

    def share(self, source, name):
        """A copy of a folder of the host's in the judge's root."""
        run("cp", "-a", str(source), str(self.root / name))
        return f"/{name}"

    def install(self, key, repositories, packages, into="t"):
        """repositories: lines as /etc/apk/repositories has them, folders below the judge's root."""
        (self.root / "keys").mkdir(exist_ok=True)
        run("cp", str(key.public), str(self.root / "keys"))
        (self.root / "repositories").write_text("".join(line + "\n" for line in repositories))
        self.apk(
            "add",
            "--root",
            f"/{into}",
            "--initdb",
            "--arch",
            "x86_64",
            "--keys-dir",
            "/keys",
            "--no-network",
            "--no-cache",
            "--repositories-file",
            "/repositories",
            *packages,
        )
        return self.root / into


def picture(root):
    """What is in a root: path → type, mode, owner and content; hard links by their first path."""
    seen: dict = {}
    found: dict = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            info = os.lstat(path)
            shown = os.path.relpath(path, root)
            kind, what = stat.S_IFMT(info.st_mode), ""
            if stat.S_ISLNK(info.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                what = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
            elif stat.S_ISCHR(info.st_mode):
                what = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
            link = ""
            if not stat.S_ISDIR(info.st_mode) and info.st_nlink > 1:
                link = seen.setdefault(info.st_ino, shown)
            attributes = [
                (each, os.getxattr(path, each, follow_symlinks=False))
                for each in sorted(os.listxattr(path, follow_symlinks=False))
            ]
            found[shown] = (
                oct(kind),
                oct(stat.S_IMODE(info.st_mode)),
                info.st_uid,
                info.st_gid,
                what,
                link,
                attributes,
            )
    return found


def differences(ours, theirs):
    """Between two roots, a line a path; of apk's database what differs in it."""
    left, right, lines = picture(ours), picture(theirs), []
    for path in sorted(set(left) | set(right)):
        if left.get(path) == right.get(path):
            continue
        lines.append(f"{path}: ours {left.get(path)}, apk's {right.get(path)}")
        if path == "lib/apk/db/installed":
            lines += difflib.unified_diff(
                (theirs / path).read_text().splitlines(),
                (ours / path).read_text().splitlines(),
                "apk's",
                "ours",
                n=3,
                lineterm="",
            )
    return lines
