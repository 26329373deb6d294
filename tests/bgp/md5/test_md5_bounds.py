"""Nothing that strangers send makes questions, lines, or tables grow."""

from __future__ import annotations

from ipaddress import IPv4Address

from kproxy_tw.bgp.md5 import complaints, peers, questions
from kproxy_tw.bgp.md5.capture import shedding
from kproxy_tw.bgp.md5.complaints import Complaints
from kproxy_tw.bgp.md5.netstat import Md5Counters, parse_netstat
from kproxy_tw.bgp.md5.peers import Peers
from kproxy_tw.bgp.md5.questions import Questions
from kproxy_tw.bgp.md5.verdict import Verdict
from tests.bgp.md5.syn_packets import signed, unsigned

FIRST = IPv4Address("10.0.0.0")


def test_an_address_is_asked_about_once_in_a_while() -> None:
    """Not twice at a time, not again at once after the answer; at once when there was none."""
    asking = Questions()
    assert asking.begin(FIRST, 0.0)
    assert not asking.begin(FIRST, 1.0)
    asking.done(FIRST, 2.0, answered=True)
    assert not asking.begin(FIRST, 2.0 + questions.AGAIN_SECONDS - 0.1)
    assert asking.begin(FIRST, 2.0 + questions.AGAIN_SECONDS)
    asking.done(FIRST, 20.0, answered=False)
    assert asking.begin(FIRST, 20.0)


def test_64_questions_at_a_time() -> None:
    """As many SYNs as one likes make no more questions than that, and are counted."""
    asking = Questions()
    assert sum(asking.begin(FIRST + number, 0.0) for number in range(1000)) == 64
    assert (asking.pending, asking.shed) == (64, 936)


def test_the_same_is_told_once_in_ten_minutes() -> None:
    """Another matter is told at once, and so is the same one after all was well."""
    telling = Complaints(0.0)
    assert telling.due("10.0.0.1", "wrong key", 0.0)
    assert not telling.due("10.0.0.1", "wrong key", 599.0)
    assert telling.due("10.0.0.1", "no key", 599.0)
    assert telling.due("10.0.0.1", "wrong key", 600.0)
    telling.settle("10.0.0.1")
    assert telling.due("10.0.0.1", "wrong key", 601.0)


def test_many_sources_make_few_lines() -> None:
    """A minute with 1,000 made-up sources a second: the burst, and one line in two seconds."""
    telling = Complaints(0.0)
    lines = sum(telling.due(str(FIRST + number), "unexpected key", number / 1000) for number in range(60_000))
    assert lines <= complaints.BURST + 60 * complaints.LINES_PER_SECOND
    assert [telling.take_left_out(), telling.take_left_out()] == [60_000 - lines, 0]


def test_peers_are_bounded_and_counted() -> None:
    """The page keeps those seen last; attempts with one verdict are counted."""
    table = Peers()
    for number in range(peers.MOST_PEERS + 5):
        table.note(str(FIRST + number), Verdict.WRONG_KEY, number)
    table.again(str(FIRST + 5), 9999.0)
    assert len(table.listed()) == peers.MOST_PEERS
    assert (table.listed()[-1].attempts, table.listed()[-1].seen) == (2, 9999.0)


def test_a_flood_leaves_room_for_signed_ones() -> None:
    """Unsigned SYNs of 5,000 sources in a second get their own budget, signed ones pass meanwhile."""
    chosen = shedding.Shedding(0.0)
    passed = sum(chosen.admits(unsigned(str(FIRST + number)), number / 5000) for number in range(5000))
    assert passed <= 2 * shedding.UNSIGNED_PER_SECOND
    assert chosen.admits(signed("192.0.2.9", b"k"), 1.0)


def test_one_source_is_heard_when_it_repeats() -> None:
    """Copies of a SYN are left out; the router's own repetition, a second later, is not."""
    chosen = shedding.Shedding(0.0)
    assert [chosen.admits(signed("10.0.0.1", b"k"), now) for now in (0.0, 0.1, 1.0, 3.0)] == [True, False, True, True]


def test_the_kernels_counters() -> None:
    """They are found by name, whatever stands around them."""
    text = "TcpExt: A TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure\nTcpExt: 1 2 3 4\nIpExt: X\nIpExt: 9\n"
    assert parse_netstat(text) == Md5Counters(not_found=2, unexpected=3, failure=4)
    assert parse_netstat("TcpExt: A\nTcpExt: 1\n") is None
    assert parse_netstat("") is None
