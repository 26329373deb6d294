"""TLS by name, own authorities, and web proxies with credentials, against real sockets."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from kproxy_tw.bgp.upstream.channels import Channels
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.errors import ConfigError
from kproxy_tw.testing.certificates import Authority
from tests.bgp.agent import Router, connect, on_asyncio, running, until
from tests.bgp.grpc_backend import FakeBackend, serving


class WebProxy:
    """Answers CONNECT (RFC 9110 section 9.3.6), with or without wanting a user."""

    def __init__(self, wanted: str = "") -> None:
        self.wanted = f"Basic {base64.b64encode(wanted.encode()).decode()}" if wanted else ""
        self.targets: list[str] = []
        self.refused = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if self.wanted and fields.get("Proxy-Authorization") != self.wanted:
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        method, target, _version = head.split("\r\n")[0].split(" ")
        assert method == "CONNECT"
        self.targets.append(target)
        there, here = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(copy(reader, here), copy(there, writer))


async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until either end closes."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        return
    finally:
        sink.close()


@asynccontextmanager
async def proxying(proxy: WebProxy) -> AsyncIterator[int]:
    """Run a web proxy on a port of this machine."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Sign the certificates of these tests."""
    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> str:
    """Give the authority's file, as ``--tls-ca-file`` names it."""
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.certificate)
    return str(path)


def server_credentials(authority: Authority, host: str, **days: int) -> grpc.ServerCredentials:
    """Make a server's side of TLS."""
    issued = authority.issue([host], **days)
    return grpc.ssl_server_credentials([(issued.key, issued.certificate)])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@on_asyncio
async def test_verified_by_name_or_address(authority: Authority, ca_file: str, host: str) -> None:
    """A session runs over TLS when the certificate is for the target."""
    backend, router = FakeBackend(), Router()
    async with (
        serving(backend, credentials=server_credentials(authority, host)) as port,
        running(port, target=f"{host}:{port}", insecure=False, ca_file=ca_file) as client,
    ):
        connect(client, router).write(b"hello")
        await until(lambda: router.data == b"hello")


@pytest.mark.parametrize(
    ("host", "days", "trusted", "words"),
    [
        ("another.example", {}, True, "it is for another name"),
        ("localhost", {"first_day": -9, "last_day": -2}, True, "it has expired, or the clock"),
        ("localhost", {"first_day": 2}, True, "it is for a later time"),
        ("localhost", {}, False, "name the authority's file with --tls-ca-file"),
    ],
)
@on_asyncio
async def test_refused_certificates(
    authority: Authority, ca_file: str, host: str, days: dict[str, int], trusted: bool, words: str
) -> None:
    """Whatever is wrong with a certificate, no byte is sent, and the status says what it is."""
    backend = FakeBackend()
    async with serving(backend, credentials=server_credentials(authority, host, **days)) as port:
        settings = {"target": f"localhost:{port}", "insecure": False, "ca_file": ca_file if trusted else ""}
        async with running(port, **settings) as client:
            await until(lambda: client.status().last_error)
            assert words in client.status().last_error
    assert backend.control_metadata == []


@on_asyncio
async def test_server_without_tls(ca_file: str) -> None:
    """A plain server gets nothing from a client that is to use TLS."""
    backend = FakeBackend()
    async with serving(backend) as port, running(port, insecure=False, ca_file=ca_file) as client:
        await until(lambda: client.status().last_error)
    assert backend.control_metadata == []


@pytest.mark.parametrize(("user", "in_url"), [("", ""), ("joe:p4ss", "joe:p4ss@"), ("joe:p@:ss", "joe:p%40%3Ass@")])
@on_asyncio
async def test_through_a_web_proxy(authority: Authority, ca_file: str, user: str, in_url: str) -> None:
    """TLS goes through CONNECT, with the user and password of the proxy's URL."""
    backend, router, proxy = FakeBackend(), Router(), WebProxy(user)
    credentials = server_credentials(authority, "localhost")
    async with serving(backend, credentials=credentials) as port, proxying(proxy) as proxy_port:
        settings = {"proxy": f"http://{in_url}127.0.0.1:{proxy_port}", "target": f"localhost:{port}"}
        async with running(port, insecure=False, ca_file=ca_file, **settings) as client:
            connect(client, router).write(b"hello")
            await until(lambda: router.data == b"hello")
    assert set(proxy.targets) == {f"localhost:{port}"}


@on_asyncio
async def test_web_proxy_that_wants_a_user() -> None:
    """The refusal is told in words."""
    backend, proxy = FakeBackend(), WebProxy("joe:p4ss")
    async with (
        serving(backend) as port,
        proxying(proxy) as proxy_port,
        running(port, proxy=f"http://127.0.0.1:{proxy_port}") as client,
    ):
        await until(lambda: client.status().last_error)
        assert "the web proxy wants a user and a password" in client.status().last_error
    assert proxy.refused


@on_asyncio
async def test_environment_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC's own reading of the environment is switched off: what the configuration says holds."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    backend = FakeBackend()
    async with serving(backend) as port, running(port, target=f"localhost:{port}") as client:
        await until(lambda: client.status().connected)


def test_authorities_must_be_readable(tmp_path: Path) -> None:
    """A file that is missing, or holds something else, stops the start and names the flag."""
    with pytest.raises(ConfigError, match="tls-ca-file"):
        Channels(BackendConfig(ca_file=str(tmp_path / "missing")))
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(ConfigError, match="holds no readable PEM certificate"):
        Channels(BackendConfig(ca_file=str(tmp_path / "text")))


def test_no_password_in_texts() -> None:
    """The configuration can be logged."""
    assert "p4ss" not in repr(BackendConfig(proxy="http://joe:p4ss@proxy:3128"))
