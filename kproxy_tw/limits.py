"""Limits: what of kproxy may not grow without end, how much of it there is, and how much there ever was."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import attrs

from kproxy_tw.decode.templates.held import HeldLimits
from kproxy_tw.decode.templates.room import StateRoom
from kproxy_tw.devices.sources import MAX_LISTED, Sources
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.status import LimitStatus, StreamListenerStatus


@attrs.frozen(kw_only=True)
class ProcessUse:
    """What the process uses. ``memory_peak`` and ``files_limit`` as the system keeps them."""

    memory: int
    memory_peak: int
    files: int
    files_limit: float


@attrs.frozen(kw_only=True)
class Limits:
    """Looks at everything that is bounded.

    :ivar room: of templates and held data; ``held``, ``max_templates``, ``max_streams``: its limits, as configured.
    :ivar waiting: messages in memory; ``spool``: those on disk, ``None`` without a spool.
    :ivar process: looks at the process.
    :ivar peaks: the most so far, by name; looked at every few seconds.
    """

    budget: ByteBudget
    room: StateRoom
    held: HeldLimits
    max_templates: int
    max_streams: int
    sources: Sources
    streams: Callable[[], StreamListenerStatus]
    waiting: Callable[[], Mapping[str, int]]
    spool: Callable[[], Mapping[str, int]] | None
    process: Callable[[], ProcessUse]
    peaks: dict[str, float] = attrs.Factory(dict)

    def __call__(self) -> list[LimitStatus]:
        """Everything, now."""
        return [self._with_peak(one) for one in self._now()]

    def _with_peak(self, one: LimitStatus) -> LimitStatus:
        peak = self.peaks[one.name] = max(self.peaks.get(one.name, 0.0), one.current, one.peak or 0.0)
        return attrs.evolve(one, peak=peak)

    def _now(self) -> Iterator[LimitStatus]:
        yield LimitStatus(
            name="Records that wait",
            current=self.budget.used,
            limit=self.budget.max_bytes,
            peak=self.budget.highwater,
            unit="B",
            hint="for the tick or in conversion; beyond it: queue_full",
        )
        waiting = self.waiting()
        yield _bytes("Messages in memory", waiting, "beyond it the oldest go to the spool, or are dropped")
        if self.spool is not None:
            yield _bytes("Messages on disk", self.spool(), "beyond it: spool_full; set by -spool_max_bytes")
        yield LimitStatus(
            name="Templates",
            current=self.room.templates,
            limit=self.max_templates,
            hint="of all exporters; beyond it the one used longest ago makes room",
        )
        yield LimitStatus(
            name="Data before its template",
            current=self.room.held.used,
            limit=self.held.total,
            unit="B",
            hint="beyond it: no_template",
        )
        yield LimitStatus(
            name="Unregistered sources",
            current=self.sources.listed,
            limit=MAX_LISTED,
            hint="beyond it the one silent longest is forgotten",
        )
        streams = self.streams()
        if streams.addresses:
            yield LimitStatus(name="IPFIX connections", current=len(streams.streams), limit=self.max_streams)
        yield from _process(self.process())


def _bytes(name: str, waiting: Mapping[str, int], hint: str) -> LimitStatus:
    return LimitStatus(name=name, current=waiting["Bytes"], limit=waiting["MaxBytes"], unit="B", hint=hint)


def _process(use: ProcessUse) -> Iterator[LimitStatus]:
    yield LimitStatus(name="Memory", current=use.memory, limit=math.inf, peak=use.memory_peak, unit="B")
    yield LimitStatus(name="Open files", current=use.files, limit=use.files_limit, hint="sockets among them")
