#!/usr/bin/env python3
"""Golden tests: messages, schemas, graphs and help texts are what the files here say.

run.py ALEPHC [--only PATTERN] [--accept]
    --only    cases whose name matches a shell pattern: 'bad/*', 'graph *', schema
    --accept  write the files as they are now; read the diff before you commit it

good/ and bad/ go through the JSON Schema as well, with an independent validator: it must accept and
refuse the same files. rules/ breaks rules that a schema cannot say."""
import argparse
import difflib
import fnmatch
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
HELP = (["--help"], ["build", "--help"], ["lock", "--help"])
GRAPHS = ("text", "dot", "json", "svg")


class Golden:
    """Runs cases, compares what they give with files, and counts."""

    def __init__(self, alephc, only, accept):
        self.alephc, self.only, self.accept = os.path.abspath(alephc), only, accept
        self.passed = 0
        self.failed = []

    def wants(self, name):
        return fnmatch.fnmatch(name, self.only)

    def run(self, *arguments):
        # The archive beside this file has indexes only: alephc cannot run apt from it.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "ALEPHC_APT": "apt-get",
        }
        with tempfile.TemporaryDirectory() as store:
            return subprocess.run(
                [self.alephc, "--store", f"{store}/store", *arguments],
                capture_output=True,
                text=True,
                env=environment,
                cwd=HERE / "manifest",
                stdin=subprocess.DEVNULL,
            )

    def check(self, condition, what):
        if condition:
            self.passed += 1
            return
        self.failed.append(what)
        print(f"FAILED: {what}")

    def compare(self, name, got, file):
        expected = file.read_text() if file.exists() else ""
        if self.accept and got != expected:
            file.write_text(got)
            print(f"rewrote {file}")
            expected = got
        if got != expected:
            print(
                "".join(
                    difflib.unified_diff(
                        expected.splitlines(True), got.splitlines(True), str(file), "got"
                    )
                )
            )
        self.check(got == expected, name)


def validator_of(schema_text):
    try:
        import jsonschema

        return jsonschema.Draft202012Validator(json.loads(schema_text))
    except (ImportError, AttributeError):
        print("skipped: schema checks need python3-jsonschema")
        return None


def stable(text):
    """Without what another version of apt or of a compressor changes."""
    text = re.sub(r'(?m)^resolver = "apt [^"]*"', 'resolver = "apt VERSION"', text)
    text = re.sub(r'(?m)^digest = ".*"', 'digest = "DIGEST"', text)
    return re.sub(r'"tool (?:lib\w+|zlib)%20[^"]*"', '"tool VERSION"', text)


def test_schema(golden):
    golden.compare("schema", golden.run("schema").stdout, ROOT / "schemas/runtime.schema.json")


def test_manifest(golden, kind, name, validator):
    result = golden.run("lock", "--check", name)
    golden.check(result.returncode == 1, f"{name} exits 1, not {result.returncode}")
    if kind == "good":
        # It is well formed; all that is missing is its lock.
        golden.check("is stale" in result.stderr, f"{name} is only stale")
        others = result.stderr.split("is stale")[0].replace("error: ", "", 1)
        golden.check("error" not in others, f"{name} has no other error")
    else:
        golden.compare(name, result.stderr, (HERE / "manifest" / name).with_suffix(".txt"))
    if validator is None or kind == "rules":
        return
    errors = list(validator.iter_errors(tomllib.loads((HERE / "manifest" / name).read_text())))
    golden.check(
        bool(errors) == (kind == "bad"),
        f"the schema judges {name} as the parser does: {errors[:1]}",
    )


def test_lock_and_graph(golden):
    """A lock from a signed archive without packages, and the graph that follows from it."""
    with tempfile.TemporaryDirectory() as copy:
        project = pathlib.Path(copy) / "project"
        shutil.copytree(HERE / "project", project)
        locked = golden.run("--mirror", f"file://{HERE}/archive", "lock", str(project))
        golden.check(locked.returncode == 0, f"the golden project is locked: {locked.stderr}")
        if locked.returncode != 0:
            return
        golden.compare(
            "lock output", locked.stdout.replace(str(project), "project"), HERE / "lock/output.txt"
        )
        lock = (project / "runtime.lock").read_text()
        golden.compare("lock", stable(lock), HERE / "lock/runtime.lock.txt")
        validator = validator_of(golden.run("schema", "lock").stdout)
        if validator:
            errors = list(validator.iter_errors(tomllib.loads(lock)))
            golden.check(not errors, f"the golden lock fits the schema of a lock: {errors[:1]}")
        for form in GRAPHS:
            graph = golden.run("graph", str(project), "--format", form).stdout
            golden.compare(f"graph {form}", stable(graph), HERE / f"graph/graph.{form}")


def test_help(golden, words):
    file = HERE / "help" / ("-".join(words).replace("--", "") + ".txt")
    golden.compare("help " + " ".join(words), golden.run(*words).stdout, file)


def test_exit_codes(golden):
    of_missing = 4 if os.geteuid() else 2  # without root a build says so first
    for words, code in (
        (["biuld"], 2),
        (["build", "--frobnicate"], 2),
        (["hash"], 2),
        (["hash", "/nonexistent"], 1),
        (["build", "/nonexistent"], of_missing),
    ):
        result = golden.run(*words)
        golden.check(
            result.returncode == code,
            f"alephc {' '.join(words)} exits {code}, not {result.returncode}",
        )


def test_json_error(golden):
    answer = golden.run("--json", "lock", "--check", "bad/unknown-key.toml").stdout
    error = json.loads(answer)["error"]
    golden.check(error["exit_code"] == 1, "--json tells the exit code of an error")
    golden.check(error["diagnostics"][0]["line"] == 8, "--json tells the place of an error")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("alephc")
    parser.add_argument("--only", default="*")
    parser.add_argument("--accept", action="store_true")
    options = parser.parse_args()
    golden = Golden(options.alephc, options.only, options.accept)
    validator = validator_of(golden.run("schema").stdout)
    cases = {
        "schema": lambda: test_schema(golden),
        "exit codes": lambda: test_exit_codes(golden),
        "json error": lambda: test_json_error(golden),
        "lock and graph": lambda: test_lock_and_graph(golden),
    }
    for words in HELP:
        cases["help " + " ".join(words)] = functools.partial(test_help, golden, words)
    for kind in ("good", "bad", "rules"):
        for file in sorted((HERE / "manifest" / kind).glob("*.toml")):
            name = f"{kind}/{file.name}"
            cases[name] = functools.partial(test_manifest, golden, kind, name, validator)
    for name, case in cases.items():
        if golden.wants(name):
            case()
    print(f"{golden.passed} passed, {len(golden.failed)} failed")
    return 1 if golden.failed or not golden.passed else 0


if __name__ == "__main__":
    sys.exit(main())
