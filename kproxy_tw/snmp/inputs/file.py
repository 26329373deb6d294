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
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reload.listfile import BadField, BadFile, checked_keys, line_at, members, text_of
from kproxy_tw.snmp.inputs.credentials import v3_credentials
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

DEVICE = re.compile(r'"device_id"\s*:\s*"?(?P<device>[0-9]{1,10})')

Chosen = TypeVar("Chosen")
Given = TypeVar("Given")


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


def parse_snmp_file(content: bytes) -> Mapping[int, FileEntry]:
    """The entries by device id. :raises BadFile: the file breaks a rule; the text names the line, and the device."""
    text = text_of(content, MAX_BYTES)
    entries: dict[int, FileEntry] = {}
    for start, end, fields in members(text, "devices", DEVICE):
        if len(entries) >= MAX_DEVICES:
            raise BadFile(f"{line_at(text, start)}: more than {MAX_DEVICES} devices")
        entry = _entry(text, start, end, fields)
        if entry.device_id in entries:
            raise BadFile(f"{line_at(text, start)}: device {entry.device_id} is there twice")
        entries[entry.device_id] = entry
    return entries


def _entry(text: str, start: int, end: int, fields: object) -> FileEntry:
    try:
        return _checked(fields)
    except BadField as problem:
        device = _device(fields)
        place = problem.place(text, start, end)
        raise BadFile(f"{place}{f', device {device}' if device else ''}: {problem}") from None


def _device(fields: object) -> int:
    try:
        return _id(fields) if isinstance(fields, dict) else 0
    except BadField:
        return 0


def _checked(fields: object) -> FileEntry:
    fields = checked_keys(fields, KEYS, "a device")
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
        raise BadField(key, str(problem)) from None


def _id(fields: Mapping[str, Any]) -> int:
    value = fields.get("device_id")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_ID:
        problem = "is missing" if value is None else f"must be a whole number from 1 to {MAX_ID}"
        raise BadField("device_id", problem)
    return value


def _text(fields: Mapping[str, Any], key: str, most: int, *, required: bool = True) -> str:
    value = fields.get(key)
    if value is None and not required:
        return ""
    if value is None:
        raise BadField(key, "is missing")
    if not isinstance(value, str) or (required and not value):
        raise BadField(key, "must be a text that is not empty")
    if len(value) > most:
        raise BadField(key, f"has {len(value)} characters, at most {most} are taken")
    return value


def _choice(fields: Mapping[str, Any], key: str, choices: Mapping[object, Chosen], default: Chosen) -> Chosen:
    value = fields.get(key)
    if value is None:
        return default
    for known, choice in choices.items():
        if type(value) is type(known) and value == known:
            return choice
    raise BadField(key, f"must be one of {', '.join(json.dumps(known) for known in choices)}")
