"""Datagrams of one exporter by source port, on their way to be walked."""

from __future__ import annotations

from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.inbox import MAX_RUNS, Inbox
from kproxy_tw.intake import Intake
from tests.test_intake import EDGE, Bench, v5


def filled(*ports: int) -> Inbox:
    """An inbox into which datagrams came from these ports, one each, numbered through."""
    bench = Bench(EDGE)
    for number, port in enumerate(ports):
        bench.datagram(v5(1) + bytes([number]), "192.0.2.1", port)
    return inbox_of(bench.intake)


def inbox_of(intake: Intake) -> Inbox:
    """The only inbox."""
    (inbox,) = intake._inboxes.values()
    return inbox


def taken(inbox: Inbox) -> list[tuple[int, list[int]]]:
    """Port and datagram numbers of each batch."""
    return [(batch.port, [data[-1] for data in batch.datagrams]) for batch in inbox.take()]


def test_one_port_is_one_batch() -> None:
    """The ordinary exporter."""
    inbox = filled(5000, 5000, 5000)
    assert taken(inbox) == [(5000, [0, 1, 2])]
    assert inbox.take() == []


def test_few_changes_keep_the_order() -> None:
    """Options from another port stand where they came."""
    assert taken(filled(5000, 5001, 5000)) == [(5000, [0]), (5001, [1]), (5000, [2])]


def test_many_changes_are_walked_port_by_port() -> None:
    """Two routers in turn: each one's datagrams together, in their order."""
    ports = [5000, 5001] * MAX_RUNS
    assert taken(filled(*ports)) == [
        (5000, list(range(0, 2 * MAX_RUNS, 2))),
        (5001, list(range(1, 2 * MAX_RUNS, 2))),
    ]


def test_the_port_goes_on_after_a_walk() -> None:
    """What comes next from the same port is known to be from it."""
    bench = Bench(EDGE)
    bench.datagram(v5(1), "192.0.2.1", 5000)
    inbox = inbox_of(bench.intake)
    inbox.take()
    bench.datagram(v5(1), "192.0.2.1", 5000)
    (batch,) = inbox.take()
    assert batch.port == 5000


def test_an_empty_inbox() -> None:
    """Nothing came: nothing to walk."""
    bench = Bench(EDGE)
    bench.datagram(v5(1), "192.0.2.1", 5000)
    session = ExporterSession(address="192.0.2.9", templates=TemplateCache(), first_seen=0.0)
    assert Inbox(bench.intake.devices[7], session).take() == []
