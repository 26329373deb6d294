"""kbgp's log, one event per line: JSON for machines, or for people; the fields are named as in its documentation.

JSON: ``{"level": "info", "service": "ktbgp-agent", "time": "2026-01-31T12:34:56.789Z", "message": "...", fields}``.
For people: ``2026-01-31T12:34:56.789Z INF message field=value field="two words"``, the fields in the order of their
names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from twisted.logger import LogEvent, LogLevel, eventAsText

from kproxy_tw.redaction import MASK, Redaction, is_secret

SERVICE = "ktbgp-agent"
MAX_MESSAGE = 16384
MAX_VALUE = 4096

DASHED = {
    "peer_addr": "peer-addr",
    "local_addr": "local-addr",
    "session_id": "session-id",
    "client_metadata": "client-metadata",
}
"""Fields that are no Python names."""

_NOT_FIELDS = frozenset(
    {"format", "isError", "logLevel", "message", "system", "time", "why", "failure", "log", "service", "level"}
)
_SHORT = {
    LogLevel.debug: "DBG",
    LogLevel.info: "INF",
    LogLevel.warn: "WRN",
    LogLevel.error: "ERR",
    LogLevel.critical: "PNC",
}
_PLAIN = re.compile(r"[!#-<>-~]+")

EventText = Callable[[LogEvent], str | None]


class StructuredLog:
    """Makes lines of events.

    :param redaction: takes secrets out of every line.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def machine(self, event: LogEvent) -> str | None:
        """Make a line of JSON; ``None`` when the event has nothing to say."""
        message = _message(event)
        if not message:
            return None
        level = event.get("log_level") or LogLevel.info
        line = {"level": level.name, "service": SERVICE, "time": _time(event), "message": message}
        fields = {name: value for name, value in _fields(event, message).items() if name not in line}
        return self._redaction.clean(json.dumps({**line, **fields})) + "\n"

    def human(self, event: LogEvent) -> str | None:
        """Make a line for people; ``None`` when the event has nothing to say."""
        message = _message(event)
        if not message:
            return None
        safe = "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in message)
        level = _SHORT.get(event.get("log_level") or LogLevel.info, "INF")
        fields = {**_fields(event, message), "service": SERVICE}
        words = [f"{name}={_word(value)}" for name, value in sorted(fields.items())]
        first, newline, rest = safe.partition("\n")
        line = " ".join([_time(event), level, first, *words])
        more = newline + "\t" + rest.replace("\n", "\n\t") if newline else ""
        return self._redaction.clean(line + more) + "\n"


def _message(event: LogEvent) -> str:
    return eventAsText(event, includeTimestamp=False, includeSystem=False)[:MAX_MESSAGE].strip("\n")


def _time(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(event.get("log_time") or 0.0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(event: LogEvent, message: str) -> dict[str, object]:
    """The event's own fields under their documented names; one that is the whole message is not repeated."""
    return {
        DASHED.get(name, name): _masked(value) if is_secret(name) else _value(value)
        for name, value in event.items()
        if not name.startswith("log_") and name not in _NOT_FIELDS and value != message
    }


def _masked(value: object) -> object:
    return [MASK] * len(value) if isinstance(value, list | tuple) else MASK


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _masked(inner) if is_secret(str(name)) else _value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_value(inner) for inner in value]
    return str(value)[:MAX_VALUE]


def _word(value: object) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value)
    return json.dumps(value, separators=(",", ":"))
