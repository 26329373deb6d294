"""What a check found, as a value and as a line."""

from __future__ import annotations

from typing import Literal

import attrs

from kproxy_tw.web.text import safe_text

Level = Literal["ok", "warn", "fail", "skip"]
"""Fine; works, but not as it should; does not work; could not be looked at, because something before it failed."""

MARKS = {"ok": "✓", "warn": "!", "fail": "✕", "skip": "-"}
COLORS = {"ok": "32", "warn": "33", "fail": "31", "skip": "2"}
"""Of the marks, on terminals that want colors (ECMA-48 SGR)."""

NAME_WIDTH = 15


@attrs.frozen
class Finding:
    """What a check found.

    :ivar name: of what was looked at.
    :ivar detail: what is.
    :ivar advice: what to do; empty when nothing is to be done.
    """

    name: str
    level: Level
    detail: str
    advice: str = ""

    def line(self, *, color: bool = False) -> str:
        """One line for a terminal; what came from outside cannot act on it."""
        mark = MARKS[self.level]
        if color:
            mark = f"\x1b[{COLORS[self.level]}m{mark}\x1b[0m"
        advice = f"; {_shown(self.advice)}" if self.advice else ""
        return f"{mark} {self.name:<{NAME_WIDTH}} {_shown(self.detail)}{advice}"

    def document(self) -> dict[str, str]:
        """The JSON object."""
        return {"Name": self.name, "Level": self.level, "Detail": self.detail, "Advice": self.advice}


def _shown(text: str) -> str:
    """Made harmless piece by piece: the whole may be longer than a device's text may be."""
    return " ".join(str(safe_text(word)) for word in text.split(" "))
