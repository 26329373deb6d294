"""Bytes of agents: what they say is read right, and whatever they are, nothing but MalformedInput comes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import encoder
from pysnmp.proto import api, rfc1902

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber
from kproxy_tw.snmp.keys import KeyRing
from kproxy_tw.snmp.message import CommunitySecurity, Kind, Request
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials, Version
from kproxy_tw.snmp.usm import UsmSecurity
from kproxy_tw.testing.snmp_agent import answer, read_question

OID = (1, 3, 6, 1, 2, 1, 2, 2, 1, 10, 4294967295)
COMMUNITY = CommunitySecurity(Version.V2C, "public")
USER = V3Credentials(
    user="user",
    auth=AuthProtocol.SHA,
    auth_pass_phrase="authpass12",
    priv=PrivProtocol.AES128,
    priv_pass_phrase="privpass12",
)


def by_pysnmp(values: list[object]) -> bytes:
    """An answer of version 2c as pysnmp encodes it."""
    module = api.v2c
    pdu = module.GetResponsePDU()
    module.apiPDU.set_defaults(pdu)
    module.apiPDU.set_request_id(pdu, 4711)
    module.apiPDU.set_varbinds(pdu, [(OID, value) for value in values])
    message = module.Message()
    module.apiMessage.set_defaults(message)
    module.apiMessage.set_community(message, "public")
    module.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (rfc1902.Integer32(-2147483648), -2147483648),
        (rfc1902.Integer32(0), 0),
        (rfc1902.OctetString(b"\xff\x00a"), b"\xff\x00a"),
        (rfc1902.OctetString(b""), b""),
        (rfc1902.OctetString(b"x" * 600), b"x" * 512),
        (rfc1902.ObjectIdentifier("1.3.6.1.4.1.2636.1.1"), "1.3.6.1.4.1.2636.1.1"),
        (rfc1902.ObjectIdentifier("2.999.3"), "2.999.3"),
        (rfc1902.IpAddress("255.255.255.0"), "255.255.255.0"),
        (rfc1902.Counter32(4294967295), 4294967295),
        (rfc1902.Gauge32(1), 1),
        (rfc1902.TimeTicks(123456), 123456),
        (rfc1902.Counter64(18446744073709551615), 18446744073709551615),
        (rfc1902.Opaque(b"\x9f\x78\x04"), b"\x9f\x78\x04"),
        (api.v2c.EndOfMibView(""), ber.Missing.END),
        (api.v2c.NoSuchInstance(""), ber.Missing.NO_INSTANCE),
        (api.v2c.NoSuchObject(""), ber.Missing.NO_OBJECT),
    ],
)
def test_values_as_pysnmp_encodes_them(value: object, read: object) -> None:
    """Every type comes back as it went in."""
    found = COMMUNITY.decode(by_pysnmp([value]), 0.0)
    assert (found.kind, found.request_id, found.error_status) == (Kind.RESPONSE, 4711, 0)
    assert [(ber.oid_numbers(name), held) for name, held in found.variables] == [(OID, read)]


def test_counters_that_look_negative() -> None:
    """Some agents leave out the zero that keeps a number positive."""
    assert ber.value(b"\xff\xff\xff\xff", ber.COUNTER32, 0, 4) == 0xFFFFFFFF
    assert ber.value(b"\xff" * 8, ber.COUNTER64, 0, 8) == 0xFFFFFFFFFFFFFFFF


@given(st.tuples(st.integers(0, 2), st.integers(0, 39)), st.lists(st.integers(0, 0xFFFFFFFF), max_size=126))
def test_object_identifiers(begin: tuple[int, int], rest: list[int]) -> None:
    """Numbers to bytes and back; the bytes are pysnmp's."""
    numbers = (*begin, *rest)
    content = ber.oid_content(numbers)
    assert ber.oid_numbers(content) == numbers
    encoded = bytes(encoder.encode(rfc1902.ObjectIdentifier(numbers)))
    assert encoded.endswith(content)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x01", b"\x81", b"\x90\x80\x80\x80\x00", b"\x01" * 129],
    ids=["begins with nothing", "cut off", "beyond 32 bits", "too long"],
)
def test_object_identifiers_that_are_none(content: bytes) -> None:
    """RFC 2578, 3.5, and X.690, 8.19."""
    with pytest.raises(MalformedInput):
        ber.arcs(content)


def test_requests_are_what_they_say() -> None:
    """An agent reads our GETBULK as it was meant."""
    request = Request(Kind.BULK, 99, (OID, (1, 3, 6, 1)), 25)
    question = read_question(COMMUNITY.encode(request, 0.0))
    assert (question.version, question.community, question.kind) == (1, b"public", Kind.BULK)
    assert (question.request_id, question.first, question.second) == (99, 0, 25)
    assert question.names == request.names


def sessions() -> list[CommunitySecurity | UsmSecurity]:
    """One of each kind that has keys."""
    usm = UsmSecurity(USER, KeyRing(), engine_id=b"\x80\x00\x1f\x88\x80abcdefgh")
    return [CommunitySecurity(Version.V1, "public"), COMMUNITY, usm, UsmSecurity(USER, KeyRing())]


def read_or_malformed(datagram: bytes) -> None:
    """Nothing else may come of it."""
    for session in sessions():
        try:
            session.decode(datagram, 1.0)
        except MalformedInput:
            continue


@given(st.binary(max_size=200))
def test_any_bytes(datagram: bytes) -> None:
    """They are read, or they are malformed."""
    read_or_malformed(datagram)


@given(st.data())
def test_answers_with_bytes_changed(data: st.DataObject) -> None:
    """So are right answers with some bytes exchanged, and cut anywhere."""
    right = data.draw(st.sampled_from([by_pysnmp([rfc1902.Counter64(5), rfc1902.OctetString("abc")]), v3_report()]))
    changed = bytearray(right)
    for _change in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    read_or_malformed(bytes(changed[: data.draw(st.integers(0, len(changed)))]))


def test_every_truncation() -> None:
    """An answer that is cut off is malformed, wherever it is cut."""
    whole = by_pysnmp([rfc1902.Counter64(5), rfc1902.OctetString("abc")])
    for length in range(len(whole)):
        with pytest.raises(MalformedInput):
            COMMUNITY.decode(whole[:length], 0.0)


def v3_report() -> bytes:
    """A report of version 3 about an unknown engine, as an agent sends it."""
    agent = UsmSecurity(V3Credentials(user=""), KeyRing(), engine_id=b"\x80\x00\x1f\x88\x80abcdefgh")
    asked = agent.encode(Request(Kind.GET, 7, ()), 0.0)
    return asked.replace(bytes((Kind.GET,)), bytes((Kind.REPORT,)))


def test_deep_nesting_costs_nothing() -> None:
    """64 kB of sequences in sequences are malformed at once."""
    with pytest.raises(MalformedInput):
        COMMUNITY.decode(b"\x30\x80" * 32_000, 0.0)
    with pytest.raises(MalformedInput):
        COMMUNITY.decode(b"\x30\x84\x00\x00\xff\xf0" * 10_000, 0.0)


def test_too_many_variables() -> None:
    """No answer has more than we ask for, by far."""
    question = read_question(COMMUNITY.encode(Request(Kind.GET, 1, ()), 0.0))
    many = answer(question, [((1, 3), ber.tlv(ber.NULL, b""))] * 4097)
    with pytest.raises(MalformedInput, match="more than 4096"):
        COMMUNITY.decode(many, 0.0)
