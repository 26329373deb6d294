"""Addresses in one form."""

from __future__ import annotations

import pytest

from kproxy_tw.addresses import networks, plain_address, within
from kproxy_tw.errors import MalformedInput


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_one_form(given: str, plain: str) -> None:
    """Mapped addresses are IPv4, long ones short; the zone of a link-local one belongs to it."""
    assert plain_address(given) == plain


@pytest.mark.parametrize("bad", ["", "router", "192.0.2.256", "192.0.2.1:179", "x" * 10_000])
def test_no_address(bad: str) -> None:
    """Malformed, with a short message."""
    with pytest.raises(MalformedInput) as caught:
        plain_address(bad)
    assert len(str(caught.value)) < 100


def test_networks() -> None:
    """Networks of both families, and single addresses."""
    ranges = networks("10.0.0.0/8, 192.0.2.7,fe80::/10")
    inside = [
        within(address, ranges) for address in ("10.9.9.9", "192.0.2.7", "192.0.2.8", "fe80::1%eth0", "2001:db8::1")
    ]
    assert inside == [True, True, False, True, False]
    assert networks("") == ()
