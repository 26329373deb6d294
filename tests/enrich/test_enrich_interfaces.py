"""Names and speeds of interfaces in flows, and what flows say of interfaces."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.custom import wanted_names
from kproxy_tw.enrich.interfaces import (
    MAX_INTERFACES,
    InterfaceTable,
    InterfaceTraffic,
    Traffic,
    add_interfaces,
    traffic_of,
)
from kproxy_tw.flowbatch import FlowBatch

TABLE = InterfaceTable.of(
    [(513, "ge-0/0/1", "uplink", "to Zürich", 10_000), (7, "lo0", "", "", 0), (4_000_000_000, "ae0", "", "", 400_000)]
)
COLUMNS = ("input_interface_name", "Output-Interface-Name", "input_interface_speed", "input_interface_alias")


def flows(inputs: list[int], outputs: list[int]) -> FlowBatch:
    """Flows of interfaces."""
    return FlowBatch(
        length=len(inputs),
        columns={"input_port": np.array(inputs, np.uint32), "output_port": np.array(outputs, np.uint32)},
    )


def test_names_and_speeds() -> None:
    """Only of the columns that the device has, however it spells them; unknown interfaces stay empty."""
    batch = flows([513, 4_000_000_000, 1, 7, 0], [7, 513, 9, 513, 0])
    add_interfaces(batch, wanted_names(COLUMNS), TABLE)
    assert batch.custom["input_interface_name"].tolist() == [b"ge-0/0/1", b"ae0", b"", b"lo0", b""]
    assert batch.custom["output_interface_name"].tolist() == [b"lo0", b"ge-0/0/1", b"", b"ge-0/0/1", b""]
    assert batch.custom["input_interface_speed"].tolist() == [10_000, 400_000, 0, 0, 0]
    assert batch.custom["input_interface_alias"].tolist() == ["to Zürich".encode(), b"", b"", b"", b""]
    assert "output_interface_speed" not in batch.custom
    assert batch.columns["input_port"].tolist() == [513, 4_000_000_000, 1, 7, 0]


def test_what_the_exporter_told_stays() -> None:
    """SNMP fills in the rest."""
    batch = flows([513, 7], [0, 0])
    batch.custom["input_interface_name"] = np.array([b"told", b""])
    add_interfaces(batch, wanted_names(COLUMNS), TABLE)
    assert batch.custom["input_interface_name"].tolist() == [b"told", b"lo0"]


def test_nothing_known_or_nothing_wanted_changes_nothing() -> None:
    """Flows go on as they are."""
    for wanted, table in ((COLUMNS, None), (COLUMNS, InterfaceTable.of([])), ((), TABLE)):
        batch = flows([513], [7])
        add_interfaces(batch, wanted_names(wanted), table)
        assert batch.custom == {}


@given(
    st.dictionaries(st.integers(0, 2**32 - 1), st.text(max_size=9).filter(lambda text: "\0" not in text), max_size=20),
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=30),
)
def test_every_index_finds_its_own_name(names: dict[int, str], keys: list[int]) -> None:
    """As a plain dictionary would."""
    asked = [*keys, *names]
    batch = flows(asked, asked)
    add_interfaces(
        batch, wanted_names(["input_interface_name"]), InterfaceTable.of((i, n, "", "", 1) for i, n in names.items())
    )
    if names:
        found = batch.custom["input_interface_name"].tolist()
        assert found == [names.get(key, "").encode() for key in asked]


def test_octets_are_weighed_and_counted_on_both_interfaces() -> None:
    """In on the one, out on the other; a flow that tells both directions' octets counts once."""
    batch = flows([1, 1, 2], [2, 3, 0])
    batch.columns |= {
        "in_bytes": np.array([100, 0, 50], np.uint64),
        "out_bytes": np.array([90, 10, 0], np.uint64),
        "sample_rate": np.array([10.0, 1000.0, 1.5]),
    }
    traffic = traffic_of(batch)
    assert traffic == Traffic({1: 11_000.0, 2: 75.0}, {0: 75.0, 2: 1000.0, 3: 10_000.0})


@given(st.lists(st.tuples(st.integers(0, 9) | st.integers(0, 2**32 - 1), st.integers(1, 1000)), max_size=40))
def test_octets_of_small_and_large_indexes(rows: list[tuple[int, int]]) -> None:
    """As plain sums would have it."""
    batch = flows([index for index, _octets in rows], [0] * len(rows))
    batch.columns["in_bytes"] = np.array([octets for _index, octets in rows], np.uint64)
    batch.columns["sample_rate"] = np.ones(len(rows))
    expected: dict[int, float] = {}
    for index, octets in rows:
        expected[index] = expected.get(index, 0.0) + octets
    assert traffic_of(batch).received == expected


def test_the_sums_are_bounded() -> None:
    """An exporter that makes interfaces up costs no memory; what has a place goes on."""
    totals = InterfaceTraffic()
    for start in range(0, 3 * MAX_INTERFACES, 4096):
        totals.add(Traffic(dict.fromkeys(range(start, start + 4096), 1.0), {}))
    totals.add(Traffic({0: 5.0}, {}))
    assert len(totals.received) == MAX_INTERFACES
    assert totals.received[0] == 6.0
    assert totals.left_out == 2 * MAX_INTERFACES
