"""The element table against another program's."""

from __future__ import annotations

import re
import subprocess

from kproxy_tw.decode.elements import ELEMENTS
from kproxy_tw.flowbatch import ADDRESSES, NUMBERS
from tests.captures import needs_tshark

DERIVED = {"time", "boot_time", "sampling_interval", "sampling_packets", "sampling_space"} | {
    f"icmp{version}{part}" for version in "46" for part in ("", "_type", "_code")
}


@needs_tshark
def test_names_are_those_of_tshark() -> None:
    """Where tshark spells a name of IANA's registry as the registry does, ours is the same."""
    values = subprocess.run(["tshark", "-G", "values"], capture_output=True, text=True, check=True, timeout=60).stdout
    theirs = dict(re.findall(r"cflow\.template_ipfix_field_type\t(\d+)\t([a-z]\w*[A-Z]\w*)$", values, re.MULTILINE))
    ours = {str(number): element.name for (pen, number), element in ELEMENTS.items() if pen == 0}
    both = theirs.keys() & ours.keys()
    assert len(both) > 30
    assert {number: ours[number] for number in both} == {number: theirs[number] for number in both}


def test_targets_exist() -> None:
    """Every target is a column, or one of the values that derive.py uses up."""
    targets = {element.target for element in ELEMENTS.values() if element.target}
    assert targets - NUMBERS.keys() - set(ADDRESSES) == DERIVED
