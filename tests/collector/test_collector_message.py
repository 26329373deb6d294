"""Who a POST says it is from, and whose flows it may bring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.message import Message, Sender, accept, check_sid, parse_sender
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("1:dev1:7", Sender(1, "dev1", 7)),
        ("1%3Adev1%3A7", Sender(1, "dev1", 7)),
        ("1:a:b:c:7", Sender(1, "a:b:c", 7)),
        ("0::4294967295", Sender(0, "", 4294967295)),
    ],
)
def test_sender_forms(text: str, sender: Sender) -> None:
    """Colons may be bare or encoded, the name may be anything."""
    assert parse_sender(text) == sender


@pytest.mark.parametrize("text", ["", "1", "1:7", "x:dev:7", "1:dev:", "1:dev:4294967296", "1:dev:-1", "1:d:٣"])
def test_bad_senders(text: str) -> None:
    """Anything else is malformed."""
    with pytest.raises(MalformedInput):
        parse_sender(text)


@given(st.text(max_size=1100))
def test_any_sender_text(text: str) -> None:
    """Any text parses or is malformed."""
    try:
        assert parse_sender(text).device_id >= 0
    except MalformedInput:
        return


def test_sid() -> None:
    """The sid is 0 or the company."""
    sender = Sender(12, "x", 1)
    check_sid("0", sender)
    check_sid("12", sender)
    for sid in ("", "1", "00", "-0"):
        with pytest.raises(MalformedInput):
            check_sid(sid, sender)


def accepted(ids: list[int]) -> Message:
    """A message of device 7 whose flows carry ``ids``."""
    batch = FlowBatch(len(ids), {"in_bytes": np.full(len(ids), 10, np.uint64)})
    return accept(
        Sender(1, "x", 7), device_name="edge", received=1.5, batch=batch, device_ids=np.array(ids, "u4"), custom={}
    )


def test_device_zero_stands_for_the_sender() -> None:
    """Flows without a device id are the sender's."""
    message = accepted([0, 7, 0])
    assert (message.device_id, message.device_name, message.sums.in_bytes) == (7, "edge", 30)


def test_flows_of_another_device_are_refused() -> None:
    """A device sends its own flows only."""
    with pytest.raises(MalformedInput, match="flows of device 8"):
        accepted([7, 8])
