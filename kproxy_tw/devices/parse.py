"""The API's device objects into :class:`~kproxy_tw.devices.device.Device` values.

What the backend sends is configuration, not truth: types, ranges, counts and lengths are checked, and one bad
device does not cost the others. Shapes: the device object of Kentik's internal API, where most integers
may be strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kproxy_tw.devices.device import Device, SnmpV3Credentials, canonical_address
from kproxy_tw.errors import MalformedInput

MAX_DEVICES = 50_000
MAX_SENDING_ADDRESSES = 1_024
MAX_CUSTOM_COLUMNS = 4_096
MAX_NAME = 255
"""Longest name of a device or a column, and longest other text, in characters."""
MAX_NUMBER = 2**32 - 1
MAX_DIGITS = 10
SHOWN_CHARACTERS = 40


@attrs.frozen
class Skipped:
    """A device that could not be used. ``device_id`` is 0 when not even that could be read."""

    device_id: int
    problem: str


@attrs.frozen
class DeviceList:
    """A list from the API: the usable devices in its order, and the others with the reason."""

    devices: tuple[Device, ...]
    skipped: tuple[Skipped, ...] = ()


def printable(text: str) -> str:
    r"""``text`` with every character escaped (``\x1b``) that does not print as itself: line ends, bidi marks, ..."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def parse_device(obj: object) -> Device:
    """One device object.

    :raises MalformedInput: no device, or a field of the wrong type, length or range; says which field.
    """
    fields = _mapping(obj, "a device")
    plan = _mapping(fields.get("plan") or {}, "plan")
    return Device(
        device_id=_number(fields, "id", least=1),
        company_id=_number(fields, "company_id"),
        name=_text(fields, "device_name", required=True),
        sending_addresses=frozenset(_addresses(fields)),
        device_type=_text(fields, "device_type"),
        subtype=_text(fields, "device_subtype"),
        flow_type=_text(fields, "device_flow_type"),
        sample_rate=_number(fields, "device_sample_rate", default=0),
        max_flow_rate=_number(fields, "max_flow_rate", default=0),
        plan_max_fps=_number(plan, "max_fps", default=0),
        enabled=_text(fields, "device_status") in ("", "V"),
        custom_columns=_custom_columns(fields),
        column_types=dict(_column_types(fields)),
        snmp_ip=_text(fields, "device_snmp_ip"),
        snmp_community=_raw(fields, "device_snmp_community"),
        snmp_v3=_snmp_v3(fields.get("device_snmp_v3_conf")),
        minimize_snmp=_flag(fields, "minimize_snmp"),
    )


def parse_device_answer(document: object) -> Device:
    """The answer to a question for one device: ``{"device": {...}}``. :raises MalformedInput: anything else."""
    return parse_device(_mapping(document, "the answer").get("device"))


def parse_device_list(document: object) -> DeviceList:
    """The answer to a question for all devices: ``{"devices": [...]}``.

    A device that breaks the rules is skipped, and so is the second one of the same id.

    :raises MalformedInput: no such list, too many devices, or devices of which not one is usable.
    """
    entries = _list(_mapping(document, "the answer").get("devices"), "devices", MAX_DEVICES)
    devices: dict[int, Device] = {}
    skipped: list[Skipped] = []
    for position, entry in enumerate(entries):
        try:
            device = parse_device(entry)
            if device.device_id in devices:
                raise MalformedInput(f"id {device.device_id} is there twice")
        except MalformedInput as problem:
            skipped.append(Skipped(_id_of(entry), f"devices[{position}]: {problem}"))
        else:
            devices[device.device_id] = device
    if skipped and not devices:
        raise MalformedInput(f"not one of {len(skipped)} devices is usable; the first: {skipped[0].problem}")
    return DeviceList(tuple(devices.values()), tuple(skipped))


def _id_of(entry: object) -> int:
    try:
        return _number(_mapping(entry, "a device"), "id", least=1)
    except MalformedInput:
        return 0


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedInput(f"{what} is {_kind(value)}, not an object")
    return value


def _list(value: object, what: str, most: int) -> list[object]:
    if not isinstance(value, list):
        raise MalformedInput(f"{what} is {_kind(value)}, not a list")
    if len(value) > most:
        raise MalformedInput(f"{what} has {len(value)} entries, more than {most}")
    return value


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__


def _number(fields: Mapping[str, Any], key: str, *, least: int = 0, default: int | None = None) -> int:
    value = fields.get(key)
    if value in (None, "") and default is not None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if type(value) is not int or not least <= value <= MAX_NUMBER:
        shown = printable(str(value)[:SHOWN_CHARACTERS]) if isinstance(value, str | float) else _kind(value)
        raise MalformedInput(f"{key} is {shown}, not an integer from {least} to {MAX_NUMBER}")
    return value


def _raw(fields: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    # Values stay out of the messages: some of these texts are secrets.
    value = fields.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        raise MalformedInput(f"{key} is {_kind(value or None)}, not a text")
    if len(value) > MAX_NAME:
        raise MalformedInput(f"{key} has {len(value)} characters, more than {MAX_NAME}")
    return value


def _text(fields: Mapping[str, Any], key: str, *, required: bool = False) -> str:
    return printable(_raw(fields, key, required=required))


def _flag(fields: Mapping[str, Any], key: str) -> bool:
    value = fields.get(key)
    if value is not None and not isinstance(value, bool):
        raise MalformedInput(f"{key} is {_kind(value)}, not true or false")
    return bool(value)


def _addresses(fields: Mapping[str, Any]) -> Iterator[str]:
    listed = _list(fields.get("sending_ips") or [], "sending_ips", MAX_SENDING_ADDRESSES)
    for value in (fields.get("ip") or "", *listed):
        if value == "":
            continue
        if not isinstance(value, str):
            raise MalformedInput(f"a sending address is {_kind(value)}, not a text")
        try:
            yield canonical_address(value)
        except MalformedInput as problem:
            raise MalformedInput(f"sending address {printable(value[:SHOWN_CHARACTERS])}: {problem}") from None


def _custom_columns(fields: Mapping[str, Any]) -> dict[str, int]:
    columns = dict(_columns_of_text(fields.get("custom_columns") or ""))
    for entry in _list(fields.get("custom_column_data") or [], "custom_column_data", MAX_CUSTOM_COLUMNS):
        column = _mapping(entry, "an entry of custom_column_data")
        columns[_text(column, "col_name", required=True)] = _number(column, "field_id")
    return columns


def _column_types(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Only of a list that :func:`_custom_columns` has checked."""
    for column in fields.get("custom_column_data") or []:
        kind = _text(column, "col_type")
        if kind:
            yield _text(column, "col_name"), kind


def _columns_of_text(value: object) -> Iterator[tuple[str, int]]:
    if not isinstance(value, str):
        raise MalformedInput(f"custom_columns is {_kind(value)}, not a text")
    if value.count(",") >= MAX_CUSTOM_COLUMNS:
        raise MalformedInput(f"custom_columns has more than {MAX_CUSTOM_COLUMNS} entries")
    for pair in filter(str.strip, value.split(",")):
        name, _equals, number = pair.strip().rpartition("=")
        column = {"a name in custom_columns": name, "an id in custom_columns": number}
        yield _text(column, "a name in custom_columns", required=True), _number(column, "an id in custom_columns")


def _snmp_v3(value: object) -> SnmpV3Credentials | None:
    if not value:
        return None
    fields = _mapping(value, "device_snmp_v3_conf")
    return SnmpV3Credentials(
        user_name=_text(fields, "UserName"),
        authentication_protocol=_text(fields, "AuthenticationProtocol"),
        authentication_passphrase=_raw(fields, "AuthenticationPassphrase"),
        privacy_protocol=_text(fields, "PrivacyProtocol"),
        privacy_passphrase=_raw(fields, "PrivacyPassphrase"),
        context_name=_text(fields, "ContextName"),
        context_engine_id=_text(fields, "ContextEngineID"),
    )
