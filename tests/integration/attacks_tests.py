"""Attempts of strangers' projects, packages, images, repositories and of other users of the
machine. Each says what is tried and what must hold; all are tried as root, and those that a user
without rights could try in their own namespace as well. SECURITY.md has the threat model."""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import textwrap
import threading
import time

from fixture import Archive, Skip, run
from attacks.images import IMAGES
from locks import relocked
from trust_tests import as_user

BUSYBOX = "/usr/bin/busybox"


def prepare(archive):
    archive.add_package(
        "div-zero",
        scripts=[
            (
                "preinst",
                "#!/bin/sh\nset -e\nrm -f /var/lib/dpkg/diversions\nln -s /dev/zero /var/lib/dpkg/diversions\n",
            )
        ],
    )
    archive.add_package(
        "div-fifo",
        scripts=[
            (
                "preinst",
                "#!/bin/sh\nset -e\nrm -f /var/lib/dpkg/diversions\nmkfifo /var/lib/dpkg/diversions\n",
            )
        ],
    )
    archive.add_package(
        "div-host",
        scripts=[
            (
                "preinst",
                "#!/bin/sh\nset -e\nrm -f /var/lib/dpkg/diversions\nln -s /etc/hostname /var/lib/dpkg/diversions\n",
            )
        ],
    )
    archive.add_package(
        "div-blank",
        scripts=[
            ("preinst", "#!/bin/sh\nprintf '\\n\\n\\n\\n\\n\\n' > /var/lib/dpkg/diversions\n")
        ],
    )
    archive.add_package(
        "info-link",
        scripts=[
            (
                "preinst",
                "#!/bin/sh\nset -e\nln -s /dev/zero /var/lib/dpkg/info/x.list\nmkfifo /var/lib/dpkg/info/y.list\n",
            )
        ],
    )
    archive.add_package(
        "after-div",
        files=[("usr/share/after-div", "x", 0o644)],
        scripts=[("preinst", "#!/bin/sh\ntrue\n")],
    )


def project(world, script="true", name="t", text="", user="root"):
    """A project without a distribution: busybox and a script."""
    folder = world.project
    shutil.copy(BUSYBOX, folder / "busybox")
    (folder / "runtime.toml").write_text(
        textwrap.dedent(
            f"""\
        schema = 1
        [runtime]
        name = "{name}"
        [base]
        distro = "none"
        [init]
        program = "none"
        [[file]]
        target = "/bin/busybox"
        source = "busybox"
        [[file]]
        target = "/etc/passwd"
        content = "root:x:0:0::/:/bin/sh\\napp:x:1001:1001::/:/bin/sh\\n"
        """
        )
        + "".join(
            f'[[file]]\ntarget = "/bin/{tool}"\nlink = "busybox"\n'
            for tool in (
                "sh",
                "cat",
                "ls",
                "id",
                "chmod",
                "chown",
                "sleep",
                "dd",
                "grep",
                "mkdir",
                "rm",
                "ln",
                "tr",
                "touch",
                "head",
                "yes",
                "nc",
                "wget",
                "ip",
                "readlink",
                "wc",
                "kill",
                "tail",
                "mount",
                "true",
                "stat",
                "setsid",
            )
        )
        + "".join(
            f'[[file]]\ntarget = "{place}"\ndir = true\nmode = "{mode}"\n'
            for place, mode in (
                ("/dev", "0755"),
                ("/proc", "0755"),
                ("/tmp", "1777"),
                ("/run", "0755"),
            )
        )
        + text
        + f'[[run]]\nname = "attack"\nuser = "{user}"\nscript = """\n{script}\n"""\n'
    )


def both(world, *arguments):
    """The result as root, then as a user without rights (skipped where the machine forbids it)."""
    yield "root", world.run(*arguments)
    if shutil.which("newuidmap"):
        shutil.rmtree(world.folder / "home", ignore_errors=True)
        result = as_user(
            world, *[str(each).replace("project", "home/project") for each in arguments]
        )
        if "/proc/sys/" not in result.stderr and "no user namespace" not in result.stderr:
            yield "rootless", result


def log_of(world, result):
    """The lines that a failing script left in the error."""
    return "\n".join(
        line.removeprefix("  note: log: ")
        for line in result.stderr.splitlines()
        if line.startswith("  note: log: ")
    )


def memory_of(world, *arguments, seconds=60):
    """(exit code, peak MB of the largest process, seconds, stderr) of alephc."""
    start = time.monotonic()
    errors = world.folder / "stderr"
    with open(errors, "wb") as file:
        process = subprocess.Popen(
            [world.alephc, "--store", str(world.store), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            cwd=world.folder,
            env=world.alephc_env(),
        )
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return (
        process.returncode,
        usage.ru_maxrss / 1024,
        time.monotonic() - start,
        errors.read_text(errors="replace"),
    )


# --- Paths of a project are never destinations ---


def test_inputs_from_above_the_project_stay_in_the_sandbox(world):
    outside = world.folder / "outside"
    outside.mkdir()
    deep = world.folder / "repo/a/b/c/d/e/f"
    deep.mkdir(parents=True)
    (world.folder / "repo/.git").mkdir()
    target = outside.relative_to("/")
    for up in range(1, 14):
        source = (deep / ("../" * up)).resolve() / target / "PWNED"
        if world.folder / "repo" in source.parents:
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_text("x")
    world.project = deep
    names = [
        f"{'../' * up}{target}/PWNED"
        for up in range(1, 6)
        if (deep / ("../" * up) / target / "PWNED").exists()
    ]
    assert names, "the attack names no file"
    for name in names:
        project(world, f"test -f /run/alephc/inputs/{target}/PWNED", text="")
        manifest = deep / "runtime.toml"
        manifest.write_text(
            manifest.read_text().replace(
                'name = "attack"\n', f'name = "attack"\ninputs = ["{name}"]\n'
            )
        )
        world.ok("build", deep, "-o", "i.img")
        world.ok("build", deep, "-o", "i.img", "--record")
        world.ok("verify", deep, "--rebuild")
        assert list(outside.iterdir()) == [], "a file was written outside of the store"


def test_an_input_below_a_link_that_is_an_input_is_refused(world):
    project(world)
    (world.project / "real").mkdir()
    (world.project / "real/file").write_text("x")
    (world.project / "folder").mkdir()
    (world.project / "folder/link").symlink_to("../real")
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace(
            'name = "attack"\n', 'name = "attack"\ninputs = ["folder", "folder/link/file"]\n'
        )
    )
    world.fails(1, "below a link", "build", "project", "-o", "x.squashfs")


def test_a_version_is_no_path(world):
    project(world)
    (world.folder / "t-").mkdir()
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace('name = "t"\n', 'name = "t"\nversion = "/../../x"\n')
    )
    world.fails(1, "is not a version", "build", "project")


def test_paths_of_a_forged_lock_stay_in_the_tree(world):
    project(world)
    world.ok("lock", "project")
    for path in ("../../../../../../../../tmp/alephc-evil", "/tmp/alephc-evil"):
        lock = (world.project / "runtime.lock").read_text()
        forged = re.sub(r'path = "busybox"', f'path = "{path}"', lock)
        assert forged != lock
        body = forged.split("\n", 2)
        (world.project / "runtime.lock").write_text(forged)
        assert world.run("build", "--locked", "project", "-o", "x.img").returncode in (1, 3)
        (world.project / "runtime.lock").write_text(lock)
    assert not os.path.exists("/tmp/alephc-evil")


# --- What a step sees of the host ---


def test_a_step_sees_nothing_of_alephc_or_the_host_in_proc(world):
    script = """
    for f in environ mem auxv maps stat root cwd exe fd fdinfo mountinfo cmdline cgroup status comm mounts mountstats numa_maps; do
      echo "== $f"; (cat /proc/1/$f || ls -l /proc/1/$f || true) 2>&1 | tr '\\\\0' ' '
    done
    ls -l /proc/1/fd /proc/self/fd /proc/1/ns 2>&1 || true
    cat /proc/self/mountinfo /proc/self/mounts /proc/self/cgroup /proc/cmdline /proc/partitions /proc/swaps /proc/modules || true
    for p in /proc/[0-9]*; do echo $p; cat $p/cmdline | tr '\\\\0' ' ' || true; done
    exit 1"""
    project(world, script)
    os.environ["ALEPHC_TEST_SECRET"] = "hunter2-environment"
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 1, result.stderr
        log = next(
            line for line in result.stderr.splitlines() if "the whole log is " in line
        ).split("the whole log is ")[1]
        text = pathlib.Path(log.strip()).read_text()
        for secret in (
            "hunter2",
            str(world.folder),
            str(world.store),
            "alephc --store",
            "alephc-test",
            "ALEPH_API_HOST",
            "upperdir=/var",
            "BOOT_IMAGE",
        ):
            assert secret not in text, f"{who}: a step sees '{secret}':\n{text}"
        assert (
            text.count("Permission denied") >= 5 or text.count("Operation not permitted") >= 5
        ), text
        host = pathlib.Path("/proc/self/mountinfo").read_text()
        for line in host.splitlines():
            source = line.split(" - ")[1].split()[1]
            if source.startswith("/dev/"):
                assert source not in text, f"{who}: a step sees the host's device {source}"


def test_pid_1_cannot_be_changed_or_replaced(world):
    binary = world.folder / "victim"
    shutil.copy(world.alephc, binary)
    before = (binary.stat().st_mode, binary.stat().st_uid)
    world.alephc = str(binary)
    project(
        world,
        "if chmod 6777 /proc/1/exe; then exit 1; fi; if chown 1001:1001 /proc/1/exe; then exit 1; fi; if (echo x > /proc/1/exe); then exit 1; fi; if cat /proc/1/mem; then exit 1; fi",
    )
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 0, f"{who}: {result.stderr}"
        assert (
            binary.stat().st_mode,
            binary.stat().st_uid,
        ) == before, f"{who}: the binary was changed"


def test_proc_and_dev_are_folders_of_the_image_and_nothing_else(world):
    for place, target in (
        ("/proc", "/"),
        ("/proc", "/.."),
        ("/proc", "/dev"),
        ("/proc", "/tmp"),
        ("/dev", "/"),
        ("/dev", "/proc"),
        ("/dev", "/tmp"),
    ):
        project(world, "cat /../cmdline /../sys/kernel/core_pattern; exit 1")
        manifest = world.project / "runtime.toml"
        manifest.write_text(
            manifest.read_text().replace(
                f'target = "{place}"\ndir = true\nmode = "0755"\n',
                f'target = "{place}"\nlink = "{target}"\n',
            )
        )
        for who, result in both(world, "build", "project", "-o", "project.img"):
            assert result.returncode in (1, 4), f"{who} {place} -> {target}: {result.stderr}"
            assert (
                f"{place} is not a folder in the image" in result.stderr
            ), f"{who} {place} -> {target}: {result.stderr}"


def test_proc_tells_nothing_of_disks_buses_and_consoles(world):
    project(
        world,
        "for d in fs bus irq acpi scsi; do if test -d /proc/$d; then ls -A /proc/$d; fi; done > /tmp/seen; cat /proc/consoles /proc/partitions /proc/iomem /proc/cmdline >> /tmp/seen 2>/dev/null || true; test ! -s /tmp/seen",
    )
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 0, f"{who}: {result.stderr}"


def test_proc_shows_processes_and_little_else(world):
    shown = "self thread-self net sys mounts filesystems cpuinfo stat meminfo uptime loadavg version sysvipc cgroups"
    project(
        world,
        f"""for p in /proc/*; do n=${{p#/proc/}}; case $n in [0-9]*) continue;; esac
case ' {shown} ' in *" $n "*) continue;; esac
if test -d $p; then ls -A $p >> /tmp/seen; else cat $p >> /tmp/seen 2>&1; fi; (echo x > $p) 2>/dev/null || true; done
cat /tmp/seen >&2; test ! -s /tmp/seen""",
    )
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 0, f"{who}: {result.stderr}"


def test_an_interrupt_at_any_moment_leaves_no_process(world):
    marker = f"left-by-{os.getpid()}"
    project(world, f"trap '' TERM INT; while true; do yes {marker} | head -c 300000; done")
    for moment in range(12):
        process = subprocess.Popen(
            [
                world.alephc,
                "--store",
                str(world.folder / "own-store"),
                "build",
                "project",
                "-o",
                "x.img",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=world.folder,
            env=world.alephc_env(),
        )
        time.sleep(0.01 + 0.025 * moment)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        left = [
            path
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
            if marker.encode() in readable(path)
        ]
        assert process.returncode in (130, -signal.SIGINT), (moment, process.returncode, left)
        assert not left, (moment, process.returncode, left)


def readable(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_accounts_and_links_without_end_cost_no_memory(world):
    for script in (
        "yes : | head -c 32000000 >> /etc/passwd",
        "yes : | tr -d '\\\\n' | head -c 3000000 >> /etc/passwd",
    ):
        project(world, script)
        code, peak, seconds, errors = memory_of(world, "build", "project", "-o", "x.img")
        assert code == 1, (code, peak, errors)
        assert "/etc/passwd has" in errors, (code, peak, errors)
        assert peak < 400, (code, peak, errors)


def test_hashing_ends_within_a_moment_of_an_interrupt(world):
    project(world, text='[[file]]\ntarget = "/sparse"\nsource = "sparse"\n')
    with open(world.project / "sparse", "wb") as file:
        file.truncate(100 << 30)
    process = subprocess.Popen(
        [world.alephc, "--store", str(world.store), "lock", "project"],
        cwd=world.folder,
        env=world.alephc_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - start < 1.5


def test_holes_of_a_step_are_bounded(world):
    project(
        world,
        "i=0; while test $i -lt 10; do dd if=/dev/null of=/tmp/s$i bs=1 seek=8000000000 2>/dev/null; i=$((i+1)); done",
    )
    world.fails(1, "holes count", "build", "project", "-o", "x.squashfs")


def test_files_without_end_do_not_fill_the_filesystem_of_the_store(world):
    if os.geteuid() != 0:
        raise Skip("a small filesystem is mounted by root")
    project(world, "i=0; while true; do i=$((i+1)); true 2>/dev/null >/tmp/f$i || true; done")
    store = world.folder / "small-store"
    store.mkdir(mode=0o700)
    argv = [
        "unshare",
        "-m",
        "sh",
        "-c",
        'mount -t tmpfs -o nr_inodes=20000,mode=0700 none "$1" && shift && exec "$@"',
        "sh",
        str(store),
        world.alephc,
        "--store",
        str(store),
        "build",
        "project",
        "-o",
        "x.squashfs",
    ]
    result = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=120,
    )
    assert result.returncode == 4, result.stderr
    assert "no room for more files" in result.stderr, result.stderr


def test_what_pid_1_reports_is_bounded(world):
    project(
        world,
        "(cat /dev/zero > /proc/1/fd/3) 2>/dev/null || true; (cat /dev/zero > /proc/1/fd/4) 2>/dev/null || true; exit 3",
    )
    code, peak, seconds, errors = memory_of(world, "build", "project", "-o", "x.img")
    assert code == 1, errors
    assert "exit code 3" in errors, errors
    assert peak < 300, peak


def test_an_exit_code_of_255_is_not_taken_for_a_signal(world):
    project(world, "exit 255")
    world.fails(1, "exit code 255", "build", "project", "-o", "x.img")
    project(world, "kill -9 $$")
    world.fails(1, "killed by Killed", "build", "project", "-o", "x.img")


def test_a_step_has_no_terminal(world):
    project(
        world,
        "if ls -l /proc/self/fd /proc/1/fd 2>&1 | grep -q /dev/pts/; then exit 1; fi; if (echo x > /dev/tty) 2>/dev/null; then exit 1; fi; test ! -t 0; test ! -t 1; test ! -t 2",
    )
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(world.folder)
        os.execve(
            world.alephc,
            [world.alephc, "--store", str(world.store), "build", "project", "-o", "x.img"],
            world.alephc_env(),
        )
    output = b""
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            output += data
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, output.decode(errors="replace")


def compiled(world, source, name):
    (world.folder / (name + ".c")).write_text(source)
    run("gcc", "-static", "-O1", "-o", str(world.project / name), str(world.folder / (name + ".c")))


STI = r"""
#include <stdio.h>
#include <errno.h>
#include <sys/ioctl.h>
int main(void) { char c = 'x'; int a = ioctl(0, TIOCSTI, &c), e = errno; char s[2] = {3, 0}; int b = ioctl(0, TIOCLINUX, s);
  printf("sti %d %d linux %d %d\n", a, e, b, errno); return a == 0 || b == 0; }
"""


def test_a_shell_cannot_type_into_the_users_terminal(world):
    compiled(world, STI, "sti")
    project(world, text='[[file]]\ntarget = "/bin/sti"\nsource = "sti"\n')
    world.ok("build", "project", "-o", "x.img")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(world.folder)
        os.execve(
            "/bin/sh",
            [
                "sh",
                "-c",
                f"{world.alephc} --store {world.store} shell project -- /bin/sh -c 'readlink /proc/self/fd/0; sti; echo done'; read -t 1 line; echo \"typed[$line]\"",
            ],
            world.alephc_env(),
        )
    output = b""
    with contextlib.suppress(OSError):
        while data := os.read(master, 65536):
            output += data
    os.waitpid(pid, 0)
    text = output.decode(errors="replace")
    assert "sti -1 1 linux -1 1" in text, text
    assert "done" in text, text
    assert "typed[]" in text, text
    assert "/dev/pts/0" in text, text  # the sandbox's own


def test_a_shell_passes_input_output_and_the_exit_code(world):
    project(world)
    world.ok("build", "project", "-o", "x.img")
    result = subprocess.run(
        [
            world.alephc,
            "--store",
            str(world.store),
            "shell",
            "project",
            "--",
            "/bin/sh",
            "-c",
            "cat; echo err >&2; exit 7",
        ],
        input="a line\n",
        capture_output=True,
        text=True,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (7, "a line\n"), result
    assert "err\n" in result.stderr, result.stderr


WALK = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* One child for each number: what it answers to arguments of which no pointer is one. */
int main(void) {
  for (long number = 0; number < 700; ++number) {
    int pipes[2];
    if (pipe(pipes)) return 1;
    pid_t child = fork();
    if (child == 0) {
      alarm(2);
      long result = syscall(number, -1, -1, -1, -1, -1, -1);
      int error = result == -1 ? errno : 0;
      if (write(pipes[1], &error, sizeof error) < 0) _exit(1);
      _exit(0);
    }
    close(pipes[1]);
    int error = -1;
    if (read(pipes[0], &error, sizeof error) != sizeof error) error = -1;
    close(pipes[0]);
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    printf("%ld %d\n", number, error);
  }
  return 1;
}
"""
DENIED = {
    "mount": 165,
    "umount2": 166,
    "ptrace": 101,
    "bpf": 321,
    "keyctl": 250,
    "add_key": 248,
    "init_module": 175,
    "finit_module": 313,
    "kexec_load": 246,
    "setns": 308,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "open_by_handle_at": 304,
    "reboot": 169,
    "swapon": 167,
    "pidfd_getfd": 438,
    "kcmp": 312,
    "process_vm_readv": 310,
    "fsopen": 430,
    "fsconfig": 431,
    "move_mount": 429,
    "open_tree": 428,
    "mount_setattr": 442,
    "clock_settime": 227,
    "settimeofday": 164,
    "acct": 163,
    "quotactl": 179,
    "iopl": 172,
    "ioperm": 173,
    "syslog": 103,
    "fanotify_init": 300,
    "sethostname": 170,
}
UNKNOWN = {
    "clone3": 435,
    "io_uring_setup": 425,
    "memfd_secret": 447,
    "modify_ldt": 154,
    "statmount": 457,
    "listmount": 458,
    "open_tree_attr": 467,
    "set_mempolicy": 238,
}


def test_every_call_of_this_kernel_is_known_to_the_filter_or_not_there(world):
    if os.uname().machine != "x86_64":
        raise Skip("the numbers are those of amd64")
    compiled(world, WALK, "walk")
    project(world, "/bin/walk; exit 9", text='[[file]]\ntarget = "/bin/walk"\nsource = "walk"\n')
    result = world.run("build", "project", "-o", "x.img")
    log = next(line for line in result.stderr.splitlines() if "the whole log is " in line).split(
        "the whole log is "
    )[1]
    lines = pathlib.Path(log.strip()).read_text().splitlines()
    found = (re.fullmatch(r"(\d+) (-?\d+)", line) for line in lines)
    answers = {int(each[1]): int(each[2]) for each in found if each}
    assert len(answers) == 700, len(answers)
    for name, number in DENIED.items():
        assert answers[number] == 1, f"{name} answers {answers[number]}, not EPERM"
    for name, number in UNKNOWN.items():
        assert answers[number] == 38, f"{name} answers {answers[number]}, not ENOSYS"
    for number in range(468, 700):
        assert (
            answers[number] == 38
        ), f"call {number}, which is newer than the filter, answers {answers[number]}"


SOCKETS = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
int main(void) {
  for (int family = 0; family < 50; ++family) {
    int fd = socket(family, SOCK_STREAM, 0), e = fd < 0 ? errno : 0;
    if (fd < 0) { fd = socket(family, SOCK_DGRAM, 0); e = fd < 0 ? errno : 0; }
    if (fd < 0) { fd = socket(family, SOCK_RAW, 0); e = fd < 0 ? errno : 0; }
    if (fd >= 0) printf("family %d\n", family);
  }
  return 1;
}
"""


def test_a_step_makes_sockets_of_four_families_only(world):
    compiled(world, SOCKETS, "families")
    project(
        world, "/bin/families", text='[[file]]\ntarget = "/bin/families"\nsource = "families"\n'
    )
    for who, result in both(world, "build", "project", "-o", "project.img"):
        found = {int(number) for number in re.findall(r"family (\d+)", log_of(world, result))}
        assert found <= {1, 2, 10, 16}, f"{who}: {found}"
        assert {1, 2} <= found, f"{who}: {found}"


def test_no_account_of_the_host_owns_a_running_step(world):
    project(world, "sleep 4; test ! -e /tmp/x", user="app")
    process = subprocess.Popen(
        [world.alephc, "--store", str(world.store), "build", "project", "-o", "x.img"],
        cwd=world.folder,
        env=world.alephc_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(2)
    attack = "import os\nfor p in os.listdir('/proc'):\n  if p.isdigit() and int(p) != os.getpid():\n    try:\n      open('/proc/'+p+'/root/tmp/x','w').write('TAMPERED'); print('wrote', p)\n    except OSError: pass\n"
    tried = subprocess.run(
        [
            "setpriv",
            "--reuid",
            "1001",
            "--regid",
            "1001",
            "--clear-groups",
            sys.executable,
            "-c",
            attack,
        ],
        capture_output=True,
        text=True,
    )
    sleepers = [
        pid
        for pid in os.listdir("/proc")
        if pid.isdigit() and os.stat(f"/proc/{pid}").st_uid == 1001
        if os.path.exists(f"/proc/{pid}")
    ]
    output, _ = process.communicate(timeout=60)
    doctor = world.run("doctor").stdout
    if "share the ids" in doctor:
        raise Skip("this kernel or filesystem cannot map ids")
    assert process.returncode == 0, output
    assert tried.stdout.replace("wrote", "") == tried.stdout, tried.stdout
    assert not sleepers, sleepers


def test_two_builds_never_share_ids(world):
    projects = []
    for i in range(3):
        world.project = world.folder / f"p{i}"
        world.project.mkdir()
        project(world, f"cat /proc/self/uid_map; sleep 2; exit {i + 1}")
        projects.append(
            subprocess.Popen(
                [world.alephc, "--store", str(world.store), "build", f"p{i}", "-o", f"x{i}.img"],
                cwd=world.folder,
                env=world.alephc_env(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    maps = [
        re.search(r"log:\s+0\s+(\d+)\s+65536", each.communicate(timeout=60)[0]) for each in projects
    ]
    if not all(maps):
        raise Skip("this kernel or filesystem cannot map ids")
    assert len({each[1] for each in maps}) == 3, maps


# --- The network of a step ---

NETNS = r"""set -e
ip link set lo up
ip addr add 198.51.100.1/32 dev lo
ip addr add 169.254.169.254/32 dev lo
exec "$@"
"""


GET = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
int main(int argc, char** argv) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(28431)};
  struct timeval wait = {5, 0};
  char text[4096] = "GET / HTTP/1.0\r\n\r\n";
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || connect(fd, (void*)&to, sizeof to) != 0) return 0;
  if (write(fd, text, strlen(text)) < 0) return 0;
  long got = read(fd, text, sizeof text - 1);
  text[got > 0 ? got : 0] = 0;
  char* body = strstr(text, "\r\n\r\n");
  printf("%s\n", body ? body + 4 : "connected");
  return 0;
}
"""


NETWORK_MAIN = r"""
import contextlib
import socket
import subprocess
import sys
import threading


def served(address, port, text):
    listener = socket.create_server((address, port))

    def serve():
        while True:
            with contextlib.suppress(OSError):
                client, _ = listener.accept()
                client.recv(4096)
                client.sendall(
                    f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
                )
                client.close()

    threading.Thread(target=serve, daemon=True).start()


for address, text in (("198.51.100.1", "outside"), ("127.0.0.1", "LOOPBACK"), ("169.254.169.254", "CREDENTIALS")):
    served(address, 28431, text)
abstract = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
abstract.bind("\0alephc-attack")
abstract.listen()
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def test_a_script_with_network_reaches_no_loopback_link_local_or_abstract_socket(world):
    if not shutil.which("slirp4netns"):
        raise Skip("slirp4netns is not installed")
    compiled(world, GET, "get")
    script = """
    for a in 198.51.100.1 127.0.0.1 10.0.2.2 169.254.169.254; do echo "$a: $(/bin/get $a)"; done
    if grep alephc-attack /proc/net/unix; then echo ABSTRACT; fi
    ip route 2>&1 || true
    exit 1"""
    project(world, script, text='[[file]]\ntarget = "/bin/get"\nsource = "get"\n')
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace('name = "attack"\n', 'name = "attack"\nnetwork = true\n')
    )
    main = world.folder / "main.py"
    main.write_text(NETWORK_MAIN)
    argv = [
        "unshare",
        "-n",
        "sh",
        "-c",
        NETNS,
        "sh",
        sys.executable,
        str(main),
        world.alephc,
        "--store",
        str(world.store),
        "build",
        "project",
        "-o",
        "x.img",
    ]
    result = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=120,
    )
    log = log_of(world, result)
    assert "198.51.100.1: outside" in log, result.stderr
    for word in ("LOOPBACK", "CREDENTIALS", "ABSTRACT"):
        assert word not in log, log


REDIRECT_MAIN = r"""
import socket
import subprocess
import sys
import threading
seen = []
def serve(address, port, reply):
    listener = socket.create_server((address, port))
    def run():
        while True:
            client, _ = listener.accept()
            head = client.recv(65536).decode()
            seen.append((address, head))
            client.sendall(reply.encode())
            client.close()
    threading.Thread(target=run, daemon=True).start()
redirect = "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
found = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nSECRET"
serve("198.51.100.1", 28431, redirect.format("http://127.0.0.1:28432/a.tar"))
serve("127.0.0.1", 28432, found)
serve("169.254.169.254", 28433, found)
code = subprocess.run(sys.argv[1:]).returncode
for address, head in seen:
    print("SEEN", address, "WITH A LOGIN" if "uthorization:" in head else "")
sys.exit(code)
"""


def test_no_download_is_led_to_this_machine_or_takes_a_login_there(world):
    main = world.folder / "main.py"
    main.write_text(REDIRECT_MAIN)
    (world.folder / ".netrc").write_text(
        "machine 198.51.100.1 login me password word\nmachine 127.0.0.1 login me password word\n"
    )
    (world.folder / ".netrc").chmod(0o600)
    env = {
        key: value
        for key, value in world.alephc_env().items()
        if not key.lower().endswith("_proxy")
    }
    for url, asked, why in (
        ("http://198.51.100.1:28431/a.tar", "198.51.100.1", "leads to an address of this machine"),
        ("http://169.254.169.254:28433/a.tar", None, "leads to an address of this machine"),
        (
            "http://198.51.100.1:28431#@127.0.0.1/a.tar",
            "198.51.100.1",
            "leads to an address of this machine",
        ),
    ):
        project(world, text=f'[[archive]]\nname = "a"\nurl = "{url}"\ntarget = "/opt"\n')
        argv = [
            "unshare",
            "-n",
            "sh",
            "-c",
            NETNS,
            "sh",
            sys.executable,
            str(main),
            world.alephc,
            "--store",
            str(world.folder / "s"),
            "lock",
            "project",
        ]
        result = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=world.folder,
            env={**env, "HOME": str(world.folder)},
            timeout=120,
        )
        seen = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("SEEN")}
        assert result.returncode == 1, (url, result.stderr)
        assert why in result.stderr, (url, result.stderr)
        assert seen == ({asked} if asked else set()), (url, result.stdout)
        assert "WITH A LOGIN" not in result.stdout, (url, result.stdout)


def test_a_script_without_network_has_a_loopback_device_of_its_own_only(world):
    project(
        world,
        "ip addr 2>&1 | grep -c '^[0-9]'; if wget -T 2 -q -O - http://198.51.100.1/; then exit 1; fi; exit 4",
    )
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 1, f"{who}: {result.stderr}"
        assert "exit code 4" in result.stderr, f"{who}: {result.stderr}"
        assert log_of(world, result).splitlines()[0] == "1", result.stderr


# --- Code of a project runs when the user builds, not when he looks ---


def test_plan_graph_why_and_shell_run_nothing_when_the_lock_is_stale(world):
    project(world)
    before = set(world.store.glob("actions/*"))
    for command in (
        ("plan", "project"),
        ("graph", "project"),
        ("why", "project", "/bin"),
        ("shell", "project"),
    ):
        world.fails(1, "alephc lock", *command)
    world.ok("lock", "project")
    project(world, "exit 1")
    for command in (
        ("plan", "project"),
        ("graph", "project"),
        ("why", "project", "/bin"),
        ("shell", "project"),
    ):
        world.fails(1, "is stale", *command)
    assert set(world.store.glob("actions/*")) == before, "a step ran"


def test_a_manifest_names_no_files_of_the_host(world):
    secret = world.folder / "secret.tar"
    with tarfile.open(secret, "w") as archive:
        archive.add(BUSYBOX, "secret")
    (world.project / "own.tar").write_bytes(secret.read_bytes())
    os.mkfifo(world.project / "fifo")
    (world.project / "link").symlink_to(secret)
    (world.project / "d1/d2").mkdir(parents=True)
    (world.project / "deep").symlink_to("d1/d2")

    def archive_of(url):
        project(world, text=f'[[archive]]\nname = "a"\nurl = "{url}"\ntarget = "/opt"\n')

    for url in (
        f"file://{secret}",
        "file:///etc/shadow",
        "file:///dev/zero",
        f"file://{world.project}/../secret.tar",
        f"file://{world.project}/link",
        f"file://{world.project}/%2e%2e/secret.tar",
        f"file://{world.project}/a%00/../../secret.tar",
        f"file://{world.project}/deep/../../secret.tar",
        f"file://{world.project}/own.tar?x",
        f"file://{world.project}//own.tar",
        f"file://{world.project}/%252e%252e/secret.tar",
    ):
        archive_of(url)
        world.fails(1, "outside of the project", "lock", "project")
    archive_of(f"file://{world.project}/fifo")
    start = time.monotonic()
    world.fails(1, "not", "lock", "project")
    assert time.monotonic() - start < 20
    archive_of(f"file://{world.project}/own.tar")
    world.ok("build", "project", "-o", "x.img")
    for table in ('mirrors = ["file:///etc"]', 'mirrors = ["https://example.org", "file:///"]'):
        project(world)
        manifest = world.project / "runtime.toml"
        manifest.write_text(
            manifest.read_text().replace('distro = "none"\n', f'distro = "none"\n{table}\n')
        )
        world.fails(1, "outside of the project", "lock", "project")


def test_publish_runs_nothing_of_the_projects_git_configuration(world):
    project(world)
    marker = world.folder / "PWNED"
    hook = world.folder / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git = ["git", "-c", "user.email=a@b", "-c", "user.name=a", "-C", str(world.project)]
    run(*git, "init", "-q")
    (world.project / ".gitattributes").write_text("* filter=evil diff=evil\n")
    run(*git, "add", "-A")
    run(*git, "commit", "-q", "-m", "x")
    # A submodule has a configuration of its own.
    (world.project / "sub").mkdir()
    (world.project / "sub/file").write_text("x")
    (world.project / "sub/.gitattributes").write_text("* filter=evil diff=evil\n")
    inner = [*git[:-1], str(world.project / "sub")]
    run(*inner, "init", "-q")
    run(*inner, "add", "-A")
    run(*inner, "commit", "-q", "-m", "x")
    run(*git, "add", "sub")
    run(*git, "commit", "-q", "-m", "y")
    for key in ("filter.evil.clean", "filter.evil.process", "core.fsmonitor"):
        run(*inner, "config", key, str(hook))
    os.utime(world.project / "sub/file", (1, 1))
    for key in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "diff.evil.textconv",
        "core.pager",
        "core.sshCommand",
        "credential.helper",
        "core.editor",
    ):
        run(*git, "config", key, str(hook))
    for name in ("post-index-change", "fsmonitor-watchman", "pre-commit", "reference-transaction"):
        shutil.copy(hook, world.project / ".git/hooks" / name)
    for file in world.project.iterdir():
        if file.is_file():
            os.utime(file, (1, 1))
    world.ok("build", "project", "-o", "x.squashfs")
    world.run("keygen", "key")
    world.run("publish", "project", "--dry-run", "--key", "key")
    assert not marker.exists(), "a program of .git/config ran"


# --- The lock is bound to what people review ---


def forged(world, honest, manifest):
    """The lock that alephc writes for `manifest`, with what it says of the declaration taken from
    `honest`: a forger's best work."""
    file = world.project / "runtime.toml"
    reviewed = file.read_text()
    file.write_text(manifest)
    world.ok("lock", "project")
    file.write_text(reviewed)
    declared = re.compile(r"^declared = .*$", re.M)
    return relocked(
        (world.project / "runtime.lock").read_text(),
        lambda body: declared.sub(declared.search(honest)[0], body),
    )


def test_a_lock_with_another_manifest_is_refused_by_every_command(world):
    project(world, "true", text='[[file]]\ntarget = "/etc/motd"\ncontent = "good"\n')
    world.ok("lock", "project")
    file = world.project / "runtime.lock"
    lock = file.read_text()
    manifest = world.project / "runtime.toml"
    text = manifest.read_text()
    for what, other in (
        ("a backdoor user", text + '[[user]]\nname = "evil"\nuid = 999\n'),
        (
            "a hidden network",
            text.replace('name = "attack"\n', 'name = "attack"\nnetwork = true\n'),
        ),
        ("another file", text.replace('content = "good"', 'content = "evil"')),
    ):
        assert other != text, what
        file.write_text(forged(world, lock, other))
        for command in (
            ["lock", "project", "--check"],
            ["build", "project", "--locked", "-o", "x.squashfs"],
            ["build", "project", "-o", "x.squashfs"],
            ["verify", "project"],
            ["plan", "project"],
            ["shell", "project", "--", "true"],
        ):
            world.fails(3, "its manifest is not the one of runtime.toml", *command)
    # A lock that no alephc writes is refused whatever it says.
    file.write_text(
        relocked(lock, lambda body: body + '\n[[manifest.user]]\nname = "evil"\nuid = 0\n')
    )
    world.fails(
        3,
        "it is not in the form in which 'alephc lock' writes it",
        "build",
        "project",
        "--locked",
        "-o",
        "x.squashfs",
    )
    file.write_text(lock)
    world.ok("lock", "project", "--check")
    manifest.write_text(text.replace('content = "good"', 'content = "new"'))
    world.fails(1, "the manifest changed", "lock", "project", "--check")


def test_a_lock_of_another_draft_or_epoch_is_stale(world):
    project(world)
    world.ok("lock", "project")
    file = world.project / "runtime.lock"
    lock = file.read_text()
    for change in (
        ("\ndraft = 5\n", "\ndraft = 1\n"),
        ("\ndraft = 5\n", "\n"),
        ("\ndraft = 5\n", "\ndraft = 6\n"),
        ("\nepoch = 1\n", "\nepoch = 0\n"),
    ):
        file.write_text(relocked(lock, lambda body: body.replace(*change)))
        world.fails(
            1,
            "and this alephc builds draft 5 of output epoch 1",
            "build",
            "project",
            "--locked",
            "-o",
            "x.squashfs",
        )
    file.write_text(relocked(lock, lambda body: body.replace("\nepoch = 1\n", "\nepoch = 2\n")))
    world.fails(1, "made by a later alephc", "build", "project", "--locked", "-o", "x.squashfs")


def test_recorded_parts_of_the_stdlib_are_those_that_alephc_shipped(world):
    world.manifest(packages=["after-div"])
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace(
            'name = "t"\n', 'name = "t"\nextends = ["stdlib:debian/slim"]\n', 1
        )
    )
    world.ok("lock", "project")
    file = world.project / "runtime.lock"
    lock = file.read_text()
    assert 'name = "stdlib:debian/slim"' in lock
    file.write_text(
        relocked(lock, lambda body: body.replace("lines = [\n", 'lines = [\n  "# evil",\n', 1))
    )
    for command in (
        ["lock", "project", "--check"],
        ["build", "project", "--locked", "-o", "x.squashfs"],
        ["verify", "project"],
    ):
        world.fails(3, "is of no alephc", *command)
    # Without a record it counts while today's stdlib gives the same manifest.
    bare = re.sub(r"\n\[\[part\]\]\n.*?\n\]\n", "", lock, flags=re.S)
    file.write_text(relocked(bare, lambda body: body))
    world.ok("lock", "project", "--check")


# --- Files of a project are read once ---


def content(world, image, path):
    return run("unsquashfs", "-cat", str(world.folder / image), path).stdout


def test_a_file_that_changes_during_a_build_poisons_nothing(world):
    project(
        world,
        "sleep 2; cp /run/alephc/inputs/payload /tmp-payload",
        text='[[file]]\ntarget = "/bin/cp"\nlink = "busybox"\n[[file]]\ntarget = "/payload"\nsource = "payload"\n',
    )
    manifest = world.project / "runtime.toml"
    manifest.write_text(
        manifest.read_text().replace('name = "attack"\n', 'name = "attack"\ninputs = ["payload"]\n')
    )
    payload = world.project / "payload"
    payload.write_text("HONEST")
    world.ok("lock", "project")
    process = subprocess.Popen(
        [world.alephc, "--store", str(world.store), "build", "project", "--locked", "-o", "a.img"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=world.folder,
        env=world.alephc_env(),
    )
    time.sleep(1)
    payload.write_text("SWAPPED")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    world.fails(1, "'payload' changed", "build", "project", "--locked", "-o", "b.squashfs")
    payload.write_text("HONEST")
    world.ok("build", "project", "--locked", "-o", "c.img")
    for image in ("a.img", "c.img"):
        assert content(world, image, "payload") == content(world, image, "tmp-payload") == "HONEST"


def test_a_linked_input_is_bound_by_its_content(world):
    project(
        world,
        text='[[run]]\nname = "linked"\nsource = "build.sh"\n[[file]]\ntarget = "/etc/app"\nsource = "app"\nappend = true\n',
    )
    for name in ("build.sh", "app"):
        (world.project / f"{name}.real").write_text("true\n")
        (world.project / name).symlink_to(f"{name}.real")
    world.ok("lock", "project")
    world.ok("build", "project", "--locked", "-o", "a.img")
    for name in ("build.sh", "app"):
        (world.project / f"{name}.real").write_text("true # changed\n")
        world.fails(1, f"'{name}' changed", "lock", "project", "--check")
        world.fails(1, f"'{name}' changed", "build", "project", "--locked", "-o", "b.squashfs")
        (world.project / f"{name}.real").write_text("true\n")
    world.ok("lock", "project", "--check")


def test_an_empty_folder_of_a_project_is_in_the_lock(world):
    project(world, text='[[file]]\ntarget = "/srv/data"\nsource = "data"\n')
    (world.project / "data/empty").mkdir(parents=True)
    (world.project / "data/file").write_text("x")
    world.ok("lock", "project")
    world.ok("build", "project", "--locked", "-o", "a.img")
    (world.project / "data/empty").rmdir()  # as git leaves it out
    world.fails(
        1,
        "the empty folder 'data/empty' is gone",
        "build",
        "project",
        "--locked",
        "-o",
        "b.squashfs",
    )


# --- Trees that strangers filled ---


def test_diversions_that_lead_out_are_not_followed(world):
    for package in ("div-zero", "div-fifo", "div-host", "div-blank", "info-link"):
        world.manifest(packages=[package, "after-div"])
        (world.project / "base.toml").write_text('schema = 1\n[packages]\ninstall = ["dpkg"]\n')
        manifest = world.project / "runtime.toml"
        manifest.write_text(
            manifest.read_text().replace('name = "t"\n', 'name = "t"\nextends = ["base.toml"]\n')
        )
        start = time.monotonic()
        result = world.run("build", "project", "-o", "x.img")
        assert result.returncode in (0, 1), f"{package}: exit {result.returncode}\n{result.stderr}"
        assert time.monotonic() - start < 60, package
        hostname = pathlib.Path("/etc/hostname").read_text().strip()
        assert package != "div-host" or hostname not in result.stderr


def test_deep_folders_are_an_error_and_the_store_lives_on(world):
    compiled(
        world,
        '#include <sys/stat.h>\n#include <unistd.h>\nint main(void) { for (int i = 0; i < 3000; ++i) if (mkdir("d", 0755) || chdir("d")) return 2; return 0; }\n',
        "deep",
    )
    for code, text in ((1, "exit 1"), (0, "exit 0")):
        project(
            world,
            f"cd /tmp && /bin/deep; {text}",
            text='[[file]]\ntarget = "/bin/deep"\nsource = "deep"\n',
        )
        for who, result in both(world, "build", "project", "-o", "project.img"):
            assert result.returncode == 1, f"{who}: {result.stderr}"
            assert code == 1 or "nested too deep" in result.stderr, result.stderr
    project(world)
    world.ok("build", "project", "-o", "x.img")
    assert [each for each in (world.store / "work").iterdir()] == [], "a work folder was left"


def test_marks_of_an_overlay_in_an_archive_mean_nothing(world):
    early = world.project / "early"
    early.write_text("early")
    with tarfile.open(world.project / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("etc")
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        member.pax_headers = {
            "SCHILY.xattr.user.overlay.opaque": "y",
            "SCHILY.xattr.user.overlay.redirect": "/bin",
            "SCHILY.xattr.trusted.overlay.opaque": "y",
            "SCHILY.xattr.user.kept": "yes",
        }
        archive.addfile(member)
    project(
        world,
        "test -f /etc/early",
        text='[[file]]\ntarget = "/etc/early"\nsource = "early"\nbefore = "packages"\n[[archive]]\nname = "x"\nsource = "x.tar"\ntarget = "/"\n',
    )
    images = {}
    for who, result in both(world, "build", "project", "-o", "project.img"):
        assert result.returncode == 0, f"{who}: {result.stderr}"
        images[who] = re.search(r"sha256  ([0-9a-f]{64})", result.stdout)[1]
    assert len(set(images.values())) == 1, images


# --- Limits ---


def test_dotted_keys_without_end_are_an_error(world):
    for text in (
        "a" + ".a" * 200000 + " = 1\n",
        "[" + "a" + ".a" * 200000 + "]\n",
        "x = {" + "a" + ".a" * 5000 + " = 1}\n",
        "x = " + "[" * 100000 + "\n",
    ):
        (world.project / "runtime.toml").write_text(text)
        result = world.run("lock", "project")
        assert result.returncode == 1, result.returncode
        assert len(result.stderr) < 5000, len(result.stderr)
    (world.folder / "config.toml").write_text("a" + ".a" * 200000 + " = 1\n")
    assert world.run("--config", "config.toml", "version").returncode in (0, 1)


def test_an_archive_that_unpacks_without_end_is_refused(world):
    head = tarfile.TarInfo("zeros")
    head.size = 3 << 29
    with open(world.project / "bomb.tar.bz2", "wb") as file:
        packer = subprocess.Popen(["bzip2", "-1"], stdin=subprocess.PIPE, stdout=file)
        packer.stdin.write(head.tobuf())
        for _ in range(3 << 9):
            packer.stdin.write(bytes(1 << 20))
        packer.stdin.write(bytes(1024))
        packer.communicate()
    project(world, text='[[archive]]\nname = "bomb"\nsource = "bomb.tar.bz2"\ntarget = "/opt"\n')
    code, peak, seconds, errors = memory_of(world, "build", "project", "-o", "x.img", seconds=120)
    assert code == 3, errors
    assert "times its size" in errors, errors
    assert peak < 300, peak


def test_names_and_attributes_of_an_archive_cost_no_memory(world):
    for what, headers, count in (
        ("extended attribute of more", {"SCHILY.xattr.user.a": "x" * 900_000}, 100),
        ("of names, links and extended attributes", {"path": "/".join(["p" * 200] * 18)}, 40_000),
    ):
        with tarfile.open(world.project / "long.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for number in range(count):
                entry = tarfile.TarInfo(f"f{number}")
                entry.pax_headers = {
                    key: f"{value}/{number}" if key == "path" else value
                    for key, value in headers.items()
                }
                tar.addfile(entry)
        run("zstd", "-q", "-f", str(world.project / "long.tar"))
        project(
            world, text='[[archive]]\nname = "long"\nsource = "long.tar.zst"\ntarget = "/opt"\n'
        )
        code, peak, seconds, errors = memory_of(
            world, "build", "project", "-o", "x.img", seconds=120
        )
        assert code == 3, errors
        assert what in errors, errors
        assert peak < 900, peak


def test_files_of_a_project_are_regular(world):
    project(world)
    for name in ("runtime.lock", "runtime.receipt.json"):
        world.ok("lock", "project")
        place = world.project / name
        for make in (lambda: place.symlink_to("/dev/zero"), lambda: os.mkfifo(place)):
            place.unlink(missing_ok=True)
            make()
            code, peak, seconds, errors = memory_of(world, "build", "project", "-o", "x.img")
            assert code == 1, (name, code, peak, errors)
            assert "is not a regular file" in errors, (name, code, peak, errors)
            assert peak < 300, (name, code, peak, errors)
            assert seconds < 20, (name, code, peak, errors)
        place.unlink()


def test_a_long_log_costs_no_memory(world):
    project(world, "yes | head -c 300000000; exit 1")
    code, peak, seconds, errors = memory_of(world, "build", "project", "-o", "x.img", seconds=120)
    assert code == 1, (code, peak)
    assert peak < 300, (code, peak)
    assert sum(file.stat().st_size for file in (world.store / "logs").iterdir()) < 60 << 20


def test_hostile_images_are_refused_with_little_memory_and_time(world):
    images = []
    for name, make in IMAGES.items():
        images.append(world.folder / f"{name}.img")
        images[-1].write_bytes(make())
    for image in images:
        for command in (
            ("tree", image),
            ("inspect", image),
            ("diff", image, image),
            ("verify", "--image", image, "--expect", "0" * 64),
        ):
            code, peak, seconds, errors = memory_of(world, *command)
            assert code in (0, 1, 3), f"{image.name}: {command[0]} exits {code}\n{errors}"
            print(f"  {image.name} {command[0]}: exit {code}, {peak:.0f} MB, {seconds:.1f} s")
            assert peak <= 512, f"{image.name}: {command[0]} took {peak:.0f} MB, {seconds:.1f} s"
            assert seconds <= 60, f"{image.name}: {command[0]} took {peak:.0f} MB, {seconds:.1f} s"


def test_two_files_with_one_inode_number_are_refused(world):
    folder = world.folder / "tree"
    folder.mkdir()
    for name, text in (("a", "GOOD"), ("b", "EVIL"), ("c", "link")):
        (folder / name).write_text(text)
    os.link(folder / "c", folder / "d")
    image = world.folder / "image.img"
    run(
        "mksquashfs",
        str(folder),
        str(image),
        "-noI",
        "-noD",
        "-noF",
        "-noX",
        "-noappend",
        "-all-root",
        "-no-xattrs",
        "-quiet",
        "-no-progress",
    )
    world.ok("tree", image)
    data = bytearray(image.read_bytes())
    start = int.from_bytes(data[64:72], "little") + 2  # of the inode table, behind its block's head
    assert data[start : start + 2] == data[start + 32 : start + 34] == b"\2\0"  # two basic files
    data[start + 32 + 12 : start + 32 + 16] = data[start + 12 : start + 16]
    image.write_bytes(data)
    for command in (["tree", image], ["inspect", image], ["diff", image, image]):
        world.fails(3, "has the inode number of another file", *command)


def test_a_btrfs_whose_sums_are_not_checked_is_refused(world):
    image = world.folder / "image.img"
    with open(image, "wb") as file:
        file.truncate(200 << 20)
    run("mkfs.btrfs", "-q", "--csum", "xxhash", str(image))
    world.fails(1, "sums of another kind than crc32c", "tree", image)


def test_reading_an_image_ends_within_a_moment_of_an_interrupt(world):
    tree = world.folder / "large"
    tree.mkdir()
    with open(tree / "zeros", "wb") as file:
        file.truncate(4 << 30)
    run(
        "mksquashfs",
        str(tree),
        str(world.folder / "large.image"),
        "-quiet",
        "-no-progress",
        "-comp",
        "xz",
    )
    process = subprocess.Popen(
        [world.alephc, "tree", "large.image"],
        cwd=world.folder,
        env=world.alephc_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(0.7)
    if process.poll() is not None:
        raise Skip("this machine reads the image in no time")
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - start < 1.5, process.returncode
    assert process.returncode == 130, process.returncode


def test_a_mirror_that_drips_is_given_up(world):
    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        client, _ = listener.accept()
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(300):
                client.sendall(b"x")
                time.sleep(0.4)

    threading.Thread(target=drip, daemon=True).start()
    port = listener.getsockname()[1]
    project(
        world,
        text=f'[[archive]]\nname = "a"\nurl = "http://127.0.0.1:{port}/a.tar"\ntarget = "/opt"\n',
    )
    start = time.monotonic()
    assert world.run("lock", "project").returncode == 1
    assert time.monotonic() - start < 120


# --- Guests and other users ---


def test_run_opens_no_file_that_an_image_names(world):
    secret = world.folder / "secret.raw"
    secret.write_bytes(os.urandom(1 << 20))
    if not shutil.which("qemu-img"):
        raise Skip("qemu-img is not installed")
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        str(secret),
        "-F",
        "raw",
        str(world.folder / "backing.qcow2"),
        "64M",
    )
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        f"data_file={secret},data_file_raw=on",
        str(world.folder / "data.qcow2"),
        "1M",
        check=False,
    )
    for image in ("backing.qcow2", "data.qcow2"):
        if (world.folder / image).exists():
            world.fails(1, "needs a backing file", "run", image, "--accel", "tcg")
            world.fails(1, "needs a backing file", "tree", image)


def test_a_store_that_others_can_write_to_is_refused(world):
    project(world)
    for mode, owner, why in (
        (0o777, 0, "can be changed by other users"),
        (0o770, 0, "can be changed by other users"),
        (0o700, 1001, "belongs to another user"),
    ):
        store = world.folder / "store-x"
        shutil.rmtree(store, ignore_errors=True)
        store.mkdir()
        store.chmod(mode)
        os.chown(store, owner, 0)
        world.fails(4, why, "build", "project", "-o", "x.squashfs", store=store)


def test_a_store_may_have_any_name(world):
    project(world)
    for name in ("st,metacopy=on", "a:b", "with space", "back\\slash"):
        world.ok("build", "project", "-o", "x.img", store=world.folder / name)


def test_what_killed_runs_left_in_the_temporary_folder_is_removed(world):
    stale = world.folder / "tmp/alephc-vm.abc123"
    stale.mkdir(parents=True)
    (stale / "x").write_text("x")
    world.run("doctor", env={"TMPDIR": str(stale.parent)})
    assert not stale.exists()


def test_control_characters_of_names_do_not_reach_stdout(world):
    tree = world.folder / "names"
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").write_text(
        "Package: evil\x1b[2J\nStatus: install ok installed\nVersion: 1\x1b]0;x\x07\nArchitecture: amd64\nInstalled-Size: 1\n\n"
    )
    (tree / "a\x1b[31mb").write_text("x")
    run("mksquashfs", str(tree), str(world.folder / "names.squashfs"), "-quiet", "-no-progress")
    other = world.folder / "other"
    (other / "var/lib/dpkg").mkdir(parents=True)
    (other / "var/lib/dpkg/status").write_text(
        "Package: evil\x1b[2J\nStatus: install ok installed\nVersion: 2\x1b]0;x\x07\nArchitecture: amd64\n\n"
    )
    run("mksquashfs", str(other), str(world.folder / "other.squashfs"), "-quiet", "-no-progress")
    for command in (
        ("inspect", "names.squashfs", "--sizes"),
        ("diff", "names.squashfs", "other.squashfs"),
        ("tree", "names.squashfs"),
        ("inspect", "names.squashfs"),
    ):
        result = world.run(*command)
        assert "\x1b" not in result.stdout + result.stderr, command
        assert "\x07" not in result.stdout, command


def test_a_disk_with_other_boot_code_is_another_image(world):
    """The files are the same; the machine would start something else."""
    (world.project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "d"\n[base]\ndistro = "none"\n[init]\nprogram = "none"\n'
        '[[file]]\ntarget = "/srv/hello"\ncontent = "hello"\n[boot]\nkernel = "none"\n[image]\nformat = "disk"\n'
    )
    for kind in ("qcow2", "disk"):
        outcome = json.loads(
            world.ok(
                "--json", "build", "project", "-o", f"good.{kind}", "--set", f"image.format={kind}"
            ).stdout
        )
        assert re.fullmatch("[0-9a-f]{64}", outcome["outside"]), outcome
        assert outcome["tree"].startswith("2:"), outcome
        seen = json.loads(world.ok("--json", "tree", f"good.{kind}").stdout)
        assert (seen["tree"], seen["outside"]) == (outcome["tree"], outcome["outside"])
        assert outcome["tree"] == "2:" + hashlib.sha256(seen["listing"].encode()).hexdigest()
    good = (world.folder / "good.disk").read_bytes()
    evil = bytearray(good)
    evil[:16] = b"\xeb\xfe" + b"EVIL BOOT CODE"
    (world.folder / "evil.disk").write_bytes(evil)
    found = json.loads(world.ok("--json", "tree", "evil.disk").stdout)
    assert found["tree"] == outcome["tree"], found
    assert found["outside"] != outcome["outside"], found
    result = world.run("diff", "good.disk", "evil.disk")
    assert result.returncode == 1, result.stdout
    assert "outside their filesystems differs" in result.stdout, result.stdout
    verify = lambda name: json.loads(
        world.run(
            "--json", "verify", "project", "--rebuild", "--image", name, "--level", "tree"
        ).stdout
    )
    assert verify("good.disk")["verdict"] == "verified"
    report = verify("evil.disk")
    assert report["verdict"] == "mismatch", report
    assert "outside its filesystems" in str(report), report


def test_what_a_mount_shows_and_a_listing_did_not_is_listed_or_refused(world):
    """lost+found, flags of chattr, links and orphans of ext4; copies and the two indexes of
    btrfs."""
    tree = world.folder / "tree"
    tree.mkdir()
    (tree / "a").write_text("a")
    (tree / "su").write_text("#!/bin/sh\n")
    digest = lambda image: json.loads(world.ok("--json", "tree", image).stdout)["tree"]

    def made(name, *commands):
        image = world.folder / name
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(image)],
            check=True,
            capture_output=True,
        )
        for command in commands:
            subprocess.run(
                ["debugfs", "-w", "-R", command, str(image)],
                check=True,
                capture_output=True,
                cwd=world.folder,
            )
        return image

    honest = digest(made("honest.ext4"))
    assert (
        digest(
            made("hidden.ext4", f"write {tree}/su lost+found/su", "sif lost+found/su mode 0104755")
        )
        != honest
    )
    assert digest(made("mode.ext4", "sif lost+found mode 040777")) != honest
    world.fails(3, "has no links", "tree", made("links.ext4", "sif a links_count 0"))
    world.fails(3, "a flag of chattr", "tree", made("flag.ext4", "sif a flags 0x80010"))
    world.fails(3, "a mount would remove", "tree", made("orphan.ext4", "ssv last_orphan 12"))
    image = world.folder / "dup.btrfs"
    with open(image, "wb") as file:
        file.truncate(300 << 20)
    (tree / "large").write_bytes(b"GOOD" * 5000)
    subprocess.run(
        ["mkfs.btrfs", "-q", "-d", "dup", "--rootdir", str(tree), str(image)],
        check=True,
        capture_output=True,
    )
    world.ok("tree", image)
    data = bytearray(image.read_bytes())
    at = data.find(b"GOODGOOD")
    assert data.find(b"GOODGOOD", at + 20000) > 0, "the data has no second copy"
    data[at : at + 4] = b"EVIL"
    image.write_bytes(data)
    world.fails(3, "its copies differ", "tree", image)


def test_an_index_of_a_squashfs_folder_that_leads_elsewhere_is_refused(world):
    """The kernel looks names up by it, and a listing does not."""
    tree = world.folder / "tree"
    tree.mkdir()
    names = [f"entry-{number}" for number in range(1000, 4000)]
    for name in names:
        (tree / name).write_text("x")
    image = world.folder / "large.image"
    subprocess.run(
        [
            "mksquashfs",
            str(tree),
            str(image),
            "-noI",
            "-noD",
            "-noF",
            "-noX",
            "-quiet",
            "-no-progress",
        ],
        check=True,
        capture_output=True,
    )
    world.ok("tree", image)
    data = image.read_bytes()
    indexed = [name.encode() for name in names if data.count(name.encode()) > 1]
    assert indexed, "mksquashfs made no index"
    at = data.find(
        indexed[0]
    )  # behind the byte of the folder, the block and the length of the name
    for field in (12, 8, 1 - len(indexed[0])):
        evil = bytearray(data)
        evil[at - field] ^= 1
        image.write_bytes(evil)
        world.fails(3, "has an index that leads elsewhere", "tree", image)


def test_an_archive_of_a_stranger_runs_nothing_on_this_machine(world):
    """Its apt chooses packages, and may be anything: here libc6's loader is a static program."""
    marker = world.folder / "ran"
    folder = world.folder.parent / "strange"  # short: a socket goes below it
    folder.mkdir()
    archive = Archive(folder)
    for deb in (world.archive.root / "pool").glob("*.deb"):
        shutil.copy(deb, archive.root / "pool")
    source = world.folder / "loader.c"
    source.write_text(
        "#include <fcntl.h>\n#include <unistd.h>\n"
        f'int main(void) {{ int f = creat("{marker}", 0644); write(1, f < 0 ? "no\\n" : "yes\\n", 4); return 7; }}\n'
    )
    loader = world.folder / "loader"
    run("gcc", "-static", "-o", str(loader), str(source))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(loader, "./lib64/ld-linux-x86-64.so.2")
    archive.add_package("libc6", "99", tar=packed.getvalue())
    archive.publish()
    world.manifest()
    shutil.copy(archive.key, world.project / "key.gpg")
    result = world.run("lock", "project", mirror=archive.url)
    assert result.returncode != 0, result.stderr
    assert not marker.exists(), "the archive's program ran outside of the sandbox"
    assert not (world.project / "runtime.lock").exists()
