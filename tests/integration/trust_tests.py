"""diff, verify, attest, vendor, audit: what a third party can find out, and what it is not fooled
by."""
import base64
import hashlib
import html
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import time

from fixture import Skip, run
from locks import relocked


def prepare(archive):
    archive.add_package("hello", "1", files=[("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)])
    archive.add_package(
        "unstable",
        "1",
        files=[("usr/share/unstable/data", "x\n", 0o644)],
        scripts=[("postinst", "#!/bin/sh\nset -e\ndate > /var/lib/unstable-state\n")],
    )
    archive.add_package(
        "keyed",
        "1",
        scripts=[
            (
                "postinst",
                "#!/bin/sh\nset -e\nmkdir -p /etc/keyed\nprintf -- '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n' > /etc/keyed/k.pem\n"
                "echo x > /usr/share/open; chmod 666 /usr/share/open\n",
            )
        ],
    )


TRUST = ("--trust-key", "key.gpg")
UNSTABLE = """
[[run]]
name = "date"
script = "date > /srv/date"
[[run]]
name = "uuid"
script = "cat /proc/sys/kernel/random/uuid > /srv/uuid"
[[run]]
name = "order"
script = "ls -U /usr/share/doc > /srv/order"
[[run]]
name = "random"
script = "head -c 64 /dev/urandom > /srv/random"
[[run]]
name = "stable"
script = "echo stable > /srv/stable"
"""


def verdict(world, *arguments, code=None, **options):
    result = world.run("--json", "verify", *arguments, **options)
    if code is not None:
        assert (
            result.returncode == code
        ), f"exit {result.returncode}, not {code}: {result.stdout}{result.stderr}"
    return json.loads(result.stdout)


def checks(report, name):
    return [
        (check["verdict"], check["text"]) for check in report["checks"] if check["check"] == name
    ]


def built(world, name="image", packages=("hello",), text=""):
    world.manifest(text, packages)
    image = world.folder / f"{name}.squashfs"
    return image, json.loads(world.ok("--json", "build", "project", "-o", image).stdout)


def test_an_image_is_held_against_every_form_of_hash(world):
    image, outcome = built(world)
    for hash in (outcome["sha256"], outcome["cid_v0"], outcome["cid_v1"]):
        assert verdict(world, "--image", image, "--expect", hash, code=0)["verdict"] == "verified"
    wrong = "0" * 64
    report = verdict(world, "--image", image, "--expect", wrong, code=3)
    assert report["verdict"] == "mismatch", report
    assert wrong in report["checks"][-1]["text"], report
    assert outcome["sha256"] in report["checks"][-1]["text"], report
    other = "Qm" + ("Y" if outcome["cid_v0"][2] != "Y" else "Z") + outcome["cid_v0"][3:]
    assert verdict(world, "--image", image, "--expect", other, code=3)["verdict"] == "mismatch"
    assert verdict(world, "--image", image, code=1)["verdict"] == "undecided"
    for arguments, text in (
        (("--image", image, "--expect", "bafkrei" + "a" * 52), "names a single raw block"),
        (("nowhere",), "there is no project"),
        ((), "nothing to verify"),
    ):
        result = world.run("verify", *arguments)
        assert result.returncode == 2, result.stderr
        assert text in result.stderr, result.stderr


def test_a_rebuild_proves_the_image_and_explains_another(world):
    image, outcome = built(world)
    report = verdict(world, "project", *TRUST, "--rebuild", "--image", image, code=0)
    count = (
        outcome["steps"]
        and next(check for check in report["checks"] if check["check"] == "packages")["text"]
    )
    assert re.match(rf"(\d+)/\1 in indexes signed by {world.archive.fingerprint}$", count), count
    assert report["verdict"] == "verified", report
    assert "byte for byte" in report["checks"][-1]["text"], report
    shutil.copytree(world.project, world.folder / "kept")
    changed, _ = built(world, "changed", packages=("hello", "unstable"))
    report = verdict(world, "kept", *TRUST, "--rebuild", "--image", changed, code=3)
    assert any(
        "package unstable: rebuilt without, given 1 amd64" in line for line in report["explanation"]
    ), report["explanation"]
    assert any(line.startswith("all of it: alephc diff ") for line in report["explanation"])
    # What was recorded counts where nobody names a hash.
    world.ok("build", "kept", "-o", image, "--record")
    assert verdict(world, "kept", *TRUST, "--image", image, code=0)["verdict"] == "verified"
    assert verdict(world, "kept", *TRUST, "--image", changed, code=3)["verdict"] == "mismatch"


def test_the_tree_decides_where_the_compressor_is_another(world):
    image, _ = built(world)
    other = world.folder / "other.squashfs"
    world.ok("build", "project", "-o", other, "--set", "image.level=1")
    assert image.read_bytes() != other.read_bytes()
    report = verdict(world, "project", *TRUST, "--rebuild", "--image", other, code=3)
    assert checks(report, "tree")[0][0] == "verified", report
    assert checks(report, "image")[0][0] == "mismatch", report
    assert any("libzstd" in line for line in report["explanation"]), report["explanation"]
    assert (
        verdict(world, "project", *TRUST, "--rebuild", "--image", other, "--level", "tree", code=0)[
            "verdict"
        ]
        == "verified"
    )


def test_packages_are_proven_by_signed_indexes_or_said_not_to_be(world):
    image, outcome = built(world)
    lock = (world.project / "runtime.lock").read_text()
    index = re.search(r'^index = "(.*)"', lock, re.M)[1]
    elsewhere = world.folder / "store-without-index"
    world.archive.publish(date="Tue, 03 Nov 2026 00:00:00 UTC")
    report = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        image,
        "--expect",
        outcome["sha256"],
        store=elsewhere,
        code=0,
    )
    assert "lock trusted, not proven" in checks(report, "packages")[0][1], report
    strict = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        image,
        "--expect",
        outcome["sha256"],
        "--strict",
        store=elsewhere,
        code=1,
    )
    assert strict["verdict"] == "undecided", strict
    # A lock whose package is in no signed index: as if somebody had slipped one in.
    blob = world.store / "blobs" / index[:2] / index
    assert blob.exists()
    body = lock.split("\n", 3)[3].replace(
        'name = "hello", version = "1"', 'name = "hello", version = "2"'
    )
    head = lock.split("\n", 3)[:2]
    (world.project / "runtime.lock").write_text(
        "\n".join([*head, f'digest = "{hashlib.sha256(body.encode()).hexdigest()}"', body])
    )
    report = verdict(world, "project", *TRUST, code=3)
    assert checks(report, "packages")[0][0] == "mismatch", report
    world.archive.publish()


def test_a_forged_lock_is_found_out(world):
    image, outcome = built(world)
    file = world.project / "runtime.lock"
    lock = file.read_text()
    line = next(line for line in lock.splitlines() if 'name = "hello"' in line)
    for other in (
        line.replace('from = "debian/test"', 'from = "url"'),
        line.replace('from = "debian/test"', 'from = "debian/nowhere"'),
        line.replace('from = "debian/test"', 'from = "file"'),
    ):
        file.write_text(relocked(lock, lambda body: body.replace(line, other)))
        report = verdict(world, "project", *TRUST, code=3)
        assert any("hello 1 comes from" in text for _, text in checks(report, "packages")), report
    # Another manifest inside: a script of the forger's, or a file of the machine's.
    digest = re.search(r'manifest_digest = "(\w+)"', lock)[1]
    extra = '\n[[manifest.file]]\ntarget = "/x"\nsource = "/etc/shadow"\n'
    file.write_text(relocked(lock, lambda body: body.replace(digest, "1" * 64) + extra))
    for command in (
        ["verify", "project", *TRUST],
        ["build", "project", "--locked", "-o", "x.squashfs"],
    ):
        result = world.run(*command)
        assert result.returncode in (1, 3), (command, result.stdout, result.stderr)
        assert not (world.folder / "x.squashfs").exists(), (command, result.stdout, result.stderr)
    file.write_text(relocked(lock, lambda body: body.replace(digest, "1" * 64)))
    result = world.run("build", "project", "--locked", "-o", "x.squashfs")
    assert result.returncode == 3, result.stderr
    assert "its manifest is not the one of runtime.toml" in result.stderr, result.stderr


def test_what_was_not_compared_is_not_called_verified(world):
    image, outcome = built(world)
    report = verdict(world, "project", *TRUST, "--expect", "0" * 64, code=1)
    assert report["verdict"] == "undecided", report
    assert "there is no image to compare with" in checks(report, "image")[0][1], report
    message = world.folder / "message.json"
    message.write_text(json.dumps(store_message(world, outcome["sha256"])))
    verdict(world, "--message", message, code=1)
    report = verdict(world, "--image", image, "--message", message, "--expect", "0" * 64, code=3)
    assert any(
        "says" in text for verdict_, text in checks(report, "image") if verdict_ == "mismatch"
    ), report
    statement = signed_statement(world, "alice")
    verdict(world, "--image", image, "--statement", statement, code=1)
    changed, _ = built(world, "changed", packages=("unstable",))
    verdict(world, "--image", changed, "--statement", statement, code=3)


def test_a_strangers_manifest_is_confined(world):
    built(world)
    result = world.run("verify", "project")
    assert result.returncode == 1, result.stderr
    assert "base.keyring (key.gpg) is the project's own" in result.stderr, result.stderr
    assert "--trust-key key.gpg" in result.stderr, result.stderr
    built(world, text='[[run]]\nname = "net"\nnetwork = true\nscript = "true"\n')
    result = world.run("verify", "project", *TRUST)
    assert result.returncode == 1, result.stderr
    assert "the script 'net' uses the network" in result.stderr, result.stderr
    result = world.run("attest", "project", "--key", "none.key")
    assert result.returncode == 1
    assert "none.key" in result.stderr
    (world.project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "none"\n[[file]]\ntarget = "/x"\nsource = "../../../../etc/shadow"\n'
    )
    assert world.run("verify", "project").returncode == 1


BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data):
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        out = BASE58[digit] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def store_message(world, file_hash, item_type="storage", message_type="STORE"):
    """A message of the chain SOL, signed by openssl."""
    key = world.folder / "sol.pem"
    if not key.exists():
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key))
    der = subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    sender = base58(der[-32:])
    content = json.dumps(
        {"address": sender, "time": 1700000000.5, "item_type": item_type, "item_hash": file_hash},
        separators=(",", ":"),
    )
    item_hash = hashlib.sha256(content.encode()).hexdigest()
    (world.folder / "signed").write_bytes(f"SOL\n{sender}\n{message_type}\n{item_hash}".encode())
    run(
        "openssl",
        "pkeyutl",
        "-sign",
        "-inkey",
        str(key),
        "-rawin",
        "-in",
        str(world.folder / "signed"),
        "-out",
        str(world.folder / "signature"),
    )
    signature = json.dumps(
        {"publicKey": sender, "signature": base58((world.folder / "signature").read_bytes())}
    )
    return {
        "sender": sender,
        "chain": "SOL",
        "type": message_type,
        "channel": "TEST",
        "time": 1700000000.5,
        "item_type": "inline",
        "item_content": content,
        "item_hash": item_hash,
        "signature": signature,
    }


def test_a_message_is_walked_to_the_file_it_publishes(world):
    image, outcome = built(world)
    file = world.folder / "message.json"
    for hash, kind in ((outcome["sha256"], "storage"), (outcome["cid_v0"], "ipfs")):
        message = store_message(world, hash, kind)
        file.write_text(json.dumps({"status": "processed", "message": message}))
        report = verdict(world, "--image", image, "--message", file, code=0)
        assert message["sender"] in checks(report, "message")[0][1], report
        assert checks(report, "image") == [
            ("verified", f"the image is that of the message of {message['sender']}")
        ], report
        # The hash of the message looks like a file's, and means the file that the message
        # publishes.
        verdict(
            world, "--image", image, "--message", file, "--expect", message["item_hash"], code=0
        )
    message = store_message(world, "1" * 64)
    file.write_text(json.dumps(message))
    verdict(world, "--image", image, "--message", file, code=3)
    for key, value, code in (
        ("item_content", message["item_content"].replace("1700000000.5", "1700000000.6"), 3),
        ("sender", message["sender"][:-1] + ("2" if message["sender"][-1] == "1" else "1"), 3),
        ("type", "POST", 3),
        ("chain", "ES", 3),
        ("item_hash", None, 1),
    ):
        file.write_text(json.dumps({**message, key: value}))
        result = world.run("verify", "--image", image, "--message", file)
        assert result.returncode == code, (key, result.returncode, result.stderr)
    file.write_text(json.dumps(store_message(world, outcome["sha256"], message_type="POST")))
    result = world.run("verify", "--image", image, "--message", file)
    assert result.returncode == 1, (result.returncode, result.stderr)
    assert "is not a STORE message: its type is POST" in result.stderr, (
        result.returncode,
        result.stderr,
    )


def signed_statement(world, name, threshold=1, others=()):
    world.ok("keygen", f"{name}.key")
    world.ok("attest", "project", "--key", f"{name}.key", "-o", f"{name}.json")
    keys = "".join(
        f'[[key]]\nname = "{each}"\nfile = "{each}.key.pub"\n' for each in (name, *others)
    )
    (world.folder / "policy.toml").write_text(f"policy = 1\nthreshold = {threshold}\n{keys}")
    return world.folder / f"{name}.json"


def resigned(world, statement, key, change):
    """A statement that says something else, signed with the same key."""
    envelope = json.loads(statement.read_text())
    payload = change(base64.b64decode(envelope["payload"]).decode()).encode()
    kind = envelope["payloadType"].encode()
    (world.folder / "pae").write_bytes(
        b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    )
    run(
        "openssl",
        "pkeyutl",
        "-sign",
        "-rawin",
        "-inkey",
        key,
        "-in",
        "pae",
        "-out",
        "sig",
        cwd=world.folder,
    )
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"][0]["sig"] = base64.b64encode(
        (world.folder / "sig").read_bytes()
    ).decode()
    other = world.folder / f"other-{statement.name}"
    other.write_text(json.dumps(envelope))
    return other


def test_an_image_alone_is_verified_by_the_recipe_in_it(world):
    manifest = world.project / "runtime.toml"
    image = world.folder / "alone.squashfs"
    manifest.write_text(
        'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "none"\n[[file]]\ntarget = "/srv/x"\ncontent = "x"\n[init]\nprogram = "none"\n'
    )
    world.ok("build", "project", "-o", image)
    report = verdict(world, image, code=0)
    assert report["verdict"] == "verified", report
    assert checks(report, "recipe")[0][1].startswith("embedded in the image"), report
    # Another image with this recipe in it is not what the recipe makes.
    root = world.folder / "alone"
    run("unsquashfs", "-quiet", "-no-progress", "-dest", root, image)
    (root / "srv/x").write_text("y")
    other = world.folder / "other.squashfs"
    run("mksquashfs", root, other, "-quiet", "-no-progress")
    assert verdict(world, other, code=3)["verdict"] == "mismatch"
    assert world.run("verify", image, "--image", other).returncode == 2


def test_rows_that_are_decided_are_printed_when_a_later_check_fails(world):
    image, _ = built(world, "rows")
    damaged = world.folder / "damaged.squashfs"
    damaged.write_bytes(image.read_bytes()[:5000])
    command = ["verify", "project", *TRUST, "--image", damaged, "--level", "tree"]
    result = world.run(*command)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "ok        lock: answers the manifest" in result.stdout, result.stdout
    assert "ok        packages: " in result.stdout, result.stdout
    report = json.loads(world.run(*command, "--json").stdout)
    assert report["error"]["exit_code"] == 3, report
    assert checks(report, "lock")[0][0] == "verified", report


def test_an_image_alone_says_which_files_of_its_project_it_lacks(world):
    (world.project / "app").write_text("app\n")
    image, _ = built(world, "needy", text='[[file]]\ntarget = "/srv/app"\nsource = "app"\n')
    report = verdict(world, image, code=1)
    assert report["verdict"] == "undecided", report
    ((decided, text),) = checks(report, "recipe")
    assert decided == "undecided", report
    assert "does not hold: app, key.gpg" in text, report


def test_statements_count_by_policy(world):
    image, outcome = built(world)
    mode = lambda path: (world.folder / path).stat().st_mode & 0o777
    alice = signed_statement(world, "alice")
    assert mode("alice.key") == 0o600
    assert world.run("keygen", "alice.key").returncode == 2
    report = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        image,
        "--statement",
        alice,
        "--policy",
        "policy.toml",
        code=0,
    )
    assert checks(report, "policy") == [("verified", "1 of the 1 statements needed: alice")], report
    bob = signed_statement(world, "bob", 2, ["alice"])
    both = ("--statement", alice, "--statement", bob, "--policy", "policy.toml")
    assert (
        verdict(world, "project", *TRUST, "--image", image, *both, code=0)["verdict"] == "verified"
    )
    # One who speaks twice is one.
    report = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        image,
        "--statement",
        alice,
        "--statement",
        alice,
        "--policy",
        "policy.toml",
        code=1,
    )
    assert checks(report, "policy")[0][0] == "undecided", report
    # Statements that count agree with each other, even without an image to compare them with.
    assert verdict(world, "project", *TRUST, *both, code=0)["verdict"] == "verified"
    other = resigned(world, bob, "bob.key", lambda text: text.replace(outcome["sha256"], "1" * 64))
    report = verdict(
        world,
        "project",
        *TRUST,
        "--statement",
        alice,
        "--statement",
        other,
        "--policy",
        "policy.toml",
        code=3,
    )
    assert "others say otherwise" in str(checks(report, "statement")), report
    # Nobody was asked to trust these: they decide nothing.
    report = verdict(world, "project", *TRUST, "--image", image, "--statement", alice, code=1)
    assert checks(report, "statement")[0][0] == "ignored", report
    assert checks(report, "policy")[0][0] == "undecided", report
    mallory = signed_statement(world, "mallory")
    (world.folder / "policy.toml").write_text(
        'policy = 1\nthreshold = 1\n[[key]]\nname = "alice"\nfile = "alice.key.pub"\n'
    )
    report = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        image,
        "--statement",
        mallory,
        "--policy",
        "policy.toml",
        code=1,
    )
    assert report["verdict"] == "undecided", report
    assert checks(report, "statement")[0][0] == "ignored", report
    # The same lock, signed by a trusted key, and another image: somebody's build is not
    # reproducible, or lies.
    changed, _ = built(world, "changed", packages=("hello", "unstable"))
    report = verdict(
        world,
        "project",
        *TRUST,
        "--image",
        changed,
        "--statement",
        alice,
        "--policy",
        "policy.toml",
        code=3,
    )
    assert checks(report, "statement")[0][0] == "mismatch", report


def test_others_can_check_the_signature_and_read_the_statement(world):
    image, outcome = built(world)
    statement = signed_statement(world, "alice")
    envelope = json.loads(statement.read_text())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    (world.folder / "pae").write_bytes(
        b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    )
    (world.folder / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    checked = run(
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        str(world.folder / "alice.key.pub"),
        "-rawin",
        "-in",
        str(world.folder / "pae"),
        "-sigfile",
        str(world.folder / "sig"),
    )
    assert "Signature Verified Successfully" in checked.stdout, checked
    content = json.loads(payload)
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "https://slsa.dev/provenance/v1"
    assert (
        content["subject"][0]["digest"]["sha256"]
        == outcome["sha256"]
        == hashlib.sha256(image.read_bytes()).hexdigest()
    )
    lock = hashlib.sha256((world.project / "runtime.lock").read_bytes()).hexdigest()
    assert content["predicate"]["buildDefinition"]["externalParameters"]["lock"]["sha256"] == lock
    # The same work gives the same statement.
    world.ok("attest", "project", "--key", "alice.key", "-o", "again.json")
    assert (world.folder / "again.json").read_bytes() == statement.read_bytes()


def cosign(world):
    """Debian's cosign, taken from a newer release: it runs here too."""
    found = shutil.which("cosign")
    if found:
        return found
    project = world.folder / "cosign"
    project.mkdir()
    (project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "cosign"\n[base]\ndistro = "debian"\nrelease = "trixie"\nsuites = ["trixie"]\n'
        '[packages]\ninstall = ["cosign"]\n[init]\nprogram = "none"\n'
    )
    argv = [world.alephc, "--store", str(world.store), "-q"]
    env = world.alephc_env()
    if subprocess.run([*argv, "lock", str(project)], capture_output=True, env=env).returncode != 0:
        raise Skip("no mirror with Debian's cosign can be reached")
    url = re.search(r'name = "cosign".*sha256 = "(\w+)"', (project / "runtime.lock").read_text())[1]
    if (
        subprocess.run(
            [*argv, "vendor", str(project), "-o", str(project / "bundle")],
            capture_output=True,
            env=env,
        ).returncode
        != 0
    ):
        raise Skip("Debian's cosign cannot be fetched")
    run("tar", "-xf", str(project / "bundle"), "-C", str(project), f"./blobs/{url}")
    run("dpkg-deb", "-x", str(project / "blobs" / url), str(project / "root"))
    return str(project / "root/usr/bin/cosign")


def test_cosign_accepts_the_statement(world):
    program = cosign(world)
    image, _ = built(world)
    statement = signed_statement(world, "alice")
    argv = [
        program,
        "verify-blob-attestation",
        "--insecure-ignore-tlog",
        "--key",
        "alice.key.pub",
        "--signature",
        str(statement),
        "--type",
        "slsaprovenance1",
    ]
    env = {**world.alephc_env(), "SIGSTORE_NO_CACHE": "true"}
    good = subprocess.run(
        [*argv, str(image)], capture_output=True, text=True, cwd=world.folder, env=env
    )
    if "cannot execute" in good.stderr or "GLIBC" in good.stderr:
        raise Skip("Debian's cosign does not run on this machine")
    assert good.returncode == 0, good.stderr
    (world.folder / "other").write_bytes(b"something else")
    assert (
        subprocess.run([*argv, "other"], capture_output=True, cwd=world.folder, env=env).returncode
        != 0
    )


def test_a_bundle_is_enough_to_build_and_verify_without_network(world):
    image, outcome = built(world)
    first, second = world.folder / "a.bundle", world.folder / "b.bundle"
    world.ok("vendor", "project", "-o", first)
    world.ok("lock", "project", "--vendor", second, store=world.folder / "other-store")
    assert first.read_bytes() == second.read_bytes(), "two stores, two bundles"
    fresh = str(world.folder / "fresh")
    argv = [
        "unshare",
        "-n",
        world.alephc,
        "--json",
        "--store",
        fresh,
        "--offline",
        "verify",
        "project",
        *TRUST,
        "--bundle",
        str(first),
        "--rebuild",
        "--strict",
        "--image",
        str(image),
    ]
    result = subprocess.run(
        argv, capture_output=True, text=True, cwd=world.folder, env=world.alephc_env()
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["verdict"] == "verified", result.stdout + result.stderr
    assert f"signed by {world.archive.fingerprint}" in result.stdout
    argv = [
        "unshare",
        "-n",
        world.alephc,
        "--store",
        fresh + "2",
        "--offline",
        "build",
        "project",
        "--locked",
        "--bundle",
        str(first),
        "-o",
        "offline.squashfs",
    ]
    subprocess.run(argv, check=True, capture_output=True, cwd=world.folder, env=world.alephc_env())
    assert (world.folder / "offline.squashfs").read_bytes() == image.read_bytes()
    data = bytearray(first.read_bytes())
    data[len(data) // 2] ^= 4
    (world.folder / "damaged").write_bytes(data)
    result = world.run(
        "verify", "project", *TRUST, "--bundle", "damaged", store=world.folder / "third"
    )
    assert result.returncode == 3, result.stderr
    assert "the bundle is damaged" in result.stderr, result.stderr
    for blob in (world.folder / "third/blobs").rglob("?" * 64):
        assert (
            hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
        ), "damaged bytes entered the store"
    (world.folder / "damaged").write_bytes(b"nothing of the kind")
    assert world.run("build", "project", "--bundle", "damaged", "-o", "x.squashfs").returncode in (
        1,
        3,
    )


def test_audit_names_each_unstable_step_and_package(world):
    world.manifest(UNSTABLE, ["hello", "unstable"])
    result = world.run("--json", "build", "project", "--audit", "-o", "image.squashfs")
    assert result.returncode == 3, result.stderr
    found = {
        (finding["step"], finding["path"]): finding
        for finding in json.loads(result.stdout)["audit"]
    }
    assert set(found) == {
        ("install:own", "/var/lib/unstable-state"),
        ("run:date", "/srv/date"),
        ("run:uuid", "/srv/uuid"),
        ("run:order", "/srv/order"),
        ("run:random", "/srv/random"),
    } or set(found) == {
        ("install:packages", "/var/lib/unstable-state"),
        ("run:date", "/srv/date"),
        ("run:uuid", "/srv/uuid"),
        ("run:order", "/srv/order"),
        ("run:random", "/srv/random"),
    }, set(
        found
    )
    by_path = {path: finding for (_, path), finding in found.items()}
    assert by_path["/var/lib/unstable-state"]["packages"] == ["unstable"], by_path
    for path, cause in (
        ("/srv/date", "a date"),
        ("/srv/uuid", "random identifier"),
        ("/srv/order", "order"),
        ("/srv/random", "random bytes"),
    ):
        assert cause in by_path[path]["cause"], by_path[path]
    world.manifest(
        '[[run]]\nname = "stable"\nscript = "ls /usr/share/doc > /srv/list"\n', ["hello"]
    )
    result = world.ok("build", "project", "--audit", "-o", "image.squashfs")
    assert "every step gave the same result twice" in result.stdout


def test_diff_reads_every_format_and_says_what_differs(world):
    image, _ = built(world)
    for name in ("tar", "dir"):
        world.ok("build", "project", "-o", name, "--set", f"image.format={name}")
    run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-d",
        str(world.folder / "dir"),
        str(world.folder / "ext4"),
        "600M",
    )
    for name in ("tar", "dir", "ext4"):
        result = world.run("--json", "diff", image, name)
        report = json.loads(result.stdout)
        assert report["same_tree"], report["paths"][:5]
        assert not report["same_bytes"], report["paths"][:5]
        assert not report["paths"], report["paths"][:5]
        assert result.returncode == 1, report["paths"][:5]
    if (
        shutil.which("mkfs.btrfs")
        and "btrfs" in pathlib.Path("/proc/filesystems").read_text()
        and os.path.exists("/dev/loop-control")
    ):
        run("mkfs.btrfs", "-q", "--rootdir", str(world.folder / "dir"), str(world.folder / "btrfs"))
        report = json.loads(world.run("--json", "diff", "dir", "btrfs").stdout)
        others = [
            change for change in report["paths"] if not change["path"].startswith("/dev/")
        ]  # mkfs.btrfs 6.2 forgets device numbers
        assert not others, others
        assert {"uuid", "label"} & {
            field["field"]
            for field in json.loads(world.run("--json", "diff", "btrfs", "btrfs").stdout)[
                "filesystem"
            ]
        } == set()
    assert world.run("diff", image, image).returncode == 0
    changed, _ = built(
        world,
        "changed",
        packages=("hello", "unstable"),
        text='[[file]]\ntarget = "/etc/motd"\ncontent = "hi\\n"\nmode = "0600"\n',
    )
    report = json.loads(world.run("--json", "diff", image, changed).stdout)
    assert report["packages"] == [{"name": "unstable", "a": "", "b": "1 amd64"}], report["packages"]
    paths = {change["path"]: change for change in report["paths"]}
    assert paths["/etc/motd"]["step"] == "files", paths.keys()
    assert paths["/usr/share/unstable/data"]["package"] == "unstable", paths.keys()
    for bad, code in (("/no/such/image", 2), (world.archive.key, 3)):
        assert world.run("diff", image, bad).returncode in (code, 1), bad


def test_diff_explains_what_others_built(world):
    """The same folder packed twice by mksquashfs, as people do today, with what scripts leave
    behind."""
    image, _ = built(world)
    trees = []
    for i, text in enumerate(("Mon Nov  2 10:00:00 UTC 2026", "Tue Nov  3 11:11:11 UTC 2026")):
        tree = world.folder / f"tree{i}"
        run("unsquashfs", "-q", "-d", str(tree), str(image))
        (tree / "etc/machine-id").write_text(f"{random.getrandbits(128):032x}\n")
        (tree / "srv/built").write_text(f"built {text}\n")
        (tree / "var/log/dpkg.log").write_text(f"{i}\n")
        os.chown(tree / "srv/built", 1000 + i, 0)
        run(
            "mksquashfs",
            str(tree),
            str(world.folder / f"{i}.sqfs"),
            "-noappend",
            "-quiet",
            "-mkfs-time",
            str(1700000000 + i),
        )
    report = json.loads(world.run("--json", "diff", "0.sqfs", "1.sqfs").stdout)
    paths = {change["path"]: change for change in report["paths"]}
    assert set(paths) == {"/etc/machine-id", "/srv/built", "/var/log/dpkg.log"}, set(paths)
    assert "identifier of the machine" in paths["/etc/machine-id"]["cause"], paths
    assert "a date" in paths["/srv/built"]["cause"], paths
    assert "log" in paths["/var/log/dpkg.log"]["cause"], paths
    assert any(what.startswith("owner 1000:0") for what in paths["/srv/built"]["what"]), paths[
        "/srv/built"
    ]
    assert "made at" in {field["field"] for field in report["filesystem"]}, report["filesystem"]


class Browser:
    """Chromium through chromedriver's own protocol (W3C WebDriver)."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            ["chromedriver", f"--port={self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            try:
                self.call("GET", "/status")
                break
            except OSError:
                time.sleep(0.1)
        options = {
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
            ]
        }
        try:
            self.session = self.call(
                "POST",
                "/session",
                {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}},
            )["sessionId"]
        except (OSError, RuntimeError) as problem:
            self.process.kill()
            raise Skip(f"the browser does not start here: {str(problem)[:200]}")

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(
            method,
            path,
            json.dumps(body if body is not None else {}) if method == "POST" else None,
            {"Content-Type": "application/json"},
        )
        answer = json.loads(connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["message"])
        return answer

    def do(self, what, body=None):
        return self.call("POST", f"/session/{self.session}/{what}", body)

    def run(self, script):
        return self.do("execute/sync", {"script": script, "args": []})

    def element(self, selector):
        return next(iter(self.do("element", {"using": "css selector", "value": selector}).values()))

    def click(self, selector):
        self.do(f"element/{self.element(selector)}/click")

    def type(self, selector, text):
        self.do(f"element/{self.element(selector)}/value", {"text": text})

    def close(self):
        try:
            self.call("DELETE", f"/session/{self.session}")
        finally:
            self.process.terminate()
            self.process.wait()


def test_the_page_of_a_diff_works_in_a_browser(world):
    if not shutil.which("chromedriver"):
        raise Skip("chromedriver is not installed")
    image, _ = built(world)
    changed, _ = built(
        world,
        "changed",
        packages=("unstable",),
        text='[[file]]\ntarget = "/srv/<b>&amp;\\"x"\ncontent = "</script><script>document.title=1</script>\\n"\n',
    )
    world.run("diff", image, changed, "--html", "diff.html")
    text = (world.folder / "diff.html").read_text()
    assert "http://" not in text, "the page loads something from elsewhere"
    assert "https://" not in text, "the page loads something from elsewhere"
    total = len(json.loads(world.run("--json", "diff", image, changed).stdout)["paths"])
    browser = Browser()
    try:
        browser.do("url", {"url": (world.folder / "diff.html").as_uri()})
        count = lambda: browser.run("return document.getElementById('count').textContent")
        assert browser.run("return document.title") == "alephc diff", count()
        assert count() == f"{total} of {total}", count()
        assert "hello" in browser.run("return document.getElementById('packages').textContent")
        browser.type("#search", "<b>")
        assert count() == f"1 of {total}", count()
        browser.run("for (const d of document.querySelectorAll('details')) d.open = false")
        browser.click("summary")
        time.sleep(0.3)
        assert '/srv/<b>&amp;"x' in browser.run(
            "return document.querySelector('.path').textContent"
        )
        browser.run(
            "const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input'))"
        )
        browser.click(".kind[value=added]")
        browser.click(".kind[value=changed]")
        assert browser.run(
            "return [...document.querySelectorAll('.path code')].every(e => e.className === 'removed')"
        )
        browser.click("#group option[value=cause]")
        assert "the package hello is in the first image only" in browser.run(
            "return document.getElementById('paths').textContent"
        )
    finally:
        browser.close()


def flipped(data, bit):
    out = bytearray(data)
    out[bit // 8] ^= 1 << (bit % 8)
    return bytes(out)


def test_no_flipped_bit_is_accepted(world):
    """500 single bits: refused (3, or 1 where the text no longer parses), healed, or without
    influence on any verified value."""
    image, outcome = built(world)
    statement = signed_statement(world, "alice")
    bundle = world.folder / "bundle"
    world.ok("vendor", "project", "-o", bundle)
    message = world.folder / "message.json"
    message.write_text(json.dumps(store_message(world, outcome["sha256"])))
    lock = world.project / "runtime.lock"
    chance = random.Random(4)
    classes: dict[tuple, int] = {}

    def classify(what, code, values_equal):
        kind = {3: "refused", 1: "refused: no longer parses"}.get(code) or (
            "without influence" if code == 0 and values_equal else "ACCEPTED"
        )
        classes.setdefault((what, kind), 0)
        classes[what, kind] += 1
        assert kind != "ACCEPTED", f"{what}: exit {code}"

    def tamper(what, file, times, check):
        data = file.read_bytes()
        for _ in range(times):
            file.write_bytes(flipped(data, chance.randrange(len(data) * 8)))
            try:
                classify(what, *check())
            finally:
                file.write_bytes(data)

    def values(report):
        return sorted(
            (check["check"], check["verdict"], check["text"]) for check in report["checks"]
        )

    def checked(*arguments, reference):
        result = world.run("--json", "verify", *arguments)
        try:
            report = json.loads(result.stdout)
        except json.JSONDecodeError:
            report = {}
        return result.returncode, result.returncode != 0 or values(report) == reference

    by_image = ("--image", image, "--expect", outcome["sha256"])
    reference = values(verdict(world, *by_image, code=0))
    tamper("image", image, 120, lambda: checked(*by_image, reference=reference))
    by_message = ("--image", image, "--message", message)
    reference_message = values(verdict(world, *by_message, code=0))
    tamper("message", message, 120, lambda: checked(*by_message, reference=reference_message))
    by_lock = ("project", *TRUST, *by_image)
    reference_lock = values(verdict(world, *by_lock, code=0))
    tamper("lock", lock, 100, lambda: checked(*by_lock, reference=reference_lock))
    by_statement = (*by_lock, "--statement", statement, "--policy", "policy.toml")
    reference_statement = values(verdict(world, *by_statement, code=0))
    tamper(
        "statement", statement, 100, lambda: checked(*by_statement, reference=reference_statement)
    )
    by_bundle = (*by_lock, "--bundle", bundle)
    reference_bundle = values(verdict(world, *by_bundle, code=0))
    tamper("bundle", bundle, 30, lambda: checked(*by_bundle, reference=reference_bundle))

    # The store heals itself: a damaged blob is fetched again, a damaged layer or record made again.
    own = world.folder / "own-store"
    world.ok("build", "project", "-o", "own.squashfs", store=own)
    victims = [
        path
        for part in ("blobs", "layers", "actions")
        for path in sorted((own / part).rglob("*"))
        if path.is_file() and not path.is_symlink() and path.stat().st_size
    ]
    for _ in range(30):
        victim = chance.choice(victims)
        data = victim.read_bytes()
        mode = victim.stat().st_mode
        victim.chmod(0o600)
        victim.write_bytes(flipped(data, chance.randrange(len(data) * 8)))
        victim.chmod(mode & 0o7777)
        (world.folder / "own.squashfs").unlink(missing_ok=True)
        (world.folder / "own.squashfs.receipt.json").unlink(missing_ok=True)
        result = world.run("--json", "build", "project", "-o", "own.squashfs", store=own)
        assert result.returncode == 0, (victim, result.stderr)
        assert json.loads(result.stdout)["sha256"] == outcome["sha256"], (victim, result.stderr)
        classes["store", "healed"] = classes.get(("store", "healed"), 0) + 1
    assert sum(classes.values()) >= 498, classes
    print(
        "  "
        + ", ".join(f"{what} {kind}: {count}" for (what, kind), count in sorted(classes.items()))
    )


def test_a_tree_that_nobody_should_boot_is_refused(world):
    world.manifest("", ["keyed"])
    result = world.fails(
        1, "/etc/keyed/k.pem is a private key", "build", "project", "-o", "image.squashfs"
    )
    assert "/usr/share/open is world-writable (0666)" in result.stderr, result.stderr
    assert "written by step install" in result.stderr, result.stderr
    assert "packages.exclude_paths" in result.stderr
    world.manifest(
        '[[run]]\nname = "id"\nscript = "mkdir -p /var/lib/systemd /var/lib/x; echo x > /var/lib/x/random-seed; mkdir -m 777 /srv/all"\n',
        [],
    )
    result = world.fails(
        1, "/var/lib/x/random-seed is a random seed", "build", "project", "-o", "image.squashfs"
    )
    assert "/srv/all is a world-writable folder" in result.stderr, result.stderr
    assert "written by step run:id" in result.stderr, result.stderr


def test_a_rebuild_with_other_accounts_names_them(world):
    image, _ = built(world, text='[[user]]\nname = "app"\nuid = 1500\n')
    world.ok("build", "project", "-o", image, "--record")
    recorded = world.project / "runtime.receipt.json"
    receipt = json.loads(recorded.read_text())
    receipt["accounts"] = [line.replace("app:1500", "app:1400") for line in receipt["accounts"]]
    receipt["tree"] = receipt["sha256"] = "1" * 64
    receipt["layers"][-1]["layer"] = "2" * 64
    recorded.write_text(json.dumps(receipt))
    image.unlink()
    result = world.run("build", "project", "-o", image)
    assert result.returncode == 3, result.stderr
    assert "the account app:1500" in result.stderr, result.stderr
    assert "steps with another result: embed" in result.stderr, result.stderr


ROOTLESS = """set -e
printf 'builder:100000:65536\\n' > ids; cp /etc/passwd passwd; echo 'builder:x:4321:4321::/:/bin/sh' >> passwd
touch /etc/subuid /etc/subgid
mount --bind "${SUBIDS:-ids}" /etc/subuid; mount --bind ids /etc/subgid; mount --bind passwd /etc/passwd
exec setpriv --reuid 4321 --regid 4321 --clear-groups "$@"
"""


def as_user(world, *arguments, subids="ids"):
    home = world.folder / "home"
    if not home.exists():
        home.mkdir()
        shutil.copytree(world.project, home / "project")
        run("chown", "-R", "4321:4321", str(home))
        world.folder.chmod(0o755)
    for parent in world.folder.parents:
        if str(parent).startswith("/var/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    argv = [
        "unshare",
        "-m",
        "sh",
        "-c",
        ROOTLESS,
        "sh",
        world.alephc,
        "--store",
        str(home / "store"),
        "--mirror",
        world.archive.url,
        *map(str, arguments),
    ]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=world.folder,
        env={**world.alephc_env(), "HOME": str(home), "TMPDIR": str(home), "SUBIDS": subids},
    )


def test_a_user_without_rights_builds_the_same_bytes(world):
    if not shutil.which("newuidmap"):
        raise Skip("uidmap is not installed")
    image, _ = built(
        world,
        packages=("hello",),
        text='[[run]]\nname = "own"\nscript = "mkdir /srv/d; touch /srv/d/f; chown 1234:4321 /srv/d/f; rm -r /usr/share/doc; mkdir /usr/share/doc; touch /usr/share/doc/x"\n',
    )
    result = as_user(world, "build", "home/project", "-o", "home/image.squashfs")
    if "the kernel allows no user namespace" in result.stderr or "/proc/sys/" in result.stderr:
        raise Skip("user namespaces are forbidden here")
    assert result.returncode == 0, result.stderr
    assert (
        world.folder / "home/image.squashfs"
    ).read_bytes() == image.read_bytes(), "root and rootless differ"
    assert (world.folder / "home/image.squashfs").stat().st_uid == 4321
    # Root must not use layers whose owners mean other people, nor a store that another user can
    # change.
    store = world.folder / "home/store"
    result = world.run("build", "project", "-o", "x.squashfs", store=store)
    assert result.returncode == 4, result.stderr
    assert "belongs to another user" in result.stderr, result.stderr
    os.chown(store, 0, 0)
    result = world.run("build", "project", "-o", "x.squashfs", store=store)
    os.chown(store, 4321, 4321)
    assert result.returncode == 4, result.stderr
    assert "was made with other user ids" in result.stderr, result.stderr
    result = as_user(world, "build", "home/project", "-o", "home/dir", "--set", "image.format=dir")
    assert result.returncode == 4, result.stderr
    assert "device node" in result.stderr, result.stderr
    assert as_user(world, "gc").returncode == 0


def test_where_rootless_builds_are_forbidden_the_setting_is_named(world):
    built(world)
    (world.folder / "nothing").write_text("")
    result = as_user(world, "build", "home/project", "-o", "home/image.squashfs", subids="nothing")
    assert result.returncode == 4, result.stderr
    assert "has no range of 65536 ids in /etc/subuid" in result.stderr, result.stderr
    assert "usermod --add-subuids" in result.stderr, result.stderr
    result = as_user(world, "doctor", subids="nothing")
    assert "no rootless builds: the user builder has no range" in result.stdout, result.stdout


def test_where_root_lacks_a_capability_build_and_doctor_say_so(world):
    built(world)
    assert "ok    sandbox" in world.run("doctor").stdout, world.run("doctor").stdout
    alephc = world.alephc
    for name in ("sys_admin", "net_admin", "setpcap", "setuid", "setgid", "chown", "mknod"):
        world.alephc = world.folder / f"without-{name}"
        world.alephc.write_text(
            f'#!/bin/sh\nexec setpriv --bounding-set=-{name} --inh-caps=-{name} {alephc} "$@"\n'
        )
        world.alephc.chmod(0o755)
        store = world.folder / f"store-{name}"
        doctor = world.run("doctor", store=store)
        assert doctor.returncode == 4, f"{name}: {doctor.stdout}"
        assert f"root without {name.upper()}" in doctor.stdout, f"{name}: {doctor.stdout}"
        build = world.run("build", "project", "-o", world.folder / "other.squashfs", store=store)
        assert build.returncode == 4, f"{name}: exit {build.returncode}: {build.stderr}"
        assert f"than this root has: {name.upper()}" in build.stderr, build.stderr


def test_three_parties_come_to_the_same_end(world):
    """docs/verify.md: A publishes, B verifies with nothing but the repository and the hash, C
    shipped something else."""
    a, b, c = (world.folder / name for name in "abc")
    image, outcome = built(world)
    shutil.copytree(world.project, a)
    (world.folder / "published").write_text(outcome["cid_v0"])
    shutil.copytree(a, b)
    report = verdict(
        world,
        "b",
        *TRUST,
        "--rebuild",
        "--expect",
        (world.folder / "published").read_text(),
        store=world.folder / "store-of-b",
        code=0,
    )
    assert ("verified", "the rebuilt image is that of --expect") in checks(report, "image"), report
    changed, _ = built(world, "c-image", packages=("hello", "unstable"))
    assert (
        verdict(world, "b", *TRUST, "--image", changed, "--expect", outcome["cid_v0"], code=3)[
            "verdict"
        ]
        == "mismatch"
    )
    text = world.run("diff", image, changed).stdout
    assert "+ unstable 1 amd64" in text, text
