"""The first thing that the page says: one sentence on whether all is well, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, UnregisteredStatus
from kproxy_tw.web.health import failing_reasons, is_good, is_ready
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, counted
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.text import duration, percent, safe_text, si_number

QUIET_SECONDS = 300
"""A device that has been silent for longer needs attention."""

LOSS_SHARE = 0.001
"""A device that lost a larger share of its records needs attention."""


def verdict(snapshot: Snapshot) -> Verdict:
    """Judge the whole."""
    daemon, devices, checks = snapshot.daemon, snapshot.devices, snapshot.checks
    points = [Point(safe_text(reason), "#checks") for reason in failing_reasons(checks)]
    points += [Point(safe_text(f"{check.name}: {check.detail}"), "#checks") for check in checks if check.warning]
    points += _daemon_points(daemon, checks)
    points += [point for device in devices for point in _device_points(device, daemon.now)]
    if snapshot.unregistered:
        points.append(Point(_unregistered_text(snapshot.unregistered), "#unregistered"))
    return Verdict(
        level=_level(checks, points),
        sentence=_sentence(len(devices), checks, len(points)),
        points=tuple(points[:SHOWN_POINTS]),
        omitted=max(0, len(points) - SHOWN_POINTS),
    )


def _level(checks: Sequence[Check], points: Sequence[Point]) -> str:
    if not is_good(checks):
        return "bad"
    if not is_ready(checks):
        return "starting"
    return "attention" if points else "good"


def _sentence(devices: int, checks: Sequence[Check], points: int) -> str:
    if not is_good(checks):
        return "Something is broken; flow may not reach the backend."
    if not is_ready(checks):
        return f"Starting: {safe_text('; '.join(failing_reasons(checks, initializing=True)))}."
    work = f"Forwarding flow of {counted(devices, 'device')}" if devices else "Ready; no device has sent flow yet"
    return f"{work}; {counted(points, 'thing')} to look at." if points else f"{work}."


def _daemon_points(daemon: DaemonStatus, checks: Sequence[Check]) -> Iterator[Point]:
    if is_good(checks):  # otherwise a check has said so already
        for endpoint in daemon.upstream:
            if endpoint.last_error and not endpoint.connected:
                yield Point(f"{safe_text(endpoint.url)}: {safe_text(endpoint.last_error)}", "#upstream")
    drops = sum(listener.kernel_drops for listener in daemon.listeners)
    if drops:
        yield Point(f"{si_number(drops)} datagrams were lost in the receive buffer since the start", "#listeners")


def _device_points(device: DeviceStatus, now: float) -> Iterator[Point]:
    name, href = safe_text(device.device_name), f"/devices/{device.device_id}"
    silent = now - device.last_seen
    if device.last_seen and silent > QUIET_SECONDS:
        yield Point(f"{name} has sent nothing for {duration(silent)}", href)
    dropped, received = device.ledger.records_dropped.total(), device.ledger.records_received
    if dropped > LOSS_SHARE * received:
        reason = device.ledger.records_dropped.most_common(1)[0][0]
        yield Point(f"{name} lost {percent(dropped, received)} of its records, most of them: {reason}", href)
    if device.last_seen and device.rate_origin == "unknown":
        yield Point(f"{name} tells no sampling rate; its flow is counted as it comes", href)
    if device.snmp.problem:
        yield Point(f"SNMP of {name} is not polled: {safe_text(device.snmp.problem)}", href)
    elif device.snmp.latest is not None and device.snmp.latest.error is not None:
        yield Point(f"SNMP of {name}: {safe_text(device.snmp.latest.error.text)}", f"{href}#snmp")


def _unregistered_text(unregistered: Sequence[UnregisteredStatus]) -> str:
    sources = ", ".join(safe_text(source.source) for source in unregistered[:3])
    more = "" if len(unregistered) <= 3 else f" and {len(unregistered) - 3} more"
    verb = "is" if len(unregistered) == 1 else "are"
    return f"{counted(len(unregistered), 'source')} {verb} not registered as a device: {sources}{more}"
