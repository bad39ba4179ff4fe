#!/usr/bin/env python3
"""Golden tests: messages, schema and help are what the files here say. ALEPHC_ACCEPT=1 rewrites them (and exits 77).

good/ and bad/ go through the JSON Schema as well, with an independent validator: it must accept and refuse the same files.
rules/ breaks rules that a schema cannot say."""
import difflib, json, os, pathlib, re, shutil, subprocess, sys, tempfile, tomllib

alephc = os.path.abspath(sys.argv[1])
here = pathlib.Path(__file__).parent
accept = os.environ.get("ALEPHC_ACCEPT") == "1"
failed = []
count = 0


def compare(name, got, expected_file):
    global count
    count += 1
    expected = expected_file.read_text() if expected_file.exists() else ""
    if got == expected:
        return
    if accept:
        expected_file.write_text(got)
        print(f"rewrote {expected_file}")
        return
    failed.append(name)
    print("".join(difflib.unified_diff(expected.splitlines(True), got.splitlines(True), str(expected_file), "got")))


def run(*arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryDirectory() as store:
        return subprocess.run([alephc, "--store", store + "/store", *arguments], capture_output=True, text=True, env=environment,
                              cwd=here / "manifest", stdin=subprocess.DEVNULL)


def check(condition, name):
    global count
    count += 1
    if not condition:
        failed.append(name)
        print(f"FAILED: {name}")


schema_text = run("schema").stdout
compare("schema", schema_text, here.parent.parent / "schemas/runtime.schema.json")
try:
    import jsonschema
    validator = jsonschema.Draft202012Validator(json.loads(schema_text))
except (ImportError, AttributeError):
    validator = None
    print("skipped: schema checks need python3-jsonschema")

for kind in ("good", "bad", "rules"):
    for file in sorted((here / "manifest" / kind).glob("*.toml")):
        name = f"{kind}/{file.name}"
        result = run("lock", "--check", name)
        if kind == "good":
            # It is well formed; all that is missing is its lock.
            check(result.returncode == 1 and "is stale" in result.stderr, name)
            check("runtime.toml" not in result.stderr or "error" not in result.stderr.split("is stale")[0].replace("error: ", "", 1), name)
        else:
            check(result.returncode == 1, f"{name} exits 1, not {result.returncode}")
            compare(name, result.stderr, file.with_suffix(".txt"))
        if validator and kind != "rules":
            errors = list(validator.iter_errors(tomllib.loads(file.read_text())))
            check(bool(errors) == (kind == "bad"), f"the schema judges {name} as the parser does: {errors[:1]}")

def judge(kind, what, name):
    if not validator:
        return
    errors = list(jsonschema.Draft202012Validator(json.loads(run("schema", kind).stdout)).iter_errors(what))
    check(not errors, f"{name} fits the schema of a {kind}: {errors[:1]}")


def stable(text):
    """Without what another version of apt or of a compressor changes."""
    text = re.sub(r'(?m)^resolver = "apt [^"]*"', 'resolver = "apt VERSION"', text)
    text = re.sub(r'(?m)^digest = ".*"', 'digest = "DIGEST"', text)
    return re.sub(r'"tool (?:lib\w+|zlib)%20[^"]*"', '"tool VERSION"', text)


# A lock from a signed archive without packages, and the graph that follows from it.
with tempfile.TemporaryDirectory() as copy:
    project = pathlib.Path(copy) / "project"
    shutil.copytree(here / "project", project)
    locked = run("--mirror", f"file://{here}/archive", "lock", str(project))
    check(locked.returncode == 0, f"the golden project is locked: {locked.stderr}")
    compare("lock output", locked.stdout.replace(str(project), "project"), here / "lock/output.txt")
    lock = (project / "runtime.lock").read_text() if locked.returncode == 0 else ""
    compare("lock", stable(lock), here / "lock/runtime.lock.txt")
    judge("lock", tomllib.loads(lock), "the golden lock")
    for form in ("text", "dot", "json", "svg"):
        compare(f"graph {form}", stable(run("graph", str(project), "--format", form).stdout), here / f"graph/graph.{form}")

for words in (["--help"], ["build", "--help"], ["lock", "--help"]):
    compare(" ".join(words), run(*words).stdout, here / "help" / ("-".join(words).replace("--", "") + ".txt"))
for words, code in ((["biuld"], 2), (["build", "--frobnicate"], 2), (["hash"], 2), (["hash", "/nonexistent"], 1), (["build", "/nonexistent"], 4 if os.geteuid() else 2)):
    result = run(*words)
    check(result.returncode == code, f"alephc {' '.join(words)} exits {code}, not {result.returncode}")
error = json.loads(run("--json", "lock", "--check", "bad/unknown-key.toml").stdout)["error"]
check(error["exit_code"] == 1 and error["diagnostics"][0]["line"] == 8, "--json tells the place of the error")

print(f"{count - len(failed)} passed, {len(failed)} failed")
sys.exit(77 if accept else 1 if failed else 0)
