"""Messages out of a stream, however it is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.listen.ipfix.framing import LARGEST_MESSAGE, MessageFramer


def message(body: bytes = b"", version: int = 10) -> bytes:
    """One message with a header and some bytes behind it."""
    return struct.pack("!HHIII", version, 16 + len(body), 1_790_000_000, 0, 7) + body


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10), st.lists(st.integers(1, 50), max_size=40))
def test_messages_come_out_whole_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    """Pieces of any size: the same messages in the same order, and nothing waits at the end."""
    expected = [message(body) for body in bodies]
    stream, framer, found = b"".join(expected), MessageFramer(), []
    for cut in [*cuts, len(stream)]:
        found += framer.feed(stream[:cut])
        stream = stream[cut:]
    assert (found, framer.waiting, framer.problem) == (expected, 0, "")


def test_one_byte_at_a_time() -> None:
    """A message is handed over with its last byte."""
    framer, data = MessageFramer(), message(b"records")
    found = [framer.feed(data[place : place + 1]) for place in range(len(data))]
    assert found == [[]] * (len(data) - 1) + [[data]]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "no IPFIX: 47 45 54 20"),
        (message(version=9), "no IPFIX: 00 09"),
        (struct.pack("!HH", 10, 15), "15 bytes, shorter than its header"),
        (struct.pack("!HH", 10, 0), "0 bytes, shorter than its header"),
    ],
)
def test_a_stream_without_a_believable_length_is_lost(bad: bytes, words: str) -> None:
    """What stood before is handed over, nothing behind it is, and the reason is told."""
    framer = MessageFramer()
    assert framer.feed(message(b"good") + bad) == [message(b"good")]
    assert words in framer.problem
    assert (framer.feed(message()), framer.waiting) == ([], 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=60))
def test_any_bytes_are_framed_or_lost(pieces: list[bytes]) -> None:
    """Never more than one message waits."""
    framer = MessageFramer()
    for piece in [struct.pack("!HH", 10, 65535), *pieces]:
        framer.feed(piece)
        assert framer.waiting <= LARGEST_MESSAGE
