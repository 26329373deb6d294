"""Requests to bytes, and bytes to answers: versions 1 and 2c (RFC 1157, RFC 3416), and the part that 3 shares.

Requests are made by pysnmp. Answers, which may be anybody's bytes, are read by :mod:`kproxy_tw.snmp.ber`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import attrs
from pyasn1.codec.ber import encoder
from pysnmp.proto import api

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber
from kproxy_tw.snmp.settings import Version

MAX_VARIABLES = 4096
"""Variables in one answer that are read. The most that is asked for is ``MAX_VARIABLES_ASKED``."""

MAX_VARIABLES_ASKED = 1000

WIRE_VERSIONS = {Version.V1: 0, Version.V2C: 1, Version.V3: 3}
_MESSAGE_MODULES = {Version.V1: api.v1, Version.V2C: api.v2c, Version.V3: api.v2c}


class Kind(IntEnum):
    """What a protocol data unit is."""

    GET = 0xA0
    NEXT = 0xA1
    RESPONSE = 0xA2
    BULK = 0xA5
    REPORT = 0xA8


class ErrorStatus(IntEnum):
    """Error status of an answer, as far as it is told apart (RFC 3416, 3)."""

    NONE = 0
    TOO_BIG = 1
    NO_SUCH_NAME = 2
    GEN_ERR = 5
    AUTHORIZATION = 16


@attrs.frozen
class Request:
    """A question.

    :ivar names: object identifiers, as numbers.
    :ivar repetitions: rows asked for; only of ``Kind.BULK``.
    """

    kind: Kind
    request_id: int
    names: tuple[tuple[int, ...], ...]
    repetitions: int = 0


Variable = tuple[bytes, ber.Value]
"""An object identifier as its bytes, and what it holds."""


@attrs.frozen
class Answer:
    """A response, or a report.

    :ivar request_id: of the question that it answers; in version 3 the message id.
    :ivar error_index: which of the names asked for the error is about, from 1.
    :ivar authentic: the agent has proved with a key that it is from it.
    """

    kind: Kind
    request_id: int
    error_status: int
    error_index: int
    variables: Sequence[Variable]
    authentic: bool = False


def request_pdu(request: Request, version: Version) -> Any:
    """The protocol data unit of a request, as pysnmp's object."""
    module: Any = _MESSAGE_MODULES[version]
    if request.kind is Kind.BULK:
        pdu = module.GetBulkRequestPDU()
        module.apiBulkPDU.set_defaults(pdu)
        module.apiBulkPDU.set_non_repeaters(pdu, 0)
        module.apiBulkPDU.set_max_repetitions(pdu, request.repetitions)
    else:
        pdu = module.GetRequestPDU() if request.kind is Kind.GET else module.GetNextRequestPDU()
        module.apiPDU.set_defaults(pdu)
    module.apiPDU.set_request_id(pdu, request.request_id)
    module.apiPDU.set_varbinds(pdu, [(name, module.Null("")) for name in request.names])
    return pdu


@attrs.frozen
class CommunitySecurity:
    """Versions 1 and 2c: a word in clear."""

    version: Version
    community: str = attrs.field(repr=False)

    def encode(self, request: Request, now: float) -> bytes:
        """The datagram of a request."""
        module: Any = _MESSAGE_MODULES[self.version]
        message = module.Message()
        module.apiMessage.set_defaults(message)
        module.apiMessage.set_community(message, self.community.encode())
        module.apiMessage.set_pdu(message, request_pdu(request, self.version))
        encoded: bytes = encoder.encode(message)
        return encoded

    def decode(self, datagram: bytes, now: float) -> Answer:
        """The answer in a datagram. :raises MalformedInput: it is none of this version and community."""
        start, stop = ber.expect(datagram, 0, len(datagram), ber.SEQUENCE)
        version, at = ber.integer(datagram, start, stop)
        if version != WIRE_VERSIONS[self.version]:
            raise MalformedInput(f"version {version} instead of {WIRE_VERSIONS[self.version]}")
        community, at = ber.octets(datagram, at, stop)
        if community != self.community.encode():
            raise MalformedInput("another community")
        return read_pdu(datagram, at, stop)


def read_pdu(data: bytes, at: int, end: int) -> Answer:
    """The response or report at ``at``. :raises MalformedInput: there is none."""
    tag, start, stop = ber.element(data, at, end)
    if tag not in (Kind.RESPONSE, Kind.REPORT):
        raise MalformedInput(f"no answer: tag {tag:#04x}")
    request_id, at = ber.integer(data, start, stop)
    error_status, at = ber.integer(data, at, stop)
    error_index, at = ber.integer(data, at, stop)
    start, stop = ber.expect(data, at, stop, ber.SEQUENCE)
    return Answer(Kind(tag), request_id, error_status, error_index, _variables(data, start, stop))


def _variables(data: bytes, at: int, end: int) -> list[Variable]:
    element, expect, value = ber.element, ber.expect, ber.value
    variables: list[Variable] = []
    while at < end:
        if len(variables) == MAX_VARIABLES:
            raise MalformedInput(f"more than {MAX_VARIABLES} variables")
        start, stop = expect(data, at, end, ber.SEQUENCE)
        name_start, name_stop = expect(data, start, stop, ber.OID)
        tag, value_start, value_stop = element(data, name_stop, stop)
        variables.append((data[name_start:name_stop], value(data, tag, value_start, value_stop)))
        at = stop
    return variables
