# SPDX-License-Identifier: MIT
"""Runs an ASGI program for aleph-init, with the standard library only. Packets on descriptor 3: see worker.hpp. A request comes
with its connection; the answer is written there, so that this process's death closes what it had not answered."""
import gc

gc.disable()  # nothing to collect while modules are imported; on again when the program is up
import asyncio
import json
import os
import socket
import struct
import sys

# Every module here is on the way of the first answer: traceback, inspect and the like are imported where they are needed.

control = socket.socket(fileno=3)
LIFESPAN_START, LIFESPAN_STOP = 30, 2


class Reader:
    """msgpack of a request: maps, arrays, strings, bytes, numbers."""

    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    def take(self, size):
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, size):
        return str(self.take(size), "utf-8", "surrogateescape")

    def pairs(self, count):
        return {self.value(): self.value() for _ in range(count)}

    def value(self):
        tag = self.number("B")
        if tag <= 0x7f:
            return tag
        if tag <= 0x8f:
            return self.pairs(tag & 15)
        if tag <= 0x9f:
            return [self.value() for _ in range(tag & 15)]
        if tag <= 0xbf:
            return self.text(tag & 31)
        if tag >= 0xe0:
            return tag - 256
        if tag in CONSTANTS:
            return CONSTANTS[tag]
        if tag in NUMBERS:
            return self.number(NUMBERS[tag])
        kind, form = SIZED[tag]
        size = self.number(form)
        if kind == "bytes":
            return bytes(self.take(size))
        if kind == "text":
            return self.text(size)
        return [self.value() for _ in range(size)] if kind == "array" else self.pairs(size)


CONSTANTS = {0xc0: None, 0xc2: False, 0xc3: True}
NUMBERS = {0xca: ">f", 0xcb: ">d", 0xcc: "B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: "b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}
SIZED = {0xc4: ("bytes", "B"), 0xc5: ("bytes", ">H"), 0xc6: ("bytes", ">I"), 0xd9: ("text", "B"), 0xda: ("text", ">H"),
         0xdb: ("text", ">I"), 0xdc: ("array", ">H"), 0xdd: ("array", ">I"), 0xde: ("map", ">H"), 0xdf: ("map", ">I")}


def packed(value, out):
    """msgpack of an answer into a list of pieces."""
    if isinstance(value, bool) or value is None:
        out.append(b"\xc3" if value else b"\xc0" if value is None else b"\xc2")
    elif isinstance(value, int):
        out.append(struct.pack(">Bq", 0xd3, value))
    elif isinstance(value, float):
        out.append(struct.pack(">Bd", 0xcb, value))
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        out += (struct.pack(">BI", 0xdb, len(data)), data)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out += (struct.pack(">BI", 0xc6, len(value)), bytes(value))
    elif isinstance(value, dict):
        out.append(struct.pack(">BI", 0xdf, len(value)))
        for key, item in value.items():
            packed(key, out)
            packed(item, out)
    else:
        items = list(value)
        out.append(struct.pack(">BI", 0xdd, len(items)))
        for item in items:
            packed(item, out)
    return out


def error_map(error):
    import traceback
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"error": repr(error), "traceback": text, "output": ""}


def receive_packet():
    """(type, payload, connection's descriptor or None); None when aleph-init is gone."""
    try:
        data, ancillary, _, _ = control.recvmsg(128 * 1024, socket.CMSG_SPACE(8), socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        return None
    if not data:
        os._exit(0)
    descriptors = []
    for level, kind, what in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += struct.unpack(f"{len(what) // 4}i", what[:len(what) // 4 * 4])
    payload = data[2:]
    if data[1:2] == b"f":
        with os.fdopen(descriptors.pop(), "rb") as file:
            payload = file.read()
    return data[:1], payload, descriptors[0] if descriptors else None


class Lifespan:
    """One task for the program's whole life. A program that knows no lifespan, and says so by raising or returning, is served
    without."""

    def __init__(self, app):
        self.app, self.started, self.stopped, self.queue = app, None, None, asyncio.Queue()

    async def receive(self):
        return await self.queue.get()

    async def send(self, message):
        kind = message["type"]
        target = self.started if kind.startswith("lifespan.startup") else self.stopped
        if target is None or target.done():
            return
        if kind.endswith(".failed"):
            target.set_exception(RuntimeError(message.get("message") or "the program refused to start"))
        else:
            target.set_result(True)

    async def run(self):
        self.queue.put_nowait({"type": "lifespan.startup"})
        try:
            await self.app({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": STATE}, self.receive, self.send)
        except Exception as error:
            self.error = error
        for target in (self.started, self.stopped):
            if target is not None and not target.done():
                target.set_result(False)

    async def start(self):
        loop = asyncio.get_running_loop()
        self.started = loop.create_future()
        self.task = loop.create_task(self.run())
        await asyncio.wait_for(asyncio.shield(self.started), LIFESPAN_START)

    async def stop(self):
        if self.task.done():
            return
        self.stopped = asyncio.get_running_loop().create_future()
        self.queue.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(asyncio.shield(self.stopped), LIFESPAN_STOP)


STATE = {}


def prepare_scope(scope):
    """What the host leaves out and frameworks look for. The query comes decoded; programs expect bytes as on the wire."""
    body = scope.pop("body", b"")
    if scope.get("type") == "http":
        query = scope.get("query_string", "")
        if isinstance(query, str):
            scope["query_string"] = encode_query(query)
        path = scope.get("path", "/")
        # The host takes Content-Encoding away from the answer, so it must not be encoded.
        scope["headers"] = [(name, value) for name, value in scope.get("headers", []) if name != b"accept-encoding"]
        scope.setdefault("asgi", {"version": "3.0", "spec_version": "2.3"})
        scope.setdefault("http_version", "1.1")
        scope.setdefault("scheme", "http")
        scope.setdefault("root_path", "")
        scope.setdefault("raw_path", path.encode("utf-8", "surrogateescape"))
        scope.setdefault("client", None)
        scope.setdefault("server", ("localhost", 80))
        scope["state"] = dict(STATE)
    return scope, body


KEPT = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/?")


def encode_query(query):
    out, data, at = bytearray(), query.encode("utf-8", "surrogateescape"), 0
    while at < len(data):
        if data[at:at + 3] in (b"%2B", b"%3D", b"%26", b"%3B"):
            out += data[at:at + 3]
            at += 3
            continue
        byte = data[at]
        at += 1
        if byte == 32:
            out += b"+"
        elif byte in KEPT:
            out.append(byte)
        else:
            out += b"%%%02X" % byte
    return bytes(out)


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode("latin-1") if isinstance(value, str) else bytes(value)


async def call(app, scope):
    scope, body = prepare_scope(scope)
    is_http = scope.get("type") == "http"
    kind = "http.request" if is_http else scope.get("type")
    finished, given = asyncio.Event(), False
    start, pieces = {}, []

    async def receive():
        nonlocal given
        if not given:
            given = True
            return {"type": kind, "body": body, "more_body": False}
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            start.update(message)
        elif not is_http or message["type"] == "http.response.body":
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                finished.set()

    await app(scope, receive, send)
    finished.set()
    if not is_http:
        return {"headers": {}, "body": {"body": b"".join(map(as_bytes, pieces))}, "output": "", "output_data": b""}
    if not start:
        raise RuntimeError("the program returned without a response")
    headers = [[as_bytes(name).lower(), as_bytes(value)] for name, value in start.get("headers", [])]
    return {"headers": {"type": "http.response.start", "headers": headers, "status": start["status"]},
            "body": {"type": "http.response.body", "body": b"".join(map(as_bytes, pieces))}, "output": "", "output_data": b""}


async def answer(app, payload, descriptor):
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(False)
    try:
        try:
            reply = await call(app, Reader(payload).value()["scope"])
            data = b"".join(packed(reply, []))
        except Exception as error:
            data = b"".join(packed(error_map(error), []))
        await asyncio.get_running_loop().sock_sendall(connection, data)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the host gave up
    finally:
        connection.close()


def load(settings, code):
    import importlib
    os.environ.clear()
    os.environ.update(settings["env"])
    own = os.path.dirname(os.path.abspath(__file__))
    known = set(settings["folders"]) | {own}
    sys.path[:] = settings["folders"] + [folder for folder in sys.path if folder not in known]
    importlib.invalidate_caches()
    if settings["encoding"] == "plain":
        namespace = {"__name__": "main", "__file__": "<code>", "__builtins__": __builtins__}
        exec(compile(code, "<code>", "exec"), namespace)
        if settings["entrypoint"] not in namespace:
            raise NameError(f"the code has no '{settings['entrypoint']}'")
        return namespace[settings["entrypoint"]]
    module, _, attribute = settings["entrypoint"].partition(":")
    return getattr(importlib.import_module(module), attribute or "app")


def as_asgi3(app):
    """ASGI 2 programs are called in two steps."""
    import inspect
    target = app if inspect.isfunction(app) or inspect.ismethod(app) else getattr(app, "__call__", None)
    if inspect.isclass(app) or (inspect.isfunction(app) and not inspect.iscoroutinefunction(target) and
                                len(inspect.signature(app).parameters) == 1):
        async def wrapped(scope, receive, send):
            await app(scope)(receive, send)
        return wrapped
    return app


async def main():
    loop = asyncio.get_running_loop()
    control.setblocking(True)
    try:
        settings = json.loads(receive_packet()[1])
        code = receive_packet()[1]
        app = as_asgi3(load(settings, code))
        lifespan = Lifespan(app)
        await lifespan.start()
    except BaseException as error:
        if isinstance(error, asyncio.TimeoutError):
            error = RuntimeError("the program's start-up took longer than 30 s")
        failure = error_map(error)
        control.send(b"E" + json.dumps({"error": failure["error"], "traceback": failure["traceback"][-28000:]}).encode())
        return
    gc.freeze()
    gc.enable()
    control.send(b"O")
    stop, tasks = loop.create_future(), set()

    def on_packet():
        packet = receive_packet()
        if packet is None:
            return
        kind, payload, descriptor = packet
        if kind == b"R" and descriptor is not None:
            task = loop.create_task(answer(app, payload, descriptor))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        elif kind == b"S" and not stop.done():
            stop.set_result(True)

    control.setblocking(False)
    loop.add_reader(control, on_packet)
    await stop
    loop.remove_reader(control)
    try:
        await lifespan.stop()
    except Exception as error:
        print(error_map(error)["traceback"], file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
