"""Which key stands for whom."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.keys import PREFIX_METADATA, KeyTable, network_of, plain_address
from kproxy_tw.errors import MalformedInput


def parameters(address: str, *prefix: str) -> Parameters:
    """A reply that may name a prefix."""
    return Parameters(device_ip=address, tcp_md5=b"k", metadata={PREFIX_METADATA: prefix} if prefix else {})


def test_the_longest_prefix_wins() -> None:
    """As in the kernel: the host's key, then the /24's, then the /8's."""
    table = KeyTable()
    for network in ("10.0.0.0/8", "10.1.1.0/24", "10.1.1.1/32", "::/0"):
        table.put(ip_network(network), network.encode(), 0.0)
    found = {text: table.find(ip_address(text)) for text in ("10.1.1.1", "10.1.1.2", "10.2.0.1", "2001:db8::1")}
    assert {text: held.key.decode() for text, held in found.items() if held} == {
        "10.1.1.1": "10.1.1.1/32",
        "10.1.1.2": "10.1.1.0/24",
        "10.2.0.1": "10.0.0.0/8",
        "2001:db8::1": "::/0",
    }
    assert table.find(ip_address("192.0.2.1")) is None


def test_the_key_unused_for_longest_makes_room() -> None:
    """But only when it was unused for a while."""
    table = KeyTable()
    table.put(ip_network("10.0.0.1"), b"a", 100.0)
    table.put(ip_network("10.0.0.2"), b"b", 50.0)
    held = table.least_used(60.0)
    assert held is not None
    assert held.network == ip_network("10.0.0.2")
    assert table.least_used(50.0) is None


@pytest.mark.parametrize(
    ("reply", "network"),
    [
        (parameters("10.0.0.5"), "10.0.0.5/32"),
        (parameters("::ffff:10.0.0.5"), "10.0.0.5/32"),
        (parameters("fe80::1%eth0"), "fe80::1/128"),
        (parameters("10.0.0.5", "10.0.0.0/24"), "10.0.0.0/24"),
        (parameters("10.0.0.5", "10.0.0.77/24"), "10.0.0.0/24"),
        (parameters("2001:db8::5", "2001:db8::/32"), "2001:db8::/32"),
    ],
    ids=["host", "mapped", "zone", "prefix", "unmasked", "IPv6 prefix"],
)
def test_where_a_key_is_valid(reply: Parameters, network: str) -> None:
    """The reply's address, without zone, or the prefix that its metadata name, masked as the kernel wants it."""
    assert network_of(reply) == ip_network(network)


@pytest.mark.parametrize("reply", [parameters("10.0.0.5", "10.0.1.0/24"), parameters("10.0.0.5", "x"), parameters("x")])
def test_a_reply_that_makes_no_sense(reply: Parameters) -> None:
    """A prefix that does not hold the address, no prefix, no address: refused."""
    with pytest.raises(MalformedInput):
        network_of(reply)


@given(st.text(max_size=60))
def test_any_address(text: str) -> None:
    """Any text is an address or malformed."""
    with contextlib.suppress(MalformedInput):
        assert plain_address(text).version in (4, 6)


def test_a_key_is_not_shown() -> None:
    """Neither the table's entry nor the reply tells it."""
    table = KeyTable()
    table.put(ip_network("10.0.0.1"), b"do not tell", 0.0)
    assert "do not tell" not in repr(table.get(ip_network("10.0.0.1")))
    assert "do not tell" not in repr(Parameters(device_ip="10.0.0.1", tcp_md5=b"do not tell"))
