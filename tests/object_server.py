"""A real S3 server on loopback in a process of its own, behind a proxy that counts requests and fails when told to."""

import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import boto3

Fault = Literal["none", "refuse", "reset", "unavailable", "hang", "forbidden"]
BUCKET = "bucket"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "expect")
STATUS = {"unavailable": 503, "forbidden": 403}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ObjectServer:
    """The proxy's side: ``fault`` decides what becomes of each request."""

    def __init__(self, backend: int) -> None:
        self.backend = backend
        self.fault: Fault = "none"
        self.requests: Counter[str] = Counter()
        """Requests that were let through, by operation."""
        self.sent = 0
        """Bytes of content that went out."""
        self.failed = 0
        """Requests that were not; refused connections are not seen."""
        self._counting = threading.Lock()
        self._listen(0)

    def _listen(self, port: int) -> None:
        server = self

        class Handler(Proxied):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.socket.close()

    def close(self) -> None:
        self.fault = "reset"
        self._close()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def uri(self, folder: str) -> str:
        """A folder's URI, with the endpoint in it."""
        return f"s3://{BUCKET}/{folder}?endpoint_override={self.endpoint}&scheme=http"

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Every request fails for the duration; ``refuse`` closes the port as a killed server does."""
        self.fault = fault
        if fault == "refuse":
            self._close()
        try:
            yield
        finally:
            self.fault = "none"
            if fault == "refuse":
                self._listen(self.port)

    def fails_for(self, faults: list[tuple[Fault, float]]) -> None:
        """One fault after another, each for some seconds."""
        for fault, seconds in faults:
            with self.failing(fault):
                time.sleep(seconds)

    def count(self, operation: str | None, sent: int = 0) -> None:
        """Note a request, and the bytes that it is answered with; None is one that fails."""
        with self._counting:
            self.sent += sent
            if operation is None:
                self.failed += 1
            else:
                self.requests[operation] += 1


class Proxied(BaseHTTPRequestHandler):
    """Passes a request on to the backend, or fails it."""

    protocol_version = "HTTP/1.1"
    owner: ObjectServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _handle(self) -> None:
        fault = self.owner.fault
        if fault != "none":
            self.owner.count(None)
            self._fail(fault)
            return
        body = self._body()
        backend = HTTPConnection("127.0.0.1", self.owner.backend, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        backend.request(self.command, self.path, body, headers)
        response = backend.getresponse()
        content = response.read()
        backend.close()
        self.owner.count(operation(self.command, self.path), len(content))
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in (*HOP_BY_HOP, "content-length"):
                self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _handle  # noqa: N815 - names that http.server looks up

    def _fail(self, fault: Fault) -> None:
        self.close_connection = True
        if fault == "hang":
            self.connection.settimeout(60)
            while self.rfile.read1(65536):  # until the client gives up
                pass
        elif fault in STATUS:
            self.send_response_only(STATUS[fault])
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


def operation(method: str, path: str) -> str:
    """The S3 operation of a request, as far as it matters for counting."""
    target = urlsplit(path)
    if "list-type" in parse_qs(target.query):
        return "list"
    return {"HEAD": "head", "GET": "get", "PUT": "put", "DELETE": "delete"}.get(method, "post")


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """moto's server with an empty bucket, and the proxy before it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            client: Any = boto3.client(
                "s3",
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            client.create_bucket(Bucket=BUCKET)
            client.close()
            server = ObjectServer(port)
            yield server
            server.close()
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
