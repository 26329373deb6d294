"""CertificateExpiry: for how long the certificates towards the backend are valid, theirs and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.logger import Logger

from kproxy_tw.status import Check

WARN_DAYS = 14
DAY = 86400.0

OWN = "our client certificate"
"""What ours is called; no host can be called so."""

MAX_NAMES = 16


class CertificateExpiry:
    """Is told of each certificate that is in use.

    :param wall: gives seconds since 1970.
    """

    log = Logger()

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._not_after: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def note(self, name: str, not_after: float) -> None:
        """A certificate is in use. :param name: the host's, or ``OWN``. :param not_after: seconds since 1970."""
        if name not in self._not_after and len(self._not_after) >= MAX_NAMES:
            return
        self._not_after[name] = not_after
        if self._days(not_after) < WARN_DAYS and self._told.get(name) != not_after:
            self._told[name] = not_after
            self.log.warn("{problem}", problem=self._words(name, not_after))

    def all(self) -> Mapping[str, float]:
        """Name to the end of validity, seconds since 1970."""
        return dict(self._not_after)

    def check(self) -> Check:
        """The check ``certificates``: failing once one has expired, a warning from ``WARN_DAYS`` days before."""
        if not self._not_after:
            return Check(name="certificates", status="ok", detail="none is in use yet")
        name, not_after = min(self._not_after.items(), key=lambda item: item[1])
        days, words = self._days(not_after), self._words(name, not_after)
        if days <= 0:
            return Check(name="certificates", status="failing", detail=words, seconds=-days * DAY)
        return Check(name="certificates", status="ok", detail=words, warning=days < WARN_DAYS)

    def _days(self, not_after: float) -> float:
        return (not_after - self._wall()) / DAY

    def _words(self, name: str, not_after: float) -> str:
        days = self._days(not_after)
        what = name if name == OWN else f"the certificate of {name}"
        when = f"expires in {days:.0f} days" if days > 0 else f"expired {-days:.0f} days ago"
        return f"{what} {when}{'; renew it' if days < WARN_DAYS else ''}"
