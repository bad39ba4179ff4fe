#!/usr/bin/env python3
"""Are secrets that packages make while they are installed kept out of images, and do the remedies
work?

run.py ALEPHC [PACKAGE…]     without packages: all rows; ALEPHC_SECRETS_RESULTS names a file that is
resumed from and written to

For each package, from the machine's own Debian mirror: a build with it is refused and names the
secret; with the exclude_paths that the hint gives it is not; and the hint's command makes the
secret again in the finished tree. Prints a row each."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

PACKAGES = {
    "postgresql": "ssl-cert",
    "ssl-cert": "ssl-cert",
    "bind9": "bind9",
    "varnish": "varnish",
    "xrdp": "xrdp",
    "nsd": "nsd",
    "ejabberd": "ejabberd",
    "slapd": "slapd",
    "phpmyadmin": "phpmyadmin",
    "roundcube": "roundcube",
    "open-iscsi": "open-iscsi",
    "nvme-cli": "nvme-cli",
    "etckeeper": "etckeeper",
    "popularity-contest": "popularity-contest",
    "rabbitmq-server": "rabbitmq-server",
    "munge": "munge",
    "dropbear": "dropbear",
    "simplesamlphp": "simplesamlphp",
    "backuppc": "backuppc",
}


class Case:
    def __init__(self, alephc, package, folder):
        self.alephc, self.package, self.folder = alephc, package, folder

    def run(self, *arguments, timeout=1500):
        return subprocess.run(
            [self.alephc, "--store", str(self.folder.parent / "store"), *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=self.folder,
            timeout=timeout,
            env={key: value for key, value in os.environ.items() if key != "CI"},
        )

    def manifest(self, exclude):
        self.folder.mkdir(exist_ok=True)
        paths = ", ".join(json.dumps(path) for path in exclude)
        (self.folder / "runtime.toml").write_text(
            f'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "debian"\nrelease = "bookworm"\n[packages]\ninstall = ["{self.package}"]\nexclude_paths = [{paths}]\n'
            '[init]\nprogram = "none"\n'
        )

    def verdict(self):
        """(what holds, what does not)"""
        self.manifest([])
        refused = self.run("build", ".", "-o", "x.squashfs")
        if "can be reached" in refused.stderr:
            return "skipped", "no mirror"
        wanted = f"made while {PACKAGES[self.package]} was installed"
        if refused.returncode != 1 or wanted not in refused.stderr:
            return (
                "FAILED",
                f"exit {refused.returncode}, without '{wanted}': {refused.stderr[-300:]}",
            )
        hints = [
            line for line in refused.stderr.splitlines() if "packages.exclude_paths = [" in line
        ]
        exclude, commands = [], []
        for hint in hints:
            exclude += re.findall(r'"([^"]*)"', re.search(r"exclude_paths = \[(.*?)\]", hint)[1])
            if "at first boot: " in hint:
                commands.append(hint.split("at first boot: ")[1])
        self.manifest(exclude)
        built = self.run("build", ".", "-o", "x.squashfs")
        if built.returncode != 0:
            return "FAILED", f"refused with the hint followed: {built.stderr[-300:]}"
        for command in commands:
            made = self.run(
                "shell",
                ".",
                "--",
                "/bin/sh",
                "-c",
                f"( {command} ) >/tmp/log 2>&1 || {{ cat /tmp/log; exit 1; }}; for p in {' '.join(exclude)}; do test -s $p && exit 0; done; exit 9",
            )
            if made.returncode != 0:
                return (
                    "refused",
                    f"the remedy does not run in a sandbox (exit {made.returncode}): {(made.stdout + made.stderr)[-200:]}",
                )
        return "ok", "refused; built without; " + (
            "made again" if commands else "the service makes it"
        )


def main():
    alephc = os.path.abspath(sys.argv[1])
    results_file = (
        pathlib.Path(os.environ["ALEPHC_SECRETS_RESULTS"])
        if "ALEPHC_SECRETS_RESULTS" in os.environ
        else None
    )
    results = json.loads(results_file.read_text()) if results_file and results_file.exists() else {}
    if os.geteuid() != 0:
        print("skipped: this needs root")
        return 77
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="alephc-secrets.") as top:
        for package in sys.argv[2:] or PACKAGES:
            if package not in results:
                start = time.monotonic()
                verdict, why = Case(alephc, package, pathlib.Path(top) / package).verdict()
                results[package] = [verdict, why, round(time.monotonic() - start)]
                if results_file:
                    results_file.write_text(json.dumps(results, indent=1))
            print(
                f"{package:20} {results[package][0]:8} {results[package][2]:4} s  {results[package][1]}",
                flush=True,
            )
    asked = [results[package][0] for package in sys.argv[2:] or PACKAGES]
    if asked and all(verdict == "skipped" for verdict in asked):
        return 77
    print(
        f"{sum(v in ('ok', 'refused') for v in asked)} passed, {asked.count('FAILED')} failed, {asked.count('skipped')} skipped"
    )
    return 1 if "FAILED" in asked else 0


if __name__ == "__main__":
    sys.exit(main())
