"""What agents post besides flows: their own metrics, DNS answers. Checked and counted. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from kproxy_tw.collector.bounded_json import parse_json, text_field
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader

MAX_TSDB_BODY = 4 << 20
MAX_TSDB_ITEMS = 50_000
MAX_METRIC_NAME = 1024
MAX_DNS_BODY = 8 << 20
MAX_MSGPACK_DEPTH = 16


def parse_metrics(body: bytes) -> list[dict[str, Any]]:
    """The values of a ``/tsdb`` body: a JSON array of ``{metric, timestamp, value, tags}``.

    :raises MalformedInput: it is not that.
    """
    items = parse_json(body, limit=MAX_TSDB_BODY)
    if not isinstance(items, list) or len(items) > MAX_TSDB_ITEMS:
        raise MalformedInput(f"a JSON array of at most {MAX_TSDB_ITEMS} metrics is expected")
    for item in items:
        _check_metric(item)
    return items


class LatestMetrics:
    """The last value of each metric and set of tags, in memory, within bounds; the oldest ones make room.

    :param most: values that are kept.
    """

    def __init__(self, most: int = MAX_TSDB_ITEMS) -> None:
        self._most = most
        self._values: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()

    def keep(self, items: Iterable[dict[str, Any]]) -> None:
        """Keep values, checked by :func:`parse_metrics`, in place of the last ones."""
        for item in items:
            key = item["metric"], *sorted((name, str(value)) for name, value in item.get("tags", {}).items())
            self._values[key] = {name: item.get(name) for name in ("metric", "timestamp", "value", "tags")}
            self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def all(self) -> list[dict[str, Any]]:
        """Every value, the one that came last at the end."""
        return list(self._values.values())


def _check_metric(item: object) -> None:
    if not isinstance(item, dict):
        raise MalformedInput("each metric must be a JSON object")
    text_field(item, "metric", limit=MAX_METRIC_NAME)
    for name in ("timestamp", "value"):
        if isinstance(item.get(name), bool) or not isinstance(item.get(name), int | float):
            raise MalformedInput(f"{name} of a metric must be a number")
    if not isinstance(item.get("tags", {}), dict):
        raise MalformedInput("tags of a metric must be a JSON object")


def count_dns(body: bytes) -> int:
    """How many answers a ``/dns`` body holds: msgpack maps, one behind the other.

    :raises MalformedInput: empty, too long, or something else.
    """
    if not 0 < len(body) <= MAX_DNS_BODY:
        raise MalformedInput(f"1 to {MAX_DNS_BODY} bytes of msgpack are expected")
    reader, count = Reader(body), 0
    while reader.remaining:
        if _skip_value(reader, MAX_MSGPACK_DEPTH) != "map":
            raise MalformedInput("each DNS answer must be a msgpack map")
        count += 1
    return count


_FIXED_SIZES = {
    **dict.fromkeys((0xC0, 0xC2, 0xC3), 0),
    0xCA: 4,
    0xCB: 8,
    0xCC: 1,
    0xCD: 2,
    0xCE: 4,
    0xCF: 8,
    0xD0: 1,
    0xD1: 2,
    0xD2: 4,
    0xD3: 8,
    0xD4: 2,
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
}
"""Type byte to bytes behind it: nil, booleans, floats, integers, fixed extensions (msgpack specification)."""

_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Type byte to the width of its length: binaries and strings."""

_SIZED_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_COUNTED = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Type byte to the width of its count and the values per count: arrays and maps."""


def _integer(reader: Reader, width: int) -> int:
    return {1: reader.u8, 2: reader.u16, 4: reader.u32}[width]()


def _skip_value(reader: Reader, depth: int) -> str:
    """Step over one msgpack value; gives ``map``, or ``other``."""
    kind = reader.u8()
    if kind <= 0x7F or kind >= 0xE0:
        return "other"
    if 0xA0 <= kind <= 0xBF:
        reader.skip(kind & 0x1F)
    elif kind in _FIXED_SIZES:
        reader.skip(_FIXED_SIZES[kind])
    elif kind in _SIZED:
        reader.skip(_integer(reader, _SIZED[kind]))
    elif kind in _SIZED_EXTENSIONS:
        reader.skip(1 + _integer(reader, _SIZED_EXTENSIONS[kind]))
    else:
        return _skip_values(reader, kind, depth)
    return "other"


def _skip_values(reader: Reader, kind: int, depth: int) -> str:
    if kind <= 0x9F:
        per_count = 2 if kind <= 0x8F else 1
        count = kind & 0x0F
    elif kind in _COUNTED:
        width, per_count = _COUNTED[kind]
        count = _integer(reader, width)
    else:
        raise MalformedInput(f"0x{kind:02x} is no msgpack type")
    if not depth or count * per_count > reader.remaining:
        raise MalformedInput("msgpack is nested too deeply, or counts more values than there are")
    for _ in range(count * per_count):
        _skip_value(reader, depth - 1)
    return "map" if per_count == 2 else "other"
