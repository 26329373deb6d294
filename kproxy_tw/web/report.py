"""The text report of the health port, for people with ``nc`` and for monitors that already parse it.

Monitors split a device's line at single spaces and count tokens, so positions are fixed::

    0 `*` or `-`   1 <id>:<name>   4 address   7 In1   9 Out1   11 In15   13 Out15 and `).`   16 date   17 time

They also look for the words ``GOOD`` and ``Connected``, skip line 2, and take the last three pieces
between newlines for no devices.
"""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, UnregisteredStatus
from kproxy_tw.web import text
from kproxy_tw.web.health import failing_reasons, is_good
from kproxy_tw.web.snapshot import Snapshot

ACTIVE_SECONDS = 60
"""A device that sent within this time is marked ``*``."""

REPORT_UNREGISTERED = 1000
"""Most unregistered sources that are listed; their number is always given."""


def text_report(snapshot: Snapshot) -> str:
    """The whole report, ending with a newline. Times are UTC."""
    daemon, devices, unregistered = snapshot.daemon, snapshot.devices, snapshot.unregistered
    good = is_good(snapshot.checks)
    lines = [
        _summary(daemon, snapshot.checks),
        f"Connected Devices: {len(devices)}",
        *(_device_line(device, daemon.now) for device in devices),
        "",
        f"Unregistered Devices: {len(unregistered)}",
        *(_unregistered_line(source) for source in unregistered[:REPORT_UNREGISTERED]),
    ]
    body = "\n".join(lines)
    if not good:
        body = body.replace("GOOD", "G\\x4fOD")  # a device may be called so; monitors search the whole text
    return f"{'GOOD' if good else 'BAD'}\n{body}\n"


def _summary(daemon: DaemonStatus, checks: Sequence[Check]) -> str:
    reasons = "; ".join(failing_reasons(checks))
    up = text.duration(daemon.now - daemon.start_time)
    return text.safe_text(f"kproxy {daemon.version}, up {up}, {text.utc_clock(daemon.now)} UTC") + (
        f", failing: {text.safe_text(reasons)}" if reasons else ""
    )


def _word(value: object) -> str:
    """``value`` as one token: white space in a name must not shift the tokens behind it."""
    safe = text.safe_text(value)
    return "".join(f"\\x{ord(c):02x}" if c.isspace() else c for c in safe) or "-"


def _device_line(device: DeviceStatus, now: float) -> str:
    mark = "*" if now - device.last_seen < ACTIVE_SECONDS else "-"
    sources = [_word(source) for source in device.sources] or ["-"]
    queues = ",".join(f"{_word(name)}={length}" for name, length in device.channel_highwater.items()) or "-"
    return (
        f"{mark} {device.device_id}:{_word(device.device_name)} sending from {sources[0]} (packets: "
        f"In1: {device.in1} Out1: {device.out1} In15: {device.in15} Out15: {device.out15}). "
        f"Last seen: {text.utc_clock(device.last_seen)} UTC, "
        f"Sources: {','.join(sources)} Channel highwater: {queues}"
    )


def _unregistered_line(source: UnregisteredStatus) -> str:
    return (
        f"* Unregistered: {_word(source.source)} {source.port} {text.utc_time(source.first_seen)} "
        f"{_word(source.flow_type)} {source.datagrams} datagrams"
    )
