"""Metric records: what a reading puts into a device's generic columns, read back from the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.snmp.outputs.prepared import prepare
from kproxy_tw.snmp.reading import Counts, ErrorKind, InterfaceCounters, PollError, Reading
from tests.snmp.readings import HEALTH, START, counters, reading

NAMES = ["APP_PROTOCOL", *(f"INT64_0{place}" for place in range(10)), *(f"INT0{place}" for place in range(7))]
COLUMNS = {name: 2880 + place for place, name in enumerate([*NAMES, "STR00", "STR01"])}


def device(columns: Mapping[str, int] = COLUMNS, **fields: Any) -> Device:
    """A device with the columns."""
    return Device(device_id=7, company_id=1, name="r7", custom_columns=columns, **fields)


def records(one: Reading, of: Device | None = None, rate: int = 1) -> list[dict[str, object]]:
    """Each record as a receiver sees it: fields of ours by name, custom columns by their names."""
    to = of or device()
    prepared = prepare(one, to, rate=rate, reported=False)
    if not prepared.records:
        return []
    decoded = decode_body(prepared.metrics, gzipped=True)
    batch, custom = decoded.batch, decoded.custom
    names = {number: name for name, number in to.custom_columns.items()}
    rows: list[dict[str, object]] = []
    for row in range(batch.length):
        values = {names[number]: column[row].item() for number, column in custom.items()}
        fields = ("input_port", "output_port", "app_protocol", "is_metric", "sample_rate", "timestamp_nano")
        rows.append(
            {name: value for name, value in values.items() if value}
            | {name: batch.column(name)[row].item() for name in fields}
        )
    assert len(rows) == prepared.records
    return rows


def test_counters_of_an_interface() -> None:
    """Facts, section 4.3: growth of counters of app 5, the interface in both ports."""
    grown = counters(
        12,
        in_octets=1,
        in_unicast=2,
        out_octets=3,
        out_unicast=4,
        in_discards=5,
        out_discards=6,
        out_multicast=7,
        out_broadcast=8,
        in_multicast=9,
        in_broadcast=10,
        in_errors=11,
        out_errors=12,
    )
    (row,) = records(reading(counters=(grown,)))
    assert row["APP_PROTOCOL"] == row["app_protocol"] == 5
    assert (row["input_port"], row["output_port"], row["is_metric"], row["sample_rate"]) == (12, 12, True, 1.0)
    assert row["timestamp_nano"] == int(START * 1e9)
    assert [row[f"INT64_0{place}"] for place in range(10)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [row["INT00"], row["INT01"], row["INT02"], row["INT03"], row["INT04"]] == [11, 12, 1, 1, 1000]


def test_utilization_is_in_percent() -> None:
    """300 s at 1 Gbit/s: half of it is 18.75 GB."""
    (row,) = records(reading(counters=(counters(1, in_octets=18_750_000_000, out_octets=9_375_000_000),)))
    assert (row["INT05"], row["INT06"]) == (50, 25)


def test_a_first_poll_sends_no_counters() -> None:
    """There is no growth yet; nothing is made up."""
    assert records(reading(counters=(counters(1), counters(2)))) == []


def test_growth_that_is_not_known_is_left_out() -> None:
    """A missing counter is no zero of ours: the column is absent; 64 bits and no more fit."""
    odd = InterfaceCounters(index=3, deltas=Counts(in_octets=None, out_octets=2**70), seconds=300.0)
    (row,) = records(reading(counters=(odd,)))
    assert "INT64_00" not in row
    assert row["INT64_02"] == 2**64 - 1


def test_the_device_itself() -> None:
    """Facts, section 4.3, app 12: a record for each processor and each memory."""
    cpu, memory = records(reading(health=HEALTH))
    assert cpu["APP_PROTOCOL"] == cpu["app_protocol"] == 12
    assert (cpu["INT64_00"], cpu["INT64_05"], cpu["STR01"]) == (37, 86_400, b"RE0")
    assert [memory[f"INT64_0{place}"] for place in (1, 2, 3, 4)] == [4_000_000_000, 1_000_000_000, 3_000_000_000, 25]
    assert memory["STR01"] == b"RE0 DRAM"
    assert "INT64_00" not in memory


def test_an_error_is_told() -> None:
    """As its text."""
    failed = reading(system=None, error=PollError(kind=ErrorKind.NO_ANSWER, text="no answer to 3 requests"))
    (row,) = records(failed)
    assert (row["APP_PROTOCOL"], row["STR00"]) == (12, b"no answer to 3 requests")


def test_only_the_columns_that_a_device_has() -> None:
    """By its own ids; without the first counter's column there is nothing to send."""
    few = device({"APP_PROTOCOL": 70, "INT64_00": 168})
    (row,) = records(reading(counters=(counters(1, in_octets=9, out_octets=8),)), few)
    assert {name for name in row if name.isupper()} == {"APP_PROTOCOL", "INT64_00"}
    assert records(reading(counters=(counters(1, in_octets=9),)), device({"APP_PROTOCOL": 70})) == []


def test_values_are_of_the_columns_types_and_the_rate_is_the_operators() -> None:
    """A column that the API calls uint32 gets 32 bits."""
    narrow = device({"APP_PROTOCOL": 1, "INT64_00": 2}, column_types={"APP_PROTOCOL": "uint32", "INT64_00": "uint32"})
    (row,) = records(reading(counters=(counters(1, in_octets=7),)), narrow, rate=10)
    assert (row["INT64_00"], row["sample_rate"]) == (7, 10.0)


def test_750_interfaces_are_one_message() -> None:
    """All of them, in order."""
    many = tuple(counters(index, in_octets=index) for index in range(1, 751))
    rows = records(reading(counters=many))
    assert [row["INT64_00"] for row in rows] == list(range(1, 751))
    assert [row["output_port"] for row in rows] == list(range(1, 751))
