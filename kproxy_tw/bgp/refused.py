"""A router that does not get in."""

from __future__ import annotations

from kproxy_tw.bgp.interfaces import Parameters


class Refused(Exception):
    """Why; ``str()`` is the reason in words.

    :ivar cause: one of ``counts.REFUSALS``.
    :ivar blocked: the backend's answer, when it was that.
    """

    def __init__(self, cause: str, reason: str, blocked: Parameters | None = None) -> None:
        super().__init__(reason)
        self.cause = cause
        self.blocked = blocked
