"""The first thing that kbgp's page says."""

from __future__ import annotations

from collections.abc import Iterator

from kproxy_tw.bgp.relay import STALL_WARNING_SECONDS
from kproxy_tw.bgp.status import EndedStatus, KbgpStatus
from kproxy_tw.web.health import failing, failing_reasons, is_good, is_ready
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, clock, counted, since
from kproxy_tw.web.text import duration, safe_text

GONE_SECONDS = 86_400
"""For so long a router whose session has ended is missed."""


def verdict(kbgp: KbgpStatus) -> Verdict:
    """Judge the whole."""
    points = list(_points(kbgp))
    if not is_good(kbgp.checks):
        level, sentence = "bad", _trouble(kbgp)
    elif not is_ready(kbgp.checks):
        level, sentence = "starting", f"Starting: {'; '.join(failing_reasons(kbgp.checks, initializing=True))}."
    else:
        level, sentence = ("attention" if points else "good"), _work(kbgp, len(points))
    return Verdict(
        level=level,
        sentence=safe_text(sentence),
        points=tuple(points[:SHOWN_POINTS]),
        omitted=max(0, len(points) - SHOWN_POINTS),
    )


def _trouble(kbgp: KbgpStatus) -> str:
    if kbgp.control.connected:
        return "Something is broken; routes may not reach the backend."
    return "The backend cannot be reached; new routers cannot be admitted."


def _work(kbgp: KbgpStatus, points: int) -> str:
    sessions = len(kbgp.sessions)
    none = "No router is connected" if kbgp.counts.sessions_opened else "Ready; no router has connected yet"
    work = f"Relaying {counted(sessions, 'BGP session')}" if sessions else none
    return f"{work}; {counted(points, 'thing')} to look at." if points else f"{work}."


def _points(kbgp: KbgpStatus) -> Iterator[Point]:
    now = kbgp.now_ns / 1e9
    for check in failing(kbgp.checks):
        remedy = "" if kbgp.control.connected else f": see whether this machine reaches {kbgp.settings.target}"
        text = f"{check.name}: {check.detail}{since(check.seconds, now)}{remedy}"
        yield Point(safe_text(text), "#control")
    for session in kbgp.sessions:
        if session.stalled_seconds > STALL_WARNING_SECONDS:
            text = f"{session.peer}: one side has not read for {session.stalled_seconds:.0f} s"
            yield Point(safe_text(text), "#sessions")
        elif not session.connected:
            yield Point(safe_text(f"{session.peer}: its stream to the backend is interrupted"), "#sessions")
    for ended in _missed(kbgp):
        session = ended.session
        name = f" ({session.device})" if session.device else ""
        text = f"{session.device_ip}{name} has no session, since {clock(ended.ended_ns / 1e9, now)}: {ended.reason}"
        yield Point(safe_text(text), "#ended")
    if kbgp.denied:
        listed = ", ".join(entry.device_ip for entry in kbgp.denied[:3])
        more = f" and {len(kbgp.denied) - 3} more" if len(kbgp.denied) > 3 else ""
        them = "its address" if len(kbgp.denied) == 1 else "their addresses"
        again = duration(min(entry.ttl_seconds for entry in kbgp.denied))
        text = f"the backend does not know {listed}{more}: register {them} for BGP at a device; asked again in {again}"
        yield Point(safe_text(text), "#denied")
    if kbgp.signatures is not None and kbgp.signatures.problem:
        yield Point(safe_text(f"TCP MD5: {kbgp.signatures.problem}"), "#md5")


def _missed(kbgp: KbgpStatus) -> list[EndedStatus]:
    """The last session of each router that has had one in the last day and has none now."""
    here = {session.device_ip for session in kbgp.sessions} | {entry.device_ip for entry in kbgp.denied}
    last: dict[str, EndedStatus] = {}
    for ended in kbgp.history:  # the latest first
        if kbgp.now_ns - ended.ended_ns < GONE_SECONDS * 1e9:
            last.setdefault(ended.session.device_ip, ended)
    return [ended for address, ended in last.items() if address not in here]
