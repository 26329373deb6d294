"""Words for people: numbers, times, and strings from devices that cannot harm a page, a log or a terminal."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

DEVICE_TEXT_LENGTH = 255
"""Longest string from a device that is shown, in characters."""

NEVER = "0001-01-01T00:00:00Z"
"""How the original's JSON says that something has not happened yet: the zero time of its language."""

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (bidi and zero-width among them), surrogates, line and paragraph separators."""

_SI_PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_DURATION_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def safe_text(text: object) -> str:
    """A string from outside as it may be shown: what acts instead of being seen becomes ``\\xNN`` or ``\\uNNNN``.

    Cut at ``DEVICE_TEXT_LENGTH`` characters, with an ellipsis. HTML escaping is the template's.
    """
    whole = str(text)
    if len(whole) <= DEVICE_TEXT_LENGTH and whole.isprintable():
        return whole
    shown = "".join(_visible(character) for character in whole[:DEVICE_TEXT_LENGTH])
    return shown + "…" if len(whole) > DEVICE_TEXT_LENGTH else shown


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    code = ord(character)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def si_number(value: float, unit: str = "") -> str:
    """At most four digits and a decimal prefix: ``9876``, ``1.23 M``; a unit follows the prefix (``1.2 kB``)."""
    size, index = float(value), 0
    if abs(size) < (1000 if unit else 10_000) and size == int(size):
        return f"{int(size)} {unit}".rstrip()
    while abs(size) >= 999.5 and index < len(_SI_PREFIXES) - 1:
        size, index = size / 1000, index + 1
    digits = f"{size:.3g}"
    return f"{digits} {_SI_PREFIXES[index]}{unit}".rstrip()


def percent(part: float, whole: float) -> str:
    """``part`` of ``whole`` in percent; a dash when there is no whole. What is not nothing never reads 0 %."""
    if not whole:
        return "-"
    share = 100 * part / whole
    return "< 0.1 %" if 0 < share < 0.1 else f"{share:.1f} %".replace(".0 %", " %")


_WHOLE_RATE = 100
"""From here on a rate is shown without its fraction."""


def ratio_text(value: float) -> str:
    """The n of a sampling rate of 1:n, short."""
    return f"{value:.0f}" if value >= _WHOLE_RATE else f"{value:.4g}"


def utc_time(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339 with ``Z`` and milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(seconds: float) -> str:
    """Seconds since 1970 as :func:`utc_time`; 0, never, is the year 1."""
    return utc_time(seconds) if seconds else NEVER


def utc_nanoseconds(nanoseconds: int | None) -> str:
    """Nanoseconds since 1970 as RFC 3339 with ``Z`` and all nine digits; ``None``, never, is the year 1."""
    if nanoseconds is None:
        return NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def utc_clock(seconds: float) -> str:
    """Seconds since 1970 as ``2026-01-31 12:34:56`` in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def local_clock(seconds: float) -> str:
    """Seconds since 1970 as ``2026-01-31 12:34:56`` in this machine's zone; a page's script shows the reader's."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def local_zone(seconds: float) -> str:
    """This machine's zone at a moment, as ``UTC+01:00``."""
    return f"UTC{datetime.fromtimestamp(seconds, UTC).astimezone().isoformat()[-6:]}"


def duration(seconds: float) -> str:
    """The two largest units: ``1 d 2 h``, ``3 min 4 s``, ``0 s``."""
    left, parts = max(0, int(seconds)), []
    for size, unit in _DURATION_UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or "0 s"
