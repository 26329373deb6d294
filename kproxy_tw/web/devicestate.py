"""Whether a device does well: what is wrong with it now, since when, and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.status import DeviceStatus
from kproxy_tw.web.judgement import clock
from kproxy_tw.web.report import ACTIVE_SECONDS
from kproxy_tw.web.tables.table import Tone
from kproxy_tw.web.text import duration, percent, safe_text

QUIET_SECONDS = 300
"""A device that has been silent for longer needs attention."""

LOSS_SHARE = 0.001
"""A device that lost a larger share of its records in the last 15 minutes needs attention."""

STATES = ("bad", "sending", "quiet")
"""Of a device: ``bad`` has problems, whether it sends or not."""

TONES: dict[str, Tone] = {"bad": "bad", "sending": "on", "quiet": "off"}

REMEDIES = {
    "no_template": "the exporter has not sent their template yet: shorten its template refresh",
    "malformed": "they cannot be understood: see its page",
    "queue_full": "more came than could be worked on",
    "spool_full": "the backend took none and the spool is full: see Upstream",
    "spool_expired": "the backend took none for longer than -spool_max_age: see Upstream",
    "spool_corrupt": "the spool was damaged: check the disk",
    "rejected": "the backend refused them: see Upstream",
    "encode": "no message could be made of them: see the log",
    "unregistered": "the device was removed from the list meanwhile",
}
"""By the reason for which records were dropped: what is behind it, or what to do."""

MEANT = ("disabled", "egress", "shutdown")
"""Reasons that somebody wanted."""


@attrs.frozen(kw_only=True)
class Problem:
    """``since``: seconds since 1970; ``remedy``: what to do, empty where nobody knows."""

    text: str
    since: float
    remedy: str = ""

    def said(self, now: float) -> str:
        """What it is, since when, and what to do."""
        remedy = f": {self.remedy}" if self.remedy else ""
        return f"{self.text}, since {clock(self.since, now)}{remedy}"


def problems(device: DeviceStatus, now: float) -> tuple[Problem, ...]:
    """What is wrong with a device, the worst first."""
    return tuple(_problems(device, now))


def state_of(device: DeviceStatus, found: tuple[Problem, ...], now: float) -> str:
    """One of ``STATES``."""
    if found:
        return "bad"
    return "sending" if now - device.last_seen < ACTIVE_SECONDS else "quiet"


def _problems(device: DeviceStatus, now: float) -> Iterator[Problem]:
    silent = now - device.last_seen
    if device.last_seen and silent > QUIET_SECONDS:
        remedy = "look at its export, and at the network between"
        yield Problem(text=f"has sent nothing for {duration(silent)}", since=device.last_seen, remedy=remedy)
    recent = device.recent
    reason = _worst_reason(device)
    if reason and recent.dropped_since is not None and recent.dropped > LOSS_SHARE * recent.records:
        share, remedy = percent(recent.dropped, recent.records), REMEDIES.get(reason, "see its page")
        text = f"lost {share} of its records, most of them for {reason}"
        yield Problem(text=text, since=recent.dropped_since, remedy=remedy)
    sent = recent.gaps + recent.sequence_seen
    if recent.gaps_since is not None and recent.gaps > LOSS_SHARE * sent:
        text, remedy = f"lost {percent(recent.gaps, sent)} on the way here", "look at the network between"
        yield Problem(text=text, since=recent.gaps_since, remedy=remedy)
    if device.rate_origin == "unknown" and device.ledger.records_forwarded:
        text, remedy = "tells no sampling rate and its flow is counted as it comes", "set the rate of the device"
        yield Problem(text=text, since=device.first_seen, remedy=remedy)
    yield from _polling_problems(device.snmp, now)


def _polling_problems(snmp: DeviceSnmp, now: float) -> Iterator[Problem]:
    latest = snmp.latest
    if snmp.problem:
        yield Problem(text=f"is not polled by SNMP: {safe_text(snmp.problem)}", since=latest.started if latest else now)
    elif latest is not None and latest.error is not None:
        yield Problem(text=f"is not polled well by SNMP: {safe_text(latest.error.text)}", since=latest.started)


def _worst_reason(device: DeviceStatus) -> str:
    found = [(count, reason) for reason, count in device.ledger.records_dropped.items() if reason not in MEANT]
    count, reason = max(found, default=(0, ""))
    return reason if count else ""
