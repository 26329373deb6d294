"""The first thing that the page says: one sentence on whether all is well, and what needs attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, UnregisteredStatus
from kproxy_tw.web.devicestate import problems
from kproxy_tw.web.health import failing, failing_reasons, is_good, is_ready
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, clock, counted, since
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.text import safe_text, si_number

PAGES: Mapping[str, str] = dict.fromkeys(("devices", "delivery", "clock", "certificates"), "/upstream")
"""Check to the page that tells more of it than the table of checks."""

REMEDIES: Mapping[str, str] = {
    "devices": "kproxy doctor tests the way to the backend and the credentials",
    "delivery": "kproxy doctor tests the way to the backend; messages wait until it takes them",
    "spool": "look at the disk of -state_dir",
    "clock": "set this machine's clock",
}
"""Check to what to do when it fails."""


def verdict(snapshot: Snapshot) -> Verdict:
    """Judge the whole."""
    daemon, devices, checks = snapshot.daemon, snapshot.devices, snapshot.checks
    whole = [_failing_point(check, daemon.now) for check in failing(checks)]
    whole += [_check_point(check, f"{check.name}: {check.detail}") for check in checks if check.warning]
    whole += _daemon_points(daemon, checks)
    whole += _hidden_points(snapshot)
    if snapshot.unregistered:
        whole.append(Point(_unregistered_text(snapshot.unregistered, daemon.now), "#unregistered"))
    bad = [point for device in devices for point in _device_points(device, daemon.now)]
    points = [*whole, *bad]
    return Verdict(
        level=_level(checks, points),
        sentence=_sentence(daemon, len(devices), checks, len(points)),
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


def _failing_point(check: Check, now: float) -> Point:
    remedy = f": {REMEDIES[check.name]}" if check.name in REMEDIES else ""
    return _check_point(check, f"{check.name}: {check.detail}{since(check.seconds, now)}{remedy}")


def _check_point(check: Check, text: str) -> Point:
    return Point(safe_text(text), PAGES.get(check.name, "#checks"))


def _sentence(daemon: DaemonStatus, devices: int, checks: Sequence[Check], points: int) -> str:
    if not is_good(checks):
        return _trouble(daemon, failing(checks))
    if not is_ready(checks):
        return f"Starting: {safe_text('; '.join(failing_reasons(checks, initializing=True)))}."
    work = f"Forwarding flow of {counted(devices, 'device')}" if devices else "Ready; no device has sent flow yet"
    return f"{work}; {counted(points, 'thing')} to look at." if points else f"{work}. All is well."


def _trouble(daemon: DaemonStatus, checks: Sequence[Check]) -> str:
    """What the worst of the failing checks means for the flow."""
    lasting = {check.name: since(check.seconds, daemon.now) for check in checks}
    if "delivery" in lasting:
        waiting = counted(daemon.spool.get("Messages", 0), "message")
        flow = "Not all flow" if daemon.lately.messages_sent else "No flow"
        return f"{flow} reaches the backend{lasting['delivery']}; {waiting} waiting."
    if "devices" in lasting:
        return f"The backend does not answer which devices there are{lasting['devices']}."
    return f"Something is broken{since(_longest(checks), daemon.now)}; flow may not reach the backend."


def _longest(checks: Sequence[Check]) -> float | None:
    return max((check.seconds for check in checks if check.seconds is not None), default=None)


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
        yield Point(f"{safe_text(device.device_name)} {problem.said(now)}", f"/devices/{device.device_id}")


def _unregistered_text(unregistered: Sequence[UnregisteredStatus], now: float) -> str:
    sources = ", ".join(safe_text(source.source) for source in unregistered[:3])
    more = "" if len(unregistered) <= 3 else f" and {len(unregistered) - 3} more"
    verb, them = ("is", "it") if len(unregistered) == 1 else ("are", "them")
    first = clock(min(source.first_seen for source in unregistered), now)
    what = f"{counted(len(unregistered), 'source')} {verb} not registered as a device: {sources}{more}"
    return f"{what}; nothing of {them} is forwarded, since {first}"
