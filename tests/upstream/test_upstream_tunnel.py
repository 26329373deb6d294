"""HttpsSession through proxies: scripted ones that misbehave, and a real squid with a password."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.task import deferLater

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.errors import UpstreamError
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import Daemon, free_port
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.proxies import proxies
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy
from kproxy_tw.upstream.tunnel.protocol import MAX_PROXY_HEAD_BYTES
from tests.upstream.loopback import OK, TOKEN, Peer, Serve

reactor: Any = _reactor

BACKEND = "flow.example.test"
USER, PASSWORD = "agent", "canary-proxy-2f"
NewSession = Callable[..., HttpsSession]


@pytest.fixture
def through(authority: Authority, tmp_path: Path) -> Callable[[str], HttpsSession]:
    """Make sessions that go through a proxy: ``through(url)``."""
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(authority.certificate)

    def make(proxy: str) -> HttpsSession:
        return HttpsSession(
            reactor=reactor,
            tls=TlsPolicy(TlsConfig(ca_file=str(trusted))),
            credentials=Credentials("me@example.com", TOKEN),
            user_agent="kproxy/9.9",
            proxies=proxies(proxy, {}),
        )

    return make


@contextmanager
def squid(directory: Path, port: int) -> Iterator[None]:
    """A squid that wants a password, and knows our backend's name; it may connect to any port."""
    helper = Path("/usr/lib/squid/basic_ncsa_auth")
    if shutil.which("squid") is None or not helper.exists():
        pytest.skip("NOT TESTED against a real proxy: squid not installed (tests/debian-packages.txt)")
    hashed = subprocess.run(
        ["openssl", "passwd", "-apr1", PASSWORD], check=True, capture_output=True, text=True
    ).stdout.strip()
    directory.chmod(0o755)
    (directory / "users").write_text(f"{USER}:{hashed}\n")
    (directory / "hosts").write_text(f"127.0.0.1 {BACKEND}\n")
    settings = f"""
http_port 127.0.0.1:{port}
pid_filename none
cache deny all
access_log stdio:{directory}/access.log
cache_log {directory}/cache.log
hosts_file {directory}/hosts
coredump_dir {directory}
auth_param basic program {helper} {directory}/users
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
shutdown_lifetime 0 seconds
"""
    (directory / "squid.conf").write_text(settings)
    shutil.chown(directory, "proxy")
    command = [shutil.which("squid") or "", "-N", "-f", str(directory / "squid.conf")]
    with Daemon(command, log=directory / "squid.out"):
        _until_it_listens(port)
        yield


def _until_it_listens(port: int) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("squid does not listen")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that another user can reach."""
    with tempfile.TemporaryDirectory(prefix="squid-") as name:
        yield Path(name)


@ensureDeferred
async def test_through_squid_with_a_password(
    serve: Serve, authority: Authority, through: NewSession, open_directory: Path
) -> None:
    """The backend is reached by the name that only squid knows, over TLS that squid does not see into."""
    server = serve(lambda peer: peer.send(OK), authority.issue([BACKEND]))
    url, port = server.url(BACKEND, "https"), free_port()
    with squid(open_directory, port):
        session = through(f"http://{USER}:{PASSWORD}@127.0.0.1:{port}")
        for _request in range(3):
            answer = await session.request("POST", url, body=b"abc", seconds=15)
            assert answer.status == 200
        await session.close()
        stranger = through(f"http://{USER}:wrong@127.0.0.1:{port}")
        with pytest.raises(UpstreamError, match=f"the proxy 127.0.0.1:{port} gives no way through: it answered 407"):
            await stranger.request("POST", url, body=b"abc", seconds=15)
        await stranger.close()
        log = (open_directory / "access.log").read_text()
    assert f"CONNECT {BACKEND}:" in log
    assert [USER in line for line in log.splitlines() if "TCP_TUNNEL/200" in line] == [True]
    assert len(server.requests) == 3
    assert b"proxy-authorization" not in server.requests[0].lower()
    assert TOKEN.encode() in server.requests[0]


def say(answer: bytes) -> Callable[[Peer], None]:
    """A proxy that answers so."""
    return lambda peer: peer.send(answer)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "it answered 403: it may not connect"),
        (b"HTTP/1.0 302 Found\r\nLocation: https://evil.example/\r\n\r\n", "it answered 302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nsurprise", "more than an answer"),
        (b"x" * (MAX_PROXY_HEAD_BYTES + 1), "has no end"),
    ],
)
@ensureDeferred
async def test_a_proxy_that_opens_no_tunnel_is_named(
    serve: Serve, through: NewSession, answer: bytes, problem: str
) -> None:
    """It is told what it said, our credentials were not shown to it, and no connection is left."""
    proxy = serve(say(answer))
    session = through(f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port.getHost().port}")
    with pytest.raises(UpstreamError, match=problem) as caught:
        await session.request("POST", f"https://{BACKEND}/chf", body=b"abc", seconds=5)
    assert PASSWORD not in str(caught.value)
    (asked,) = proxy.requests
    assert asked.startswith(f"CONNECT {BACKEND}:443 HTTP/1.1\r\n".encode())
    assert TOKEN.encode() not in asked
    await session.close()
    await deferLater(reactor, 0.05)
    assert [peer.closed for peer in proxy.peers] == [True]


@ensureDeferred
async def test_a_silent_proxy_is_left_when_time_is_up(serve: Serve, through: NewSession) -> None:
    """The one outer time limit holds for the proxy, too."""
    proxy = serve(lambda peer: None)
    session = through(f"http://127.0.0.1:{proxy.port.getHost().port}")
    with pytest.raises(UpstreamError, match=r"within 0.2 s"):
        await session.request("GET", f"https://{BACKEND}/", seconds=0.2)
    await deferLater(reactor, 0.05)
    assert [peer.closed for peer in proxy.peers] == [True]
    await session.close()


@ensureDeferred
async def test_a_proxy_that_hangs_up_or_is_not_there(serve: Serve, through: NewSession) -> None:
    """Both are told apart from a backend that does so."""
    proxy = serve(lambda peer: peer.reset())
    session = through(f"http://127.0.0.1:{proxy.port.getHost().port}")
    with pytest.raises(UpstreamError, match="closed the connection instead of an answer"):
        await session.request("GET", f"https://{BACKEND}/", seconds=5)
    await session.close()
    nobody = through(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UpstreamError, match=r"cannot reach the proxy 127.0.0.1:.*refused"):
        await nobody.request("GET", f"https://{BACKEND}/", seconds=5)
    await nobody.close()
