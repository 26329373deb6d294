"""The first thing that the page says: one sentence on whether all is well, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import localtime, strftime

from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, UnregisteredStatus
from kproxy_tw.web.devicestate import problems
from kproxy_tw.web.health import failing_reasons, is_good, is_ready
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, counted
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.text import safe_text, si_number


def verdict(snapshot: Snapshot) -> Verdict:
    """Judge the whole."""
    daemon, devices, checks = snapshot.daemon, snapshot.devices, snapshot.checks
    whole = [Point(safe_text(reason), "#checks") for reason in failing_reasons(checks)]
    whole += [Point(safe_text(f"{check.name}: {check.detail}"), "#checks") for check in checks if check.warning]
    whole += _daemon_points(daemon, checks)
    whole += _hidden_points(snapshot)
    if snapshot.unregistered:
        whole.append(Point(_unregistered_text(snapshot.unregistered, daemon.now), "#unregistered"))
    bad = [point for device in devices for point in _device_points(device, daemon.now)]
    points = [*whole, *bad]
    return Verdict(
        level=_level(checks, points),
        sentence=_sentence(len(devices), checks, len(points)),
        points=tuple(points[:SHOWN_POINTS]),
        omitted=max(0, len(points) - SHOWN_POINTS),
        more="/?state=bad#devices" if bad else "",
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
    return f"{work}; {counted(points, 'thing')} to look at." if points else f"{work}. All is well."


def _daemon_points(daemon: DaemonStatus, checks: Sequence[Check]) -> Iterator[Point]:
    for endpoint in daemon.upstream:
        if is_good(checks) and endpoint.last_error and not endpoint.connected:  # else a check has said so already
            yield Point(f"{safe_text(endpoint.url)}: {safe_text(endpoint.last_error)}", "/upstream")
    drops = daemon.lately.kernel_drops
    if drops:
        text = f"{si_number(drops)} datagrams were lost in the receive buffer in the last minute: raise -rcvbuf_size"
        yield Point(text, "#listeners")


def _hidden_points(snapshot: Snapshot) -> Iterator[Point]:
    """Flow that comes from the container's own gateway: the bridge has put itself in the exporters' place."""
    gateway = snapshot.daemon.gateway
    if not gateway:
        return
    strangers = any(source.source == gateway for source in snapshot.unregistered)
    if strangers or any(gateway in device.sources for device in snapshot.devices):
        text = (
            f"flow comes from {gateway}, the gateway of this container, which hides the exporters' addresses: give the "
            "container the host's network, or, in Kubernetes, the service externalTrafficPolicy: Local"
        )
        yield Point(text, "#unregistered" if strangers else "#devices")


def _device_points(device: DeviceStatus, now: float) -> Iterator[Point]:
    for problem in problems(device, now):
        text = f"{safe_text(device.device_name)} {problem.text}, since {_clock(problem.since, now)}"
        yield Point(text, f"/devices/{device.device_id}")


def _clock(seconds: float, now: float) -> str:
    return strftime("%H:%M" if now - seconds < 43_200 else "%Y-%m-%d %H:%M", localtime(seconds))


def _unregistered_text(unregistered: Sequence[UnregisteredStatus], now: float) -> str:
    sources = ", ".join(safe_text(source.source) for source in unregistered[:3])
    more = "" if len(unregistered) <= 3 else f" and {len(unregistered) - 3} more"
    verb, them = ("is", "it") if len(unregistered) == 1 else ("are", "them")
    since = _clock(min(source.first_seen for source in unregistered), now)
    what = f"{counted(len(unregistered), 'source')} {verb} not registered as a device: {sources}{more}"
    return f"{what}; nothing of {them} is forwarded, since {since}"
