"""The device directory behind the device API: who may send, and what a client is told of a device. Pure.

Documents have the shape of the public device API, with its habits: ids, sample rate and SNMP speeds are
strings that hold integers, rates and plan ids are plain integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import attrs

from kproxy_tw.collector.bounded_json import parse_json, text_field
from kproxy_tw.errors import ConfigError, MalformedInput

MAX_DEVICES = 10_000
"""Devices in the directory."""

MAX_DEVICES_FILE = 32 << 20
"""Bytes of the ``-devices`` file."""

MAX_NAME = 255
MAX_SENDING_IPS = 1000
MAX_NUMBER = 0xFFFFFFFF
FIRST_ID = 1001
"""Id of the first device that is created when the directory is empty."""

DEFAULT_COMPANY = 1

Address = IPv4Address | IPv6Address

STRING_INTEGERS = ("id", "company_id", "device_sample_rate")
PLAIN_INTEGERS = ("max_flow_rate", "max_big_flow_rate")

DEFAULTS: Mapping[str, Any] = {
    "device_type": "router",
    "device_subtype": "router",
    "device_status": "V",
    "device_description": "",
    "labels": [],
    "cdn_attr": "N",
    "device_flow_type": "auto",
    "device_sample_rate": "1",
    "max_flow_rate": 0,
    "max_big_flow_rate": 0,
    "minimize_snmp": False,
    "device_snmp_ip": None,
    "device_snmp_community": None,
    "device_snmp_v3_conf": None,
    "device_bgp_type": "none",
    "device_bgp_neighbor_ip": None,
    "device_bgp_neighbor_ip6": None,
    "device_bgp_neighbor_asn": None,
    "device_bgp_password": None,
    "device_bgp_flowspec": False,
    "use_bgp_device_id": None,
    "custom_columns": "",
    "custom_column_data": [],
    "all_interfaces": [],
}
"""What a device document says where nothing else is given. A ``max_flow_rate`` of 0 leaves the cap to the agent."""


@attrs.frozen
class Device:
    """One device. ``document`` is its API object; nobody changes it."""

    id: int
    company_id: int
    name: str
    sending_ips: tuple[Address, ...]
    document: Mapping[str, Any] = attrs.field(repr=False)  # it may hold an SNMP community


def parse_address(text: str) -> Address | None:
    """The address a text names, an IPv4 address in IPv6 clothes as IPv4; ``None`` when it names none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _whole(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise MalformedInput(f"{name} must be a whole number from 0 to {MAX_NUMBER}")
    return value


def _sending_ips(fields: Mapping[str, Any]) -> tuple[Address, ...]:
    texts = fields.get("sending_ips")
    if not isinstance(texts, list) or len(texts) > MAX_SENDING_IPS:
        raise MalformedInput(f"sending_ips must be a list of at most {MAX_SENDING_IPS} addresses")
    found = []
    for text in texts:
        address = parse_address(text) if isinstance(text, str) else None
        if address is None:
            raise MalformedInput(f"sending_ips: {str(text)[:60]!r} is no IP address")
        found.append(address)
    return tuple(found)


def make_device(fields: object) -> Device:
    """A device from the fields of its API object; what is not given gets the defaults.

    :raises MalformedInput: a field that this program relies on is missing or of the wrong kind.
    """
    if not isinstance(fields, dict):
        raise MalformedInput("a device must be a JSON object")
    name = text_field(fields, "device_name", limit=MAX_NAME)
    filled = {**DEFAULTS, **fields}
    numbers = {field: _whole(filled, field) for field in (*STRING_INTEGERS, *PLAIN_INTEGERS)}
    if not numbers["id"]:
        raise MalformedInput("id must not be 0")
    addresses = _sending_ips(filled)
    document = {
        **filled,
        **{field: str(numbers[field]) for field in STRING_INTEGERS},
        **{field: numbers[field] for field in PLAIN_INTEGERS},
        "sending_ips": [str(address) for address in addresses],
        "ip": filled.get("ip") or (str(addresses[0]) if addresses else None),
        "plan": filled.get("plan") or _plan(numbers["company_id"]),
        "site": filled.get("site") or _site(numbers["company_id"]),
    }
    return Device(numbers["id"], numbers["company_id"], name, addresses, document)


def _plan(company_id: int) -> Mapping[str, object]:
    return {
        "id": 1,
        "name": "kcollect",
        "description": "",
        "company_id": company_id,
        "active": True,
        "bgp_enabled": True,
        "max_bigdata_fps": 30,
        "deviceTypes": [],
        "devices": [],
        "metadata": {},
    }


def _site(company_id: int) -> Mapping[str, object]:
    return {"id": 1, "site_name": "kcollect", "lat": None, "lon": None, "company_id": company_id}


def parse_devices(body: bytes, file: Path) -> list[Device]:
    """The devices of a ``-devices`` file: ``{"devices": [...]}``.

    :raises ConfigError: names the file, and the device where it is one device's fault.
    """
    try:
        parsed = parse_json(body, limit=MAX_DEVICES_FILE)
    except MalformedInput as error:
        raise ConfigError("devices", f"{file}: {error}") from None
    listed = parsed.get("devices") if isinstance(parsed, dict) else None
    if not isinstance(listed, list):
        raise ConfigError("devices", f'{file}: it must hold {{"devices": [...]}}')
    if len(listed) > MAX_DEVICES:
        raise ConfigError("devices", f"{file}: {len(listed)} devices, at most {MAX_DEVICES} are taken")
    found: list[Device] = []
    seen: dict[object, str] = {}
    for number, fields in enumerate(listed, 1):
        title = f"device {number} ({_name(fields)})"
        try:
            device = make_device(fields)
            _check_unique(device, title, seen)
        except MalformedInput as error:
            raise ConfigError("devices", f"{file}: {title}: {error}") from None
        found.append(device)
    return found


def _name(fields: object) -> str:
    name = fields.get("device_name") if isinstance(fields, dict) else None
    return name[:60] if isinstance(name, str) and name.isprintable() else "without a name"


def _check_unique(device: Device, title: str, seen: dict[object, str]) -> None:
    keys: Iterable[tuple[str, object]] = (
        (f"id {device.id}", device.id),
        ("this name", device.name),
        *((f"address {address}", address) for address in set(device.sending_ips)),
    )
    for what, key in keys:
        if key in seen:
            raise MalformedInput(f"{seen[key]} has {what} too")
        seen[key] = title


class DeviceDirectory:
    """Devices by id, name and address. What comes later never displaces an id that is there.

    :param listed: the devices of the file.
    :param auto_register: whether :meth:`draft_for` makes devices for unknown addresses.
    """

    def __init__(self, listed: Iterable[Device] = (), *, auto_register: bool = False) -> None:
        self.auto_register = auto_register
        self._by_id: dict[int, Device] = {}
        self._by_name: dict[str, Device] = {}
        self._by_address: dict[Address, Device] = {}
        self._created: list[Device] = []
        self._watchers: list[Callable[[], object]] = []
        self._last_id = FIRST_ID - 1
        self._fill(listed)

    def watch(self, changed: Callable[[], object]) -> None:
        """Call back after each change."""
        self._watchers.append(changed)

    def replace_listed(self, listed: Iterable[Device]) -> None:
        """Take what the file holds now; devices that were created while running stay."""
        self._by_id, self._by_name, self._by_address = {}, {}, {}
        self._fill([*listed, *self._created])
        self._tell()

    def add(self, device: Device) -> None:
        """Add a created device unless its id is there already; a name or address that is taken stays where it is."""
        self._created.append(device)
        self._fill([device])
        self._tell()

    def _fill(self, devices: Iterable[Device]) -> None:
        for device in devices:
            self._put(device)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed()

    def _put(self, device: Device) -> None:
        if device.id in self._by_id:
            return
        self._by_id[device.id] = device
        self._last_id = max(self._last_id, device.id)
        self._by_name.setdefault(device.name, device)
        self._by_name.setdefault(device.name.replace(".", "_"), device)
        for address in device.sending_ips:
            self._by_address.setdefault(address, device)

    def all(self) -> tuple[Device, ...]:
        """Every device, in the order of adding."""
        return tuple(self._by_id.values())

    def by_id(self, device_id: int) -> Device | None:
        """The device of that id."""
        return self._by_id.get(device_id)

    def find(self, key: str) -> Device | None:
        """The device of that id, sending address or name; dots and underscores in names are the same."""
        if key.isascii() and key.isdigit() and len(key) <= 10 and int(key) in self._by_id:
            return self._by_id[int(key)]
        address = parse_address(key)
        if address is not None and address in self._by_address:
            return self._by_address[address]
        return self._by_name.get(key) or self._by_name.get(key.replace(".", "_"))

    def draft(self, fields: Mapping[str, Any]) -> Device:
        """A device with the next free id, not added yet.

        :raises MalformedInput: a field cannot be used, the name or an address is taken, or the directory is full.
        """
        if len(self._by_id) >= MAX_DEVICES:
            raise MalformedInput(f"the directory is full: {MAX_DEVICES} devices")
        company = next(iter(self._by_id.values())).company_id if self._by_id else DEFAULT_COMPANY
        device = make_device({"sending_ips": [], **fields, "id": self._last_id + 1, "company_id": company})
        if self._by_name.get(device.name) or self._by_name.get(device.name.replace(".", "_")):
            raise MalformedInput(f"there is a device named {device.name} already")
        for address in device.sending_ips:
            if address in self._by_address:
                raise MalformedInput(f"{address} belongs to device {self._by_address[address].name} already")
        return device

    def draft_for(self, key: str) -> Device | None:
        """A device for an unknown address when that is wanted; ``None`` for anything else.

        :raises MalformedInput: the directory is full.
        """
        address = parse_address(key) if self.auto_register else None
        if address is None or address.is_unspecified or address.is_multicast:
            return None
        name = f"auto_{address}".replace(".", "_").replace(":", "_").replace("%", "_")
        return self.draft({"device_name": name, "sending_ips": [str(address)]})
