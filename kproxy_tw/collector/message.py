"""One accepted POST of flows: checked against the device directory, summed, ready to be stored. Pure.

Also what the query of such a POST says: ``sid`` and ``sender_id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.collector.batches import BatchName
from kproxy_tw.collector.totals import Sums, message_sums
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import Column, FlowBatch

MAX_SENDER_LENGTH = 1024
"""Longest ``sender_id``, in characters."""

MAX_ID = 0xFFFFFFFF
"""Device and company ids are unsigned 32-bit numbers."""


@attrs.frozen
class Sender:
    """Who a POST says it is from. The name is not relied upon: clients put placeholders there."""

    company_id: int
    device_name: str
    device_id: int


@attrs.frozen(kw_only=True)
class Message:
    """The flows of one POST.

    :ivar received: seconds since 1970.
    :ivar custom: id of a custom column to array, as in ``FlowBatch.custom``.
    :ivar name: tells it from all others, however often it is sent; ``None`` when its sender gave it none.
    """

    device_id: int
    device_name: str
    received: float
    batch: FlowBatch
    custom: Mapping[int, Column]
    sums: Sums
    name: BatchName | None = None

    @property
    def size(self) -> int:
        """Bytes of memory that its columns take."""
        return sum(column.nbytes for column in (*self.batch.columns.values(), *self.custom.values()))


def parse_sender(text: str) -> Sender:
    """Read ``company:name:id``, with colons bare or percent-encoded once more; the name may hold colons.

    :raises MalformedInput: it is not that.
    """
    if len(text) > MAX_SENDER_LENGTH:
        raise MalformedInput("sender_id is too long")
    parts = (text if ":" in text else unquote(text)).split(":")
    if len(parts) < 3:
        raise MalformedInput("sender_id must be company:name:id")
    return Sender(_number("company", parts[0]), ":".join(parts[1:-1]), _number("device", parts[-1]))


def _number(what: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_ID:
        return int(text)
    raise MalformedInput(f"the {what} id in sender_id must be a number from 0 to {MAX_ID}")


def check_sid(sid: str, sender: Sender) -> None:
    """``sid`` is 0, or the sender's company as some clients send it.

    :raises MalformedInput: another value.
    """
    if sid not in ("0", str(sender.company_id)):
        raise MalformedInput("sid must be 0 or the sender's company id")


def accept(
    sender: Sender,
    *,
    device_name: str,
    received: float,
    batch: FlowBatch,
    device_ids: npt.NDArray[np.uint32],
    custom: Mapping[int, Column],
    name: BatchName | None = None,
) -> Message:
    """Check decoded flows and sum them.

    :param device_name: the sender's name in the directory.
    :param device_ids: the ``deviceId`` of each flow; 0 stands for the sender's.
    :param name: of the message, where its sender gave it one.
    :raises MalformedInput: flows or a name of another device, or impossible sums.
    """
    if name is not None and name.device_id != sender.device_id:
        raise MalformedInput(f"device {sender.device_id} sent a message named after device {name.device_id}")
    foreign = device_ids[(device_ids != 0) & (device_ids != sender.device_id)]
    if len(foreign):
        raise MalformedInput(f"device {sender.device_id} sent flows of device {int(foreign[0])}")
    return Message(
        device_id=sender.device_id,
        device_name=device_name,
        received=received,
        batch=batch,
        custom=custom,
        sums=message_sums(batch),
        name=name,
    )
