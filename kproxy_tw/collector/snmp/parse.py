"""Interface documents and reports, checked and bounded. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from kproxy_tw.collector.bounded_json import parse_json
from kproxy_tw.errors import MalformedInput

MAX_DOCUMENT = 1 << 20
MAX_REPORT = 4 << 20
MAX_INTERFACES = 16_384
MAX_COMPONENTS = 1024
"""Processors, memories or temperatures of one report."""

MAX_TEXT = 4096
"""Characters of one text; longer ones are cut."""

MAX_KEY = 255
MAX_EXTRAS = 64
MAX_ALIASES = 256
MAX_COUNT = 2**64 - 1
MAX_INDEX = 2**32 - 1
MAX_TIME = 4_102_444_800
"""The year 2100, in seconds since 1970."""

COUNTERS: tuple[str, ...] = (
    "InOctets",
    "OutOctets",
    "InUnicast",
    "OutUnicast",
    "InMulticast",
    "OutMulticast",
    "InBroadcast",
    "OutBroadcast",
    "InDiscards",
    "OutDiscards",
    "InErrors",
    "OutErrors",
)

ENTRY_TEXTS = ("index", "alias", "desc", "address", "netmask", "vrf_name", "vrf_desc", "vrf_rd", "vrf_rt")
ENTRY_NUMBERS = ("speed", "type", "vrf_ext_rd")
SYSTEM_TEXTS = ("sys_name", "sys_object_id", "sys_descr", "sys_location", "sys_contact")


@attrs.frozen
class InterfaceDocument:
    """An interface document.

    :ivar interfaces: key (the index, with older agents a name) to the checked entry; only those that changed.
    :ivar system: what it says of the device; empty with older agents.
    """

    interfaces: Mapping[str, Mapping[str, Any]]
    system: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class InterfaceCounts:
    """What one poll says of an interface; growth is ``None`` where it is not known."""

    index: int
    name: str
    speed_bps: int
    admin_status: int
    oper_status: int
    seconds: float
    deltas: tuple[int | None, ...]


@attrs.frozen(kw_only=True)
class PollReport:
    """What one poll says. ``components``: kind, name, value, total of processors, memories, temperatures."""

    device_id: int
    time: float
    whole: bool
    error: str = ""
    uptime_seconds: float = 0.0
    duration_seconds: float = 0.0
    interfaces: tuple[InterfaceCounts, ...] = ()
    components: tuple[tuple[str, str, float, float], ...] = ()


def parse_document(body: bytes) -> InterfaceDocument:
    """The document of a PUT, the newer one or the plain map of interfaces of older agents.

    :raises MalformedInput: no JSON object of at most ``MAX_DOCUMENT`` bytes, or entries that are none.
    """
    whole = _object(parse_json(body, limit=MAX_DOCUMENT), "the document")
    newer = "interface_data" in whole
    entries = _object(whole["interface_data"] if newer else whole, "interface_data")
    if len(entries) > MAX_INTERFACES:
        raise MalformedInput(f"{len(entries)} interfaces, at most {MAX_INTERFACES} are taken")
    described = _object(whole.get("device_metrics_metadata") or {}, "device_metrics_metadata") if newer else {}
    system: dict[str, Any] = {name: _text(described.get(name)) for name in SYSTEM_TEXTS} if described else {}
    if system:
        system["sys_services"] = _whole(described.get("sys_services"), MAX_INDEX)
        system["manufacturer"] = _text(whole.get("manufacturer"))
    return InterfaceDocument({_key(key): _entry(entry, key) for key, entry in entries.items()}, system)


def _key(key: str) -> str:
    if not 0 < len(key) <= MAX_KEY:
        raise MalformedInput(f"the key of an interface must have 1 to {MAX_KEY} characters")
    return key


def _entry(entry: object, key: str) -> Mapping[str, Any]:
    fields = _object(entry, f"interface {key[:40]!r}")
    aliases = fields.get("alias_address") or []
    if not isinstance(aliases, list) or len(aliases) > MAX_ALIASES:
        raise MalformedInput(f"alias_address must be a list of at most {MAX_ALIASES} addresses")
    extra = _object(fields.get("extra_info") or {}, "extra_info")
    if len(extra) > MAX_EXTRAS:
        raise MalformedInput(f"extra_info has {len(extra)} entries, at most {MAX_EXTRAS} are taken")
    pairs = [_object(alias, "an address") for alias in aliases]
    return {
        **{name: _text(fields.get(name)) for name in ENTRY_TEXTS},
        **{name: _whole(fields.get(name), MAX_COUNT) for name in ENTRY_NUMBERS},
        "alias_address": [{name: _text(pair.get(name)) for name in ("address", "netmask")} for pair in pairs],
        "extra_info": {name[:MAX_KEY]: _text(value) for name, value in extra.items()},
    }


def parse_report(body: bytes) -> PollReport:
    """The report of a POST. :raises MalformedInput: it is none."""
    whole = _object(parse_json(body, limit=MAX_REPORT), "the report")
    interfaces = _list(whole, "Interfaces", MAX_INTERFACES)
    return PollReport(
        device_id=_whole(whole.get("DeviceID"), MAX_INDEX, required=True),
        time=_number(whole.get("Time"), MAX_TIME, required=True),
        whole="Error" in whole,
        error=_text(whole.get("Error")),
        uptime_seconds=_number(whole.get("UptimeSeconds"), MAX_COUNT),
        duration_seconds=_number(whole.get("DurationSeconds"), MAX_COUNT),
        interfaces=tuple(_interface(_object(one, "an interface")) for one in interfaces),
        components=(
            *(
                ("cpu", _text(one.get("Name")), _number(one.get("Percent"), MAX_COUNT), 100.0)
                for one in _objects(whole, "CPUs")
            ),
            *(
                (
                    "memory",
                    _text(one.get("Name")),
                    _number(one.get("Used"), MAX_COUNT),
                    _number(one.get("Total"), MAX_COUNT),
                )
                for one in _objects(whole, "Memories")
            ),
            *(
                ("temperature", _text(one.get("Name")), _number(one.get("Celsius"), MAX_COUNT, low=-300), 0.0)
                for one in _objects(whole, "Temperatures")
            ),
        ),
    )


def _interface(fields: Mapping[str, Any]) -> InterfaceCounts:
    deltas = _object(fields.get("Deltas") or {}, "Deltas")
    return InterfaceCounts(
        index=_whole(fields.get("Index"), MAX_INDEX, required=True),
        name=_text(fields.get("Name")),
        speed_bps=_whole(fields.get("SpeedBps"), MAX_COUNT),
        admin_status=_whole(fields.get("AdminStatus"), 255),
        oper_status=_whole(fields.get("OperStatus"), 255),
        seconds=_number(fields.get("Seconds"), MAX_COUNT),
        deltas=tuple(None if deltas.get(name) is None else _whole(deltas[name], MAX_COUNT) for name in COUNTERS),
    )


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedInput(f"{what} must be a JSON object")
    return value


def _list(fields: Mapping[str, Any], key: str, most: int) -> list[object]:
    value = fields.get(key) or []
    if not isinstance(value, list) or len(value) > most:
        raise MalformedInput(f"{key} must be a list of at most {most}")
    return value


def _objects(fields: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return [_object(one, f"an entry of {key}") for one in _list(fields, key, MAX_COMPONENTS)]


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedInput("a text is expected where something else stands")
    return value[:MAX_TEXT]


def _whole(value: object, most: int, *, required: bool = False) -> int:
    if value is None and not required:
        return 0
    if type(value) is not int or not 0 <= value <= most:
        raise MalformedInput(f"a whole number from 0 to {most} is expected")
    return value


def _number(value: object, most: float, *, low: float = 0, required: bool = False) -> float:
    if value is None and not required:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedInput("a number is expected")
    if not math.isfinite(value) or not low <= value <= most:
        raise MalformedInput(f"a number from {low} to {most} is expected")
    return float(value)
