"""Answers of the last moments, for those who ask the same again: an open page does, every few seconds. Pure."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import attrs

from kproxy_tw.collector.traffic.dimensions import Names
from kproxy_tw.collector.traffic.query import Reads, Traffic, traffic
from kproxy_tw.collector.traffic.question import Question

MOST = 16
"""Answers that are kept; each has a few thousand numbers."""

LEAST_SECONDS = 10.0
"""For so long, or one step of the chart, an answer holds; flows that came late show after that."""


@attrs.frozen
class _Kept:
    answer: Traffic
    until: float


class RecentAnswers:
    """Asks the store, or remembers. For any thread.

    :param seconds: a monotonic clock.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._guard = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def ask(self, store: Reads, question: Question, names: Names) -> tuple[Traffic, float]:
        """The answer, and how many seconds it took to get it: none when it was there.

        :raises StoreError: the store cannot be read, or not in time.
        """
        key = f"{question.query()} {question.time.start} {question.time.stop}"
        began = self._seconds()
        with self._guard:
            kept = self._kept.get(key)
        if kept is not None and began < kept.until:
            return kept.answer, 0.0
        answer = traffic(store, question, names)
        ended = self._seconds()
        with self._guard:
            self._kept[key] = _Kept(answer, ended + max(LEAST_SECONDS, question.time.step))
            self._kept.move_to_end(key)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return answer, ended - began
