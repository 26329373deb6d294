"""Values as JSON has them, and documents as bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

Document = dict[str, object]


def encode(document: Document, *, pretty: bool = False) -> bytes:
    """JSON in ASCII, safe to be pasted into HTML; on one line, or indented with ``pretty``.

    Made piece by piece: other threads get their turn in between.
    """
    text = json.dumps(document, indent=2, allow_nan=False) if pretty else "".join(_pieces(document))
    return text.replace("<", "\\u003c").encode("ascii") + b"\n"


def _pieces(document: Document) -> Iterator[str]:
    yield "{"
    for place, (name, value) in enumerate(document.items()):
        yield f"{',' if place else ''}{_compact(name)}:"
        if isinstance(value, list):
            yield "["
            yield from (f"{',' if place else ''}{_compact(item)}" for place, item in enumerate(value))
            yield "]"
        else:
            yield _compact(value)
    yield "}"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


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
