"""HTTP on both sides of the double: a keep-alive server in front, a pool of connections to the emulator behind."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from elastic_iac.local.ministack import HOST
from elastic_iac.local.wire import AwsError, ConnectionDropped, Request, Response

# RFC 9110, 7.6.1, and what each side states anew. (Not the host: it is signed, and a queue's URL is made from it.)
_NOT_FORWARDED = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "content-length",
    }
)
_UPSTREAM_SECONDS = 960.0  # a function runs up to 15 minutes

Answer = Callable[[str, str, Mapping[str, str], bytes], Response]
"""Answers method, path, headers and body; raises `ConnectionDropped` where the client is to hear nothing."""


class Upstream:
    """Connections to the emulator, used again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[HTTPConnection] = []

    def send(self, request: Request) -> Response:
        """Forward a request as it is.

        Raises:
            AwsError: the emulator does not answer.
        """
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_FORWARDED}
        headers["x-forwarded-proto"] = "https"  # the loopback interface stands for TLS, which policies may ask for
        try:
            return self._exchange(request, headers)
        except (OSError, HTTPException) as error:
            raise AwsError("ServiceUnavailable", f"the emulator does not answer: {error!r}", 503) from error

    def _exchange(self, request: Request, headers: Mapping[str, str]) -> Response:
        try:
            connection, reused = self._idle.pop(), True
        except IndexError:
            connection, reused = HTTPConnection(HOST, self._port, timeout=_UPSTREAM_SECONDS), False
        try:
            connection.request(request.method, request.path, body=request.body, headers=dict(headers))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            # A kept connection may have been closed by the other side meanwhile: then nothing was read.
            if reused and isinstance(error, ConnectionError):
                return self._exchange(request, headers)
            raise
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_FORWARDED}
        if request.method == "HEAD" and (length := answer.getheader("content-length")) is not None:
            kept["Content-Length"] = length
        return Response(answer.status, kept, body)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()


class Server:
    """The double's HTTP server, in threads of its own."""

    def __init__(self, answer: Answer) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = _HttpServer((HOST, 0), answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="strict-double", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Answer) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in list(self._open):  # their threads wait for a next request that never comes
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event; anything else is a mistake of ours, to be seen."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_one_request(self) -> None:
        """Serve any method alike."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.parse_request():
            return
        try:
            answer = cast("_HttpServer", self.server).answer
            response = answer(self.command, self.path, dict(self.headers.items()), self._body())
        except ConnectionDropped:
            self._drop()
            return
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in response.headers):
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Let the client go on at once: the answer would else wait in the buffer, and an S3 put a second for it."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    def _drop(self) -> None:
        """Close with a reset instead of an end of stream."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the double records its calls."""
