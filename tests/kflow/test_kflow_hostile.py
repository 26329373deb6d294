"""Bodies made to do harm: only MalformedInput comes of them, quickly and in little memory."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.kflow.encode import encode, flatten
from tests.kflow import flow_batches

ROOT = Path(__file__).parents[2]


def sample() -> FlowBatch:
    """Three flows with everything that can be pointed to."""
    peer = np.zeros((3, 17), np.uint8)
    peer[:, :5] = (4, 10, 0, 0, 1)
    return FlowBatch(
        length=3,
        columns={
            "in_bytes": np.array([1, 2, 3], np.uint64),
            "ipv6_src_addr": np.ones((3, 16), np.uint8),
            "dst_bgp_as_path": np.array([b"65000 65001", b"", b"1"]),
        },
        custom={"small": np.array([1, 0, 2], np.uint32), "label": np.array([b"a", b"bc", b""]), "peer": peer},
    )


BODY = encode(sample(), device_id=1, column_ids=flow_batches.COLUMN_IDS)
PACKED = gzip.decompress(BODY)[80:]
SEGMENT = flatten(sample(), device_id=1, column_ids=flow_batches.COLUMN_IDS)


def accepted(body: bytes, *, gzipped: bool) -> bool:
    """Whether it decodes; anything but MalformedInput escapes."""
    try:
        decode_body(body, gzipped=gzipped)
    except MalformedInput:
        return False
    return True


def framed(segment: np.ndarray) -> bytes:
    """A packed message of one segment."""
    return flow_batches.unpacked_as_is(struct.pack("<II", 0, len(segment)) + segment.astype("<u8").tobytes())


def test_the_sample_is_good() -> None:
    """The tests below begin with bodies that decode."""
    assert accepted(BODY, gzipped=True)
    assert accepted(PACKED, gzipped=False)
    assert accepted(framed(SEGMENT), gzipped=False)


@pytest.mark.parametrize(("body", "gzipped"), [(BODY, True), (PACKED, False)], ids=["gzip", "plain"])
def test_no_truncation_decodes(body: bytes, gzipped: bool) -> None:
    """Cut anywhere, it is malformed."""
    assert [size for size in range(len(body)) if accepted(body[:size], gzipped=gzipped)] == []


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_decode_or_are_malformed(body: bytes, gzipped: bool) -> None:
    """No other exception, and no crash."""
    accepted(body, gzipped=gzipped)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PACKED) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_bytes_decode_or_are_malformed(changes: list[tuple[int, int]]) -> None:
    """Flags, counts and values of the packed form replaced."""
    body = bytearray(PACKED)
    for position, value in changes:
        body[position] = value
    accepted(bytes(body), gzipped=False)


_POINTERS = st.builds(
    lambda kind, offset, size, count: kind | (offset & 0x3FFFFFFF) << 2 | size << 32 | count << 35,
    st.integers(0, 3),
    st.integers(-150, 150),
    st.integers(0, 7),
    st.integers(0, 40) | st.integers(0, 2**29 - 1),
)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SEGMENT) - 1), _POINTERS | st.integers(0, 2**64 - 1)), min_size=1, max_size=4)
)
def test_mutated_words_decode_or_are_malformed(changes: list[tuple[int, int]]) -> None:
    """Words of the message replaced by pointers of every kind, and by anything else."""
    segment = SEGMENT.copy()
    for position, value in changes:
        segment[position] = value
    accepted(framed(segment), gzipped=False)


def in_segments(*segments: np.ndarray) -> bytes:
    """A packed message of several segments."""
    table = struct.pack(f"<I{len(segments)}I", len(segments) - 1, *map(len, segments))
    content = table + bytes(-len(table) % 8) + b"".join(segment.astype("<u8").tobytes() for segment in segments)
    return flow_batches.unpacked_as_is(content)


def by_landing_pad() -> list[np.ndarray]:
    """The sample behind a double far pointer: the pad in a segment of its own names the third segment."""
    return [
        np.array([1 << 32 | 0 << 3 | 4 | 2], np.uint64),
        np.array([2 << 32 | 0 << 3 | 2, 1 << 48], np.uint64),
        SEGMENT[1:].copy(),
    ]


def test_a_double_far_pointer_is_followed() -> None:
    """The same flows as without."""
    found = decode_body(in_segments(*by_landing_pad()), gzipped=False)
    assert found.batch.columns["in_bytes"].tolist() == [1, 2, 3]
    assert found.batch.columns["dst_bgp_as_path"].tolist() == [b"65000 65001", b"", b"1"]


_FAR_POINTERS = st.builds(
    lambda double, offset, segment: 2 | double << 2 | offset << 3 | segment << 32,
    st.integers(0, 1),
    st.integers(0, 8) | st.integers(0, 2**29 - 1),
    st.integers(0, 3),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300), _FAR_POINTERS | _POINTERS), min_size=1, max_size=4))
def test_mutated_far_pointers_decode_or_are_malformed(changes: list[tuple[int, int, int]]) -> None:
    """Pointers between segments, to pads that are none, to segments that are not there."""
    segments = by_landing_pad()
    for number, position, value in changes:
        segments[number][position % len(segments[number])] = value
    accepted(in_segments(*segments), gzipped=False)


@pytest.mark.parametrize("position", [1, 2, *range(3 + 29, 3 + 43)])
@pytest.mark.parametrize("size", range(8))
def test_pointers_of_another_type_are_malformed_or_read(position: int, size: int) -> None:
    """The pointer to the rows, their tag, and each pointer of a row with every element size."""
    segment = SEGMENT.copy()
    segment[position] = int(segment[position]) & ~(7 << 32) | size << 32
    accepted(framed(segment), gzipped=False)


def test_a_missing_second_segment_does_not_end_the_process() -> None:
    """Two segments are announced and one is there: pycapnp's own packed reader would abort the process here."""
    message = struct.pack("<IIII", 1, 1, 5, 0) + bytes(8)
    with pytest.raises(MalformedInput, match="Premature EOF"):
        decode_body(flow_batches.unpacked_as_is(message), gzipped=False)


def test_several_pointers_to_one_text_are_refused() -> None:
    """One text in a thousand rows would be a thousand times as much memory."""
    text = b"x" * 8191 + b"\x00"
    rows = 1000
    batch = FlowBatch(length=rows)
    segment = np.concatenate([flatten(batch, device_id=1, column_ids={}), np.frombuffer(text, "<u8")])
    for row in range(rows):
        slot = 3 + row * 43 + 29
        segment[slot] = len(text) << 35 | 2 << 32 | (3 + rows * 43 - slot - 1) << 2 | 1
    with pytest.raises(MalformedInput, match="several pointers lead to the same object"):
        decode_body(framed(segment), gzipped=False)


def test_flows_without_any_words_are_refused() -> None:
    """A list of structs of no size takes no bytes and could have half a billion elements."""
    segment = np.array([1 << 48, 7 << 32 | 1, (2**29 - 1) << 2], np.uint64)
    with pytest.raises(MalformedInput):
        decode_body(framed(segment), gzipped=False)


def test_one_long_text_cannot_widen_a_column_beyond_the_limit() -> None:
    """A column is as wide as its longest text: a long one among many rows is refused."""
    batch = FlowBatch(length=500, columns={"flow_tags": np.array([b"y" * 9000] + [b"x"] * 499)})
    body = encode(batch, device_id=1, column_ids={})
    assert decode_body(body, gzipped=True).batch.length == 500
    with pytest.raises(MalformedInput, match=r"flowTags would take \d+ bytes"):
        decode_body(body, gzipped=True, limit=1 << 20)


def test_too_many_custom_columns_are_refused() -> None:
    """Each id is a column of its own for all rows."""
    root = flow_batches.compiled().PackedCHF.new_message()
    for number, value in enumerate(root.init("msgs", 1)[0].init("custom", 600)):
        value.id = number
        value.value.uint8Val = 1
    with pytest.raises(MalformedInput, match="600 different custom columns, 512 is the most"):
        decode_body(root.to_bytes_packed(), gzipped=False)


def test_what_is_behind_the_gzip_stream_is_not_ignored() -> None:
    """One body is one message."""
    with pytest.raises(MalformedInput, match="3 bytes behind the gzip body"):
        decode_body(BODY + b"abc", gzipped=True)


def test_a_wrong_checksum_is_malformed() -> None:
    """Damage on the way is found."""
    with pytest.raises(MalformedInput, match="not gzip"):
        decode_body(BODY[:-8] + bytes(4) + BODY[-4:], gzipped=True)


BOMBED = """
import resource, sys, time
from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.decode import decode_body
body, gzipped, limit = sys.stdin.buffer.read(), sys.argv[1] == "gzip", int(sys.argv[2])
try:
    decode_body(b"", gzipped=False)
except MalformedInput:
    pass
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    decode_body(body, gzipped=gzipped, limit=limit)
except MalformedInput as error:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(grown, time.process_time() - start, error)
"""


def zeros_in_gzip(megabytes: int) -> bytes:
    """A gzip stream that inflates to so many megabytes of zeros."""
    stream = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    return b"".join(stream.compress(block) for _ in range(megabytes)) + stream.flush()


def packed_bomb(words: int) -> bytes:
    """Zeros without end in packed form, behind a table that announces so many words."""
    return flow_batches.unpacked_as_is(struct.pack("<II", 0, words)) + b"\x00\xff" * 100_000


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (zeros_in_gzip(300), "gzip", "inflates to more than"),
        (gzip.compress(packed_bomb(2**32 - 1)), "gzip", "says that it has 34359738368 bytes"),
        (packed_bomb(2**20), "none", "says that it has"),
        (zeros_in_gzip(2) + b"x", "gzip", "behind the gzip body"),
    ],
    ids=["gzip bomb", "packed bomb", "packed bomb without gzip", "trailing byte"],
)
def test_bombs_are_refused_quickly_and_in_little_memory(body: bytes, encoding: str, said: str) -> None:
    """In a process of its own: at most twice the limit of 4 MiB and some more, well below a second."""
    limit = 4 << 20
    command = [sys.executable, "-c", BOMBED, encoding, str(limit)]
    ended = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    kilobytes, seconds, error = ended.stdout.decode().split(" ", 2)
    assert said in error
    assert int(kilobytes) < 16 << 10
    assert float(seconds) < 0.5


REPEATED = """
import resource
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.kflow.encode import encode
def once():
    decode_body(encode(FlowBatch(length=6000), device_id=1, column_ids={}), gzipped=True)
for _ in range(5):
    once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(40):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_messages_leave_no_memory_behind() -> None:
    """Forty messages of 2 MB each, one after the other, in the memory of a few."""
    command = [sys.executable, "-c", REPEATED]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    assert int(ended.stdout) < 12 << 10
