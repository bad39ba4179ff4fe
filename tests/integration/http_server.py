"""The HTTP server on loopback that all fixtures use."""
import base64
import http.server
import json
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with a length, keeps the connection, and says nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, content_type="application/json", *headers):
        """body: bytes, or what becomes JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def is_allowed(self, login):
        """login: "name:password", or None where none is asked for."""
        wanted = login and "Basic " + base64.b64encode(login.encode()).decode()
        return not wanted or self.headers.get("Authorization") == wanted


class HttpServer:
    """Serves from a thread of its own until close()."""

    def __init__(self, handler, certificate=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.http.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
