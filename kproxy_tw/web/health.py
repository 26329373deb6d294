"""One word for the whole: what ``/hc``, ``/healthz``, ``/readyz`` and the report's first line say."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.status import Check

SEVERITY = ("ok", "initializing", "old_result", "timeout", "failing")
"""Every status, from the best to the worst."""

_GOOD = ("ok", "initializing")


def _severity(check: Check) -> int:
    return SEVERITY.index(check.status) if check.status in SEVERITY else len(SEVERITY) - 1


def overall(checks: Sequence[Check]) -> str:
    """The worst status of all checks; ``ok`` when there are none. An unknown status counts as ``failing``."""
    return SEVERITY[max(map(_severity, checks), default=0)]


def is_good(checks: Sequence[Check]) -> bool:
    """Whether the daemon does its work or is about to."""
    return overall(checks) in _GOOD


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether the daemon does its work already."""
    return overall(checks) == "ok"


def failing(checks: Sequence[Check]) -> list[Check]:
    """The checks that are not good."""
    return [check for check in checks if check.status not in _GOOD]


def failing_reasons(checks: Sequence[Check], *, initializing: bool = False) -> list[str]:
    """``name: detail`` of each check that is not good (or not ``ok``, with ``initializing``)."""
    fine = _GOOD[:1] if initializing else _GOOD
    return [f"{check.name}: {check.detail}" for check in checks if check.status not in fine]
