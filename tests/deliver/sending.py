"""A sender on a clock, with scripted sessions and a ledger to check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import numpy as np

from kproxy_tw.deliver.breaker import Breaker
from kproxy_tw.deliver.client import DeviceSender
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.keeper import Keeper
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.queue import SharedRoom
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.interfaces import Answer
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.ledger import Ledger
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import Line, RecordingSession

ORIGIN = (UUID("6f0c7c38-2a52-4a0e-8b0a-6f9c9a1d7e55"), 7)

GOOD: tuple[int, dict[str, str], bytes] = (200, {}, b"")


def status(code: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """An answer with an empty body."""
    return code, {name.replace("_", "-"): value for name, value in headers.items()}, b""


def later() -> Deferred[Answer]:
    """An answer that comes when the test fires it."""
    return Deferred()


def plain_flows(count: int) -> FlowBatch:
    """Flows of 0, 1, 2 ... bytes."""
    return FlowBatch(count, {"in_bytes": np.arange(count, dtype=np.uint64)})


def columns(body: bytes) -> dict[str, list[Any]]:
    """What a body holds, every column as a list; ``in_bytes`` always."""
    batch = decode_body(body, gzipped=True).batch
    return {name: batch.column(name).tolist() for name in {"in_bytes", *batch.columns}}


class Letters:
    """Remembers what was set aside: bodies and answers."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, int]] = []

    def keep(self, batch: BatchId | None, body: bytes, status: int) -> None:
        """Remember one."""
        self.kept.append((body, status))


class Sending:
    """One sender; its jitter is always drawn at the upper end, so that the waits are 1, 2, 4 ... seconds.

    :param script: answers of the flow session.
    :param further: the answer of each further session, for ever.
    :param offload: runs what is not for the reactor.
    :param breaker: shared with other senders.
    :param keeper: has messages, too.
    """

    def __init__(
        self,
        *script: Line,
        otherwise: Line | None = None,
        further: Sequence[Line] = (),
        offload: Any = inline,
        breaker: Breaker | None = None,
        keeper: Keeper | None = None,
        **limits: Any,
    ) -> None:
        self.clock = Clock()
        self.flow, self.snmp = RecordingSession(script, otherwise=otherwise), RecordingSession()
        self.ledger = Ledger()
        self.letters = Letters()
        self.further: list[RecordingSession] = []
        self._further_lines = list(further)
        config = DeliverConfig(**{"concurrent_posts": 1} | limits)
        self.sender = DeviceSender(
            reactor=self.clock,
            sessions=DeviceSessions(flow=self.flow, snmp=self.snmp, further=self._further),
            url="https://flow.example.com/chf",
            sender_id="1:edge:7",
            ledger=self.ledger,
            config=config,
            room=SharedRoom(config.max_total_bytes),
            breaker=breaker or Breaker(),
            offload=offload,
            origin=ORIGIN,
            keeper=keeper,
            letters=self.letters,
            wall=lambda: 1_700_000_000.0 + self.clock.seconds(),
            uniform=lambda _low, high: high,
        )

    def _further(self) -> RecordingSession:
        self.further.append(RecordingSession(otherwise=self._further_lines.pop(0)))
        return self.further[-1]

    def submit(self, *bodies: bytes, flows: int = 10) -> None:
        """Receive ``flows`` records for each body, and hand the message over."""
        for body in bodies:
            self.ledger.receive(flows)
            self.sender.submit(Message(body, flows, self.clock.seconds()))

    @property
    def sent(self) -> list[bytes | None]:
        """The bodies of all attempts, in order."""
        return [request.body for request in self.flow.requests]

    def drain(self, seconds: float = 8.0, reason: str = "shutdown") -> Deferred[None]:
        """Begin to drain."""
        return Deferred.fromCoroutine(self.sender.drain(seconds, reason))
