"""One POST over real sockets: plain, refused, redirected, through a web proxy."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from kproxy_tw.errors import UpstreamError
from kproxy_tw.export.client import PostClient


class Answering(BaseHTTPRequestHandler):
    """Notes what comes, answers with the server's status."""

    server: Any

    def do_POST(self) -> None:
        """A post."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, body, dict(self.headers)))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        """A client of a proxy."""
        self.server.seen.append((self.path, b"", dict(self.headers)))
        self.send_error(407)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    """A web server on loopback."""
    serving: Any = HTTPServer(("127.0.0.1", 0), Answering)
    serving.seen, serving.status = [], 202
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()


def client(server: Any, proxy: str = "") -> PostClient:
    """Post to the server, or through it as a proxy to a host that is not there."""
    port = server.server_address[1]
    url = "https://grpc.example.com/agents/logs" if proxy else f"http://127.0.0.1:{port}/agents/logs?x=1"
    return PostClient(url, proxy=proxy.format(port=port), headers={"X-CH-Auth-API-Token": "canary"})


def test_a_post(server: Any) -> None:
    """Path, query, body, type and credentials arrive."""
    client(server).post(b"{}\n", "application/x-ndjson")
    ((path, body, headers),) = server.seen
    assert (path, body) == ("/agents/logs?x=1", b"{}\n")
    assert (headers["Content-Type"], headers["X-CH-Auth-API-Token"]) == ("application/x-ndjson", "canary")


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_other_answers(server: Any, status: int) -> None:
    """Everything but 2xx is an error, and no redirect is followed with our credentials."""
    server.status = status
    with pytest.raises(UpstreamError, match=f"status {status}") as caught:
        client(server).post(b"{}", "text/plain")
    assert (len(server.seen), "canary" in str(caught.value)) == (1, False)


def test_nobody_there() -> None:
    """An error, not an exception of sockets."""
    with pytest.raises(UpstreamError, match="ConnectionRefusedError"):
        PostClient("http://127.0.0.1:1/", proxy="", headers={}).post(b"", "text/plain")


def test_through_a_web_proxy(server: Any) -> None:
    """The proxy is asked for a tunnel, with its own credentials and not with ours."""
    with pytest.raises(UpstreamError):
        client(server, "http://user:p%40ss@127.0.0.1:{port}").post(b"{}", "text/plain")
    ((path, _body, headers),) = server.seen
    assert path == "grpc.example.com:443"
    assert headers["Proxy-Authorization"] == "Basic " + b64encode(b"user:p@ss").decode()
    assert "X-CH-Auth-API-Token" not in headers
