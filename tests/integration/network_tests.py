"""publish, pull and verify HASH against nodes on loopback."""
import functools
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import http_server
from aleph_crypto import cid_v0, keccak256, signature_is_good
from aleph_node import Node
from fixture import Skip, run

KEY = "11" * 32


def prepare(archive):
    archive.add_package("hello", "1", files=[("usr/bin/hello", "#!/bin/sh\necho hello\n", 0o755)])


class Network:
    """A node, a second one, a key, and an image that was built."""

    def __init__(self, world, text=""):
        self.world, self.node = world, Node()
        self.key = world.folder / "key"
        self.key.write_text(KEY + "\n")
        world.manifest(text, ("hello",))
        self.image = world.folder / "image.img"
        self.outcome = json.loads(world.ok("--json", "build", "project", "-o", self.image).stdout)

    def arguments(self, *words):
        return ("publish", self.image, "--key", self.key, "--api", self.node.url, *words)

    def publish(self, *words):
        return json.loads(self.world.ok("--json", *self.arguments(*words)).stdout)

    def refused(self, code, text, *words):
        return self.world.fails(code, text, *self.arguments(*words))


def test_an_image_goes_out_and_comes_back(world):
    network = Network(world)
    for storage, hash in (
        ("storage", network.outcome["sha256"]),
        ("ipfs", network.outcome["cid_v0"]),
    ):
        done = network.publish("--storage", storage)
        assert (done["status"], done["item_type"], done["file_hash"]) == (
            "processed",
            storage,
            hash,
        ), done
        message = done["message"]
        assert signature_is_good(message)
        assert hashlib.sha256(message["item_content"].encode()).hexdigest() == done["item_hash"]
        content = json.loads(message["item_content"])
        assert content["metadata"]["alephc"]["lock"] == network.outcome["lock"]
        assert content["metadata"]["alephc"]["tree"] == network.outcome["tree"]
        assert " " not in message["item_content"].replace('" "', ""), message["item_content"]
        back = world.folder / f"back-{storage}"
        for name in (done["item_hash"], hash):
            world.ok(
                "pull", name, "-o", back, "--api", network.node.url, store=world.folder / "fresh"
            )
            assert back.read_bytes() == network.image.read_bytes()
            shutil.rmtree(world.folder / "fresh")
    assert cid_v0(network.image.read_bytes()) == network.outcome["cid_v0"]
    # The line of the network's client is that of what the image is, whatever its name.
    disk = world.folder / "disk.img"
    disk.write_bytes(b"QFI\xfb" + bytes(1000))
    for image, line in (
        (network.image, "aleph program create --runtime "),
        (disk, "aleph instance create --rootfs "),
    ):
        assert (
            line
            in world.ok("publish", image, "--key", network.key, "--api", network.node.url).stdout
        )


def test_a_stranger_verifies_by_the_hash_alone(world):
    network = Network(world, text='[[run]]\nname = "x"\nscript = "echo x > /srv/x"\n')
    shutil.rmtree(network.world.project / ".git", ignore_errors=True)
    done = network.publish()
    # The fixture's keyring is a file of the project, so that the recipe in the image does not stand
    # alone: a repository has it.
    repository = world.folder / "served"
    shutil.copytree(world.project, repository)
    git = lambda *words: run(
        "git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@t", *words
    )
    git("init", "-q"), git("add", "-A"), git("commit", "-qm", "x"), git("update-server-info")
    revision = run("git", "-C", str(repository), "rev-parse", "HEAD").stdout.strip()
    files = serve_folder(repository)
    report = world.run("--json", "verify", done["item_hash"], "--api", network.node.url)
    assert report.returncode == 1, report.stdout + report.stderr
    assert "names a repository" in report.stdout, report.stdout + report.stderr
    named = network.publish(
        "--metadata",
        f"alephc.repository={files.url}/.git",
        "--metadata",
        f"alephc.revision={revision}",
        "--metadata",
        "who=me",
    )
    result = world.run(
        "--json", "verify", named["item_hash"], "--api", network.node.url, "--trust-key", "key.gpg"
    )
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert report["verdict"] == "verified", result.stdout + result.stderr
    assert any("byte for byte" in check["text"] for check in report["checks"]), report
    # Something else in its place: the lock is another one than the message names.
    (repository / "runtime.lock").write_text(
        (repository / "runtime.lock").read_text().replace("source_date_epoch", "source_date_epoch ")
    )
    git("commit", "-qam", "y"), git("update-server-info")
    other = run("git", "-C", str(repository), "rev-parse", "HEAD").stdout.strip()
    false = network.publish(
        "--metadata",
        f"alephc.repository={files.url}/.git",
        "--metadata",
        f"alephc.revision={other}",
    )
    result = world.run(
        "--json", "verify", false["item_hash"], "--api", network.node.url, "--trust-key", "key.gpg"
    )
    assert result.returncode == 3, result.stdout + result.stderr
    assert "has not the lock" in result.stdout, result.stdout + result.stderr
    files.close()


def test_a_recipe_in_the_image_is_enough(world):
    (world.project / "runtime.toml").write_text(
        'schema = 1\n[runtime]\nname = "t"\n[base]\ndistro = "none"\n[[file]]\ntarget = "/srv/x"\ncontent = "x"\n[init]\nprogram = "none"\n'
    )
    node, key, image = Node(), world.folder / "key", world.folder / "image.img"
    key.write_bytes(bytes.fromhex(KEY))
    world.ok("build", "project", "-o", image)
    done = json.loads(world.ok("--json", "publish", image, "--key", key, "--api", node.url).stdout)
    result = world.run(
        "--json", "verify", done["item_hash"], "--api", node.url, store=world.folder / "fresh"
    )
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert report["verdict"] == "verified", result.stdout + result.stderr
    assert any("embedded in the image" in check["text"] for check in report["checks"]), report
    # Bytes that are not built from the recipe they carry.
    tree = world.folder / "tree"
    run("unsquashfs", "-q", "-d", str(tree), str(image))
    (tree / "srv/x").write_text("y")
    image.unlink()
    run("mksquashfs", str(tree), str(image), "-quiet", "-noappend")
    pathlib.Path(f"{image}.receipt.json").unlink()
    forged = json.loads(
        world.ok("--json", "publish", image, "--key", key, "--api", node.url).stdout
    )
    result = world.run("--json", "verify", forged["item_hash"], "--api", node.url)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "/srv/x" in result.stdout, result.stdout + result.stderr


def test_every_refusal_is_explained(world):
    network = Network(world)
    for status, text in (
        (402, "cannot pay"),
        (403, "does not accept the signature"),
        (413, "larger than the node takes"),
        (422, "does not accept the message"),
    ):
        network.node.refuse = status
        result = network.refused(1, text)
        assert f"HTTP {status}" in result.stderr, result.stderr
        assert f"refused with {status}" in result.stderr, result.stderr
    network.node.limits = {
        "storage": {"max_file_size": 1000},
        "ipfs": {"max_upload_file_size": 2000},
    }
    network.refused(1, "and the node takes 2.0 kB as ipfs")
    network.refused(1, "try --storage ipfs", "--storage", "storage")
    assert not network.node.files
    assert not network.node.messages
    network.node.limits = Node().limits
    network.node.lie = "0" * 64
    network.refused(3, "the node has another file than was sent")
    network.node.lie = None
    # What the network rejects is told in its words, and the next try is another message.
    for code, text in (
        (5, "the balance is not enough"),
        (6, "the credits are not enough"),
        (202, "this way to pay is not accepted"),
    ):
        network.node.reject = code
        result = network.refused(1, text, "--metadata", f"n={code}")
        assert '"wanted":"more"' in result.stderr, result.stderr
        rejected = set(network.node.statuses)
        assert not pathlib.Path(f"{network.image}.publish.json").exists()
        done = network.publish("--metadata", f"n={code}")
        assert done["status"] == "processed", done
        assert done["item_hash"] not in rejected, done
    # Rejected only after the command was done with it.
    network.node.pending = 99
    pending = network.publish("--metadata", "n=later")
    assert pending["status"] == "pending"
    network.node.pending, network.node.statuses[pending["item_hash"]] = 0, "rejected"
    done = network.publish("--metadata", "n=later")
    assert done["status"] == "processed", done
    assert done["item_hash"] != pending["item_hash"], done


def test_an_upload_goes_on_where_it_stopped(world):
    network = Network(world)
    network.node.hang_up = 9
    network.refused(1, "no node took the image")
    state = json.loads(pathlib.Path(f"{network.image}.publish.json").read_text())
    network.node.hang_up = 1
    done = network.publish()
    assert done["item_hash"] == state["item_hash"], done
    assert done["status"] == "processed", done
    assert not pathlib.Path(f"{network.image}.publish.json").exists()
    # The file is there already: only a message is sent, and it is another one.
    network.node.requests.clear()
    again = network.publish("--metadata", "note=second")
    assert again["item_hash"] != done["item_hash"]
    assert ("POST", "/api/v0/messages") in network.node.requests
    assert not any("add_file" in path for _, path in network.node.requests)
    # A node that needs a moment.
    network.node.pending = 3
    assert network.publish("--metadata", "note=third")["status"] == "processed"


def test_another_node_takes_what_the_first_does_not(world):
    network = Network(world)
    second = Node()
    network.node.hang_up = 99
    done = network.publish("--api", second.url)
    assert done["status"] == "processed"
    assert done["item_hash"] in second.messages
    assert not network.node.messages


def test_updates_are_found_and_an_update_of_an_update_is_refused(world):
    network = Network(world)
    first = network.publish()
    second = network.publish("--ref", first["item_hash"], "--metadata", "n=2")
    network.refused(
        1, "it must name the original", "--ref", second["item_hash"], "--metadata", "n=3"
    )
    program = make_program(first["item_hash"], True)
    network.node.messages[program["item_hash"]] = program
    pinned = make_program(first["item_hash"], False)
    network.node.messages[pinned["item_hash"]] = pinned
    for message, wanted in ((program, second), (pinned, first)):
        out = json.loads(
            world.ok(
                "--json",
                "pull",
                message["item_hash"],
                "-o",
                world.folder / "p",
                "--api",
                network.node.url,
            ).stdout
        )
        assert out["message"] == wanted["item_hash"], out
    # An update by somebody else is none.
    stranger = world.folder / "stranger"
    stranger.write_text("22" * 32)
    world.ok(
        "publish",
        network.image,
        "--key",
        stranger,
        "--api",
        network.node.url,
        "--ref",
        first["item_hash"],
        "--metadata",
        "n=4",
    )
    out = json.loads(
        world.ok(
            "--json",
            "pull",
            program["item_hash"],
            "-o",
            world.folder / "p",
            "--api",
            network.node.url,
        ).stdout
    )
    assert out["message"] == second["item_hash"], out
    # Nodes that hold updates back, give them in another order, spoil them, or say that messages are
    # gone.
    third = network.publish("--ref", first["item_hash"], "--metadata", "n=5")
    other = Node()
    other.files = network.node.files
    other.messages = {hash: dict(message) for hash, message in network.node.messages.items()}
    for message in other.messages.values():
        message["time"] = -message["time"]
    other.messages[second["item_hash"]]["signature"] = other.messages[first["item_hash"]][
        "signature"
    ]
    other.statuses = {program["item_hash"]: "forgotten", first["item_hash"]: "forgotten"}
    for apis in ((other.url, network.node.url), (network.node.url, other.url)):
        out = json.loads(
            world.ok(
                "--json",
                "pull",
                program["item_hash"],
                "-o",
                world.folder / "p",
                "--api",
                apis[0],
                "--api",
                apis[1],
            ).stdout
        )
        assert out["message"] == third["item_hash"], out
    world.fails(
        1,
        "as forgotten",
        "pull",
        program["item_hash"],
        "-o",
        world.folder / "p",
        "--api",
        other.url,
    )


def make_program(ref, use_latest):
    """A PROGRAM message signed with a key of this test's own, through alephc's own signer's
    independent twin."""
    from aleph_crypto import G, N, times

    secret = 0x33
    key = times(secret, G)
    address = "0x" + keccak256(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:].hex()
    content = json.dumps(
        {
            "address": address,
            "time": 1.5,
            "type": "vm-function",
            "runtime": {"ref": ref, "use_latest": use_latest, "comment": ""},
        }
    )
    item_hash = hashlib.sha256(content.encode()).hexdigest()
    text = f"ETH\n{address}\nPROGRAM\n{item_hash}".encode()
    digest = int.from_bytes(
        keccak256(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text), "big"
    )
    nonce = int.from_bytes(hashlib.sha256(content.encode() + b"nonce").digest(), "big") % N
    point = times(nonce, G)
    r, s = point[0] % N, pow(nonce, -1, N) * (digest + point[0] * secret) % N
    v = point[1] % 2
    if s > N // 2:
        s, v = N - s, v ^ 1
    signature = (
        "0x" + r.to_bytes(32, "big").hex() + s.to_bytes(32, "big").hex() + bytes([27 + v]).hex()
    )
    return {
        "sender": address,
        "chain": "ETH",
        "type": "PROGRAM",
        "item_type": "inline",
        "item_content": content,
        "item_hash": item_hash,
        "signature": signature,
        "time": 1.5,
        "channel": "T",
    }


def test_a_gateway_that_lies_is_caught_and_the_next_one_tried(world):
    network = Network(world)
    done = network.publish("--storage", "ipfs")
    liar, honest = Node(), network.node
    liar.rot = b"something else"
    out = world.folder / "out"
    result = world.ok(
        "pull",
        done["item_hash"],
        "-o",
        out,
        "--api",
        honest.url,
        "--gateway",
        f"{liar.url}/ipfs",
        "--gateway",
        f"{honest.url}/ipfs",
        store=world.folder / "fresh",
    )
    assert out.read_bytes() == network.image.read_bytes()
    out.unlink()
    # Bytes of a liar that hangs up are not continued with honest ones.
    liar.rot, liar.cut = b"no image at all", True
    world.ok(
        "pull",
        done["item_hash"],
        "-o",
        out,
        "--api",
        honest.url,
        "--gateway",
        f"{liar.url}/ipfs",
        "--gateway",
        f"{honest.url}/ipfs",
        store=world.folder / "fresh3",
    )
    assert out.read_bytes() == network.image.read_bytes()
    out.unlink()
    liar.cut, liar.rot = False, b"something else"
    honest.rot = b"something else too"
    world.fails(
        3,
        "has the CID",
        "pull",
        done["item_hash"],
        "-o",
        out,
        "--api",
        honest.url,
        "--gateway",
        f"{liar.url}/ipfs",
        store=world.folder / "fresh2",
    )
    assert not out.exists()


def test_messages_that_were_changed_are_refused(world):
    network = Network(world)
    done = network.publish()
    message = network.node.messages[done["item_hash"]]
    for change in (
        {
            "signature": message["signature"][:20]
            + ("0" if message["signature"][20] != "0" else "1")
            + message["signature"][21:]
        },
        {"item_content": message["item_content"].replace("storage", "ipfs")},
        {"sender": "0x" + "0" * 40},
    ):
        network.node.messages[done["item_hash"]] = {**message, **change}
        world.fails(
            3,
            done["item_hash"],
            "pull",
            done["item_hash"],
            "-o",
            world.folder / "x",
            "--api",
            network.node.url,
        )
    # Another node tells the truth.
    second = Node()
    second.messages, second.files = {done["item_hash"]: message}, network.node.files
    world.ok(
        "pull",
        done["item_hash"],
        "-o",
        world.folder / "x",
        "--api",
        network.node.url,
        "--api",
        second.url,
    )
    # In another's name: only with its leave.
    network.node.messages[done["item_hash"]] = message
    other = "0x" + "ab" * 20
    named = network.publish("--address", other)
    world.fails(
        3,
        "does not say that it may",
        "pull",
        named["item_hash"],
        "-o",
        world.folder / "y",
        "--api",
        network.node.url,
    )
    grant = {
        "address": message["sender"],
        "types": ["STORE"],
        "chain": "ETH",
        "channels": [message["channel"]],
    }
    for key, value in (("types", ["POST"]), ("chain", "SOL"), ("channels", ["another"])):
        network.node.aggregates[other] = {"security": {"authorizations": [{**grant, key: value}]}}
        world.fails(
            3,
            "does not say that it may",
            "pull",
            named["item_hash"],
            "-o",
            world.folder / "y",
            "--api",
            network.node.url,
        )
    network.node.aggregates[other] = {"security": {"authorizations": [grant]}}
    world.ok("pull", named["item_hash"], "-o", world.folder / "y", "--api", network.node.url)


def test_every_hash_is_understood_as_an_expectation(world):
    network = Network(world)
    done = network.publish("--storage", "ipfs")
    api = {"ALEPH_API_HOST": network.node.url}
    for hash in (
        done["item_hash"],
        network.outcome["sha256"],
        network.outcome["cid_v0"],
        network.outcome["cid_v1"],
    ):
        result = world.run("--json", "verify", "--image", network.image, "--expect", hash, env=api)
        assert result.returncode == 0, hash + result.stdout + result.stderr
        assert json.loads(result.stdout)["verdict"] == "verified", (
            hash + result.stdout + result.stderr
        )
        world.ok("build", "project", "-o", world.folder / "again.img", "--expect", hash, env=api)
    wrong = "0" * 64
    assert world.run("verify", "--image", network.image, "--expect", wrong, env=api).returncode == 3
    world.fails(
        3,
        "the sha256 differs",
        "build",
        "project",
        "-o",
        world.folder / "again2.img",
        "--expect",
        wrong,
        env=api,
    )
    world.fails(
        2,
        "single raw block",
        "verify",
        "--image",
        network.image,
        "--expect",
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        env=api,
    )
    # Written back, and understood from there.
    world.ok(
        "publish", "project", "--key", network.key, "--write-expect", "--metadata", "w=1", env=api
    )
    text = (world.project / "runtime.toml").read_text()
    assert "[expect]\nitem_hash = " in text, text
    assert "message = " in text, text
    for extra in world.folder.glob("t-0.0.0*"):
        extra.unlink()
    report = json.loads(
        world.run(
            "--json",
            "verify",
            "project",
            "--image",
            network.image,
            "--trust-key",
            "key.gpg",
            env=api,
        ).stdout
    )
    assert report["verdict"] == "verified", report
    assert any("expect.message" in check["text"] for check in report["checks"]), report
    # Not for an image that the project did not make.
    stranger = world.folder / "stranger.img"
    stranger.write_bytes(b"x" * 5000)
    result = subprocess.run(
        [world.alephc, "publish", stranger, "--key", network.key, "--write-expect"],
        cwd=world.project,
        env={**os.environ, **world.alephc_env(), **api},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2, result.stderr
    assert "not known to be that of this project's lock" in result.stderr, result.stderr
    assert (world.project / "runtime.toml").read_text() == text


def test_a_dry_run_sends_nothing(world):
    network = Network(world)
    out = json.loads(
        world.ok("--json", *network.arguments("--dry-run", "--payment", "credit")).stdout
    )
    assert out["status"] == "dry run"
    assert signature_is_good(out["message"])
    assert not network.node.requests
    assert json.loads(out["message"]["item_content"])["payment"] == {
        "chain": "ETH",
        "type": "credit",
    }
    assert KEY not in json.dumps(out)
    out = json.loads(world.ok("--json", *network.arguments("--dry-run", "--chain", "SOL")).stdout)
    assert out["message"]["chain"] == "SOL"
    assert signature_is_good(out["message"])
    world.fails(2, "there is no key", "publish", network.image, "--dry-run")
    by_file = json.loads(world.ok("--json", *network.arguments("--dry-run")).stdout)["message"][
        "sender"
    ]
    other = world.folder / "other.key"
    other.write_text("22" * 32)
    sender = lambda **env: json.loads(
        world.ok("--json", "publish", network.image, "--dry-run", env=env).stdout
    )["message"]["sender"]
    assert (
        sender(ALEPH_PRIVATE_KEY_STRING=KEY)
        == by_file
        == sender(ALEPH_PRIVATE_KEY_FILE=str(network.key))
    )
    assert sender(ALEPH_PRIVATE_KEY_STRING=KEY, ALEPH_PRIVATE_KEY_FILE=str(other)) == by_file
    empty = world.folder / "empty.key"
    empty.touch()
    world.fails(
        2,
        "holds no private key",
        "publish",
        network.image,
        "--dry-run",
        "--key",
        empty,
        env={"ALEPH_PRIVATE_KEY_STRING": KEY},
    )
    home = world.folder / ".aleph-im/private-keys"
    home.mkdir(parents=True)
    (home / "ethereum.key").write_bytes(bytes.fromhex(KEY))
    assert json.loads(world.ok("--json", "publish", network.image, "--dry-run").stdout)["message"][
        "sender"
    ].startswith("0x")


def test_certificates_of_the_environment_are_trusted(world):
    pem = world.folder / "node.pem"
    run(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(world.folder / "k"),
        "-out",
        str(world.folder / "c"),
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    )
    pem.write_text((world.folder / "k").read_text() + (world.folder / "c").read_text())
    node = Node(pem)
    hash = hashlib.sha256(b"x").hexdigest()
    node.files[hash] = b"x"
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        world.ok(
            "pull",
            hash,
            "-o",
            world.folder / "x",
            "--api",
            node.url,
            env={name: str(world.folder / "c")},
            store=world.folder / name,
        )
        assert (world.folder / "x").read_bytes() == b"x"
    world.fails(
        1,
        "self-signed certificate",
        "pull",
        hash,
        "-o",
        world.folder / "y",
        "--api",
        node.url,
        store=world.folder / "none",
    )


def test_nothing_of_a_strangers_reaches_the_terminal_raw(world):
    node, hash = Node(), "1" * 64
    node.messages[hash], node.statuses[hash] = {}, "pend\x1b[31m\x07"
    result = world.fails(1, "pend?[31m?", "pull", hash, "-o", world.folder / "x", "--api", node.url)
    assert "\x1b" not in result.stderr
    assert "\x07" not in result.stderr


def test_another_implementation_agrees(world):
    """eth-account and PyNaCl, where the machine reaches a Python index."""
    tools = (
        pathlib.Path(os.environ.get("ALEPHC_TEST_CACHE", "/var/tmp/alephc-test-cache")) / "signers"
    )
    if not (tools / "done").exists():
        venv.create(tools, with_pip=False, clear=True)
        pip = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(tools / "bin/python"),
                "install",
                "-q",
                "eth-account",
                "pynacl",
                "base58",
            ],
            capture_output=True,
            text=True,
        )
        if pip.returncode != 0:
            raise Skip("no Python index is in reach")
        (tools / "done").touch()
    network = Network(world)
    messages = [
        json.loads(world.ok("--json", *network.arguments("--dry-run", "--chain", chain)).stdout)[
            "message"
        ]
        for chain in ("ETH", "SOL")
    ]
    check = """
import base58
import json
import sys
from eth_account import Account
from eth_account.messages import encode_defunct
from nacl.signing import VerifyKey
for message in json.load(sys.stdin):
    text = "\\n".join((message["chain"], message["sender"], message["type"], message["item_hash"]))
    if message["chain"] == "ETH":
        assert Account.recover_message(encode_defunct(text=text), signature=message["signature"]) == message["sender"]
    else:
        VerifyKey(base58.b58decode(message["sender"])).verify(text.encode(), base58.b58decode(json.loads(message["signature"])["signature"]))
print("good")
"""
    result = subprocess.run(
        [tools / "bin/python", "-c", check],
        input=json.dumps(messages),
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "good", result.stdout + result.stderr


class FileHandler(http_server.Handler, http.server.SimpleHTTPRequestHandler):
    """A folder over http."""


def serve_folder(folder):
    return http_server.HttpServer(functools.partial(FileHandler, directory=str(folder)))
