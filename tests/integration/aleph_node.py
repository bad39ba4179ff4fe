"""A node of the network on loopback, as strict as a real one: hash, signature, limits, content
types, references. It can be told to refuse, to be slow, to hang up, or to lie."""
import email.parser
import email.policy
import hashlib
import json
import re
import socket
import urllib.parse

from aleph_crypto import cid_v0, signature_is_good
from http_server import Handler, HttpServer

FORM = "multipart/form-data"


class Node(HttpServer):
    """messages: item_hash → envelope; files: hash → bytes. refuse: status for the next uploads and
    messages; hang_up: how many uploads to cut; pending: how many times a message is said to be
    pending; lie: hash that the node gives for a file; rot: bytes it serves, cut off before their
    end if cut says so; reject: error code with which the next messages are rejected.
    """

    def __init__(self, certificate=None):
        self.messages, self.files, self.statuses, self.rejections = {}, {}, {}, {}
        self.refuse = self.hang_up = self.pending = 0
        self.lie = self.rot = self.reject = None
        self.cut = False
        self.limits = {
            "storage": {"max_file_size": 100 << 20},
            "ipfs": {"max_upload_file_size": 1 << 30},
        }
        self.aggregates = {}
        self.requests: list[tuple[str, str]] = []
        node = self

        class NodeHandler(Handler):
            def do_GET(self):
                node.requests.append((self.command, self.path))
                url = urllib.parse.urlsplit(self.path)
                node.get(self, url.path, urllib.parse.parse_qs(url.query))

            do_HEAD = do_GET

            def do_POST(self):
                node.requests.append((self.command, self.path))
                length = int(self.headers["Content-Length"])
                if node.hang_up and self.path.endswith("/add_file"):
                    node.hang_up -= 1
                    self.rfile.read(min(length, 4096))
                    self.close_connection = True
                    self.connection.close()
                    return
                node.post(self, self.path, self.rfile.read(length))

        super().__init__(NodeHandler, certificate)

    def get(self, request, path, query):
        if match := re.fullmatch(r"/api/v0/messages/([0-9a-zA-Z]+)", path):
            hash = match[1]
            if hash not in self.messages:
                return request.answer(404, {"error": "not found"})
            status = self.statuses.get(hash, "processed")
            if status == "processed" and self.pending:
                self.pending -= 1
                status = "pending"
            body = {"status": status, "item_hash": hash, **self.rejections.get(hash, {})}
            body["message" if status == "processed" else "messages"] = self.messages[hash]
            return request.answer(200, body)
        if path == "/api/v0/messages.json":
            refs, owners = query.get("refs", [""])[0], query.get("owners", [""])[0]
            found = [
                each
                for each in self.messages.values()
                if json.loads(each["item_content"]).get("ref") == refs
                and json.loads(each["item_content"])["address"] == owners
            ]
            return request.answer(200, {"messages": sorted(found, key=lambda each: -each["time"])})
        if match := re.fullmatch(r"/(?:api/v0/storage/raw|ipfs)/([0-9a-zA-Z]+)", path):
            data = (
                self.rot
                if self.rot is not None and request.command == "GET"
                else self.files.get(match[1])
            )
            if data is None:
                return request.answer(404, {"error": "not found"})
            if self.rot is not None and self.cut:
                request.send_response(200)
                request.send_header("Content-Length", str(len(data) + 1000))
                request.end_headers()
                request.wfile.write(data)
                request.close_connection = True
                return request.connection.shutdown(socket.SHUT_RDWR)
            # As IPFS gateways do; the nodes' own storage knows no ranges.
            if (
                match := re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
            ) and path.startswith("/ipfs"):
                return request.answer(
                    206,
                    data[int(match[1]) :],
                    "application/octet-stream",
                    ("Content-Range", f"bytes {match[1]}-{len(data) - 1}/{len(data)}"),
                )
            return request.answer(200, data, "application/octet-stream")
        if path == "/api/v0/storage/limits.json":
            return request.answer(200, self.limits)
        if match := re.fullmatch(r"/api/v0/aggregates/([0-9a-zA-Z]+)\.json", path):
            return request.answer(
                200 if match[1] in self.aggregates else 404,
                {"data": self.aggregates.get(match[1], {})},
            )
        return request.answer(404, {"error": "no such endpoint"})

    def post(self, request, path, body):
        content_type = request.headers["Content-Type"]
        if self.refuse:
            status, self.refuse = self.refuse, 0
            return request.answer(status, {"status": "error", "message": f"refused with {status}"})
        if path == "/api/v0/messages":
            if content_type != "application/json":
                return request.answer(415, {"error": "application/json is wanted"})
            return self.take(request, json.loads(body), None)
        if path not in (
            "/api/v0/storage/add_file",
            "/api/v0/ipfs/add_file",
        ) or not content_type.startswith(FORM):
            return request.answer(415, {"error": "multipart/form-data is wanted"})
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
        )
        parts = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.get_payload()
        }
        if set(parts) != {"file", "metadata"}:
            return request.answer(422, {"message": "file and metadata are wanted"})
        return self.take(
            request,
            json.loads(parts["metadata"]),
            parts["file"],
            "ipfs" if "/ipfs/" in path else "storage",
        )

    def take(self, request, wanted, data, kind=None):
        if set(wanted) != {"message", "sync"} or wanted["sync"] is not True:
            return request.answer(422, {"message": "message and sync are wanted"})
        message = wanted["message"]
        content = json.loads(message["item_content"])
        if hashlib.sha256(message["item_content"].encode()).hexdigest() != message["item_hash"]:
            return request.answer(422, {"message": "item_hash is not the hash of item_content"})
        if (
            message["item_type"] != "inline"
            or message["type"] != "STORE"
            or len(message["item_content"]) > 200000
        ):
            return request.answer(422, {"message": "not an inline STORE"})
        if not signature_is_good(message):
            return request.answer(403, {"message": "the signature is not the sender's"})
        if list(content)[:4] != ["address", "time", "item_type", "item_hash"] or not isinstance(
            content["time"], float
        ):
            return request.answer(422, {"message": "the content's fields are not in order"})
        if data is not None:
            limit = (
                self.limits["storage"]["max_file_size"]
                if kind == "storage"
                else self.limits["ipfs"]["max_upload_file_size"]
            )
            if len(data) > limit:
                return request.answer(413, {"message": "too large"})
            hash = hashlib.sha256(data).hexdigest() if kind == "storage" else cid_v0(data)
            if content["item_type"] != kind or content["item_hash"] != hash:
                return request.answer(422, {"message": f"the file is {kind} {hash}"})
            self.files[hash] = data
        elif content["item_hash"] not in self.files:
            return request.answer(422, {"message": "the file is unknown"})
        self.messages[message["item_hash"]] = message
        if (ref := content.get("ref")) in self.messages and json.loads(
            self.messages[ref]["item_content"]
        ).get("ref"):
            self.reject = 201
        status = 202 if self.pending else 200
        if self.reject:
            status = 422
            self.statuses[message["item_hash"]] = "rejected"
            self.rejections[message["item_hash"]] = {
                "error_code": self.reject,
                "details": {"wanted": "more"},
            }
            self.reject = None
        if data is None:
            return request.answer(
                status,
                {
                    "publication_status": {"status": "success", "failed": []},
                    "message_status": "processed",
                },
            )
        return request.answer(
            status, {"status": "success", "hash": self.lie or content["item_hash"]}
        )
