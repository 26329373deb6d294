"""The pages with a thousand devices: cost and size of the first page, cost of an open one, and how long others wait.

In one process, without sockets: everything from the devices' books to the bytes of the answer is the daemon's own.
Costs are processor time. How long others wait is the lateness of a timer, alone and while pages are made; other
programs on the machine make it worse.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

import numpy as np

from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.devices.device import Device
from kproxy_tw.logbook import LogBook
from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import make_flows
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.regions import endpoints
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.render import Renderer

if TYPE_CHECKING:
    from kproxy_tw.assembly import KproxyAssembly

DEVICES = 1000
ROUNDS = 40
"""Histories are filled with so many readings."""

PAGES = 15
TIMER_SECONDS = 0.002
ALONE_SECONDS = 2.0


def address(number: int) -> str:
    """Of a device."""
    return f"10.0.{number // 250}.{number % 250 + 1}"


def busy_proxy(directory: Path, reactor: Any) -> KproxyAssembly:
    """A kproxy, not started, that has heard of a thousand devices for some minutes."""
    from kproxy_tw.assembly import KproxyAssembly, KproxyConfig

    config = KproxyConfig(
        credentials=Credentials("bench@example.com", "bench-token"),
        endpoints=endpoints("", "http://127.0.0.1:9/api/internal", None),
        state_dir=directory,
    )
    proxy = KproxyAssembly(config, reactor)
    proxy.registry.replace(
        Device(
            device_id=number + 1, name=f"edge_{number:04}", company_id=1, sending_addresses=frozenset([address(number)])
        )
        for number in range(DEVICES)
    )
    exporters = [NetFlow5Exporter(time.time(), sampling=100) for _ in range(DEVICES)]
    flows = make_flows(20, np.random.default_rng(1))
    for _round in range(ROUNDS):
        for number, exporter in enumerate(exporters):
            proxy.intake.datagrams([(exporter.datagram(flows, time.time()), (address(number), 4000))])
        for device in proxy.intake.devices.values():
            proxy.intake.gather(device.pipeline)
            device.pipeline.ledger.forward(device.pipeline.pending.count)
            device.pipeline.pending.take()
        proxy.intake.sample_histories()
        proxy.overview.sample()
    return proxy


class Lateness:
    """A timer on the reactor that notes how late it comes."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.seconds: list[float] = []
        self._due = 0.0
        self._next()

    def _next(self) -> None:
        self._due = time.perf_counter() + TIMER_SECONDS
        self._call = self._reactor.callLater(TIMER_SECONDS, self._came)

    def _came(self) -> None:
        self.seconds.append(max(0.0, time.perf_counter() - self._due))
        self._next()

    def take(self) -> list[float]:
        """What was noted since the last time."""
        taken, self.seconds = self.seconds, []
        return taken

    def stop(self) -> None:
        """Note no more."""
        self._call.cancel()


async def measured(reactor: Any, found: dict[str, Any]) -> None:
    """Make pages, and events, while the timer runs."""
    # Imported here, like the assembly: what these need would install another reactor.
    from kproxy_tw.commands.startup import COLLECTION_THRESHOLDS
    from kproxy_tw.web.pages.source import KproxyPages
    from kproxy_tw.web.pagesite import PageSite

    with tempfile.TemporaryDirectory() as name:
        proxy = busy_proxy(Path(name), reactor)
        pages, renderer = KproxyPages(proxy.overview, reactor, LogBook("info"), "token"), Renderer()
        run = pages.find("/", {})
        stream = PageSite(pages, renderer, "kproxy").stream("/")
        if run is None or stream is None:
            raise RuntimeError("there is no first page")

        def html(content: PageContent | None) -> tuple[str, float]:
            if content is None:
                raise RuntimeError("there is no first page")
            began = time.thread_time()
            text = renderer.render(content.template, **content.for_template("/"))
            return text, content.cost_seconds + time.thread_time() - began

        await run(html)
        gc.freeze()
        gc.set_threshold(*COLLECTION_THRESHOLDS)  # as every daemon does
        timer = Lateness(reactor)
        await _wait(reactor, ALONE_SECONDS)
        found["alone"] = timer.take()
        found["costs"], found["size"] = [], 0
        for _ in range(PAGES):
            text, cost = await run(html)
            found["costs"].append(cost)
            found["size"] = len(text.encode())
        found["rendering"] = timer.take()
        found["event"] = [(await stream()).cost_seconds for _ in range(PAGES)]
        timer.stop()


async def _wait(reactor: Any, seconds: float) -> None:
    waiting: Deferred[None] = Deferred()
    reactor.callLater(seconds, waiting.callback, None)
    await waiting


def report() -> Iterator[str]:
    """The table."""
    reactor = asyncio_reactor()
    found: dict[str, Any] = {}

    def begin(stop: Callable[[Any], None]) -> None:
        Deferred.fromCoroutine(measured(reactor, found)).addBoth(stop)

    failures: list[Any] = []

    def end(result: Any) -> None:
        if result is not None:
            failures.append(result)
        reactor.stop()

    reactor.callWhenRunning(begin, end)
    reactor.run()
    for failure in failures:
        failure.raiseException()
    costs, events = 1000 * np.asarray(found["costs"]), 1000 * np.asarray(found["event"])
    yield f"{DEVICES} devices; ms of processor time, median and most"
    yield f"{'first page':<28}{np.median(costs):>8.1f}{costs.max():>8.1f}   {found['size'] / 1000:.0f} kB"
    yield f"{'its live parts':<28}{np.median(events):>8.1f}{events.max():>8.1f}"
    yield "a timer of 2 ms is late by, in ms: median, 99 %, most"
    for label, key in (("alone", "alone"), ("while pages are made", "rendering")):
        yield _line(label, found[key])


def _line(label: str, seconds: Sequence[float]) -> str:
    each = 1000 * np.asarray(seconds)
    return f"{label:<28}{np.median(each):>8.2f}{np.percentile(each, 99):>8.2f}{each.max():>8.2f}"
