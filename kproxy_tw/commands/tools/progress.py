"""A progress bar on a terminal; nothing where there is none."""

from __future__ import annotations

import time
from typing import TextIO

WIDTH = 30
EVERY_SECONDS = 0.2


class Progress:
    """Shows how much of ``total`` is done.

    :param stream: where it is drawn, if that is a terminal.
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = max(1, total)
        self._stream = stream
        self._drawn = 0.0
        self._started = time.monotonic()
        self.done = 0

    def step(self, count: int = 1) -> None:
        """``count`` more are done."""
        self.done += count
        now = time.monotonic()
        if self._stream.isatty() and (now - self._drawn >= EVERY_SECONDS or self.done >= self._total):
            self._drawn = now
            self._stream.write(f"\r{self.line(now)}")
            self._stream.flush()

    def line(self, now: float) -> str:
        """The bar, the share, the count, the speed and the time that is left."""
        share = min(1.0, self.done / self._total)
        elapsed = max(1e-9, now - self._started)
        left = elapsed / share - elapsed if share else 0.0
        bar = "#" * int(WIDTH * share)
        return (
            f"[{bar:.<{WIDTH}}] {share:4.0%}  {self.done:,} of {self._total:,} datagrams,"
            f" {self.done / elapsed:,.0f}/s, {left:,.0f} s left  "
        )

    def close(self) -> None:
        """Leave the line."""
        if self._stream.isatty():
            self._stream.write("\n")
