"""An SNMP agent for tests and benchmarks: versions 1 and 2c, what it holds is made up. Subclasses misbehave."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.protocol import DatagramProtocol

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber
from kproxy_tw.snmp.message import Kind
from kproxy_tw.snmp.walk import Numbers

MOST_VARIABLES = 2000
MOST_BYTES = 65_507
NO_SUCH_NAME = 2

Encoded = bytes
"""A value with tag and length."""

Held = Encoded | Callable[[], Encoded]


def encoded(tag: int, value: object) -> Encoded:
    """A value from what it is in Python."""
    if tag == ber.OID:
        return ber.tlv(tag, ber.oid_content(tuple(map(int, str(value).split(".")))))
    if tag == ber.IP_ADDRESS:
        return ber.tlv(tag, bytes(map(int, str(value).split("."))))
    if tag in (ber.OCTETS, ber.OPAQUE):
        return ber.tlv(tag, value if isinstance(value, bytes) else str(value).encode())
    number = int(str(value))
    return ber.tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


@attrs.frozen
class Question:
    """A request as the agent reads it.

    :ivar first, second: error status and index, or non-repeaters and repetitions.
    """

    version: int
    community: bytes
    kind: int
    request_id: int
    first: int
    second: int
    names: tuple[Numbers, ...]


def read_question(datagram: bytes) -> Question:
    """A request. :raises MalformedInput: it is none."""
    start, end = ber.expect(datagram, 0, len(datagram), ber.SEQUENCE)
    version, at = ber.integer(datagram, start, end)
    community, at = ber.octets(datagram, at, end)
    kind, at, end = ber.element(datagram, at, end)
    request_id, at = ber.integer(datagram, at, end)
    first, at = ber.integer(datagram, at, end)
    second, at = ber.integer(datagram, at, end)
    at, end = ber.expect(datagram, at, end, ber.SEQUENCE)
    names = []
    while at < end:
        start, stop = ber.expect(datagram, at, end, ber.SEQUENCE)
        start, name_end = ber.expect(datagram, start, stop, ber.OID)
        names.append(ber.oid_numbers(datagram[start:name_end]))
        at = stop
    return Question(version, community, kind, request_id, first, second, tuple(names))


def answer(
    question: Question,
    variables: Iterable[tuple[Numbers, Encoded]],
    *,
    status: int = 0,
    index: int = 0,
    request_id: int | None = None,
) -> bytes:
    """The datagram of an answer."""
    bound = b"".join(
        ber.tlv(ber.SEQUENCE, ber.tlv(ber.OID, ber.oid_content(name)) + value) for name, value in variables
    )
    number = question.request_id if request_id is None else request_id
    pdu = ber.tlv(
        Kind.RESPONSE,
        ber.integer_tlv(number) + ber.integer_tlv(status) + ber.integer_tlv(index) + ber.tlv(ber.SEQUENCE, bound),
    )
    return ber.tlv(ber.SEQUENCE, ber.integer_tlv(question.version) + ber.tlv(ber.OCTETS, question.community) + pdu)


class SimulatedAgent(DatagramProtocol):
    """Answers from what it holds.

    :param max_variables: in one answer, as many agents limit it.
    :ivar questions: how many came.
    """

    def __init__(
        self, held: Mapping[Numbers, Held], *, community: str = "public", version: int = 1, max_variables: int = 400
    ) -> None:
        self.community = community.encode()
        self.version = version
        self.max_variables = max_variables
        self.questions = 0
        self.hold(held)

    def hold(self, held: Mapping[Numbers, Held]) -> None:
        """Hold something else from now on."""
        self.held = dict(held)
        self._order = sorted(self.held)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer, if it is a question that this agent answers at all."""
        try:
            question = read_question(datagram)
        except MalformedInput:
            return
        self.questions += 1
        # An agent of version 1 knows no other; one of 2c takes 1 as well.
        if question.community == self.community and question.version <= self.version:
            for reply in self.replies(question):
                self.send(reply, addr)

    def send(self, reply: bytes, addr: Any) -> None:
        """Send a datagram."""
        transport: Any = self.transport
        transport.write(reply, addr)

    def replies(self, question: Question) -> Iterable[bytes]:
        """The datagrams that answer a question; what subclasses change."""
        if question.kind == Kind.BULK:
            return [answer(question, self.bulk(question))] if question.version else []
        return [self._one_row(question)]

    def bulk(self, question: Question) -> list[tuple[Numbers, Encoded]]:
        """Rows of successors."""
        names = list(question.names)
        found: list[tuple[Numbers, Encoded]] = []
        for _row in range(max(0, question.second)):
            for place, name in enumerate(names):
                if len(found) == self.max_variables:
                    return found
                names[place], value = self.successor(name) or (name, END)
                found.append((names[place], value))
            if all(value == END for _name, value in found[-len(names) :]):
                break
        return found

    def _one_row(self, question: Question) -> bytes:
        variables = []
        for place, name in enumerate(question.names, 1):
            found = self._value(name) if question.kind == Kind.GET else self.successor(name, question.version == 0)
            if found is None and question.version == 0:
                return answer(question, [(name, NULL) for name in question.names], status=NO_SUCH_NAME, index=place)
            variables.append(found or (name, NO_INSTANCE if question.kind == Kind.GET else END))
        return answer(question, variables)

    def _value(self, name: Numbers) -> tuple[Numbers, Encoded] | None:
        held = self.held.get(name)
        return None if held is None else (name, held if isinstance(held, bytes) else held())

    def successor(self, name: Numbers, without_64: bool = False) -> tuple[Numbers, Encoded] | None:
        """What comes next; version 1 has no counters of 64 bits."""
        place = bisect.bisect_right(self._order, name)
        while place < len(self._order):
            found = self._value(self._order[place])
            if found is not None and not (without_64 and found[1][0] == ber.COUNTER64):
                return found
            place += 1
        return None


END = ber.tlv(ber.END_OF_VIEW, b"")
NO_INSTANCE = ber.tlv(ber.NO_SUCH_INSTANCE, b"")
NULL = ber.tlv(ber.NULL, b"")
