"""Who gives way when more comes than can be worked on."""

from __future__ import annotations

import socket
from collections import Counter, deque

from twisted.internet import reactor
from twisted.internet.task import deferLater

import attrs
import pytest
import pytest_twisted

from kproxy_tw.devices.device import Device
from kproxy_tw.intake import Intake
from kproxy_tw.ledger import Ledger
from kproxy_tw.listen.drops import KernelDrops
from kproxy_tw.listen.service import SO_RCVBUFFORCE, ListenConfig, UdpListener
from kproxy_tw.shedding import BEGINS_AT, CALM_TURNS, MOST_AT, STRANGERS, WINDOW, Shedding
from tests.test_intake import EDGE, Bench, v5

BUFFER = 8 << 20
HALF_WAY = (BEGINS_AT + MOST_AT) / 2
"""How full a buffer is when half of what comes is walked."""


def shedding(fill: float) -> Shedding:
    """One that is told so."""
    made = Shedding()
    made.behind("socket", fill)
    return made


def admitted(made: Shedding, counts: dict[str, int]) -> Counter[str]:
    """How many of each exporter are walked of a window in which they come by turns."""
    left, kept = Counter(counts), Counter[str]()
    while left := +left:
        for exporter in list(left):
            left[exporter] -= 1
            kept[exporter] += made.admits(exporter)
    return kept


def test_it_rests_while_the_reader_keeps_up() -> None:
    """A buffer that a burst has filled by less than three quarters is what buffers are for."""
    made = shedding(BEGINS_AT)
    assert not made.active
    made.behind("socket", HALF_WAY)
    assert made.active
    made.behind("socket", 0.0)
    assert not made.active


def test_whoever_sends_most_gives_way() -> None:
    """Half is to be walked: of 1,748 + 200 + 100 the small ones keep all, the large one 724, and that makes 1,024."""
    made = shedding(HALF_WAY)
    counts = {"large": 1748, "middle": 200, "small": 100}
    assert sum(counts.values()) == WINDOW
    assert admitted(made, counts) == counts  # who sends most is not known yet
    assert admitted(made, counts) == {"large": 724, "middle": 200, "small": 100}


def test_a_moment_of_calm_does_not_make_it_forget() -> None:
    """After one turn that seems better it knows the large one still; after 101 that may be somebody else."""
    made = shedding(HALF_WAY)
    admitted(made, {"large": WINDOW})
    made.behind("socket", BEGINS_AT)
    assert not made.active
    made.behind("socket", HALF_WAY)
    assert admitted(made, {"large": WINDOW}) == {"large": WINDOW / 2}
    for _turn in range(CALM_TURNS + 1):
        made.behind("socket", 0.0)
    made.behind("socket", HALF_WAY)
    assert admitted(made, {"other": WINDOW}) == {"other": WINDOW}


def test_one_that_comes_in_bursts_is_no_large_one() -> None:
    """100 in a row of 2,048 are not many, whatever was before."""
    made = shedding(HALF_WAY)
    admitted(made, {"large": WINDOW})
    assert all(made.admits("bursts") for _datagram in range(100))
    assert admitted(made, {"large": WINDOW - 100})["large"] == WINDOW / 2


def test_equals_share_alike() -> None:
    """None of 64 is worse off than another."""
    made = shedding(HALF_WAY)
    counts = {f"r{number}": WINDOW // 64 for number in range(64)}
    admitted(made, counts)
    assert set(admitted(made, counts).values()) == {WINDOW // 64 // 2}


def test_something_is_walked_of_each_even_when_hardly_anything_is() -> None:
    """A buffer that is full, and more exporters than there is room for."""
    made = shedding(1.0)
    counts = {f"r{number}": 2 for number in range(WINDOW // 2)}
    admitted(made, counts)
    assert set(admitted(made, counts).values()) == {1}


def test_one_reader_behind_is_enough() -> None:
    """They share the processor."""
    made = shedding(HALF_WAY)
    made.behind("other socket", 0.0)
    assert made.active


READ_SECONDS, WALK_SECONDS, SHED_SECONDS = 1.5e-6, 6e-6, 0.5e-6
"""What a datagram costs: to read it, to walk it, to leave it aside."""

QUEUE = 20_000
"""Datagrams that the buffer holds."""


def lost_in_overload(flood: float, made: Shedding | None) -> dict[str, float]:
    """The part of each exporter's datagrams that is not walked, in two seconds of a reader with its queue.

    ``small`` sends 300 a second, two at a time, ``loud`` as many as the argument says; what finds the queue full is
    dropped, whoever sent it.
    """
    queue, came, walked = deque[str](), Counter[str](), Counter[str]()
    now, step = 0.0, 1 / 150
    due = {"small": 0.0, "loud": 0.0}
    while now < 2.0:
        turn = [queue.popleft() for _datagram in range(min(512, len(queue)))]
        kept = [one for one in turn if made is None or not made.active or made.admits(one)]
        walked.update(kept)
        now += max(1e-4, len(turn) * READ_SECONDS + len(kept) * WALK_SECONDS + (len(turn) - len(kept)) * SHED_SECONDS)
        while due["loud"] < now:
            due["loud"] += 1 / flood
            burst = ["loud"]
            if due["small"] < due["loud"]:
                due["small"] += step
                burst += ["small", "small"]
            came.update(burst)
            queue.extend(burst[: max(0, QUEUE - len(queue))])
        if made is not None:
            made.behind("socket", len(queue) / QUEUE if len(turn) == 512 else 0.0)
    waiting = Counter(queue)
    return {one: 1 - (walked[one] + waiting[one]) / came[one] for one in came}


def test_a_small_exporter_loses_nothing_beside_a_flood() -> None:
    """200,000 a second where 133,333 can be walked: without shedding a third of everybody's is lost.

    With it the flood pays for all, and for the time that it takes to read what is not walked: 109,000 are left of it.
    """
    without, shed = lost_in_overload(200_000, None), lost_in_overload(200_000, Shedding())
    assert without["small"] > 0.2
    assert without["loud"] > 0.2
    assert shed["small"] < 0.001
    assert 0.2 < shed["loud"] < 0.5


def test_strangers_have_the_share_of_one() -> None:
    """2,000 forged addresses beside a device: it loses nothing, they are counted, each datagram once."""
    bench = Bench(EDGE)
    bench.intake.shedding.behind("socket", HALF_WAY)
    for _window in range(2):
        for number in range(2000):
            bench.datagram(b"\0\5junk", f"198.18.{number // 250}.{number % 250}", 1)
        for _datagram in range(48):
            bench.datagram(v5(1), "192.0.2.1", 50000)
    bench.gather()
    assert bench.ledger().datagrams_received == 96
    assert bench.ledger().datagrams_dropped.total() == 0
    assert bench.intake.unregistered.datagrams_dropped["shed"] == 2000 - (WINDOW / 2 - 48)


@pytest.mark.parametrize("by_port", [False, True])
def test_what_is_shed_is_counted_where_it_belongs(by_port: bool) -> None:
    """Read = walked + shed, and the log is told whose it was."""
    bench = Bench(EDGE, attrs.evolve(EDGE, device_id=8, name="core", sending_addresses=frozenset({"192.0.2.9"})))
    bench.intake.receiver = bench.intake.datagrams_told_apart if by_port else bench.intake.datagrams
    bench.intake.shedding.behind("socket", HALF_WAY)
    for _window in range(2):
        for number in range(WINDOW):
            bench.datagram(v5(1), "192.0.2.9" if number % 32 else "192.0.2.1", 50000)
    bench.gather()
    small, large = (bench.intake.devices[number].pipeline.ledger for number in (7, 8))
    assert (small.datagrams_received, small.datagrams_dropped["shed"], small.records_received) == (128, 0, 128)
    assert (large.datagrams_received, large.datagrams_dropped["shed"]) == (2 * WINDOW - 128, WINDOW / 2)
    assert large.records_received == large.datagrams_received - large.datagrams_dropped["shed"]
    assert {line.partition(":")[0] for line in bench.complaints} == {"core 192.0.2.9"}


def filled(sock: socket.socket, exporters: dict[str, int]) -> Counter[str]:
    """Let exporters send by turns, each so many, until the buffer is nearly full. :return: what each has sent."""
    drops, sent = KernelDrops(sock), Counter[str]()
    senders = {address: socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for address in exporters}
    for address, sender in senders.items():
        sender.bind((address, 0))
    data = v5(1)
    while drops.fill < MOST_AT:
        for address, count in exporters.items():
            for _datagram in range(count):
                senders[address].sendto(data, sock.getsockname())
            sent[address] += count
        drops.read()
    for sender in senders.values():
        sender.close()
    assert drops.total == 0
    return sent


@pytest_twisted.ensureDeferred
async def test_a_reader_that_is_late_takes_all_of_a_small_exporter() -> None:
    """A real socket whose buffer a large exporter has filled: it gives way, and every datagram counts."""
    loud = Device(device_id=8, company_id=1, name="loud", sending_addresses=frozenset({"127.0.0.3"}))
    bench = Bench(attrs.evolve(EDGE, sending_addresses=frozenset({"127.0.0.2"})), loud)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < BUFFER:
            pytest.skip("the kernel grants no receive buffer of this size")
        sock.bind(("127.0.0.1", 0))
        sent = filled(sock, {"127.0.0.3": 40, "127.0.0.2": 1})
        listener = reading(sock, bench.intake)
        listener.startService()
        for _attempt in range(500):
            await deferLater(reactor, 0.02)
            bench.gather()
            books = Ledger.total(bench.intake.ledgers())
            if books.datagrams_received == sent.total():
                break
        await listener.stopService()
    small, large = (bench.intake.devices[number].pipeline.ledger for number in (7, 8))
    assert (small.records_received, small.datagrams_dropped.total()) == (sent["127.0.0.2"], 0)
    assert large.datagrams_dropped["shed"] > 0
    assert large.records_received + large.datagrams_dropped["shed"] == sent["127.0.0.3"]
    assert not bench.intake.shedding.active


def reading(sock: socket.socket, intake: Intake) -> UdpListener:
    """What reads a bound socket."""
    return UdpListener(
        reactor=reactor,
        config=ListenConfig(receive_buffer=BUFFER),
        receiver=intake.receiver,
        inherited=[sock.dup()],
        behind=intake.shedding.behind,
    )


def test_strangers_are_no_address() -> None:
    """No exporter can be called so."""
    assert STRANGERS not in EDGE.sending_addresses
