"""Records that name the device that they are of."""

from __future__ import annotations

import ipaddress

import pytest

from kproxy_tw.decode import netflow9
from kproxy_tw.decode.exporters import MAX_EXPORTERS
from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template, v9
from tests.test_intake import Bench

Found = list[tuple[str, int, list[int]]]
"""(exporter, count, octets) of each record set."""

PROBE = Device(device_id=1, company_id=1, name="probe", sending_addresses=frozenset({"192.0.2.1"}))
EDGE = Device(device_id=2, company_id=1, name="edge", sending_addresses=frozenset({"10.0.0.1"}))


def packed(text: str) -> bytes:
    """An address in network order."""
    return ipaddress.ip_address(text).packed


def sets(*records: bytes, fields: tuple[tuple[int, int], ...] = ((130, 4), (1, 4))) -> Found:
    """What the walk makes of records."""
    found = netflow9.walk(v9(a_set(0, template(256, *fields)), a_set(256, *records)), TemplateCache(), NOW_NS)
    assert found.records == sum(records.count for records in found.sets)
    return [
        (records.exporter, records.count, records.layout.columns([records], None).column("in_bytes").tolist())
        for records in found.sets
    ]


def test_records_are_sorted_by_exporter() -> None:
    """Each exporter's records are a set of their own, in their order; zero names nobody."""
    addresses = ("10.0.0.1", str(ipaddress.IPv4Address(0)), "10.0.0.2", "10.0.0.1")
    records = [packed(address) + number(index, 4) for index, address in enumerate(addresses)]
    assert sorted(sets(*records)) == [("", 1, [1]), ("10.0.0.1", 2, [0, 3]), ("10.0.0.2", 1, [2])]


def test_one_exporter() -> None:
    """The common case stays one set."""
    assert sets(*[packed("10.0.0.9") + number(7, 4)] * 3) == [("10.0.0.9", 3, [7, 7, 7])]


def test_ipv6_exporters() -> None:
    """exporterIPv6Address stands in where exporterIPv4Address is zero."""
    fields = ((130, 4), (131, 16), (1, 4))
    records = (
        packed("10.0.0.1") + bytes(16) + number(1, 4),
        bytes(4) + packed("2001:db8::5") + number(2, 4),
    )
    assert sorted(sets(*records, fields=fields)) == [("10.0.0.1", 1, [1]), ("2001:db8::5", 1, [2])]


def test_records_of_variable_length() -> None:
    """Records that differ in length are sorted too."""
    fields = ((130, 4), (96, 65535), (1, 4))
    records = [
        packed(address) + number(size, 1) + b"x" * size + number(size, 4)
        for address, size in (("10.0.0.1", 3), ("10.0.0.2", 0), ("10.0.0.1", 9), ("10.0.0.2", 1))
    ]
    assert sorted(sets(*records, fields=fields)) == [("10.0.0.1", 2, [3, 9]), ("10.0.0.2", 2, [0, 1])]


def test_many_exporters_are_bounded() -> None:
    """A set that names a hundred devices is sorted for the first of them; nothing is lost."""
    found = sets(*(number(0x0A000000 + index, 4) + number(1, 4) for index in range(100)))
    assert len(found) == MAX_EXPORTERS + 1
    assert sum(count for _, count, _ in found) == 100


def datagram(*addresses: str) -> bytes:
    """A template and one record of each exporter."""
    records = a_set(256, *(packed(address) + number(1, 4) for address in addresses))
    return v9(a_set(0, template(256, (130, 4), (1, 4))), records, count=1 + len(addresses))


@pytest.mark.parametrize(("options", "counts"), [(AS_SENT, (2, 2)), (DecodeOptions(exporter_address=False), (4, None))])
def test_records_count_as_the_devices(options: DecodeOptions, counts: tuple[int, int | None]) -> None:
    """Records of a registered device are that device's, others stay with the sender; the flag leaves all there."""
    bench = Bench(PROBE, EDGE, options=options)
    bench.datagram(datagram("10.0.0.1", "10.0.0.7", "10.0.0.1", "192.0.2.1"), "192.0.2.1", 2055)
    bench.intake.gather(bench.intake.devices[1].pipeline)
    ledgers = [known.pipeline.ledger if (known := bench.intake.devices.get(number)) else None for number in (1, 2)]
    assert tuple(ledger and ledger.records_in_flight for ledger in ledgers) == counts
    assert all(ledger is None or ledger.balanced() for ledger in ledgers)
