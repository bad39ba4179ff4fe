"""Systems that alephc makes as folders, and commands in them."""

import os
import subprocess

MANIFEST = """schema = 1
[runtime]
name = "host"
[base]
distro = "{distro}"
release = "{release}"
[packages]
install = [{packages}]
[init]
program = "none"
[image]
format = "dir"
"""
# Its own mounts, and a root that can be left: chroot() alone does not let a sandbox pivot.
ENTER = """set -e
mount --make-rprivate / && mount --bind "$1" "$1" && cd "$1"
mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev
mount -t tmpfs tmpfs run && mkdir -p mnt && cp /etc/resolv.conf etc/
[ ! -e /etc/hosts ] || cp /etc/hosts etc/
pivot_root . mnt && umount -l mnt
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
shift && exec chroot . "$@"
"""
OWN_MOUNTS = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]


# What runs a command as a user without rights, who need not be in /etc/passwd.
AS_USER = ["setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups"]


class Unreachable(Exception):
    """No mirror has what is needed."""


def outside_ci():
    """The environment in which alephc is run as outside of CI, where build makes a lock."""
    return {key: value for key, value in os.environ.items() if key != "CI"}


def mirror_options(mirror):
    """For a mirror of Debian and that of its security updates beside it."""
    return ["--mirror", mirror, "--mirror", f"{mirror}-security"]


def alephc_on(alephc, store, *arguments, **options):
    """Runs a command that must succeed, as it is run outside of CI."""
    argv = [alephc, "--quiet", "--store", store, *arguments]
    done = subprocess.run(
        argv, env=outside_ci(), capture_output=True, text=True, check=False, **options
    )
    if "can be reached" in done.stderr:
        raise Unreachable(done.stderr)
    if done.returncode != 0:
        raise SystemExit(f"alephc {arguments[0]} failed: {done.stderr}")


def make_system(alephc, store, project, place, *, distro, release, packages):
    """A new folder place with a system; project is where its recipe goes."""
    project.mkdir(exist_ok=True)
    listed = ", ".join(f'"{package}"' for package in packages)
    text = MANIFEST.format(distro=distro, release=release, packages=listed)
    (project / "runtime.toml").write_text(text)
    alephc_on(alephc, store, "build", project, "-o", place)


def run_in(root, *command, **options):
    argv = [*OWN_MOUNTS, "sh", "-c", ENTER, "enter", root, *command]
    return subprocess.run(argv, check=options.pop("check", False), **options)
