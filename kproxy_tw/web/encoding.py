"""Values as JSON has them, and documents as bytes."""

from __future__ import annotations

import json
import math

Document = dict[str, object]


def encode(document: Document, *, pretty: bool = False) -> bytes:
    """JSON in ASCII, safe to be pasted into HTML; on one line, or indented with ``pretty``."""
    separators = None if pretty else (",", ":")
    text = json.dumps(document, indent=2 if pretty else None, separators=separators, allow_nan=False)
    return text.replace("<", "\\u003c").encode("ascii") + b"\n"


def number(value: float) -> float | int | None:
    """Whole numbers without a fraction; JSON has no infinity, so no limit is ``null``."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else value


def plain(value: object) -> object:
    """A setting as JSON has it."""
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)
