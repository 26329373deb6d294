"""kbgp's page: verdict, counts, sessions, ended ones, deny list, control stream, TCP MD5, settings."""

from __future__ import annotations

from collections.abc import Mapping

from kproxy_tw.bgp.status import KbgpStatus
from kproxy_tw.web.kbgp.verdict import verdict

PAGE_ROWS = 500
"""Most rows of a table; the page says how many are left out and where they are."""


def page_values(kbgp: KbgpStatus) -> dict[str, object]:
    """Everything that ``kbgp.html`` shows."""
    return {
        "kbgp": kbgp,
        "now": kbgp.now_ns / 1e9,
        "verdict": verdict(kbgp),
        "counts": kbgp.counts,
        "refused": _occurred(kbgp.counts.refused),
        "ended": _occurred(kbgp.counts.ended),
        "sessions": kbgp.sessions[:PAGE_ROWS],
        "omitted_sessions": max(0, len(kbgp.sessions) - PAGE_ROWS),
        "denied": kbgp.denied[:PAGE_ROWS],
        "omitted_denied": max(0, len(kbgp.denied) - PAGE_ROWS),
    }


def _occurred(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons that have occurred, the most frequent first."""
    return sorted(((reason, count) for reason, count in counts.items() if count), key=lambda item: -item[1])
