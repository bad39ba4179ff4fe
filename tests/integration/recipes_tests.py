"""Every recipe as `alephc init` writes it: builds, the same bytes twice, boots, answers a request
of its kind, passes conform.

With ALEPHC_EVERY_RECIPE=1 all of them, else those that stand for their kind. What it measured goes
to ALEPHC_RECIPES_REPORT, if set, as JSON: the table in recipes/README.md is made of it."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tomllib

from fixture import Skip

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {
    ".py": ("--program", "program", "--entrypoint", "main:app", "--interface", "asgi"),
    ".js": ("--program", "program/main.js"),
    ".c": ("--program", "server"),
    "": ("--program", "program/main"),
}
OFTEN = {"debian-12-asgi"}
OUT_OF_REACH = (
    "no mirror",
    "no Python index",
    "no npm registry",
    "was not found on any server",
    "No matching distribution",
    "no wheel of",
    "cannot be reached",
    "resolving Python packages failed",
)


def call(world, *arguments, timeout=1800):
    return subprocess.run(
        [world.alephc, "--store", str(world.store.parent / "recipes-store"), *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env={**os.environ, **world.alephc_env(), "CI": ""},
        timeout=timeout,
    )


def ok(world, *arguments):
    result = call(world, *arguments)
    said = result.stdout + result.stderr
    if result.returncode == 1 and any(word in said for word in OUT_OF_REACH):
        raise Skip("its packages are out of reach")
    assert (
        result.returncode == 0
    ), f"{arguments} exits {result.returncode}:\n{result.stdout[-2000:]}{result.stderr}"
    return result.stdout


def count_packages(lock):
    removed = set(lock.get("removed", []))
    return sum(
        package["name"] not in removed
        for layer in lock.get("layer", [])
        for package in layer["packages"]
    ) + sum(len(lock.get(kind, {}).get("packages", [])) for kind in ("python", "node"))


def check_recipe(world, recipe):
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("qemu-system-x86_64 is not installed")
    if recipe not in OFTEN and os.environ.get("ALEPHC_EVERY_RECIPE") != "1":
        raise Skip("only with ALEPHC_EVERY_RECIPE=1")
    project, image = world.folder / "my-runtime", world.folder / "a.squashfs"
    ok(world, "init", project, "--template", recipe)
    built = json.loads(ok(world, "--json", "build", project, "-o", image))
    shutil.rmtree(world.store.parent / "recipes-store/actions")
    second = json.loads(
        ok(
            world,
            "--json",
            "--jobs",
            "1",
            "build",
            project,
            "--locked",
            "--vary",
            "clock",
            "--vary",
            "directory-order",
            "-o",
            world.folder / "b.squashfs",
        )
    )
    assert second["sha256"] == built["sha256"], "two builds, two images"
    program = next((project / "program").iterdir())
    options = PROGRAMS[program.suffix]
    if program.suffix == ".c":
        subprocess.run(
            ["cc", "-O2", "-static", "-o", str(project / "server"), str(program)], check=True
        )
    options = tuple(str(project / word) if (project / word).exists() else word for word in options)
    answer = json.loads(ok(world, "--json", "run", image, *options, "--request", "GET /"))
    body = json.loads(answer["body"])
    assert answer["status"] == 200, answer
    if recipe != "static":
        assert body["greeting"] == "hello from the plugin", body
    conform = json.loads(ok(world, "--json", "conform", image))
    lock = tomllib.loads((project / "runtime.lock").read_text())
    report(
        recipe,
        packages=count_packages(lock),
        size=built["size"],
        ready=answer["init_to_ready_ms"],
        response=answer["response_ms"] - answer["ready_ms"],
        checks=len(conform.get("checks", [])),
        accel=answer["accel"],
    )


def report(recipe, **figures):
    if file := os.environ.get("ALEPHC_RECIPES_REPORT"):
        path = pathlib.Path(file)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, recipe: figures}, indent=1, sort_keys=True) + "\n")


def make_test(recipe):
    return lambda world: check_recipe(world, recipe)


for folder in sorted((ROOT / "recipes").glob("*/program")):
    globals()["test_" + folder.parent.name.replace("-", "_").replace(".", "_")] = make_test(
        folder.parent.name
    )
