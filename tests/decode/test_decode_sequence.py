"""What sequence numbers prove: losses, and what only looks like one."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk_all
from kproxy_tw.decode.sequences.book import MOST_BREAKS, SequenceBook
from kproxy_tw.decode.sequences.stream import FLOWS_AFTER, REORDER_NS, VOTES
from kproxy_tw.decode.sflow.sequence import SflowSequences
from kproxy_tw.decode.templates.cache import TemplateCache
from tests.decode.netflow_bytes import NOW_NS, a_set, ipfix_options, template

LATER = 4 * REORDER_NS


class Exporter:
    """Makes datagrams with the numbers a test wants."""

    def __init__(self, version: int, domain: int = 7) -> None:
        self.version = version
        self.domain = domain
        self.uptime = 1_000_000
        self.seconds = 1_790_000_000

    def datagram(self, number: int, records: int = 1, body: bytes | None = None) -> bytes:
        """One datagram with ``records`` flows, or with the sets in ``body``."""
        number %= 1 << 32
        if self.version == 5:
            head = (5, records, self.uptime, self.seconds, 0, number, self.domain >> 8, self.domain & 0xFF, 0)
            return struct.pack("!HHIIIIBBH", *head) + bytes(48 * records)
        sets = a_set(256, bytes(8 * records)) if body is None else body
        if self.version == 9:
            return struct.pack("!HHIIII", 9, records, self.uptime, self.seconds, number, self.domain) + sets
        return struct.pack("!HHIII", 10, 16 + len(sets), self.seconds, number, self.domain) + sets


class Session:
    """A session that knows template 256 of 8 bytes."""

    def __init__(self, version: int) -> None:
        self.exporter = Exporter(version)
        self.templates = TemplateCache()
        self.book = SequenceBook()
        self.now_ns = NOW_NS
        self.restarts = 0

    def send(self, *numbers: int, records: int = 1, body: bytes | None = None) -> None:
        """Datagrams with these sequence numbers, in one batch."""
        self.take([self.exporter.datagram(number, records, body) for number in numbers])

    def take(self, datagrams: Sequence[bytes]) -> None:
        """A batch of datagrams."""
        described = a_set(0 if self.exporter.version == 9 else 2, template(256, (8, 4), (12, 4)))
        walk_all([self.exporter.datagram(0, 0, described)], self.templates, [self.now_ns])
        walk_all(datagrams, self.templates, [self.now_ns] * len(datagrams), sequences=self.book)
        self.restarts += len(self.book.restarted())

    def lost(self) -> int:
        """Units lost, once nothing can come late any more."""
        self.book.settle(self.now_ns + LATER)
        return self.book.totals().lost

    def figure(self, name: str) -> object:
        """A figure of the only sequence."""
        (row,) = self.book.describe()
        return row[name]


STEPS = [(5, 3, 3), (9, 3, 1), (10, 3, 3)]
"""Version, records a datagram, step of the sequence number: what each protocol counts."""


@pytest.mark.parametrize(("version", "records", "step"), STEPS)
@pytest.mark.parametrize("datagrams", [4, 40])
def test_nothing_is_missing_in_an_unbroken_sequence(version: int, records: int, step: int, datagrams: int) -> None:
    """v5 counts flows, v9 packets, IPFIX records; also across the wrap at 2**32, alone and many together."""
    session = Session(version)
    first = (1 << 32) - 7 * step
    session.send(*(first + step * turn for turn in range(datagrams)), records=records)
    session.send(first + step * datagrams, records=records)
    assert (session.lost(), session.book.totals().received, session.restarts) == (0, step * (datagrams + 1), 0)


@pytest.mark.parametrize(("version", "records", "step"), STEPS)
def test_what_is_skipped_is_lost(version: int, records: int, step: int) -> None:
    """Every fifth of 40 datagrams never comes (the first and the last one do)."""
    session = Session(version)
    sent = [turn for turn in range(40) if turn % 5 != 4 or turn == 39]
    session.send(*(100 + step * turn for turn in sent), records=records)
    assert session.book.totals().lost == 0  # it could still come
    assert session.lost() == 7 * step
    assert session.book.totals().received == 33 * step


@pytest.mark.parametrize(("version", "records", "step"), STEPS)
def test_reordering_is_no_loss(version: int, records: int, step: int) -> None:
    """Neighbors change places all the time."""
    session = Session(version)
    swapped = [0, *(place for turn in range(1, 39, 2) for place in (turn + 1, turn)), 39]
    assert sorted(swapped) == list(range(40))
    session.send(*(step * turn for turn in swapped), records=records)
    assert (session.lost(), session.restarts, session.figure("duplicates")) == (0, 0, 0)
    assert session.figure("late") == 19 * step
    assert session.book.totals().received == 40 * step


def test_the_first_datagrams_may_be_out_of_order() -> None:
    """What is older than the first one we saw is neither a new beginning nor a loss."""
    session = Session(9)
    session.send(5, 4, 6, 7)
    assert (session.lost(), session.restarts, session.figure("duplicates")) == (0, 0, 1)


def test_what_comes_after_the_window_was_lost() -> None:
    """A datagram that is more than three seconds late changes nothing any more."""
    session = Session(9)
    session.send(1, 2, 4)
    session.now_ns += LATER
    session.send(5, 3)
    assert (session.lost(), session.figure("duplicates"), session.restarts) == (1, 1, 0)


@pytest.mark.parametrize(("version", "records", "step"), STEPS)
def test_duplicates_are_counted_and_are_no_new_beginning(version: int, records: int, step: int) -> None:
    """Each datagram comes twice."""
    session = Session(version)
    session.send(*(step * (turn // 2) for turn in range(20)), records=records)
    assert (session.lost(), session.restarts) == (0, 0)
    assert session.figure("duplicates") == 10 * step


@pytest.mark.parametrize("version", [5, 9])
def test_a_restart_is_an_event_and_no_gap(version: int) -> None:
    """Sequence and uptime go back to the beginning."""
    session = Session(version)
    session.send(5000, 5001, 5002)
    session.exporter.uptime = 2_000
    session.send(0, 1, 2)
    assert (session.restarts, session.lost(), session.figure("restarts")) == (1, 0, 1)
    session.send(4)
    assert session.lost() == 1


def test_a_restart_soon_after_the_start_is_seen_by_the_uptime() -> None:
    """The new numbers lie among those that have just been used."""
    session = Session(9)
    session.send(*range(10))
    session.exporter.uptime = 1_000
    session.send(*range(8))
    assert (session.restarts, session.lost(), session.figure("duplicates")) == (1, 0, 0)


def test_a_restart_with_higher_numbers_is_seen_by_the_uptime() -> None:
    """An exporter may begin anywhere."""
    session = Session(9)
    session.send(1, 2, 3)
    session.exporter.uptime = 1_000
    session.send(900, 901)
    assert (session.restarts, session.lost()) == (1, 0)


def test_an_ipfix_restart_is_seen_by_the_export_time() -> None:
    """IPFIX has no uptime: lower numbers with a later export time are a new beginning, with the same one duplicates."""
    session = Session(10)
    session.send(*range(20))
    session.send(5, 6, 7)
    assert (session.restarts, session.figure("duplicates")) == (0, 3)
    session.exporter.seconds += 30
    session.send(0, 1, 2, 3)
    assert (session.restarts, session.lost(), session.figure("duplicates")) == (1, 0, 3)


def test_domains_have_sequences_of_their_own() -> None:
    """Datagrams of two source ids that alternate are two unbroken sequences."""
    session = Session(9)
    one, other = Exporter(9, domain=1), Exporter(9, domain=2)
    session.take([exporter.datagram(base + turn) for turn in range(20) for exporter, base in ((one, 10), (other, 900))])
    assert (session.lost(), session.restarts, len(session.book)) == (0, 0, 2)


OPTIONS = a_set(3, ipfix_options(300, [(149, 4)], [(41, 4)])) + a_set(300, bytes(24))
"""An options template and three records of it."""


def test_ipfix_counts_records_of_options_too() -> None:
    """RFC 7011 section 3.1: all data records; templates are none."""
    session = Session(10)
    session.send(0, 1, 2)
    session.send(3, body=OPTIONS)
    session.send(6, 7)
    assert (session.lost(), session.restarts, session.book.totals().received) == (0, 0, 8)


def test_an_exporter_that_leaves_options_out_is_understood() -> None:
    """Its numbers do not move with options; that is learned without a loss or a restart."""
    session = Session(10)
    number = 0
    for _turn in range(VOTES + 2):
        session.exporter.seconds += 60
        session.send(number, body=OPTIONS)
        session.send(*range(number, number + 5))
        number += 5
    assert (session.lost(), session.restarts, session.figure("counted")) == (0, 0, "flows")
    session.send(number + 2)
    assert session.lost() == 2


@pytest.mark.parametrize(
    ("version", "step", "counted"), [(10, 1, "packets"), (9, 5, "records")], ids=["ipfix by packets", "v9 by records"]
)
def test_another_way_of_counting_is_learned(version: int, step: int, counted: str) -> None:
    """Three transitions in a row that agree are believed, and a gap is one again after them."""
    session = Session(version)
    for turn in range(20):
        session.exporter.seconds += 1
        session.send(100 + step * turn, records=5)
    assert (session.lost(), session.restarts, session.figure("counted")) == (0, 0, counted)
    session.send(100 + step * 22, records=5)
    assert session.lost() == 2 * step


@pytest.mark.parametrize("pause_ns", [0, LATER])
def test_numbers_that_hold_behind_their_message_are_learned(pause_ns: int) -> None:
    """softflowd 1.1 counts a message's own flows in: the step is the size of the message that comes."""
    session, number = Session(10), 0
    for records in (24, 32, 17, 32, 5, 26, 31):
        number += records
        session.exporter.seconds += 1
        session.now_ns += pause_ns
        session.send(number, records=records)
    assert (session.lost(), session.restarts) == (0, 0)
    assert session.figure("counted") == FLOWS_AFTER
    session.send(number + 10 + 4, records=4)
    assert session.lost() == 10


def test_records_that_nobody_can_count_prove_nothing() -> None:
    """Behind a set without template the next IPFIX number is taken as it comes; v9 counts packets, so it is not."""
    for version, lost in ((10, 0), (9, 38)):
        session = Session(version)
        session.send(1, body=a_set(999, bytes(300)))
        session.send(40)
        assert session.lost() == lost


def test_a_wild_jump_is_no_loss() -> None:
    """Numbers that leap by billions are a new beginning, not a loss of billions."""
    session = Session(9)
    session.send(1, 2, 2_000_000_000, 2_000_000_001)
    assert (session.lost(), session.restarts) == (0, 1)


def test_numbers_survive_a_restart_of_ours() -> None:
    """Through JSON. What was sent meanwhile is told apart from losses since the start."""
    session = Session(9)
    session.send(1, 2, 3)
    saved = json.loads(json.dumps(session.book.save()))
    session.book = SequenceBook()
    session.book.restore(saved, age_seconds=60)
    session.send(14, 15)
    assert (session.lost(), session.figure("lost_while_away"), session.restarts) == (0, 10, 0)
    session.send(17)
    assert session.lost() == 1
    session.book = SequenceBook()
    session.book.restore(saved, age_seconds=10**6)
    assert len(session.book) == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["key", "expected", "clock"]), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_any_saved_state_is_taken_or_left(saved: object) -> None:
    """A damaged file never raises."""
    book = SequenceBook()
    book.restore(saved)
    book.restore([{"key": ["netflow9", 1, 0, 0], "expected": saved, "clock": saved, "counted": "packets"}])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 3)), max_size=40))
def test_any_numbers_are_taken(packets: list[tuple[int, int, int]]) -> None:
    """Whatever an exporter counts: nothing is negative, and no sequence grows without bound."""
    for version in (5, 9, 10):
        session = Session(version)
        datagrams = []
        for number, uptime, records in packets:
            session.exporter.uptime = uptime
            datagrams.append(session.exporter.datagram(number, records))
        session.take(datagrams)
        for row in session.book.describe():
            assert all(value >= 0 for value in row.values() if isinstance(value, int))


@pytest.mark.parametrize(("version", "records", "step"), STEPS)
def test_a_feed_that_comes_twice_is_taken_once(version: int, records: int, step: int) -> None:
    """Each of 100 datagrams and its copy, in one batch: the copies are duplicates, and so many are breaks."""
    session = Session(version)
    session.send(*(500 + step * turn for turn in range(100) for _copy in range(2)), records=records)
    assert (session.book.totals().received, session.lost(), session.restarts) == (100 * step, 0, 0)
    assert session.figure("duplicates") == 100 * step
    assert session.book.breaks == 100


def test_breaks_of_samples_count() -> None:
    """Ten datagrams of seven samples each, all of the same number; the one behind them goes on."""
    book = SequenceBook()
    book.sflow(sflow(range(10), [(place, 3, 9) for place in range(10) for _sample in range(7)]))
    assert book.breaks == 69
    book.sflow(sflow(range(10, 20), [(place, 3, 10 + place) for place in range(10)]))
    assert book.breaks == 69


def test_samples_whose_numbers_say_nothing_are_only_counted() -> None:
    """Copies of a number: too many of one source, a few of the next, and of a third more than can be looked at then."""
    book = SequenceBook()
    counts = {3: MOST_BREAKS + 2, 4: 5, 5: MOST_BREAKS - 2}
    book.sflow(sflow([1], [(0, source, 9) for source, count in counts.items() for _copy in range(count)]))
    rows = sorted((str(row["label"]), row) for row in book.describe() if row["flow_type"] == "sflow_samples")
    found = [(row["received"], row["duplicates"], row["lost"], row["restarts"]) for _label, row in rows]
    assert found == [(MOST_BREAKS + 2, 0, 0, 0), (1, 4, 0, 0), (MOST_BREAKS - 2, 0, 0, 0)]
    breaks = sum(counts.values()) - 3
    assert book.breaks == breaks
    book.sflow(sflow([2], [(0, source, 10) for source in counts]))
    assert book.breaks == breaks


def test_sequences_are_bounded() -> None:
    """The one that was silent longest makes room, and its losses stay in the total."""
    session = Session(9)
    session.book = SequenceBook(limit=4)
    for domain in range(20):
        session.exporter.domain = domain
        session.send(1, 3)
        session.now_ns += LATER
        session.send(4)
    assert len(session.book) == 4
    assert session.lost() == 20


def test_news_are_told_once() -> None:
    """The ledger adds what is new."""
    session = Session(9)
    session.send(1, 3)
    session.book.settle(session.now_ns + LATER)
    first, second = session.book.news(), session.book.news()
    assert (first.lost, first.received, second.lost, second.received) == (1, 2, 0, 0)


def sflow(numbers: Sequence[int], samples: Sequence[tuple[int, int, int]], uptime: int = 10_000) -> SflowSequences:
    """Datagrams of one agent and (datagram, source, number) of their samples."""
    places, sources, counted = np.array(samples, np.int64).reshape(-1, 3).T
    ones = np.ones(len(numbers), np.int64)
    return SflowSequences(
        agents=["192.0.2.1"] * len(numbers),
        sub_agents=0 * ones,
        numbers=np.array(numbers, np.int64),
        uptimes=uptime * ones,
        received_ns=NOW_NS * ones,
        sample_datagrams=places,
        sample_classes=0 * places,
        sample_sources=sources,
        sample_numbers=counted,
    )


def test_sflow_counts_datagrams_and_the_samples_of_each_source() -> None:
    """A lost datagram is one gap; the samples in it are missing at their sources, which the ledger does not add."""
    book = SequenceBook()
    book.sflow(sflow([1, 2], [(0, 3, 50), (0, 4, 70), (1, 3, 51)]))
    book.sflow(sflow([4], [(0, 3, 54), (0, 4, 71)]))
    book.settle(NOW_NS + LATER)
    assert book.totals().lost == 1
    lost = {row["label"]: row["lost"] for row in book.describe()}
    assert lost == {"agent 192.0.2.1": 1, "agent 192.0.2.1 source 0:3": 2, "agent 192.0.2.1 source 0:4": 0}


def test_many_lost_samples_are_counted_in_one_step() -> None:
    """Every third sample of a source never comes; the next batch goes on behind."""
    book = SequenceBook()
    numbers = [number for number in range(600) if number % 3]
    book.sflow(sflow([1], [(0, 3, 0)]))
    book.sflow(sflow([2], [(0, 3, number) for number in numbers]))
    book.sflow(sflow([3], [(0, 3, 600)]))
    book.settle(NOW_NS + LATER)
    lost = {row["label"]: (row["lost"], row["received"]) for row in book.describe()}
    assert lost["agent 192.0.2.1 source 0:3"] == (199, 402)


def test_an_agent_that_restarts_takes_its_sources_along() -> None:
    """Uptime, datagrams and samples go back: one event, no gap."""
    book = SequenceBook()
    book.sflow(sflow([700], [(0, 3, 50)], uptime=900_000))
    assert book.restarted() == []
    book.sflow(sflow([1, 2], [(0, 3, 1), (1, 3, 2)], uptime=1_000))
    assert [event.label for event in book.restarted()] == ["agent 192.0.2.1"]
    book.settle(NOW_NS + LATER)
    assert {row["lost"] for row in book.describe()} == {0}
