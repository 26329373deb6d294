"""Questions: which unknown address may be asked for next, and when.

A few questions are under way at a time, a few start each second, and after a failure everything waits, since it is
the API that has trouble, and not the address. Forged source addresses can therefore not make us flood the API.
"""

from __future__ import annotations

from collections import deque

from kproxy_tw.backoff import Uniform, full_jitter
from kproxy_tw.devices.sources import MAX_ASKED

BURST = 32
"""Questions that may start at once after a quiet time."""
PER_SECOND = 5.0
"""Questions that may start per second in the long run."""
ATTEMPTS = 8
"""Failures after which a question is given up."""
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
"""Ceiling of the pause after failures."""
RESOLUTION_SECONDS = 0.001
"""A shorter wait is none: rounding must not make a timer fire again and again for the same moment."""


class Questions:
    """A bounded queue of addresses. Times named ``now`` are monotonic seconds.

    :param in_flight: questions under way at the same time; 1 as long as the last one failed.
    """

    def __init__(self, *, in_flight: int, uniform: Uniform) -> None:
        self._most = in_flight
        self._uniform = uniform
        self._queue: deque[str] = deque()
        self._failures: dict[str, int] = {}
        self._running: set[str] = set()
        self._failures_in_a_row = 0
        self._not_before = float("-inf")
        self._tokens = float(BURST)
        self._counted_at = float("-inf")

    def __len__(self) -> int:
        return len(self._failures)

    def add(self, address: str) -> bool:
        """Queue ``address`` unless it is queued or under way; false when there is no room."""
        if address in self._failures:
            return True
        if len(self._failures) >= MAX_ASKED:
            return False
        self._failures[address] = 0
        self._queue.append(address)
        return True

    def begin(self, now: float) -> str | None:
        """The next address to ask for now; it is under way from here on."""
        if not self._queue or not self._slot_free() or self._wait(now) > 0:
            return None
        self._tokens -= 1
        address = self._queue.popleft()
        self._running.add(address)
        return address

    def wait(self, now: float) -> float | None:
        """Seconds until :meth:`begin` is worth calling; ``None`` when only an answer or a new address helps."""
        return self._wait(now) if self._queue and self._slot_free() else None

    def answered(self, address: str) -> None:
        """The question has its answer, good or bad: the API is well."""
        self._finish(address)
        self._failures_in_a_row = 0

    def failed(self, address: str, now: float, least_wait: float = 0.0) -> bool:
        """The question got no answer; true when it is given up, else it comes again later.

        :param least_wait: seconds that the API asked to be left alone.
        """
        self._failures_in_a_row += 1
        pause = full_jitter(self._failures_in_a_row, FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS, self._uniform)
        self._not_before = max(self._not_before, now + max(pause, least_wait))
        failures = self._failures.get(address, ATTEMPTS) + 1
        self._finish(address)
        if failures >= ATTEMPTS:
            return True
        self._failures[address] = failures
        self._queue.append(address)
        return False

    def withdraw(self, address: str) -> None:
        """The answer came another way: a question that has not begun is not asked."""
        if address in self._failures and address not in self._running:
            self._queue.remove(address)
            del self._failures[address]

    def _finish(self, address: str) -> None:
        self._running.discard(address)
        self._failures.pop(address, None)

    def _slot_free(self) -> bool:
        return len(self._running) < (1 if self._failures_in_a_row else self._most)

    def _wait(self, now: float) -> float:
        earned = (now - self._counted_at) * PER_SECOND
        self._tokens, self._counted_at = min(float(BURST), self._tokens + earned), now
        wait = max(self._not_before - now, (1 - self._tokens) / PER_SECOND)
        return wait if wait > RESOLUTION_SECONDS else 0.0
