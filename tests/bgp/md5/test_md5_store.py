"""Keys on real listening sockets of this machine's kernel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network

import pytest

from kproxy_tw.bgp.md5.ring import KeyRing
from kproxy_tw.bgp.md5.sockopt import MAX_KEY_BYTES, Network, key_option
from kproxy_tw.bgp.md5.store import KernelKeys, NoRoomForKeys, is_signed, md5_problem
from kproxy_tw.errors import StoreError

pytestmark = pytest.mark.skipif(bool(md5_problem()), reason=f"NOT TESTED: {md5_problem()}")

TRY_SECONDS = 0.3
"""A SYN that the kernel drops is not answered at all."""


def fill(put: Callable[[Network], None]) -> None:
    """Put one key after the other until something gives in."""
    for number in range(100_000):
        put(ip_network(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"))


Listen = Callable[[str], socket.socket]
Connect = Callable[[socket.socket, str, bytes], bool]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Sockets are closed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def listen(stack: ExitStack) -> Listen:
    """Listen on a free port of an address."""

    def open_listener(host: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = stack.enter_context(socket.create_server((host, 0), family=family, dualstack_ipv6=host == "::"))
        sock.settimeout(5)
        return sock

    return open_listener


@pytest.fixture
def connect(stack: ExitStack) -> Connect:
    """Connect from an address, signed or not; whether there was an answer."""

    def try_to_connect(listener: socket.socket, source: str, key: bytes) -> bool:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        sock = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.settimeout(TRY_SECONDS)
        sock.bind((source, 0))
        target = "::1" if ":" in source else "127.0.0.1"
        if key:
            sock.setsockopt(socket.IPPROTO_TCP, *key_option(ip_network(target), key, family=family))
        try:
            sock.connect((target, listener.getsockname()[1]))
        except TimeoutError:
            return False
        return True

    return try_to_connect


@pytest.mark.parametrize(
    ("host", "network", "source"),
    [
        ("127.0.0.1", "127.0.0.5", "127.0.0.5"),
        ("127.0.0.1", "127.0.0.0/24", "127.0.0.5"),
        ("127.0.0.1", "0.0.0.0/0", "127.0.0.5"),
        ("::", "127.0.0.5", "127.0.0.5"),
        ("::", "127.0.0.0/24", "127.0.0.5"),
        ("::", "::1", "::1"),
        ("::1", "::/64", "::1"),
        ("::1", "::/0", "::1"),
    ],
)
def test_a_key_lets_in_who_has_it(host: str, network: str, source: str, listen: Listen, connect: Connect) -> None:
    """Host and prefix keys, IPv4, IPv6, and IPv4 on a socket for both: right key in; none or a wrong one not."""
    listener = listen(host)
    KernelKeys(lambda: [listener]).put(ip_network(network), b"right")
    assert [connect(listener, source, key) for key in (b"right", b"wrong", b"")] == [True, False, False]


def test_replaced_and_removed_while_running(listen: Listen, connect: Connect) -> None:
    """The new key counts for new connections, a running one goes on, and without a key unsigned ones come in."""
    listener = listen("127.0.0.1")
    keys, network = KernelKeys(lambda: [listener]), ip_network("127.0.0.5")
    keys.put(network, b"old")
    assert connect(listener, "127.0.0.5", b"old")
    running, _address = listener.accept()
    keys.put(network, b"new")
    assert [connect(listener, "127.0.0.5", key) for key in (b"new", b"old")] == [True, False]
    keys.remove(network)
    assert connect(listener, "127.0.0.5", b"")
    with running:
        running.settimeout(2)
        assert running.send(b"still signed") == 12


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_an_accepted_connection_tells_whether_it_is_signed(host: str, listen: Listen, connect: Connect) -> None:
    """Also when the key came to the listener after the handshake, and the answer changes nothing."""
    listener = listen(host)
    keys, network = KernelKeys(lambda: [listener]), ip_network("127.0.0.5")
    assert connect(listener, "127.0.0.5", b"")
    keys.put(network, b"key")
    assert connect(listener, "127.0.0.5", b"key")
    early, late = listener.accept()[0], listener.accept()[0]
    with early, late:
        assert [is_signed(early, network, b"key"), is_signed(late, network, b"key")] == [False, True]
        assert is_signed(late, network, b"key")


def test_no_room_names_the_sysctl(listen: Listen) -> None:
    """The kernel's limit is met, said in words, and other keys stay."""
    listener = listen("127.0.0.1")
    keys = KernelKeys(lambda: [listener])
    with pytest.raises(NoRoomForKeys, match=r"sysctl -w net\.core\.optmem_max"):
        fill(lambda network: keys.put(network, b"k"))


def test_keys_long_unused_make_room(listen: Listen) -> None:
    """At the kernel's limit the key unused for longest makes room; when all are in use, the new one is refused."""
    listener = listen("127.0.0.1")
    ring, old = KeyRing(KernelKeys(lambda: [listener])), ip_network("192.0.2.1")
    ring.install(old, b"k", 0.0)
    with pytest.raises(NoRoomForKeys):
        fill(lambda network: ring.install(network, b"k", 1000.0))
    assert old not in ring.networks()
    assert ring.find(ip_address("10.0.0.0")) is not None
    held = len(ring.networks())
    ring.install(old, b"k", 2000.0)
    assert (old in ring.networks(), len(ring.networks())) == (True, held)


@pytest.mark.parametrize("key", [b"", b"x" * (MAX_KEY_BYTES + 1)], ids=["empty", "too long"])
def test_a_key_that_cannot_be(key: bytes, listen: Listen) -> None:
    """Refused in words that do not hold it."""
    listener = listen("127.0.0.1")
    with pytest.raises(StoreError) as caught:
        KernelKeys(lambda: [listener]).put(ip_network("127.0.0.5"), key)
    assert "xxx" not in str(caught.value)


def test_an_ipv6_key_leaves_ipv4_sockets_alone(listen: Listen, connect: Connect) -> None:
    """With listeners of both kinds each gets what it can take."""
    ipv4, ipv6 = listen("127.0.0.1"), listen("::1")
    keys = KernelKeys(lambda: [ipv4, ipv6])
    keys.put(ip_network("::1"), b"six")
    keys.put(ip_network("127.0.0.5"), b"four")
    assert connect(ipv6, "::1", b"six")
    assert connect(ipv4, "127.0.0.5", b"four")
