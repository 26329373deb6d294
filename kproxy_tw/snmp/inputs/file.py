"""``-snmp_file``: SNMP settings by device, kept on this machine and not at the backend.

::

    {"devices": [{"device_id": 2466, "snmp_comm": "...", "snmp_ip": "192.0.2.1", "minimize_snmp": true,
                  "snmp_v3": {"UserName": "...", ...}}, ...]}

The format is the original's; ``snmp_v3`` may also be a text that holds JSON, and ``minimize_snmp`` the text ``"true"``.
Only ``snmp_version`` is ours: ``"1"`` for an agent that knows no other. Errors name line and device, and no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from json import JSONDecodeError, JSONDecoder
from typing import Any, TypeVar

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.inputs.credentials import KeyTwice, shown, unique_object, v3_credentials
from kproxy_tw.snmp.inputs.policy import endpoint
from kproxy_tw.snmp.settings import V3Credentials, Version

MAX_BYTES = 16 << 20
MAX_DEVICES = 50_000
MAX_COMMUNITY = 255
MAX_ADDRESS = 128
MAX_ID = 2**32 - 1

KEYS = frozenset({"device_id", "snmp_comm", "snmp_ip", "minimize_snmp", "snmp_v3", "snmp_version"})
BOOLEANS: Mapping[object, bool] = {True: True, False: False, "true": True, "false": False}
VERSIONS: Mapping[object, Version] = {
    "1": Version.V1,
    1: Version.V1,
    "2c": Version.V2C,
    "2": Version.V2C,
    2: Version.V2C,
}

Chosen = TypeVar("Chosen")
Given = TypeVar("Given")

_DEVICE_ID = re.compile(r'"device_id"\s*:\s*"?([0-9]{1,10})')
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = JSONDecoder(object_pairs_hook=unique_object)


@attrs.frozen(kw_only=True)
class FileEntry:
    """The settings of one device. Secrets never show in a ``repr``."""

    device_id: int
    address: str
    port: int
    community: str = attrs.field(default="", repr=False)
    version: Version = Version.V2C
    minimize: bool = False
    v3: V3Credentials | None = None


class BadFile(MalformedInput):
    """The file cannot be used; says where and why."""


def parse_snmp_file(content: bytes) -> Mapping[int, FileEntry]:
    """The entries by device id. :raises BadFile: the file breaks a rule; the text names the line, and the device."""
    if len(content) > MAX_BYTES:
        raise BadFile(f"{len(content)} bytes, at most {MAX_BYTES} are taken")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise BadFile(f"line {line}: is not UTF-8") from None
    entries: dict[int, FileEntry] = {}
    for start, end, fields in _objects(text):
        if len(entries) >= MAX_DEVICES:
            raise BadFile(f"{_line(text, start)}: more than {MAX_DEVICES} devices")
        entry = _entry(text, start, end, fields)
        if entry.device_id in entries:
            raise BadFile(f"{_line(text, start)}: device {entry.device_id} is there twice")
        entries[entry.device_id] = entry
    return entries


def _line(text: str, position: int) -> str:
    return f"line {text.count(chr(10), 0, position) + 1}"


def _entry(text: str, start: int, end: int, fields: object) -> FileEntry:
    try:
        return _checked(fields)
    except _BadField as problem:
        found = re.compile(rf'"{re.escape(problem.key)}"\s*:').search(text, start, end) if problem.key else None
        device = _device(fields)
        place = _line(text, found.start() if found else start)
        raise BadFile(f"{place}{f', device {device}' if device else ''}: {problem}") from None


class _BadField(MalformedInput):
    """A key of a device has a value that it cannot have."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{shown(key) if key not in KEYS else key} {problem}" if key else problem)
        self.key = key


def _device(fields: object) -> int:
    try:
        return _id(fields) if isinstance(fields, dict) else 0
    except _BadField:
        return 0


def _checked(fields: object) -> FileEntry:
    if not isinstance(fields, dict):
        raise _BadField("", "a device must be an object")
    unknown = next((key for key in fields if key not in KEYS), None)
    if unknown is not None:
        raise _BadField(unknown, f"is no key of a device; there are {', '.join(sorted(KEYS))}")
    address, port = _read("snmp_ip", endpoint, _text(fields, "snmp_ip", MAX_ADDRESS))
    v3 = None if fields.get("snmp_v3") is None else _read("snmp_v3", v3_credentials, fields["snmp_v3"])
    version = _choice(fields, "snmp_version", VERSIONS, Version.V2C)
    return FileEntry(
        device_id=_id(fields),
        address=address,
        port=port,
        community=_text(fields, "snmp_comm", MAX_COMMUNITY, required=v3 is None),
        version=version if v3 is None else Version.V3,
        minimize=_choice(fields, "minimize_snmp", BOOLEANS, False),
        v3=v3,
    )


def _read(key: str, reader: Callable[[Given], Chosen], value: Given) -> Chosen:
    """A value that another module checks."""
    try:
        return reader(value)
    except MalformedInput as problem:
        raise _BadField(key, str(problem)) from None


def _id(fields: Mapping[str, Any]) -> int:
    value = fields.get("device_id")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_ID:
        problem = "is missing" if value is None else f"must be a whole number from 1 to {MAX_ID}"
        raise _BadField("device_id", problem)
    return value


def _text(fields: Mapping[str, Any], key: str, most: int, *, required: bool = True) -> str:
    value = fields.get(key)
    if value is None and not required:
        return ""
    if value is None:
        raise _BadField(key, "is missing")
    if not isinstance(value, str) or (required and not value):
        raise _BadField(key, "must be a text that is not empty")
    if len(value) > most:
        raise _BadField(key, f"has {len(value)} characters, at most {most} are taken")
    return value


def _choice(fields: Mapping[str, Any], key: str, choices: Mapping[object, Chosen], default: Chosen) -> Chosen:
    value = fields.get(key)
    if value is None:
        return default
    for known, choice in choices.items():
        if type(value) is type(known) and value == known:
            return choice
    raise _BadField(key, f"must be one of {', '.join(json.dumps(known) for known in choices)}")


def _objects(text: str) -> Iterator[tuple[int, int, object]]:
    """The members of ``devices``, each with where it begins and ends. :raises BadFile: the file is not of the form."""
    at = _expect(text, _skip(text, 0), "{")
    listed = False
    while (at := _skip(text, at)) < len(text) and text[at] != "}":
        if listed:
            at = _skip(text, _expect(text, at, ","))
        key, at = _value(text, at)
        if key != "devices" or listed:
            problem = "is there twice" if key == "devices" else "is no key of the file; only devices is"
            raise BadFile(f"{_line(text, at - 1)}: {shown(str(key))} {problem}")
        at = _expect(text, _skip(text, _expect(text, _skip(text, at), ":")), "[")
        at = yield from _members(text, at)
        listed = True
    at = _skip(text, _expect(text, at, "}"))
    if not listed:
        raise BadFile(f'{_line(text, at)}: there is no "devices"')
    if at < len(text):
        raise BadFile(f"{_line(text, at)}: something follows the end")


def _members(text: str, at: int) -> Generator[tuple[int, int, object], None, int]:
    """The members of a list, and at last where it ends."""
    first = True
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        if not first:
            at = _skip(text, _expect(text, at, ","))
        value, end = _value(text, at)
        yield at, end, value
        at, first = end, False
    return _expect(text, at, "]")


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except JSONDecodeError as problem:
        raise BadFile(f"{_place(text, at, problem.pos)}: no valid JSON: {problem.msg}") from None
    except KeyTwice as problem:
        found = [match.start() for match in re.finditer(rf'"{re.escape(problem.key)}"\s*:', text[at:])]
        raise BadFile(f"{_place(text, at, at + found[1] if len(found) > 1 else at)}: {problem}") from None
    except (ValueError, RecursionError):
        raise BadFile(f"{_place(text, at, at)}: no valid JSON") from None


def _place(text: str, begin: int, position: int) -> str:
    """The line of a position in an object that cannot be read, and its device as far as it can be seen."""
    end = text.find("}", position)
    found = _DEVICE_ID.search(text, begin, end if end >= 0 else len(text))
    return f"{_line(text, position)}{f', device {found[1]}' if found else ''}"


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise BadFile(f"{_line(text, at)}: no valid JSON: {sign!r} is expected")
    return at + 1
