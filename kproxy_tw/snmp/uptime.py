"""Has the agent been running on since the last poll? Pure.

``sysUpTime`` counts hundredths of a second in 32 bits, which go round after 497 days.
"""

from __future__ import annotations

from enum import Enum

import attrs

ROUND_SECONDS = (1 << 32) / 100

DRIFT = 0.02
SLACK_SECONDS = 10.0
"""How far an agent's clock may be off: a share of the time between, and some more."""

STILL_SECONDS = 5.0
"""Polls further apart than this must see an agent's clock move."""


class Continuity(Enum):
    """What became of an agent between two polls."""

    GOES_ON = "goes on"
    RESTARTED = "restarted"
    STANDS_STILL = "stands still"


@attrs.frozen
class Uptime:
    """An agent's clock.

    :ivar seconds: since it started, as it says.
    :ivar at: when it said so, in seconds of our clock.
    """

    seconds: float
    at: float

    def since(self, before: Uptime) -> Continuity:
        """Compare with an earlier one.

        An agent that has restarted cannot have been up for longer than the time between.
        """
        passed = self.at - before.at
        slack = SLACK_SECONDS + DRIFT * passed
        if self.seconds == before.seconds and passed > STILL_SECONDS:
            return Continuity.STANDS_STILL
        expected = before.seconds + passed
        if self.seconds >= before.seconds or abs(self.seconds - expected % ROUND_SECONDS) <= slack:
            behind = expected - self.seconds
            restarted = self.seconds >= before.seconds and behind > slack and self.seconds <= passed + slack
            return Continuity.RESTARTED if restarted else Continuity.GOES_ON
        return Continuity.RESTARTED
