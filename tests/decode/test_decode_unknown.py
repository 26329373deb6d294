"""The inventory of elements that no table knows."""

from __future__ import annotations

import numpy as np

from kproxy_tw.decode import ipfix
from kproxy_tw.decode.layout import Field, TemplateLayout
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.unknown import EXAMPLE_BYTES, MAX_LISTED, inventory
from tests.decode.netflow_bytes import NOW_NS, a_set, number, template
from tests.decode.netflow_bytes import ipfix as message

FIELDS = ((8, 4), (999, 3, 4242), (1000, 65535, 4242), (700, 2))


def layouts(*templates: bytes, data: bytes) -> list[TemplateLayout]:
    """The layouts of what is in a message, its records decoded."""
    found = ipfix.walk(message(a_set(2, *templates), data), TemplateCache(), NOW_NS).sets
    for records in found:
        records.layout.columns([records], None)
    return [records.layout for records in found if isinstance(records.layout, TemplateLayout)]


def record(long: bytes) -> bytes:
    """A record of FIELDS."""
    return number(1, 4) + b"\xaa\xbb\xcc" + number(len(long), 1) + long + b"\0\5"


def test_unknown_elements() -> None:
    """Enterprise, number, length, how many records carried it and what that looked like, cut."""
    found = layouts(template(300, *FIELDS), data=a_set(300, record(b"x" * 50), record(b"")))
    assert inventory(found) == [
        {"pen": 0, "id": 700, "length": 2, "count": 2, "example": "0005"},
        {"pen": 4242, "id": 999, "length": 3, "count": 2, "example": "aabbcc"},
        {"pen": 4242, "id": 1000, "length": "variable", "count": 2, "example": "78" * EXAMPLE_BYTES},
    ]


def test_known_elements_are_not_listed() -> None:
    """What has a name is not in it, even when nothing is done with it."""
    data = a_set(300, number(0, 4), number(9, 8))
    assert inventory(layouts(template(300, (34, 4), (149, 8)), data=data)) == []


def test_templates_are_summed_up() -> None:
    """An element in several templates is one; an example without content does not replace another."""
    sets = a_set(300, b"\0\0", b"\0\7") + a_set(301, b"\0" * 6)
    found = layouts(template(300, (700, 2)), template(301, (700, 2), (8, 4)), data=sets)
    assert inventory(found) == [{"pen": 0, "id": 700, "length": 2, "count": 3, "example": "0007"}]


def test_records_left_out_by_the_cap_count() -> None:
    """The count is of records that came, not of those that were chosen."""
    data = message(a_set(2, template(300, (700, 1))), a_set(300, b"\1\2\3\4\5\6\7\x08\x09"))
    (records,) = ipfix.walk(data, TemplateCache(), NOW_NS).sets
    records.layout.columns([records], np.array([4], np.intp))
    assert isinstance(records.layout, TemplateLayout)
    assert inventory([records.layout]) == [{"pen": 0, "id": 700, "length": 1, "count": 9, "example": "05"}]


def test_it_is_bounded() -> None:
    """An exporter that makes elements up does not fill the page."""
    many = TemplateLayout("ipfix", tuple(Field(4242, number, 4) for number in range(1, 500)))
    assert len(inventory([many])) == MAX_LISTED
