"""Interfaces that move, come and go; which of them are told of."""

from __future__ import annotations

from kproxy_tw.snmp.following import MAX_EVENTS, InterfaceNames
from kproxy_tw.snmp.ranking import Ranking
from kproxy_tw.snmp.reading import Counts, EventKind, InterfaceCounters, PollEvent


def told(events: tuple[PollEvent, ...]) -> list[tuple[EventKind, str, int, int]]:
    """Without the words."""
    return [(event.kind, event.interface, event.old_index, event.new_index) for event in events]


def test_renumbering_is_told() -> None:
    """Once, by name, with both indexes."""
    names = InterfaceNames()
    assert names.take({1: "a", 2: "b"}, complete=True) == ()
    events = names.take({2: "a", 1: "b", 3: "c"}, complete=True)
    assert told(events) == [
        (EventKind.RENUMBERED, "a", 1, 2),
        (EventKind.RENUMBERED, "b", 2, 1),
        (EventKind.APPEARED, "c", 0, 3),
    ]
    assert names.take({2: "a", 1: "b", 3: "c"}, complete=True) == ()


def test_gone_only_when_all_were_read() -> None:
    """A walk that broke says nothing of what it did not reach."""
    names = InterfaceNames()
    names.take({1: "a", 2: "b"}, complete=True)
    assert names.take({1: "a"}, complete=False) == ()
    assert told(names.take({1: "a"}, complete=True)) == [(EventKind.DISAPPEARED, "b", 2, 0)]


def test_names_that_are_not_unique_are_not_followed() -> None:
    """Nor are empty ones."""
    names = InterfaceNames()
    names.take({1: "x", 2: "x", 3: ""}, complete=True)
    assert names.take({5: "x", 6: "x", 7: ""}, complete=True) == ()


def test_an_agent_that_lists_what_is_gone_for_a_while() -> None:
    """net-snmp does; the interface is neither gone nor new, and told as renumbered when its old row has left."""
    names = InterfaceNames()
    names.take({1: "lo", 3: "ge0"}, complete=True)
    assert names.take({1: "lo", 3: "ge0", 6: "ge0"}, complete=False) == ()
    assert names.take({1: "lo", 3: "ge0", 6: "ge0"}, complete=True) == ()
    assert told(names.take({1: "lo", 6: "ge0"}, complete=True)) == [(EventKind.RENUMBERED, "ge0", 3, 6)]
    assert told(names.take({1: "lo"}, complete=True)) == [(EventKind.DISAPPEARED, "ge0", 6, 0)]


def test_an_index_that_became_another_interfaces() -> None:
    """Interfaces that were not described, and names that are not told, say nothing of it."""
    names = InterfaceNames()
    names.described = {1: "a", 2: "b"}
    assert not names.moved({1: "a", 2: "", 3: "c"}, complete=True)
    assert not names.moved({1: "a"}, complete=True)
    assert names.moved({1: "a", 2: "c"}, complete=False)
    assert names.moved({1: "a", 7: "b"}, complete=False)
    names.described = {1: "a", 7: "a"}
    assert not names.moved({7: "a"}, complete=False)
    assert names.moved({7: "a"}, complete=True)


def test_events_are_bounded() -> None:
    """A chassis of 10,000 interfaces that is renumbered tells of a hundred, and how many more there were."""
    names = InterfaceNames()
    names.take({number: f"i{number}" for number in range(1, 10_001)}, complete=True)
    events = names.take({number + 1: f"i{number}" for number in range(1, 10_001)}, complete=True)
    assert len(events) == MAX_EVENTS
    assert events[-1].text == "and more (interface renumbered: 9901)"


def counted(index: int, total: int, grown: int | None = None) -> InterfaceCounters:
    """An interface that has carried so much."""
    deltas = None if grown is None else Counts(in_octets=grown)
    return InterfaceCounters(index=index, totals=Counts(in_octets=total), deltas=deltas)


def test_the_busiest_are_chosen() -> None:
    """By growth first, then by what they ever counted; those without counters come last."""
    ranking = Ranking()
    assert ranking.chosen({3, 1, 2}, 2) == {1, 2}
    ranking.rank([counted(1, 10), counted(2, 10**9), counted(3, 5, grown=7)])
    assert ranking.chosen({1, 2, 3, 4}, 1) == {3}
    assert ranking.chosen({1, 2, 3, 4}, 2) == {3, 2}
    assert ranking.chosen({1, 2, 3, 4}, 9) == {1, 2, 3, 4}
