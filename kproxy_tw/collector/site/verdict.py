"""The first line of kcollect's page: whether flow is stored, and who has gone silent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.collector.bgp_target.status import TargetStatus
from kproxy_tw.collector.totals import DeviceTotals
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, clock, counted
from kproxy_tw.web.text import duration, si_number

SILENT_SECONDS = 300.0
"""A device that has sent, and then nothing for so long, is worth a word ..."""

GONE_SECONDS = 86_400.0
"""... for a day."""


def verdict(problem: str, totals: Sequence[DeviceTotals], bgp: TargetStatus | None, now: float) -> Verdict:
    """Judge.

    :param problem: what keeps flow from being stored; empty when nothing does.
    """
    if problem:
        return Verdict(
            level="bad", sentence="Flow cannot be stored at the moment.", points=(Point(problem, "/metrics"),)
        )
    flows = sum(total.sums.flows for total in totals)
    if not flows:
        sessions = len(bgp.sessions) if bgp else 0
        if sessions:
            return Verdict(level="good", sentence=f"{counted(sessions, 'BGP session')}, no flow yet.")
        return Verdict(level="starting", sentence="Nothing has been received yet.")
    silent = [
        total for total in totals if SILENT_SECONDS < now - total.last_received < GONE_SECONDS and total.sums.flows
    ]
    stored = f"{si_number(flows)} flows of {counted(len(totals), 'device')} are stored"
    if not silent:
        return Verdict(level="good", sentence=f"{stored}. All is well.")
    silences = [
        Point(
            f"{total.device_name} has sent nothing for {duration(now - total.last_received)}, "
            f"since {clock(total.last_received, now)}: look at its page in kproxy",
            f"/devices/{total.device_id}",
        )
        for total in sorted(silent, key=lambda total: -total.last_received)
    ]
    need = "1 is silent" if len(silent) == 1 else f"{len(silent)} are silent"
    return Verdict(
        level="attention",
        sentence=f"{stored}; {need}.",
        points=tuple(silences[:SHOWN_POINTS]),
        omitted=max(0, len(silences) - SHOWN_POINTS),
    )
