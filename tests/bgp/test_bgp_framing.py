"""BGP framing: any pieces, any bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.framing import BrokenFrame, Framing
from tests.bgp.bgp_messages import KEEPALIVE, MARKER, message, open_message, update

STREAM = (
    open_message() + KEEPALIVE + update(23) + update(4096) + message(3, b"\6\2") + message(5, bytes(4)) + update(60)
)
COUNTED = {"Open": 1, "Update": 3, "Notification": 1, "Keepalive": 1, "RouteRefresh": 1}


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_pieces_are_counted_alike(cuts: list[int]) -> None:
    """However the stream is cut, each message is counted once and the OPEN comes out whole once."""
    framing, opens = Framing(), []
    borders = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(borders):
        opens.append(framing.feed(STREAM[start:end]))
    assert framing.totals() == COUNTED
    assert [found for found in opens if found is not None] == [open_message()]
    assert framing.between_messages


def test_byte_by_byte() -> None:
    """One byte at a time is the hardest cut."""
    framing = Framing()
    opens = [framing.feed(STREAM[index : index + 1]) for index in range(len(STREAM))]
    assert framing.totals() == COUNTED
    assert opens.index(open_message()) == len(open_message()) - 1


@given(data=st.binary(max_size=200), prefix=st.sampled_from([b"", MARKER, KEEPALIVE, open_message()]))
def test_any_bytes_pass_or_are_broken(data: bytes, prefix: bytes) -> None:
    """Nothing but BrokenFrame is raised, whatever comes."""
    framing, subcode = Framing(), 1
    try:
        framing.feed(prefix + data)
    except BrokenFrame as problem:
        subcode = problem.subcode
    assert subcode in (1, 2, 3)


@pytest.mark.parametrize(
    ("bad", "subcode", "text"),
    [
        (b"\xff" * 15 + b"\xfe" + b"\x00\x13\x04", 1, "marker"),
        (b"GET / HTTP/1.1\r\n\r\n\r\n", 1, "marker"),
        (MARKER + b"\x00\x12\x04", 2, "Keepalive is 18"),
        (MARKER + b"\x00\x14\x04", 2, "Keepalive is 20"),
        (MARKER + b"\x00\x1c\x01", 2, "Open is 28"),
        (MARKER + b"\x00\x16\x02", 2, "Update is 22"),
        (MARKER + b"\x10\x01\x02", 2, "Update is 4097"),
        (MARKER + b"\x00\x14\x03", 2, "Notification is 20"),
        (MARKER + b"\x00\x13\x00", 3, "type 0"),
        (MARKER + b"\x00\x13\x07", 3, "type 7"),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 16, 18])
def test_broken_headers(bad: bytes, subcode: int, text: str, cut: int) -> None:
    """Marker, length and type are judged as RFC 4271 section 6.1 says, in one piece or two."""
    framing = Framing()
    framing.feed(KEEPALIVE)
    framing.feed(bad[:cut])
    with pytest.raises(BrokenFrame, match=text) as caught:
        framing.feed(bad[cut:])
    assert caught.value.subcode == subcode


def test_extended_messages() -> None:
    """65535 bytes pass once both sides have announced it, but never as OPEN or KEEPALIVE (RFC 8654)."""
    framing = Framing()
    framing.extend()
    framing.feed(update(65535))
    assert framing.totals() == {"Update": 1}
    for kind in (1, 4):
        with pytest.raises(BrokenFrame):
            framing.feed(MARKER + b"\x10\x01" + bytes([kind]))


def test_a_first_message_that_is_no_open_comes_out_too() -> None:
    """What the first message is, is for its reader to say; later OPENs are only counted."""
    framing = Framing()
    assert framing.feed(KEEPALIVE) == KEEPALIVE
    assert framing.feed(open_message()) is None


def test_between_messages() -> None:
    """A whole message could follow only where the last one is complete."""
    framing = Framing()
    for piece, between in ((KEEPALIVE[:5], False), (KEEPALIVE[5:], True), (update(100)[:50], False)):
        framing.feed(piece)
        assert framing.between_messages is between


def test_types_that_routers_negotiate_without_an_rfc() -> None:
    """The old route refresh (128) and dynamic capabilities (6) pass."""
    framing = Framing()
    framing.feed(message(128, bytes(4)) + message(6, bytes(5)))
    assert framing.totals() == {"RouteRefresh": 1, "Capability": 1}
