"""The first thing that kbgp's page says."""

from __future__ import annotations

from collections.abc import Iterator

from kproxy_tw.bgp.relay import STALL_WARNING_SECONDS
from kproxy_tw.bgp.status import KbgpStatus
from kproxy_tw.web.health import failing_reasons, is_good, is_ready
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, counted
from kproxy_tw.web.text import safe_text


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
    work = f"Relaying {counted(sessions, 'BGP session')}" if sessions else "Ready; no router has connected yet"
    return f"{work}; {counted(points, 'thing')} to look at." if points else f"{work}."


def _points(kbgp: KbgpStatus) -> Iterator[Point]:
    for reason in failing_reasons(kbgp.checks):
        yield Point(safe_text(reason), "#control")
    for session in kbgp.sessions:
        if session.stalled_seconds > STALL_WARNING_SECONDS:
            text = f"{session.peer}: one side has not read for {session.stalled_seconds:.0f} s"
            yield Point(safe_text(text), "#sessions")
        elif not session.connected:
            yield Point(safe_text(f"{session.peer}: its stream to the backend is interrupted"), "#sessions")
    if kbgp.denied:
        listed = ", ".join(entry.device_ip for entry in kbgp.denied[:3])
        more = f" and {len(kbgp.denied) - 3} more" if len(kbgp.denied) > 3 else ""
        them = "its address" if len(kbgp.denied) == 1 else "their addresses"
        text = f"the backend does not know {listed}{more}: register {them} for BGP at a device"
        yield Point(safe_text(text), "#denied")
    if kbgp.signatures is not None and kbgp.signatures.problem:
        yield Point(safe_text(f"TCP MD5: {kbgp.signatures.problem}"), "#md5")
