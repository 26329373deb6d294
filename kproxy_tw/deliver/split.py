"""Halves of a message that is too large for the backend. Pure, for a worker thread.

The same message always falls into the same halves: a half keeps its name and its flows in each attempt, however often
the program starts anew, so that whoever stores them can tell what it has.
"""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.deliver.message import Message
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.kflow.decode import DecodedFlows, decode_body
from kproxy_tw.kflow.encode import encode


def split(message: Message) -> tuple[Message, ...]:
    """The two halves of ``message``; none when it holds a single flow, or no kflow.

    The records that the ledger counts are divided like the flows; low-resolution copies count for none.
    """
    if message.batch is None:
        return ()
    try:
        whole = decode_body(message.body, gzipped=True)
    except MalformedInput:
        return ()
    flows = whole.batch.length
    if flows < 2:
        return ()
    middle = flows // 2
    of_records = ~whole.batch.column("big")
    first = message.flows * int(np.count_nonzero(of_records[:middle])) // max(1, int(np.count_nonzero(of_records)))
    return tuple(
        attrs.evolve(message, body=_encoded(whole, rows), flows=records, batch=batch, refusals=0)
        for rows, records, batch in zip(
            (slice(0, middle), slice(middle, flows)),
            (first, message.flows - first),
            message.batch.halves,
            strict=True,
        )
    )


def _encoded(whole: DecodedFlows, rows: slice) -> bytes:
    names = {str(column_id): column_id for column_id in whole.custom}
    part = FlowBatch(
        length=len(range(*rows.indices(whole.batch.length))),
        columns={name: column[rows] for name, column in whole.batch.columns.items()},
        custom={str(column_id): column[rows] for column_id, column in whole.custom.items()},
    )
    return encode(part, device_id=int(whole.device_ids[0]), column_ids=names)
