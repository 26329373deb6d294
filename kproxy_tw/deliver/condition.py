"""Condition: how delivery of one device fares, from the outcomes of its attempts."""

from __future__ import annotations

import attrs


@attrs.define
class Condition:
    """What the last attempts told. Times are monotonic seconds.

    :ivar since: the last success, or when something began to wait after that.
    :ivar connected: whether the last attempt brought an answer, whatever it said.
    :ivar last_status: HTTP status of the last answer, 0 before the first.
    :ivar last_error: what was wrong with the last attempt; empty if nothing.
    :ivar last_attempt: when the last attempt ended.
    :ivar failures: attempts in a row of which none delivered its message.
    :ivar held: the backend refuses the credentials.
    """

    since: float = 0.0
    connected: bool = False
    last_status: int = 0
    last_error: str = ""
    last_attempt: float = float("-inf")
    failures: int = 0
    held: bool = False

    def waits(self, now: float) -> None:
        """Something begins to wait where nothing waited."""
        self.since = now

    def delivered(self, now: float, status: int) -> None:
        """The backend took a message."""
        self.last_attempt = self.since = now
        self.connected, self.last_status, self.last_error = True, status, ""
        self.failures, self.held = 0, False

    def failed(self, now: float, status: int, error: str, *, held: bool = False) -> None:
        """An attempt did not deliver its message. :param status: 0 when there was no answer."""
        self.last_attempt = now
        self.connected, self.last_error = status != 0, error
        self.last_status = status or self.last_status
        self.failures += 1
        self.held = held

    def problem(self, now: float, *, waiting: int, attempts: int, seconds: float) -> str:
        """Why delivery counts as failing; empty while it does not.

        :param waiting: messages in the queue.
        :param attempts: failures in a row that are too many.
        :param seconds: without success, while something waits, that are too long.
        """
        if self.held:
            return self.last_error
        if self.failures >= attempts:
            return f"{self.failures} attempts failed, the last one: {self.last_error}"
        if waiting and now - self.since >= seconds:
            return f"nothing was taken for {now - self.since:.0f} s: {self.last_error or 'no answer yet'}"
        return ""
