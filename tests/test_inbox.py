"""Datagrams of one exporter by source port, on their way to be walked."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.inbox import ALIKE_DATAGRAMS, INBOX_DATAGRAMS, MAX_RUNS, PLACE_BYTES, TELLING, Inbox
from kproxy_tw.intake import Intake
from tests.decode.netflow_bytes import a_set, ipfix
from tests.decode.netflow_bytes import v9 as netflow9
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


def walked_alike(datagrams: int) -> Inbox:
    """An inbox whose last walk found ``datagrams`` that were alike; empty."""
    inbox = filled(5000)
    inbox.take()
    inbox.walked(datagrams, 1)
    return inbox


def put_until_full(inbox: Inbox, datagrams: Iterable[bytes]) -> int:
    """Put datagrams in until no more may wait; how many do then."""
    for data in datagrams:
        inbox.put(data, 5000, 0)
        if len(inbox.datagrams) >= inbox.most and inbox.is_full():
            break
    return len(inbox.datagrams)


def alike(count: int, header: Callable[..., bytes] = netflow9) -> list[bytes]:
    """Export packets with one set of one template; each 20th repeats the template."""
    data, template = a_set(256, bytes(40)), a_set(0, bytes(20))
    return [header(*([] if number % 20 else [template]), data, sequence=number) for number in range(count)]


def unlike(count: int, header: Callable[..., bytes] = netflow9) -> list[bytes]:
    """Export packets of many sizes."""
    return [header(a_set(256, bytes(4 * (number % 200))), sequence=number) for number in range(count)]


@pytest.mark.parametrize("header", [netflow9, ipfix])
def test_more_may_wait_of_an_exporter_whose_datagrams_are_alike(header: Callable[..., bytes]) -> None:
    """It is as many as before once the last ones are not alike any more."""
    inbox = walked_alike(TELLING)
    assert put_until_full(inbox, alike(2000, header)) == ALIKE_DATAGRAMS
    inbox.take()
    assert put_until_full(inbox, unlike(2000, header)) == INBOX_DATAGRAMS
    inbox.take()
    assert put_until_full(inbox, alike(300, header) + unlike(2000, header)) == 2 * INBOX_DATAGRAMS


def test_without_templates_they_are_alike_whatever_their_size() -> None:
    """As NetFlow v5's are, whose last one is shorter, or sFlow's, which are all of different sizes."""
    inbox = walked_alike(TELLING)
    assert put_until_full(inbox, [v5(1) + bytes(number % 100) for number in range(2000)]) == ALIKE_DATAGRAMS


@pytest.mark.parametrize(("places", "few", "many"), [(1, 256, 1024), (4, 64, 256), (24, 11, 43)])
def test_a_long_datagram_takes_the_places_of_several(places: int, few: int, many: int) -> None:
    """256 places, or 1,024 of an exporter whose datagrams are alike."""
    long = [v5(1).ljust(places * PLACE_BYTES, b"\0")] * 2000
    inbox = walked_alike(TELLING - 1)
    assert put_until_full(inbox, long) == few
    inbox = walked_alike(TELLING)
    assert put_until_full(inbox, long) == many
    inbox.take()
    assert put_until_full(inbox, long) == many


def test_only_a_walk_tells_that_they_are_alike() -> None:
    """And one of few datagrams does not."""
    assert put_until_full(filled(5000), alike(2000)) == INBOX_DATAGRAMS
    assert put_until_full(walked_alike(TELLING - 1), alike(2000)) == INBOX_DATAGRAMS
    inbox = walked_alike(TELLING)
    inbox.walked(ALIKE_DATAGRAMS, ALIKE_DATAGRAMS)
    assert put_until_full(inbox, alike(2000)) == INBOX_DATAGRAMS
