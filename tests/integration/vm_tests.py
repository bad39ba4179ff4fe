"""run and conform: images of ours in a real virtual machine, over real vsock. Emulated where KVM
cannot run a guest."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

from fixture import Skip, run


def prepare(archive):
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("qemu-system-x86_64 is not installed")


SHARED = {}


def debian(world, arguments, **options):
    """alephc with the machine's own mirrors, and a store that all tests of this suite share."""
    argv = [world.alephc, "--store", str(world.store.parent / "vm-store"), *map(str, arguments)]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env=world.alephc_env(),
        timeout=options.pop("timeout", 900),
        **options,
    )


def ok(world, *arguments, **options):
    result = debian(world, arguments, **options)
    if "no mirror" in result.stderr and result.returncode != 0:
        raise Skip("no Debian mirror can be reached")
    assert (
        result.returncode == 0
    ), f"{arguments} exits {result.returncode}:\n{result.stdout}{result.stderr}"
    return result


def project(world, name, text, files=()):
    folder = world.folder / name
    folder.mkdir(exist_ok=True)
    (folder / "runtime.toml").write_text(f'schema = 1\n[runtime]\nname = "{name}"\n{text}')
    for path, content in files:
        (folder / path).write_text(content)
    return folder


def static_image(world):
    if "static" not in SHARED:
        image = world.store.parent / "static.squashfs"
        ok(world, "build", project(world, "static", '[base]\ndistro = "none"\n'), "-o", image)
        SHARED["static"] = image
    return SHARED["static"]


PYTHON = """[base]
distro = "debian"
release = "bookworm"
suites = ["bookworm"]
[packages]
install = ["python3", "python3-fastapi", "python3-django", "nodejs", "openssh-server"]
[init]
sshd = true
sdk_plugins = "custom_plugins.py"
init0_plugin = "init0_plugin.sh"
[init.env]
GREETING = "hello"
COMPOSED = "${GREETING} there"
[[init.plugin]]
name = "adds-one"
stage = "before_variables"
source = "adds_one.sh"
timeout = "60s"
[[init.plugin]]
name = "fails-quietly"
stage = "after_network"
exec = ["false"]
timeout = "60s"
on_error = "warn"
[[init.service]]
name = "counter"
exec = ["/bin/sh", "-c", "echo run >> /run/counter; sleep 1; exit 1"]
restart = "on-failure"
[[init.service]]
name = "once"
exec = ["/bin/sh", "-c", "echo ${GREETING} > /run/once"]
type = "oneshot"
"""

# The plugin of the runtime SDK's tutorial, in words of its own: renames variables with a prefix,
# prints them afterwards.
CUSTOM_PLUGINS = """
from typing import Dict
from runtime_types import Plugins
import os

def strip_prefix(variables: Dict[str, str]):
    for name in [name for name in variables if name.startswith("REACT_")]:
        variables[name.replace("REACT_", "")] = variables.pop(name)

def show(variables: Dict[str, str]):
    print("sdk plugin sees", sorted(variables), os.environ.get("GREETING"))

custom_plugins = Plugins(before_variables=strip_prefix, after_variables=show)
"""

ADDS_ONE = """#!/usr/bin/python3
import json
import sys
given = json.load(sys.stdin)
assert given["stage"] == "before_variables" and "code" not in given, given
print(json.dumps({"variables": {"ADDED": str(given["code_size"] > 0)}}))
"""


def python_image(world):
    if "python" not in SHARED:
        image = world.store.parent / "python.squashfs"
        folder = project(
            world,
            "python",
            PYTHON,
            [
                ("custom_plugins.py", CUSTOM_PLUGINS),
                ("init0_plugin.sh", '#!/bin/sh\necho "Hello init0!"\n'),
                ("adds_one.sh", ADDS_ONE),
            ],
        )
        ok(world, "build", folder, "-o", image)
        SHARED["python"] = image
    return SHARED["python"]


def probe(world):
    return pathlib.Path(world.alephc).parent / "compiler/boot/alephc-probe"


def ask(world, image, program, request, *arguments, console=False):
    result = ok(
        world,
        "--json",
        "run",
        image,
        "--program",
        program,
        "--request",
        request,
        *arguments,
        *(["--console"] if console else []),
        timeout=300,
    )
    answer = json.loads(result.stdout)
    answer["console"] = result.stderr
    return answer


class Served:
    """A machine that serves until the test is done with it."""

    def __init__(self, world, image, program, *arguments):
        self.process = subprocess.Popen(
            [
                world.alephc,
                "--store",
                str(world.store.parent / "vm-store"),
                "run",
                str(image),
                "--program",
                str(program),
                "--listen",
                "127.0.0.1:0",
                *map(str, arguments),
            ],
            cwd=world.folder,
            env=world.alephc_env(),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"serving on http://([^ ]+)", line)
            if found:
                self.address = found[1]
                break
        else:
            raise AssertionError("it does not serve: " + "".join(self.lines))
        threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True).start()

    def get(self, path, method="GET", body=None, headers={}):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 130


def test_an_image_of_nothing_but_the_init_runs_a_static_program(world):
    image = static_image(world)
    assert image.stat().st_size < 2_500_000, image.stat().st_size
    answer = ask(world, image, probe(world), "GET /some/path")
    assert answer["status"] == 200, answer
    assert answer["body"] == "probe /some/path", answer
    assert answer["init_to_ready_ms"] is not None, answer
    assert answer["vsock"] in ("vhost-user", "vhost-vsock", "firecracker"), answer
    print(
        f"  ready {answer['init_to_ready_ms']} ms after the init's first instruction, {answer['accel']}"
    )
    small = ask(world, image, probe(world), "GET /", "--memory", "128M")
    assert small["status"] == 200


def test_the_init_has_the_size_and_bytes_that_are_promised(world):
    binary = pathlib.Path(world.alephc).parent / "compiler/init/program/aleph-init"
    assert binary.stat().st_size <= 1_500_000, binary.stat().st_size
    assert "INTERP" not in run("readelf", "-l", str(binary)).stdout, "the init needs a loader"
    source = pathlib.Path(__file__).resolve().parents[2]
    other = world.folder / "another/folder"
    run(
        "cmake",
        "-G",
        "Ninja",
        "-S",
        str(source),
        "-B",
        str(other),
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DALEPHC_SANITIZERS=address,undefined",
        "-DCMAKE_CXX_FLAGS=-O1",
        "-DALEPHC_TESTS=OFF",
    )
    run("cmake", "--build", str(other), "--target", "aleph-init")
    assert (
        other / "compiler/init/program/aleph-init"
    ).read_bytes() == binary.read_bytes(), "another preset, other bytes"


def test_conform_passes_entirely(world):
    for image, least in ((static_image(world), 25), (python_image(world), 40)):
        result = ok(world, "--json", "conform", image, timeout=600)
        checks = json.loads(result.stdout)["checks"]
        assert not [check for check in checks if check["verdict"] == "fail"], checks
        assert len(checks) >= least, checks
    assert not [check for check in checks if check["verdict"] == "skip"], checks


FASTAPI = """
import os
from fastapi import FastAPI

state = []

app = FastAPI()

@app.on_event("startup")
async def up():
    state.append("up")

@app.on_event("shutdown")
async def down():
    state.append("down")

@app.get("/")
def root(q: str = ""):
    return {"state": state, "q": q, "variables": {name: os.environ.get(name) for name in ("GREETING", "COMPOSED", "ADDED", "KEY", "REACT_KEY")}}

@app.post("/items")
async def items(item: dict):
    return item
"""

DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
urlpatterns = [path("", lambda request: HttpResponse("django " + request.GET.get("q", "")))]
app = get_asgi_application()
"""


def test_fastapi_answers_with_plugins_services_and_variables(world):
    image = python_image(world)
    app = world.folder / "app"
    app.mkdir()
    (app / "main.py").write_text(FASTAPI)
    answer = ask(
        world,
        image,
        app,
        "GET /?q=a+b%2Bc",
        "--entrypoint",
        "main:app",
        "--env",
        "REACT_KEY=renamed",
        console=True,
    )
    body = json.loads(answer["body"])
    assert body["state"] == ["up"], body
    assert body["q"] == "a b+c", body
    assert body["variables"] == {
        "GREETING": "hello",
        "COMPOSED": "hello there",
        "ADDED": "True",
        "KEY": "renamed",
        "REACT_KEY": None,
    }, body
    console = answer["console"]
    assert "Hello init0!" in console, console[-3000:]
    assert "sdk plugin sees" in console, console[-3000:]
    assert "fails-quietly" in console, console[-3000:]
    packed = ask(
        world, image, app, "GET /?q=x", "--entrypoint", "main:app", "--encoding", "squashfs"
    )
    assert json.loads(packed["body"])["q"] == "x"


def test_programs_of_every_kind_answer(world):
    image = python_image(world)
    write = lambda name, text: (world.folder / name).write_text(text) and world.folder / name
    bare = write(
        "bare.py",
        'async def app(scope, receive, send):\n    assert scope["type"] == "http", "no lifespan here"\n    await receive()\n'
        '    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})\n    await send({"type": "http.response.body", "body": b"bare"})\n',
    )
    assert ask(world, image, bare, "GET /")["body"] == "bare"
    (world.folder / "dj").mkdir()
    (world.folder / "dj/site_.py").write_text(DJANGO)
    assert (
        ask(world, image, world.folder / "dj", "GET /?q=1", "--entrypoint", "site_:app")["body"]
        == "django 1"
    )
    node = write(
        "server.js",
        '#!/usr/bin/node\nrequire("http").createServer((q, s) => s.end("node " + q.url)).listen(8080)\n',
    )
    assert (
        ask(world, image, node, "GET /n?x=%20", "--interface", "executable")["body"]
        == "node /n?x=+"
    )
    shell = world.folder / "sh"
    shell.mkdir()
    (shell / "serve").write_text(
        "#!/bin/sh\nexec python3 -m http.server 8080 --directory /opt/code\n"
    )
    (shell / "hello").write_text("from a shell script\n")
    for encoding in ("zip", "squashfs"):
        answer = ask(
            world, image, shell, "GET /hello", "--entrypoint", "serve", "--encoding", encoding
        )
        assert answer["body"] == "from a shell script\n", answer


def test_bad_programs_are_answered_and_the_machine_lives(world):
    image = python_image(world)
    write = lambda name, text: (world.folder / name).write_text(text) and world.folder / name
    for name, text, wanted in (
        ("raises.py", "1/0\n", "ZeroDivisionError"),
        ("other.py", "x = 1\n", "the code has no 'app'"),
        ("exits.py", "import os; os._exit(3)\n", "ended while it started"),
    ):
        result = debian(world, ["run", image, "--program", write(name, text), "--request", "GET /"])
        assert result.returncode == 1, result.stderr
        assert wanted in result.stderr, result.stderr
    for name, text, wanted in (
        ("gone", "#!/no/such/interpreter\n", "interpreter"),
        ("ends", "#!/bin/sh\nexit 4\n", "status 4"),
    ):
        result = debian(
            world,
            [
                "run",
                image,
                "--program",
                write(name, text),
                "--interface",
                "executable",
                "--request",
                "GET /",
            ],
        )
        assert result.returncode == 1, result.stderr
        assert wanted in result.stderr, result.stderr
    forks = write("forks", "#!/bin/sh\nf() { f | f & }; f; exec python3 -m http.server 8080\n")
    try:
        debian(
            world,
            [
                "run",
                image,
                "--program",
                forks,
                "--interface",
                "executable",
                "--request",
                "GET /",
                "--memory",
                "128M",
            ],
            timeout=100,
        )
    except subprocess.TimeoutExpired:
        pass  # a machine that is busy with itself is ended by the host's time limit
    time.sleep(1)
    assert (
        run("pgrep", "-f", "qemu-system.*" + str(image), check=False).stdout == ""
    ), "the machine outlived its host process"
    filler = write(
        "fills.py",
        'import os\nasync def app(scope, receive, send):\n    if scope["type"] != "http": return\n    try:\n        open("/big", "wb").write(bytes(1 << 30))\n'
        '    except (OSError, MemoryError) as error:\n        text = repr(error)\n    await send({"type": "http.response.start", "status": 200, "headers": []})\n'
        '    await send({"type": "http.response.body", "body": text.encode()})\n',
    )
    answer = debian(
        world,
        ["--json", "run", image, "--program", filler, "--request", "GET /", "--memory", "512M"],
        timeout=400,
    )
    assert answer.returncode == 1 or "error" in answer.stdout.lower(), answer.stdout


def test_volumes_are_mounted_and_written(world):
    image = static_image(world)
    volume = world.folder / "data.img"
    with open(volume, "wb") as file:
        file.truncate(16 << 20)
    run("mkfs.ext4", "-q", str(volume))
    assert (
        ask(
            world,
            image,
            probe(world),
            "GET /write/var/lib/example/x",
            "--volume",
            f"{volume}:/var/lib/example",
        )["body"]
        == "written"
    )
    checked = run("e2fsck", "-fn", str(volume), check=False)
    assert checked.returncode == 0, checked.stdout
    assert (
        "probe"
        in ask(
            world,
            image,
            probe(world),
            "GET /file/var/lib/example/x",
            "--volume",
            f"{volume}:/var/lib/example:ro",
        )["body"]
    )


def test_a_btrfs_volume_is_mounted_and_written(world):
    if not shutil.which("mkfs.btrfs"):
        raise Skip("btrfs-progs is not installed")
    image, volume = static_image(world), world.folder / "data.btrfs"
    with open(volume, "wb") as file:
        file.truncate(120 << 20)
    run("mkfs.btrfs", "-q", str(volume))
    assert (
        ask(world, image, probe(world), "GET /write/mnt/x", "--volume", f"{volume}:/mnt")["body"]
        == "written"
    )
    run("btrfs", "check", "--readonly", str(volume))
    both = ("--volume", f"{volume}:/mnt:ro")
    assert ask(world, image, probe(world), "GET /file/mnt/x", *both)["body"] == "probe"
    assert "cannot write" in ask(world, image, probe(world), "GET /write/mnt/y", *both)["body"]


WHO = """import os
async def app(scope, receive, send):
    if scope["type"] != "http": return
    text = f"{os.getuid()} {os.getcwd()} {os.environ['HOME']}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})
"""


def test_a_program_runs_as_the_user_and_in_the_folder_that_init_names(world):
    folder = project(
        world,
        "user",
        '[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n[packages]\ninstall = ["python3"]\n'
        '[[user]]\nname = "app"\nuid = 1500\nhome = "/home/app"\n[[file]]\ntarget = "/srv/work"\ndir = true\nowner = "app:app"\n'
        '[init]\nuser = "app"\nworkdir = "/srv/work"\n',
    )
    image = world.folder / "user.squashfs"
    ok(world, "build", folder, "-o", image)
    (world.folder / "who.py").write_text(WHO)
    assert ask(world, image, world.folder / "who.py", "GET /")["body"] == "1500 /srv/work /home/app"
    script = world.folder / "who"
    script.write_text(
        '#!/bin/sh\necho "$(id -u) $(pwd) $HOME" > who\nexec python3 -m http.server 8080\n'
    )
    assert (
        ask(world, image, script, "GET /who", "--interface", "executable")["body"]
        == "1500 /srv/work /home/app\n"
    )


# An init of somebody else: announces an old version, answers no request, stops on halt.
FOREIGN_INIT = """#!/usr/bin/python3
import ctypes
import socket
control = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
control.bind((0xFFFFFFFF, 52))
control.listen(64)
ready = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
ready.connect((2, 52))
ready.sendall(b"\\x81\\xa7version\\xa51.0.0")
ready.close()
while True:
    client = control.accept()[0]
    data = client.recv(4096)
    if data == b"halt":
        client.sendall(b"STOP\\nSTOPZ\\n")
        client.shutdown(socket.SHUT_WR)
        client.recv(1)  # what is written is still in the guest's queue: the host closes when it has read it
        ctypes.CDLL(None).reboot(0x01234567)
    if data[:1].isdigit():
        client.sendall(b"\\x81\\xa7success\\xc3")
    client.close()
"""


def test_conform_judges_an_init_that_is_not_ours(world):
    folder = project(
        world,
        "foreign",
        '[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n[packages]\ninstall = ["python3"]\n'
        '[init]\nprogram = "none"\n[[file]]\ntarget = "/sbin/init"\nsource = "init.py"\nmode = "0755"\n',
        [("init.py", FOREIGN_INIT)],
    )
    image = world.folder / "foreign.squashfs"
    ok(world, "build", folder, "-o", image)
    result = debian(world, ["--json", "conform", image])
    verdicts = {check["check"]: check["verdict"] for check in json.loads(result.stdout)["checks"]}
    assert result.returncode == 1, result
    assert {name for name, verdict in verdicts.items() if verdict == "fail"} == {
        "executable.version",
        "executable.request",
        "asgi.version",
        "asgi.request",
        "refusal.version",
        "refusal.missing-device",
    }, verdicts
    assert (
        verdicts["executable.configured"]
        == verdicts["refusal.halt"]
        == verdicts["refusal.restart"]
        == "pass"
    ), verdicts


def test_many_requests_leave_nothing_behind(world):
    with Served(world, static_image(world), probe(world)) as served:
        before = served.get("/file/proc/1/status")[1]
        failures = []

        def work():
            for i in range(40):
                if served.get(f"/n/{i}") != (200, f"probe /n/{i}".encode()):
                    failures.append(i)

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        after = served.get("/file/proc/1/status")[1]
        resident = [int(re.search(rb"VmRSS:\s+(\d+)", text)[1]) for text in (before, after)]
        assert resident[1] <= 3 * 1024, resident
        assert resident[1] - resident[0] < 200, resident
        assert served.get("/echo", "POST", b"x" * 3_000_000)[1] == b"x" * 3_000_000


def test_the_agent_may_die_and_the_machine_goes_on(world):
    killer = world.folder / "killer.py"
    killer.write_text(
        'import os\nasync def app(scope, receive, send):\n    if scope["type"] != "http": return\n    if scope["path"] == "/kill":\n'
        '        os.kill(os.getppid(), 9)\n    await send({"type": "http.response.start", "status": 200, "headers": []})\n'
        '    await send({"type": "http.response.body", "body": str(os.getppid()).encode()})\n'
    )
    with Served(world, python_image(world), killer) as served:
        first = served.get("/")
        served.get("/kill")
        deadline = time.time() + 90
        while time.time() < deadline:
            time.sleep(1)
            status, body = served.get("/")
            if status == 200:
                break
        assert first[0] == 200, (first, status, body)
        assert status == 200, (first, status, body)
        assert body != first[1], (first, status, body)


def test_ssh_lets_the_authorized_key_in(world):
    if not shutil.which("ssh"):
        raise Skip("ssh is not installed")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(world.folder / "key"))
    bare = world.folder / "bare.py"
    bare.write_text("async def app(scope, receive, send):\n    pass\n")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Served(
        world,
        python_image(world),
        bare,
        "--authorized-key",
        world.folder / "key.pub",
        "--ssh-port",
        port,
    ):
        argv = [
            "ssh",
            "-p",
            str(port),
            "-i",
            str(world.folder / "key"),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "ConnectTimeout=20",
            "root@127.0.0.1",
            "hostname; ls /etc/ssh; cat /run/once; wc -l < /run/counter",
        ]
        for _ in range(20):
            result = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if result.returncode == 0:
                break
            time.sleep(2)
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("zl7mv7wk73fp"), result.stdout
        assert "ssh_host_ed25519_key" in result.stdout, result.stdout
        assert "hello" in result.stdout, result.stdout
        assert int(result.stdout.split()[-1]) >= 2, (
            "the service that fails was not started again: " + result.stdout
        )


def test_run_starts_again_when_the_program_changes(world):
    script = world.folder / "page"
    text = '#!/bin/sh\nexec python3 -c \'import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n  def do_GET(s): s.send_response(200); s.end_headers(); s.wfile.write(b"%s")\nh.HTTPServer(("", 8080), H).serve_forever()\'\n'
    script.write_text(text % "one")
    port = 18000 + os.getpid() % 1000
    process = subprocess.Popen(
        [
            world.alephc,
            "--store",
            str(world.store.parent / "vm-store"),
            "-q",
            "run",
            str(python_image(world)),
            "--program",
            str(script),
            "--interface",
            "executable",
            "--listen",
            f"127.0.0.1:{port}",
            "--watch",
        ],
        cwd=world.folder,
        env=world.alephc_env(),
    )
    try:
        for wanted in (b"one", b"two"):
            deadline = time.time() + 90
            got = b""
            while time.time() < deadline and got != wanted:
                time.sleep(0.5)
                try:
                    got = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read()
                except OSError:
                    pass
            assert got == wanted, got
            script.write_text(text % "two")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_build_refuses_what_the_init_could_not_run(world):
    cases = (
        (
            '[[init.plugin]]\nname = "p"\nstage = "boot"\nexec = ["/usr/bin/nothing"]\n',
            "the plugin 'p' needs /usr/bin/nothing, which is not in the image",
        ),
        (
            '[[init.plugin]]\nname = "p"\nstage = "boot"\nsource = "adds_one.sh"\n',
            "needs /usr/bin/python3, which is not in the image",
        ),
        ("[init]\nsshd = true\n", "'sshd' needs the package openssh-server"),
        ('[init]\nuser = "nobody-here"\n', "there is no user 'nobody-here'"),
        ('[init]\nprogram = "distro"\n', "no package brings /sbin/init"),
    )
    for text, wanted in cases:
        folder = project(
            world, "bad", '[base]\ndistro = "none"\n' + text, [("adds_one.sh", ADDS_ONE)]
        )
        (folder / "runtime.lock").unlink(missing_ok=True)
        result = debian(world, ["build", folder, "-o", "image.squashfs"])
        assert result.returncode == 1, result.stderr
        assert wanted in result.stderr, result.stderr
        assert not (world.folder / "image.squashfs").exists()


def distribution_init(world, packages, name):
    folder = project(
        world,
        "distro",
        '[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n'
        f'[packages]\ninstall = {json.dumps(packages)}\n[init]\nprogram = "distro"\n',
    )
    image = world.folder / "distro.squashfs"
    ok(world, "build", folder, "-o", image)
    answer = ask(world, image, probe(world), "GET /file/proc/1/comm", "--memory", "512M")
    assert answer["body"] == name + "\n", answer
    failed = debian(world, ["--json", "conform", image, "--memory", "512M"], timeout=900)
    checks = [check for check in json.loads(failed.stdout)["checks"] if check["verdict"] == "fail"]
    assert not checks, checks


def test_systemd_runs_the_agent_as_a_unit(world):
    distribution_init(world, ["systemd-sysv"], "systemd")


def test_openrc_runs_the_agent_as_a_service(world):
    distribution_init(world, ["sysvinit-core", "openrc"], "distro-init")


def test_bad_arguments_are_refused(world):
    image = static_image(world)
    for code, wanted, arguments in (
        (2, "--program is missing", ["run", image]),
        (2, "is not a volume", ["run", image, "--program", probe(world), "--volume", "x"]),
        (2, "is not a memory size", ["run", image, "--program", probe(world), "--memory", "1M"]),
        (1, "neither squashfs nor ext4", ["conform", probe(world)]),
        (2, "is not a request", ["run", image, "--program", probe(world), "--request", "GET"]),
    ):
        result = debian(world, arguments)
        assert result.returncode == code, (arguments, result.returncode, result.stderr)
        assert wanted in result.stderr, (arguments, result.returncode, result.stderr)
