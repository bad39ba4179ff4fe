#!/usr/bin/env python3
"""Figures of a booted image: times of the boot, latency of requests, what many of them leave
behind.

vm.py ALEPHC [--requests N] [--seconds N] [--json FILE]     as root, with a Debian mirror in this
machine's apt configuration

Boots an image with python3 and a bare ASGI program; where KVM cannot run a guest, emulated."""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MANIFEST = (
    'schema = 1\n[runtime]\nname = "vm"\n[base]\ndistro = "debian"\nrelease = "bookworm"\nsuites = ["bookworm"]\n'
    '[packages]\ninstall = ["python3"]\n'
)
PROGRAM = """
import os
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    body = b"bare"
    if scope["path"] == "/stats":
        pid1 = [line for line in open("/proc/1/status") if line.startswith("VmRSS")][0].split()[1]
        agent = os.getppid()
        resident = [line for line in open(f"/proc/{agent}/status") if line.startswith("VmRSS")][0].split()[1]
        mine = [line for line in open("/proc/self/status") if line.startswith("VmRSS")][0].split()[1]
        body = f"{pid1} {resident} {len(os.listdir(f'/proc/{agent}/fd'))} {mine} {len(os.listdir('/proc/self/fd'))}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
NAMES = ["pid1_kb", "agent_kb", "agent_fds", "worker_kb", "worker_fds"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc")
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    alephc = os.path.abspath(options.alephc)
    figures = {}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-bench.") as top_name:
        top = pathlib.Path(top_name)
        (top / "runtime.toml").write_text(MANIFEST)
        (top / "app.py").write_text(PROGRAM)
        base = [alephc, "--store", str(top / "store")]
        env = {key: value for key, value in os.environ.items() if key != "CI"}
        subprocess.run(
            [*base, "-q", "build", str(top), "-o", str(top / "image")],
            check=True,
            stdout=subprocess.DEVNULL,
            env=env,
        )
        boots = []
        for _ in range(options.boots):
            out = subprocess.run(
                [
                    *base,
                    "--json",
                    "run",
                    str(top / "image"),
                    "--program",
                    str(top / "app.py"),
                    "--request",
                    "GET /",
                ],
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ).stdout
            boots.append(json.loads(out))
        figures["accel"], figures["vsock"] = boots[0]["accel"], boots[0]["vsock"]
        figures["init_to_ready_ms"] = [boot["init_to_ready_ms"] for boot in boots]
        figures["init_to_first_response_ms"] = [
            boot["response_ms"] - boot["ready_ms"] + boot["init_to_ready_ms"] for boot in boots
        ]
        process = subprocess.Popen(
            [
                *base,
                "run",
                str(top / "image"),
                "--program",
                str(top / "app.py"),
                "--listen",
                "127.0.0.1:0",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        address = next(
            found[1]
            for found in (re.search(r"serving on http://([^ ]+)", line) for line in process.stderr)
            if found
        )
        threading.Thread(target=process.stderr.read, daemon=True).start()

        def get(path="/"):
            connection = http.client.HTTPConnection(address, timeout=120)
            connection.request("GET", path)
            return connection.getresponse().read()

        get()
        before = get("/stats").split()
        times, failures = [], 0
        for _ in range(options.requests):
            start = time.monotonic()
            failures += get() != b"bare"
            times.append((time.monotonic() - start) * 1000)
        figures["requests"] = options.requests
        figures["request_ms"] = {
            "median": round(statistics.median(times), 2),
            "p99": round(sorted(times)[int(len(times) * 0.99)], 2),
        }
        served, end = [0] * 100, time.monotonic() + options.seconds

        def hammer(i):
            nonlocal failures
            while time.monotonic() < end:
                try:
                    good = get() == b"bare"
                except OSError:
                    good = False
                failures += not good
                served[i] += 1

        threads = [threading.Thread(target=hammer, args=(i,)) for i in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        figures["parallel"] = {"clients": 100, "seconds": options.seconds, "served": sum(served)}
        figures["failures"] = failures
        figures["before"] = dict(zip(NAMES, map(int, before)))
        figures["after"] = dict(zip(NAMES, map(int, get("/stats").split())))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    print(json.dumps(figures, indent=1))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
