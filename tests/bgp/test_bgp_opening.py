"""The OPEN message, against its RFCs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.opening import MAX_SHOWN_CAPABILITIES, read_open
from kproxy_tw.errors import MalformedInput
from tests.bgp.bgp_messages import EXTENDED, KEEPALIVE, capability, message, open_message

#: What gobgpd 3.10 sends for AS 65020, hold time 90, IPv4 unicast, recorded from its socket.
GOBGPD = bytes.fromhex(
    "ffffffffffffffffffffffffffffffff003b0104fdfc005a0a020001"
    "1e021c0200490402766d0001040001000141040000fdfc0506000100010002"
)


def test_plain() -> None:
    """An OPEN of 1995: two octets, no parameters."""
    opening = read_open(open_message(system=64512, hold=180, router_id="192.0.2.1"))
    assert (opening.autonomous_system, opening.hold_time, opening.router_id) == (64512, 180, "192.0.2.1")
    assert (opening.capabilities, opening.extended_messages) == ((), False)


def test_gobgpd() -> None:
    """What a real router sends is told in words."""
    opening = read_open(GOBGPD)
    assert (opening.autonomous_system, opening.hold_time, opening.router_id) == (65020, 90, "10.2.0.1")
    assert opening.capabilities == ("route refresh", "FQDN", "IPv4 unicast", "4-octet AS", "extended next hop")


def test_four_octet_system() -> None:
    """The capability wins over AS_TRANS (RFC 6793)."""
    opening = read_open(open_message(system=23456, capabilities=(capability(65, (4200000001).to_bytes(4, "big")),)))
    assert opening.autonomous_system == 4200000001


def test_extended_messages_are_announced() -> None:
    """Capability 6 without a value (RFC 8654)."""
    assert read_open(open_message(capabilities=(EXTENDED,))).extended_messages


def test_extended_parameter_lengths() -> None:
    """RFC 9072: 255 in place of the first type, then lengths of two octets."""
    long = b"".join(capability(code, bytes(100)) for code in (200, 201, 202))
    parameters = b"\x02" + len(long).to_bytes(2, "big") + long
    body = bytes([4]) + bytes(8) + b"\xff\xff" + len(parameters).to_bytes(2, "big") + parameters
    assert read_open(message(1, body)).capabilities == ("capability 200", "capability 201", "capability 202")


def test_many_capabilities_are_cut() -> None:
    """The table shows a bounded number."""
    many = b"".join(capability(code) for code in range(130, 200))
    opening = read_open(open_message(capabilities=(many,)))
    assert len(opening.capabilities) == MAX_SHOWN_CAPABILITIES


@pytest.mark.parametrize(
    "bad",
    [
        KEEPALIVE,
        message(1, bytes([3]) + bytes(9)),
        message(1, bytes([4]) + bytes(5)),
        message(1, bytes([4]) + bytes(8) + b"\x05"),
        message(1, bytes([4]) + bytes(8) + b"\x03\x02\x05\x41"),
        open_message(capabilities=(b"\x41\x09\x00",)),
    ],
)
def test_malformed(bad: bytes) -> None:
    """Wrong type, version or lengths are malformed input."""
    with pytest.raises(MalformedInput):
        read_open(bad)


@given(body=st.binary(max_size=300))
def test_any_bytes_parse_or_are_malformed(body: bytes) -> None:
    """Nothing else is raised."""
    try:
        opening = read_open(message(1, b"\x04" + body))
    except MalformedInput:
        return
    assert 0 <= opening.autonomous_system < 1 << 32
