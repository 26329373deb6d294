"""The element tables: well formed, and the same names as another program's."""

from __future__ import annotations

import csv
import re
import subprocess
from importlib.resources import files

import pytest

from kproxy_tw.decode.elements import (
    ADDRESS_LENGTHS,
    CUSTOM,
    ELEMENTS,
    IANA,
    REVERSE,
    REVERSED,
    REVERSIBLE,
    VARIABLE,
    Kind,
    load_elements,
)
from kproxy_tw.decode.plan import EXPORTERS, PACKETS
from kproxy_tw.flowbatch import ADDRESSES, NUMBERS
from tests.captures import needs_tshark

SPELLED_OTHERWISE = {"213", "214", "215"}
"""exportInterface, exportProtocolVersion, exportTransportProtocol in the registry; tshark says collector…"""

DERIVED = (
    {"time", "start_time", "boot_time", "duration_ms", "duration_us", "frame_kind", "frame_bytes", "ip_bytes"}
    | {"sampling_interval", "sampling_packets", "sampling_space", "sampling_size", "sampling_population"}
    | {"selection", "sampler_id", "sampler_random_interval", "application_id", "ingress_vrf", "egress_vrf"}
    | {f"{side}_{what}" for side in ("initiator", "responder") for what in ("bytes", "pkts")}
    | {f"icmp{version}{part}" for version in "46" for part in ("", "_type", "_code")}
    | {*PACKETS, *EXPORTERS}
)

VENDORS = {
    "Cisco": 9,
    "Nokia": 637,
    "Juniper": 2636,
    "Ixia": 3054,
    "Citrix NetScaler": 5951,
    "CERT (YAF)": 6871,
    "VMware": 6876,
    "Barracuda": 10704,
    "Procera": 15397,
    "Palo Alto": 25461,
    "ntop (nProbe)": 35632,
}


@needs_tshark
def test_names_are_those_of_tshark() -> None:
    """Where tshark spells a name of IANA's registry as the registry does, ours is the same."""
    values = subprocess.run(["tshark", "-G", "values"], capture_output=True, text=True, check=True, timeout=60).stdout
    theirs = dict(re.findall(r"cflow\.template_ipfix_field_type\t(\d+)\t([a-z]\w*[A-Z]\w*)$", values, re.MULTILINE))
    ours = {str(number): element.name for (pen, number), element in ELEMENTS.items() if pen == IANA}
    both = (theirs.keys() & ours.keys()) - SPELLED_OTHERWISE
    assert len(both) > 300
    assert {number: ours[number] for number in both} == {number: theirs[number] for number in both}


def test_iana_has_no_holes() -> None:
    """Every number that IANA has assigned up to 512 is there; the rest is reserved for NetFlow v9 or unassigned."""
    reserved = {*range(65, 70), 97, *range(105, 128)}
    assert {number for number in range(1, 513) if (IANA, number) not in ELEMENTS} - reserved == {416, 419}


@pytest.mark.parametrize(("vendor", "pen"), VENDORS.items())
def test_vendors(vendor: str, pen: int) -> None:
    """Each vendor with elements of its own has them."""
    assert any(key[0] == pen for key in ELEMENTS), vendor


def test_targets_exist() -> None:
    """Every target is a column, a value that derive.py and its neighbors use up, or names a custom column."""
    targets = {element.target for element in ELEMENTS.values() if element.target}
    plain = {target for target in targets if not target.startswith((CUSTOM, REVERSED))}
    assert plain - NUMBERS.keys() - set(ADDRESSES) == DERIVED
    assert {target.removeprefix(REVERSED) for target in targets if target.startswith(REVERSED)} <= REVERSIBLE
    assert all(re.fullmatch(r"custom\.[a-z0-9_]+", target) for target in targets if target.startswith(CUSTOM))


def test_files_are_in_order() -> None:
    """Each file is sorted and every row complete, so that a change shows as one line."""
    for table in files("kproxy_tw.decode").joinpath("tables").iterdir():
        rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
        assert rows[0] == ["pen", "id", "name", "kind", "target", "rank"], table.name
        keys = [(int(row[0]), int(row[1])) for row in rows[1:]]
        assert keys == sorted(set(keys)), table.name
        assert all(re.fullmatch(r"[\w-]+", row[2]) and len(row) == 6 for row in rows[1:]), table.name


def test_loading_again_gives_the_same() -> None:
    """Nothing stands in two files: the loader would refuse it."""
    assert load_elements() == dict(ELEMENTS)


def test_ranks_decide() -> None:
    """Of the elements that fill one column, no two have the same rank: which one wins is never chance."""
    ranks: dict[tuple[str, int], list[str]] = {}
    for (pen, _), element in ELEMENTS.items():
        if pen == IANA and element.target:
            ranks.setdefault((element.target, element.rank), []).append(element.name)
    assert {key: names for key, names in ranks.items() if len(names) > 1} == {}


@pytest.mark.parametrize("kind", ADDRESS_LENGTHS)
def test_addresses_have_one_length(kind: Kind) -> None:
    """A template that gives an address of a column another length is refused, also a variable one; zero is not."""
    columns = {*NUMBERS, *ADDRESSES}
    found = [element for element in ELEMENTS.values() if element.kind is kind and element.target in columns]
    (size,) = ADDRESS_LENGTHS[kind]
    assert found
    assert all([element.allows(length) for length in (0, size)] == [True] * 2 for element in found)
    assert not any(element.allows(length) for length in (size + 1, VARIABLE) for element in found)


def test_reverse_elements() -> None:
    """Enterprise 29305 is IANA's registry once more, for the other direction (RFC 5103 section 6.1)."""
    found = ELEMENTS[REVERSE, 1]
    assert (found.name, found.target) == ("reverseOctetDeltaCount", "reverse.in_bytes")
    assert ELEMENTS[REVERSE, 8].target == ""
