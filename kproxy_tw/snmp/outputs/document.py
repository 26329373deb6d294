"""The interface document: what the backend is told of a device's interfaces, and only what changed.

Shape: that of the agents which poll SNMP for the backend, ``{"manufacturer", "interface_data": {ifIndex: {...}},
"device_metrics_metadata": {...}}``. There is no way to say that an interface is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from kproxy_tw.snmp.config import Comparison
from kproxy_tw.snmp.reading import Interface, SystemGroup

MAX_BODY = 256 * 1024
"""Bytes of one document; more interfaces are sent in several. Making a body takes milliseconds of the reactor."""

Entry = Mapping[str, Any]

BASIC_KEYS = ("index", "desc", "address", "netmask", "alias_address")
"""What the public senders of this document compare."""


@attrs.frozen
class Document:
    """A body, and what the backend knows once it has taken it.

    :ivar entries: interface index to its entry.
    """

    body: bytes = attrs.field(repr=False)
    entries: Mapping[int, Entry] = attrs.field(repr=False)
    system: Entry = attrs.field(factory=dict, repr=False)


def interface_entry(interface: Interface) -> Entry:
    """One interface as the document has it; numbers of the extra information are texts there."""
    addresses = [{"address": one.address, "netmask": one.netmask} for one in interface.addresses]
    first = addresses[0] if addresses else {"address": "", "netmask": ""}
    vrf = interface.vrf
    return {
        "index": str(interface.index),
        "alias": interface.alias,
        "desc": interface.descr or interface.name,
        "speed": interface.speed_mbps,
        "type": interface.type,
        **first,
        "alias_address": addresses[1:],
        "vrf_name": vrf.name if vrf else "",
        "vrf_desc": vrf.description if vrf else "",
        "vrf_rd": vrf.rd if vrf else "",
        "vrf_ext_rd": vrf.extended_rd if vrf else 0,
        "vrf_rt": ",".join(vrf.route_targets) if vrf else "",
        "extra_info": _extra(interface),
    }


def _extra(interface: Interface) -> Mapping[str, str]:
    known = {
        "name": interface.name,
        "mtu": interface.mtu,
        "mac": interface.mac,
        "admin_status": interface.admin_status,
        "oper_status": interface.oper_status,
        "connector_present": "" if interface.connector_present is None else interface.connector_present,
        "neighbors": ", ".join(
            f"{neighbor.system_name or neighbor.chassis_id} {neighbor.port_description or neighbor.port_id}".strip()
            for neighbor in interface.neighbors
        ),
    }
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in known.items() if value}


def system_entry(system: SystemGroup) -> Entry:
    """The system group as the document has it; the time that it is up is left out, for it always changes."""
    return {
        "manufacturer": system.manufacturer,
        "sys_name": system.name,
        "sys_object_id": system.object_id,
        "sys_descr": system.descr,
        "sys_location": system.location,
        "sys_contact": system.contact,
        "sys_services": system.services,
    }


def compared(entry: Entry, comparison: Comparison) -> Entry:
    """What of an entry counts when it is compared."""
    return {key: entry[key] for key in BASIC_KEYS} if comparison is Comparison.BASIC else entry


def changed_entries(
    found: Mapping[int, Entry], known: Mapping[int, Entry], comparison: Comparison
) -> Mapping[int, Entry]:
    """Those that the backend does not know as they are. :param known: what it has taken."""
    return {
        index: entry
        for index, entry in found.items()
        if index not in known or compared(entry, comparison) != compared(known[index], comparison)
    }


def documents(entries: Mapping[int, Entry], system: Entry) -> Iterator[Document]:
    """Bodies of at most :data:`MAX_BODY` bytes that tell of ``entries``, and one at least."""
    head = {key: value for key, value in system.items() if key != "manufacturer"}
    frame = len(_body({}, system, head))
    part: dict[int, Entry] = {}
    size = frame
    for index, entry in sorted(entries.items()):
        cost = len(json.dumps(entry)) + len(str(index)) + 6
        if part and size + cost > MAX_BODY:
            yield Document(_body(part, system, head), part, system)
            part, size = {}, frame
        part[index] = entry
        size += cost
    yield Document(_body(part, system, head), part, system)


def _body(entries: Mapping[int, Entry], system: Entry, head: Entry) -> bytes:
    document = {
        "manufacturer": system.get("manufacturer", ""),
        "interface_data": {str(index): entry for index, entry in entries.items()},
        "device_metrics_metadata": head,
    }
    return json.dumps(document).encode("ascii")


class Untold:
    """What the backend does not know yet of a device's interfaces.

    Nothing queues: it is worked out when it can be told, so that a backend which is away for a day costs no memory.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._found: Mapping[int, Entry] = {}
        self._system: Entry = {}
        self._known: dict[int, Entry] = {}
        self._known_system: Entry = {}
        self._entries: Mapping[int, Entry] = {}
        self._under_way: Document | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def found(self, entries: Mapping[int, Entry], system: Entry) -> None:
        """The device has these interfaces now, and this system group."""
        self._found, self._system = entries, system
        self._known = {index: entry for index, entry in self._known.items() if index in entries}
        always = self._comparison is Comparison.ALWAYS
        self._entries = entries if always else changed_entries(entries, self._known, self._comparison)

    def take(self) -> bytes | None:
        """The body to send next; ``None`` when there is nothing to tell."""
        if not self._entries and (not self._found or self._known_system == self._system):
            return None
        self._under_way = next(documents(self._entries, self._system))
        return self._under_way.body

    def done(self) -> None:
        """The body taken last has its fate."""
        document, self._under_way = self._under_way, None
        if document is None:
            return
        self._known.update(document.entries)
        self._known_system = document.system
        # What a newer description has replaced meanwhile stays untold.
        self._entries = {
            index: entry for index, entry in self._entries.items() if document.entries.get(index) is not entry
        }
