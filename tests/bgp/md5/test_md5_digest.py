"""The digest of a SYN against what a kernel computed."""

from __future__ import annotations

import attrs
import pytest

from kproxy_tw.bgp.md5.digest import proves, syn_digest
from kproxy_tw.bgp.md5.syn import parse_syn
from kproxy_tw.bgp.md5.verdict import Verdict, judge
from tests.bgp.md5.syn_packets import KEY, SIGNED_IPV4, SIGNED_IPV6, packet, unsigned


@pytest.mark.parametrize("wire", [SIGNED_IPV4, SIGNED_IPV6], ids=["IPv4", "IPv6"])
def test_it_is_what_the_kernel_sent(wire: bytes) -> None:
    """The right key gives the digest on the wire; a longer, shorter, empty one does not."""
    syn = parse_syn(wire)
    assert syn_digest(syn, KEY) == syn.digest
    assert [proves(syn, key) for key in (KEY, KEY + b"!", KEY[:-1], b"")] == [True, False, False, False]


def test_it_covers_the_addresses() -> None:
    """An address translator on the way breaks it, as RFC 2385 wants."""
    syn = parse_syn(SIGNED_IPV4)
    assert not proves(attrs.evolve(syn, source=syn.destination), KEY)


def test_verdicts() -> None:
    """Each combination of signature and key has its word."""
    syn, none = parse_syn(SIGNED_IPV4), unsigned("10.0.0.1")
    assert [judge(syn, key) for key in (KEY, b"other", b"")] == [
        Verdict.SIGNED,
        Verdict.WRONG_KEY,
        Verdict.UNEXPECTED_KEY,
    ]
    assert [judge(none, key) for key in (KEY, b"")] == [Verdict.NO_KEY, Verdict.UNSIGNED]
    assert judge(parse_syn(packet("10.0.0.1", b"\x1d\x10" + bytes(14))), KEY) is Verdict.OTHER_AUTHENTICATION
