"""Flow behind a load balancer that tells the exporter's address in a PROXY protocol header."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.addresses import networks
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.proxied import ProxiedReceiver, unwrapped

BALANCER = ("198.51.100.9", 40000)
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def header(source: str, port: int, *, command: int = 0x21, more: bytes = b"") -> bytes:
    """A header as the specification draws it: signature, command, family and UDP, length, addresses, ports."""
    address = ip_address(source).packed
    body = address + address[::-1] + struct.pack("!HH", port, 9995) + more
    return SIGNATURE + struct.pack("!BBH", command, 0x12 if len(address) == 4 else 0x22, len(body)) + body


def received(*arrived: tuple[bytes, tuple[str, int]]) -> list[tuple[bytes, tuple[str, int]]]:
    """What comes out of a receiver that knows the balancer's network."""
    found: list[tuple[bytes, tuple[str, int]]] = []
    ProxiedReceiver(found.extend, networks("198.51.100.0/24, 2001:db8:1::/48"))(arrived)
    return found


@pytest.mark.parametrize("source", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("more", [b"", b"\x04\x00\x03abc"])
def test_the_exporter_is_the_one_in_the_header(source: str, more: bytes) -> None:
    """Both families, with and without extensions behind the addresses."""
    assert received((header(source, 2055, more=more) + b"flow", BALANCER)) == [(b"flow", (source, 2055))]


def test_a_mapped_address_is_plain() -> None:
    """As on the sockets: the registry knows plain IPv4 addresses."""
    assert received((header("::ffff:192.0.2.7", 1) + b"flow", BALANCER)) == [(b"flow", ("192.0.2.7", 1))]


def test_the_balancer_for_itself() -> None:
    """Its own checks (LOCAL) are from it."""
    assert received((header("192.0.2.7", 1, command=0x20) + b"x", BALANCER)) == [(b"x", BALANCER)]


def test_nobody_else_may_say_who_they_are() -> None:
    """From any other network the header is payload."""
    forged = (header("192.0.2.7", 1) + b"flow", ("203.0.113.5", 1))
    assert received(forged) == [forged]


def test_what_cannot_be_read_stays_as_it_came() -> None:
    """In its place, beside what can be."""
    broken = [b"flow", SIGNATURE, header("192.0.2.7", 1)[:-3], header("192.0.2.7", 1, command=0x23), b""]
    arrived = [(data, BALANCER) for data in broken]
    assert received(*arrived, (header("192.0.2.8", 5) + b"z", BALANCER)) == [*arrived, (b"z", ("192.0.2.8", 5))]


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes(data: bytes, signed: bool) -> None:
    """A payload no longer than what came, or MalformedInput."""
    whole = SIGNATURE + data if signed else data
    try:
        payload, _source = unwrapped(whole, BALANCER)
    except MalformedInput:
        return
    assert whole.endswith(payload)
