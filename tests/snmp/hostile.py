"""Agents that misbehave, each in one way; random where it does not matter how."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kproxy_tw.snmp import ber
from kproxy_tw.snmp.message import Kind
from kproxy_tw.snmp.walk import Numbers
from kproxy_tw.testing.snmp_agent import Encoded, Held, Question, SimulatedAgent, answer, encoded

TOO_BIG, GEN_ERR = 1, 5


class HostileAgent(SimulatedAgent):
    """One that answers GET rightly, so that it is polled at all, and spoils its walks from some question on.

    :param seed: of what is left to chance.
    """

    def __init__(self, held: Mapping[Numbers, Held], seed: int = 0) -> None:
        super().__init__(held)
        self.random = random.Random(seed)  # noqa: S311, what it draws is no secret
        self.honest = self.random.randint(1, 3)

    def replies(self, question: Question) -> Iterable[bytes]:
        """Rightly, for a while."""
        right = list(super().replies(question))
        if question.kind == Kind.GET:
            return right
        self.honest -= 1
        return right if self.honest >= 0 else self.spoiled(question, right)

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """What comes instead of the right answers."""
        raise NotImplementedError


class Silent(HostileAgent):
    """Says nothing."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Nothing."""
        return []


class Slow(HostileAgent):
    """Answers rightly, long after nobody waits any more."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Nothing now."""
        return []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """The answers, a second late."""
        from twisted.internet import reactor

        clock: Any = reactor
        super().datagramReceived(datagram, addr)
        clock.callLater(1.0, self._late, datagram, addr)

    def _late(self, datagram: bytes, addr: Any) -> None:
        if self.transport is not None:
            SimulatedAgent.datagramReceived(self, datagram, addr)


class Endless(HostileAgent):
    """Has a row behind each row."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Always one more number."""
        names = list(question.names)
        rows = []
        for _row in range(max(1, question.second)):
            names = [(*name[:11], (name[11] if len(name) > 11 else 10_000) + 1) for name in names]
            rows += [(name, encoded(ber.INTEGER, 1)) for name in names]
        return [answer(question, rows[: self.max_variables])]


class WrongId(HostileAgent):
    """Answers another question."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """The right variables, another number."""
        return [answer(question, self.bulk(question), request_id=self.random.randint(1, 2**31 - 1))]


class Truncated(HostileAgent):
    """Sends the beginning of its answers."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Cut anywhere."""
        return [reply[: self.random.randint(0, len(reply) - 1)] for reply in right]


class Garbage(HostileAgent):
    """Sends datagrams that are nothing."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """A hundred of them for each question."""
        return [self.random.randbytes(self.random.randint(0, 1400)) for _datagram in range(100)]


class HugeStrings(HostileAgent):
    """Has names of 60 kB."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """One cell that fills the datagram."""
        found = self.successor(question.names[0])
        return [answer(question, [(found[0] if found else (1, 3), encoded(ber.OCTETS, b"\x1b[31m<script>" * 5000))])]


class Repeating(HostileAgent):
    """Says the same row for ever."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """The names that were asked for."""
        return [answer(question, [(name, encoded(ber.INTEGER, 1)) for name in question.names])]


class GoingBack(HostileAgent):
    """Jumps back to the first rows."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Smaller names."""
        return [answer(question, [((*name[:10], 0), encoded(ber.INTEGER, 1)) for name in question.names])]


class Lying(HostileAgent):
    """Answers with names that nobody asked for."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Any."""
        return [answer(question, [(self._name(), encoded(ber.INTEGER, 1)) for _cell in range(50)])]

    def _name(self) -> Numbers:
        return (1, self.random.randint(0, 3), *(self.random.randint(0, 2**32 - 1) for _arc in range(5)))


class Duplicating(HostileAgent):
    """Sends each answer three times. That is no reason to lose anything."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Three of each."""
        return right * 3


class WithoutBulk(HostileAgent):
    """Does not answer GETBULK. That is no reason to lose anything either."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """Only what is no GETBULK."""
        return [] if question.kind == Kind.BULK else right


class TooBig(HostileAgent):
    """Has no room for more than ten variables, and says so."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """An error instead of the answer."""
        if question.kind == Kind.BULK and question.second * len(question.names) > 10:
            return [answer(question, [], status=self.random.choice((TOO_BIG, GEN_ERR)))]
        return right


class Tiny(HostileAgent):
    """Has room for 200 bytes, less than RFC 3417 allows, and says that more is too big."""

    def replies(self, question: Question) -> Iterable[bytes]:
        """An error instead of what is longer."""
        right = list(SimulatedAgent.replies(self, question))
        return [reply if len(reply) <= 200 else answer(question, [], status=TOO_BIG) for reply in right]


class Empty(HostileAgent):
    """Answers without variables."""

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """None."""
        return [answer(question, [])]


class Dying(HostileAgent):
    """Answers nothing at all from some question on."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """As long as it lives."""
        if self.honest >= 0:
            super().datagramReceived(datagram, addr)

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """The last breath."""
        return []


def chatty_cells() -> Iterator[Encoded]:
    """Values of types that a column of numbers or names should not have."""
    while True:
        yield encoded(ber.OCTETS, b"\xff\xfe\x00")
        yield encoded(ber.OID, "1.3.6.1")
        yield encoded(ber.IP_ADDRESS, "192.0.2.1")
        yield encoded(ber.INTEGER, -1)
        yield ber.tlv(ber.NULL, b"")


class WrongTypes(HostileAgent):
    """Fills its tables with values of other types."""

    def __init__(self, held: Mapping[Numbers, Held], seed: int = 0) -> None:
        super().__init__(held, seed)
        cells = chatty_cells()
        self.hold({name: value if name[:7] == (1, 3, 6, 1, 2, 1, 1) else next(cells) for name, value in held.items()})

    def spoiled(self, question: Question, right: list[bytes]) -> Iterable[bytes]:
        """As it holds them."""
        return right


HARMLESS = (Duplicating, WithoutBulk, TooBig, Tiny)
"""Whose interfaces must all be found in spite of it."""

HARMFUL = (
    Silent,
    Slow,
    Endless,
    WrongId,
    Truncated,
    Garbage,
    HugeStrings,
    Repeating,
    GoingBack,
    Lying,
    Empty,
    Dying,
    WrongTypes,
)
