"""JSON from outside, within bounds; JSON to outside, compact or pretty. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kproxy_tw.errors import MalformedInput


def parse_json(body: bytes, *, limit: int) -> Any:
    """Parse a JSON text of at most ``limit`` bytes.

    :raises MalformedInput: too long, not UTF-8, no JSON, nested too deeply, or with a lone surrogate in a string.
    """
    if len(body) > limit:
        raise MalformedInput(f"{len(body)} bytes of JSON, at most {limit} are taken")
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"no valid JSON: {str(error)[:200]}") from None
    return parsed


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def dump_json(value: object, *, pretty: bool) -> bytes:
    """One JSON value, compact or indented, ASCII only, ``<`` escaped so that it is harmless inside HTML."""
    text = json.dumps(value, indent=2) if pretty else json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").encode("ascii")


def dump_json_list(values: Iterable[object], *, pretty: bool) -> bytes:
    """A JSON array, made piece by piece so that other threads get their turn meanwhile."""
    pieces = [dump_json(value, pretty=pretty) for value in values]
    return b"[\n%b\n]" % b",\n".join(pieces) if pretty and pieces else b"[%b]" % b",".join(pieces)


def text_field(values: Mapping[str, Any], name: str, *, limit: int) -> str:
    """A non-empty text of an object.

    :raises MalformedInput: it is missing, no text, empty, too long, or has unprintable characters.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value or len(value) > limit or not value.isprintable():
        raise MalformedInput(f"{name} must be a printable text of 1 to {limit} characters")
    return value
