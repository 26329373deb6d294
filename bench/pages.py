"""The pages with a thousand devices: cost and size of the first page, cost of an open one, and how long others wait.

Costs are processor time, without sockets: everything from the devices' books to the bytes of the answer is the
daemon's own. How long others wait is the lateness of a timer in the daemon's process, alone and while a client in a
process of its own gets one document after another from the health port; other programs on the machine make it worse.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

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

LOOKS = 8
"""Times that each document is got."""

DOCUMENTS: Mapping[str, str] = {
    "first page": "/",
    "its live parts": "/events?page=/",
    "its JSON": "/index.json",
    "devices as CSV": "/devices.csv",
    "/admin/devices": "/admin/devices",
    "/admin/status": "/admin/status",
    "/metrics": "/metrics",
    "/hc": "/hc",
    "text report": "nc",
}
"""Everything that looks at all devices."""


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
        for _step in proxy.overview.sampling():
            pass
    return proxy


class Lateness:
    """A timer on the reactor that notes how late it comes.

    :ivar seconds: by the clock, and of those at most what this process has used of the processor since the timer was
        set: what is beyond that was other programs' doing, or the machine's.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.seconds: list[tuple[float, float]] = []
        self._next()

    def _next(self) -> None:
        self._used = time.process_time()
        self._due = time.perf_counter() + TIMER_SECONDS
        self._call = self._reactor.callLater(TIMER_SECONDS, self._came)

    def _came(self) -> None:
        late = max(0.0, time.perf_counter() - self._due)
        self.seconds.append((late, min(late, time.process_time() - self._used)))
        self._next()

    def stop(self) -> None:
        """Note no more."""
        self._call.cancel()


async def measured(reactor: Any, found: dict[str, Any]) -> None:
    """Make pages, and events, and see how long others wait."""
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
        found["costs"], found["size"] = [], 0
        for _ in range(PAGES):
            text, cost = await run(html)
            found["costs"].append(cost)
            found["size"] = len(text.encode())
        found["event"] = [(await stream()).cost_seconds for _ in range(PAGES)]
        found["late"] = await lateness(reactor, proxy)


async def lateness(reactor: Any, proxy: KproxyAssembly) -> dict[str, list[tuple[float, float]]]:
    """How late a timer comes, alone and while each of ``DOCUMENTS`` is got, in seconds."""
    from kproxy_tw.web.service import HealthService, WebConfig

    health = HealthService(reactor, WebConfig(port=0), proxy.overview)
    health.startService()
    late = {}
    try:
        timer = Lateness(reactor)
        await _wait(reactor, ALONE_SECONDS)
        timer.stop()
        late["alone"] = timer.seconds
        for label, address in DOCUMENTS.items():
            late[label] = await _visited(reactor, health.port, [address])
        late["first page, for two at once"] = await _visited(reactor, health.port, ["/", "/"])
    finally:
        await health.stopService()
    return late


async def _visited(reactor: Any, port: int, addresses: Sequence[str]) -> list[tuple[float, float]]:
    command = [sys.executable, "-m", "bench.visitor", str(port)]
    clients = [subprocess.Popen([*command, address, str(LOOKS)]) for address in addresses]
    timer = Lateness(reactor)
    try:
        for client in clients:
            if await deferToThread(client.wait):
                raise RuntimeError(f"a client failed at {addresses}")
    finally:
        timer.stop()
    return timer.seconds


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
    yield f"a timer of {1000 * TIMER_SECONDS:.0f} ms is late by, in ms: median, 99 %, most; by the clock, most"
    for label, seconds in found["late"].items():
        clock, own = 1000 * np.asarray(seconds).T
        columns = np.median(own), np.percentile(own, 99), own.max(), clock.max()
        yield f"{label:<28}" + "".join(f"{column:>8.2f}" for column in columns)
