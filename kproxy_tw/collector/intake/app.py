"""``POST /chf``, ``/tsdb`` and ``/dns``: what agents send.

A POST of flows is decoded and checked in a thread, then waits for the commit queue, and is answered 200
when its flows are on the disk.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from kproxy_tw.collector.answers import Refused, answer, answer_json, header_values, query_text, wants_pretty
from kproxy_tw.collector.batches import BatchName, parse_batch
from kproxy_tw.collector.bounded_json import dump_json
from kproxy_tw.collector.budget import Budget
from kproxy_tw.collector.commits import CommitQueue
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.devices import Device, DeviceDirectory
from kproxy_tw.collector.message import Message, Sender, accept, check_sid, parse_sender
from kproxy_tw.collector.side_inputs import LatestMetrics, count_dns, parse_metrics
from kproxy_tw.errors import MalformedInput
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.offload import Offload

MAX_BODY = 32 << 20
"""Bytes of a body as it comes in; the site enforces it."""

MAX_DECODED = 64 << 20
"""Bytes of a body after decompression."""

GZIP_WINDOW = 16 + zlib.MAX_WBITS
"""Tells the inflater that the body is gzip."""

MAX_DECODING = 512
MAX_DECODING_BYTES = 128 << 20
"""Bodies that wait to be decoded: count and bytes as they came in."""

T = TypeVar("T")


def deferred_from(future: Future[T], reactor: Any) -> Deferred[T]:
    """A Deferred that fires in the reactor's thread; cancelling it cancels the future."""

    def cancel(_: Deferred[T]) -> None:
        future.cancel()

    result: Deferred[T] = Deferred(cancel)

    def deliver() -> None:
        if result.called:
            return
        try:
            result.callback(future.result())
        except FutureCancelled:
            result.errback(CancelledError())
        except Exception as error:
            result.errback(error)

    future.add_done_callback(lambda _: reactor.callFromThread(deliver))
    return result


class FlowIntake:
    """Handlers of what agents post.

    :param offload: runs decoding away from the reactor.
    :param now: seconds since 1970.
    """

    def __init__(
        self,
        *,
        directory: DeviceDirectory,
        commits: CommitQueue,
        counts: CollectorCounts,
        offload: Offload,
        reactor: Any,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._commits = commits
        self._counts = counts
        self._offload = offload
        self._reactor = reactor
        self._now = now
        self._metrics = LatestMetrics()
        self._decoding = Budget("bodies", count=MAX_DECODING, size=MAX_DECODING_BYTES)

    async def chf(self, request: Any) -> bytes:
        """Take one body of flows; 200 when they are stored durably."""
        sender, device = self._sender(request)
        name = _batch_name(request)
        gzipped = _is_gzipped(request)
        body = request.content.getvalue()
        with self._decoding.hold(len(body)):
            message = await self._offload(lambda: self._decode(body, gzipped, sender, device, name))
        await deferred_from(self._commits.submit(message), self._reactor)
        self._counts.flows.inc(message.batch.length)
        self._counts.bytes.inc(len(body))
        return answer_json(request, {"stored": message.batch.length})

    async def tsdb(self, request: Any) -> bytes:
        """Take an agent's own metrics: they are checked and counted, and the last of each is kept."""
        body = request.content.getvalue()
        items = await self._offload(lambda: parse_metrics(body))
        self._metrics.keep(items)
        self._counts.metrics.inc(len(items))
        return answer_json(request, {"taken": len(items)})

    async def latest_metrics(self, request: Any) -> bytes:
        """Show the last value of each metric, as agents send them."""
        items = self._metrics.all()
        return answer(request, await self._offload(lambda: dump_json(items, pretty=wants_pretty(request)) + b"\n"))

    async def dns(self, request: Any) -> bytes:
        """Take observed DNS answers: they are checked and counted."""
        body = request.content.getvalue()
        count = await self._offload(lambda: count_dns(body))
        self._counts.dns.inc(count)
        return answer_json(request, {"taken": count})

    def _sender(self, request: Any) -> tuple[Sender, Device]:
        text = query_text(request, "sender_id")
        if text is None:
            raise MalformedInput("sender_id=company:name:id is missing")
        sender = parse_sender(text)
        check_sid(query_text(request, "sid") or "", sender)
        device = self._directory.by_id(sender.device_id)
        if device is None or device.company_id != sender.company_id:
            raise MalformedInput(f"sender_id names no known device: {sender.company_id}:...:{sender.device_id}")
        return sender, device

    def _decode(self, body: bytes, gzipped: bool, sender: Sender, device: Device, name: BatchName | None) -> Message:
        """Runs in a thread."""
        try:
            decoded = decode_body(body, gzipped=gzipped, limit=MAX_DECODED)
        except MalformedInput as error:
            if gzipped and _inflates_beyond(body, MAX_DECODED):
                raise Refused(413, str(error)) from None
            raise
        return accept(
            sender,
            device_name=device.name,
            received=self._now(),
            batch=decoded.batch,
            device_ids=decoded.device_ids,
            custom=decoded.custom,
            name=name,
        )


def _inflates_beyond(body: bytes, limit: int) -> bool:
    """Whether a refused body is too large rather than broken; inflates it once more, within the same bound."""
    try:
        return len(zlib.decompressobj(wbits=GZIP_WINDOW).decompress(body, limit + 1)) > limit
    except zlib.error:
        return False


def _batch_name(request: Any) -> BatchName | None:
    names = header_values(request, "X-Kproxy-Batch")
    return parse_batch(names[-1].decode("latin-1")) if names else None


def _is_gzipped(request: Any) -> bool:
    encodings = [value.strip().lower() for value in header_values(request, "Content-Encoding")]
    if encodings in ([], [b"identity"]):
        return False
    if encodings in ([b"gzip"], [b"x-gzip"]):
        return True
    raise Refused(400, "Content-Encoding must be gzip or absent")
