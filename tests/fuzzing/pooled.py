"""Many inputs walked one by one and decoded together: columns cost the same for one record and for thousands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from tests.fuzzing.targets import Target


@attrs.define
class Pool:
    """What a fuzzer calls for each input.

    :ivar size: inputs that are decoded together.
    :ivar runs: after so many nothing waits for others.
    :ivar blame: told of an input that broke a decoder, for the fuzzer knows only the last one.
    """

    target: Target
    size: int
    runs: int
    blame: Callable[[bytes], None]
    _waiting: list[tuple[bytes, Any]] = attrs.field(init=False, factory=list)
    _done: int = attrs.field(init=False, default=0)

    def __call__(self, data: bytes) -> None:
        """Walk an input, and decode it with others when they are enough."""
        self._waiting.append((data, self.target.walk(data)))
        self._done += 1
        if len(self._waiting) >= self.size or self._done >= self.runs:
            waiting, self._waiting = self._waiting, []
            try:
                self.target.decode([walked for _data, walked in waiting])
            except Exception:
                self._find_guilty(waiting)
                raise

    def _find_guilty(self, waiting: list[tuple[bytes, Any]]) -> None:
        """Blame each input that breaks alone; all of them when none does."""
        guilty = [data for data, walked in waiting if self._breaks(walked)]
        for data in guilty or [data for data, _walked in waiting]:
            self.blame(data)

    def _breaks(self, walked: Any) -> bool:
        try:
            self.target.decode([walked])
        except Exception:
            return True
        return False


def keep_in(folder: Path, name: str) -> Callable[[bytes], None]:
    """Writes inputs to files of ``folder``, beside those of libFuzzer."""

    def keep(data: bytes) -> None:
        (folder / f"{name}-crash-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)

    return keep
