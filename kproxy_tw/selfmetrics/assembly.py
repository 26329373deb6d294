"""The wiring of our own metrics: what is read, and who is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from kproxy_tw import __version__
from kproxy_tw.intake import Intake
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.listen.service import UdpListener
from kproxy_tw.offload import Offload
from kproxy_tw.selfmetrics.client import Backend, Graphite, Lines
from kproxy_tw.selfmetrics.config import MetricsConfig
from kproxy_tw.selfmetrics.forms import log_lines, syslog_lines
from kproxy_tw.selfmetrics.meters import Series
from kproxy_tw.selfmetrics.readings import device_readings
from kproxy_tw.selfmetrics.service import Receiver, SelfMetrics


def self_metrics(
    config: MetricsConfig,
    *,
    reactor: Any,
    session: UpstreamSession,
    url: str,
    offload: Offload,
    line: Callable[[str], None] | None,
    read: Callable[[], dict[Series, int]],
) -> SelfMetrics:
    """The service that tells them. :param read: gives the counters; for the others see :func:`receivers`."""
    told = receivers(config, reactor=reactor, session=session, url=url, offload=offload, line=line)
    return SelfMetrics(reactor=reactor, read=read, receivers=tuple(told), wall=time.time)


def receivers(
    config: MetricsConfig,
    *,
    reactor: Any,
    session: UpstreamSession,
    url: str,
    offload: Offload,
    line: Callable[[str], None] | None,
) -> Iterator[Receiver]:
    """Who is told.

    :param session: of metrics alone.
    :param url: of the backend's ``/tsdb``.
    :param line: takes a piece of a log, for ``syslog`` and ``stderr``.
    """
    if config.kind == "none":
        return
    host = socket.gethostname()
    yield Backend(session=session, url=url, offload=offload, host=host, version=f"kproxy-{__version__}")
    if config.kind == "graphite":
        yield Graphite(reactor=reactor, host=config.host, port=config.port)
    elif line is not None:
        yield Lines(config.kind, syslog_lines if config.kind == "syslog" else log_lines, line)


def all_readings(listener: UdpListener, intake: Intake) -> dict[Series, int]:
    """The counters of every device, and of the sockets."""
    found = {Series("proxy_KernelDrops"): sum(each.kernel_drops for each in listener.status())}
    for one in intake.devices.values():
        device, ledger = one.pipeline.device, one.pipeline.ledger
        found |= device_readings(device.company_id, device.device_id, one.flow_types(), ledger)
    return found
