"""SYNs as they come over the wire, from a kernel and from people who mean no good."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.md5.syn import Syn, parse_syn
from kproxy_tw.errors import MalformedInput
from tests.bgp.md5.syn_packets import SIGNED_IPV4, SIGNED_IPV6, packet


def test_a_signed_ipv4_syn() -> None:
    """Addresses, ports, length and digest stand where tcpdump shows them."""
    syn = parse_syn(SIGNED_IPV4, 3)
    assert (syn.source, syn.destination) == (ip_address("127.0.0.9"), ip_address("127.0.0.1"))
    assert (syn.source_port, syn.destination_port, syn.length, syn.interface) == (46865, 17900, 52, 3)
    assert syn.digest.hex() == "20081d7a0ef8b7abaef98f43450a0d78"


def test_a_signed_ipv6_syn() -> None:
    """The same over IPv6."""
    syn = parse_syn(SIGNED_IPV6)
    assert (syn.source, syn.source_port, syn.destination_port) == (ip_address("::1"), 43295, 17900)
    assert syn.digest.hex() == "853e2aadc026cc492f29682171110d4f"


def test_an_unsigned_syn_and_one_with_tcp_ao() -> None:
    """No signature is told from TCP-MD5, and from TCP-AO (option 29)."""
    assert parse_syn(packet("10.0.0.1")).digest == b""
    other = parse_syn(packet("10.0.0.1", b"\x01\x01\x1d\x10" + bytes(14)))
    assert (other.digest, other.authentication_option) == (b"", True)


def test_what_is_behind_the_packet_does_not_matter() -> None:
    """Ethernet pads short frames; the IP header says where the packet ends."""
    assert parse_syn(SIGNED_IPV4 + bytes(6)) == parse_syn(SIGNED_IPV4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x50" + SIGNED_IPV4[1:],
        b"\x44" + SIGNED_IPV4[1:],
        SIGNED_IPV4[:6] + b"\x20\x00" + SIGNED_IPV4[8:],
        SIGNED_IPV4[:9] + b"\x11" + SIGNED_IPV4[10:],
        SIGNED_IPV6[:6] + b"\x00" + SIGNED_IPV6[7:],
        SIGNED_IPV4[:-1],
        packet("10.0.0.1", flags=0x12),
        packet("10.0.0.1", flags=0x10),
        packet("10.0.0.1", b"\x13\x11" + bytes(15)),
        packet("10.0.0.1", (b"\x13\x12" + bytes(15) + b"\x01") * 2),
        packet("10.0.0.1", b"\x02\x00\x00\x00"),
        packet("10.0.0.1", b"\x02\xff\x00\x00"),
    ],
    ids=[
        "empty",
        "version",
        "header",
        "fragment",
        "udp",
        "extension",
        "cut",
        "synack",
        "ack",
        "short digest",
        "two digests",
        "option of no length",
        "option beyond the end",
    ],
)
def test_faults_are_refused(data: bytes) -> None:
    """Each is named malformed, none is taken for a SYN."""
    with pytest.raises(MalformedInput):
        parse_syn(data)


def test_data_with_the_syn_is_refused() -> None:
    """The signature would cover bytes that were not captured."""
    longer = bytearray(packet("10.0.0.1") + b"data")
    longer[2:4] = len(longer).to_bytes(2, "big")
    with pytest.raises(MalformedInput, match="data"):
        parse_syn(bytes(longer))


@given(st.binary(max_size=256))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a SYN or malformed."""
    with contextlib.suppress(MalformedInput):
        assert isinstance(parse_syn(data), Syn)


@given(st.integers(0, len(SIGNED_IPV6) - 1), st.integers(0, 255), st.sampled_from([SIGNED_IPV4, SIGNED_IPV6]))
def test_one_wrong_byte(place: int, value: int, good: bytes) -> None:
    """A real packet with one byte changed is a SYN or malformed."""
    data = bytearray(good)
    data[place % len(data)] = value
    with contextlib.suppress(MalformedInput):
        assert len(parse_syn(bytes(data)).header) == 20
