"""A bound on what a peer's message may make us allocate."""

from __future__ import annotations

import attrs

from kproxy_tw.errors import MalformedInput


@attrs.define(slots=True)
class Allowance:
    """Bytes that may still be allocated for one message."""

    left: int

    def take(self, size: int, purpose: str) -> None:
        """Use up ``size`` bytes. :raises MalformedInput: that many are not left."""
        if size > self.left:
            raise MalformedInput(f"{purpose} would take {size} bytes, {self.left} are left for this message")
        self.left -= size
