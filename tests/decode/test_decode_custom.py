"""Custom columns: which fields a device asks for, and what its columns get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.decode.custom import MAX_TEXT, fitted, folded, read_custom, wanted_names
from kproxy_tw.decode.elements import CUSTOM, ELEMENTS, Kind
from kproxy_tw.decode.rows import Place, Rows
from kproxy_tw.flowbatch import Column, FlowBatch
from kproxy_tw.kflow.decode import decode_body
from kproxy_tw.kflow.encode import encode
from tests.decode.test_decode_twoway import decoded

A = 0x0A000001


def read(kind: Kind, *sent: bytes) -> Column | None:
    """A field of equally many bytes in each record."""
    matrix = np.frombuffer(b"".join(sent), np.uint8).reshape(len(sent), -1)
    place = Place(0, matrix.shape[1])
    return read_custom(kind, Rows(matrix, matrix.reshape(-1)).run(place), place)


def varying(kind: Kind, *sent: bytes) -> Column | None:
    """A field of variable length."""
    sizes = np.array(list(map(len, sent)), np.intp)
    data = np.frombuffer(b"".join(sent), np.uint8)
    rows = Rows(np.zeros((len(sent), 1), np.uint8), data, (np.cumsum(sizes) - sizes,), (sizes,))
    place = Place(0, 0, 0)
    return read_custom(kind, rows.run(place), place)


@pytest.mark.parametrize("name", ["postNATSourceIPv4Address", "POST_NAT_SRC_ADDR", "post-nat.src addr", "IE225"])
def test_names_that_reach_a_field(name: str) -> None:
    """By IANA's name, by the common name in any spelling, by number."""
    batch = decoded((((8, 4), 1), ((225, 4), A)), wanted=wanted_names([name]))
    assert fitted(batch.custom, [name])[name].tolist() == [[4, 10, 0, 0, 1, *[0] * 12]]


def test_numbers_keep_their_separator() -> None:
    """Enterprise 9, element 12235 is not enterprise 91, element 2235."""
    assert folded("IE9_12235") == "ie9_12235" != folded("ie91_2235")


def test_an_unknown_element_is_reached_by_number() -> None:
    """What no table knows comes as hexadecimal digits."""
    batch = decoded((((5000, 3, 4242), 0x00FFEE),), wanted=wanted_names(["ie4242_5000"]))
    assert batch.custom["ie4242_5000"].tolist() == [b"00ffee"]


def test_only_what_is_wanted() -> None:
    """Fields that the device has no column for cost nothing."""
    assert decoded((((225, 4), A), ((227, 2), 5)), wanted=wanted_names(["post_nat_src_port"])).custom.keys() == {
        "postnatsrcport"
    }


def test_the_first_that_is_not_empty() -> None:
    """A template may have IPv4 and IPv6 forms of one column: each record fills one of them."""
    records = [(((225, 4), v4), ((281, 16), v6)) for v4, v6 in ((A, 0), (0, 5), (0, 0))]
    (column,) = decoded(*records, wanted=wanted_names(["post_nat_src_addr"])).custom.values()
    assert [row.tobytes() for row in column] == [
        b"\4\x0a\0\0\1" + bytes(12),
        b"\6" + bytes(15) + b"\5",
        bytes(17),
    ]


@pytest.mark.parametrize(
    ("kind", "sent", "expected", "code"),
    [
        (Kind.UNSIGNED, b"\xfe", 0xFE, "u4"),
        (Kind.UNSIGNED, b"\1\2\3", 0x010203, "u4"),
        (Kind.UNSIGNED, b"\1\2\3\4\5", 0x0102030405, "u8"),
        (Kind.MAC, b"\xff\0\0\0\0\1", 0xFF0000000001, "u8"),
        (Kind.LABEL, b"\x00\x01\x01", 16, "u4"),
        (Kind.SEGMENT, b"\x01\0\0\0\0\0\x12\x34", 0x1234, "u4"),
        (Kind.MILLISECONDS, b"\0\0\1\0\0\0\0\0", 1 << 40, "u8"),
        (Kind.FLOAT, b"\x3f\xc0\0\0", 1.5, "f4"),
        (Kind.FLOAT, b"\x3f\xf8\0\0\0\0\0\0", 1.5, "f4"),
        (Kind.EXCEPTION, b"\x08\x42", 128, "u1"),
        (Kind.EXCEPTION, b"\x08\x00", 64, "u1"),
        (Kind.EXCEPTION, b"\x10\x00\x00\x07", 0, "u1"),
        (Kind.STATUS, b"\x41", 0x41, "u1"),
        (Kind.STATUS, b"\0\x82", 0x82, "u1"),
        (Kind.STATUS, b"\x82\0", 0x82, "u1"),
        (Kind.STATUS, b"\0\0\0\x40", 0x40, "u1"),
        (Kind.STATUS, b"\x40\0\0\0", 0x40, "u1"),
    ],
)
def test_numbers(kind: Kind, sent: bytes, expected: float, code: str) -> None:
    """Each kind and length is a number that kflow has a type for; forwardingStatus stands at either end."""
    column = read(kind, sent)
    assert column is not None
    assert (column.tolist(), column.dtype) == ([expected], np.dtype(code))


def test_texts() -> None:
    """Up to the first NUL, cut at the most that readers take; what is no UTF-8 is replaced."""
    fixed = read(Kind.TEXT, b"eth0\0xx\0", b"caf\xc3\xa9\0\0\0", b"a\xff\xfeb\0\0\0\0")
    assert fixed is not None
    assert fixed.tolist() == [b"eth0", "café".encode(), b"a??b"]
    long = varying(Kind.TEXT, b"", b"short", b"x" * 500)
    assert long is not None
    assert long.tolist() == [b"", b"short", b"x" * MAX_TEXT]


def test_variable_lengths() -> None:
    """Numbers, addresses and bytes whose length each record tells."""
    numbers = varying(Kind.UNSIGNED, b"", b"\1", b"\1\2", b"\7" * 9)
    addresses = varying(Kind.IPV4, b"\x0a\0\0\1", b"\1\2", b"")
    octets = varying(Kind.OPAQUE, b"\0\1", b"", b"\xab" * 300)
    assert numbers is not None
    assert addresses is not None
    assert octets is not None
    assert numbers.tolist() == [0, 1, 258, 0x0707070707070707]
    assert addresses[:, :5].tolist() == [[4, 10, 0, 0, 1], [0] * 5, [0] * 5]
    assert octets.tolist() == [b"0001", b"", b"ab" * (MAX_TEXT // 2)]


def test_lists_are_no_columns() -> None:
    """Structured data is not a value."""
    assert read(Kind.LIST, b"\1\2") is None


def test_spellings_are_one_column() -> None:
    """What two sources fill under one name is one column: the first, and the second where that is empty."""
    custom = {"application_name": np.array([b"", b"ssh"]), "ApplicationName": np.array([b"dns", b"other"])}
    assert {name: column.tolist() for name, column in fitted(custom, ["APPLICATION_NAME", "else"]).items()} == {
        "APPLICATION_NAME": [b"dns", b"ssh"]
    }


def test_all_the_way_to_kflow() -> None:
    """What the exporter sent is in the message under the id of the device's column."""
    ids = {"POST_NAT_SRC_ADDR": 900, "post_nat_src_port": 901, "HTTP_HOST": 902}
    batch = decoded((((8, 4), 1), ((225, 4), A), ((227, 2), 4500)), wanted=wanted_names(ids))
    sent = FlowBatch(batch.length, batch.columns, fitted(batch.custom, ids))
    back = decode_body(encode(sent, device_id=1, column_ids=ids), gzipped=True)
    assert {name: column.tolist() for name, column in back.custom.items()} == {
        900: [[4, 10, 0, 0, 1, *[0] * 12]],
        901: [4500],
    }


@pytest.mark.parametrize(("time", "event"), [(152, 4), (153, 5)])
def test_events_that_nokia_implies(time: int, event: int) -> None:
    """A NAT record with a start only is a session's creation, one with an end only its deletion (RFC 8158)."""
    fields = (((91, 2, 637), 1), ((8, 4), A), ((time, 8), 0))
    assert decoded(fields, wanted=wanted_names(["nat_event"])).custom["natevent"].tolist() == [event]


def test_no_event_is_implied_elsewhere() -> None:
    """Neither without Nokia's elements nor where the record tells the event."""
    wanted = wanted_names(["nat_event"])
    assert decoded((((8, 4), A), ((152, 8), 0)), wanted=wanted).custom == {}
    told = decoded((((91, 2, 637), 1), ((152, 8), 0), ((230, 1), 2)), wanted=wanted)
    assert told.custom["natevent"].tolist() == [2]


NUMBERS = np.array([0, 5, 2**32 - 1, 2**40], np.uint64)
ADDRESSES = np.array([[0] * 17, [4, 192, 0, 2, 1, *[0] * 12], [6, 0x20, 1, 0xD, 0xB8, *[0] * 11, 9]], np.uint8)


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (NUMBERS, "uint32", [0, 5, 2**32 - 1, 0]),
        (NUMBERS, "uint8", [0, 5, 0, 0]),
        (NUMBERS, "UINT64", NUMBERS.tolist()),
        (NUMBERS, "string", [b"", b"5", b"4294967295", b"1099511627776"]),
        (NUMBERS, "float32", [0.0, 5.0, 2.0**32, 2.0**40]),
        (np.array([7], np.uint8), "uint64", [7]),
        (np.array([1.5, 0.0], np.float32), "string", [b"1.5", b""]),
        (ADDRESSES, "string", [b"", b"192.0.2.1", b"2001:db8::9"]),
        (ADDRESSES, "inet", ADDRESSES.tolist()),
        (np.array([b"abc"]), "string", [b"abc"]),
        (np.array([b"abc"]), "a type of tomorrow", [b"abc"]),
    ],
)
def test_types_of_the_device(column: Column, kind: str, expected: list[object]) -> None:
    """Values come in the type of the device's column; a number that does not fit is left out."""
    assert fitted({"a": column}, ["A"], {"A": kind})["A"].tolist() == expected


@pytest.mark.parametrize(
    ("column", "kind"),
    [(np.array([b"7"]), "uint32"), (ADDRESSES, "uint64"), (NUMBERS, "inet"), (np.array([b"x"]), "float32")],
)
def test_what_cannot_be_of_the_type(column: Column, kind: str) -> None:
    """A column none of whose values can be of the device's type is left out."""
    assert fitted({"a": column}, ["a"], {"a": kind}) == {}


def test_common_names_are_documented() -> None:
    """Every name that the tables give to fields of several vendors is in the documentation."""
    text = (Path(__file__).parents[2] / "docs" / "fields.rst").read_text(encoding="utf-8")
    names = {element.target.removeprefix(CUSTOM) for element in ELEMENTS.values() if element.target.startswith(CUSTOM)}
    assert {name for name in names if f"``{name}``" not in text} == {f"mpls_label_{number}" for number in range(2, 10)}
