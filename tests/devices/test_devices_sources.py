"""Sources without a device: which are asked for, whose datagrams are held, and which are listed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.sources import (
    HELD_OVERHEAD,
    MAX_ASKED,
    MAX_HELD_BYTES,
    MAX_HELD_EACH,
    MAX_LISTED,
    MAX_REFUSED,
    Sources,
    Verdict,
)

WALL = 1_700_000_000.0


def arrive(sources: Sources, address: str, now: float = 0.0, payload: bytes = b"x", port: int = 9) -> Verdict:
    """A NetFlow v9 datagram from ``address``; the wall clock runs with ``now``."""
    received_ns = int((WALL + now) * 1e9)
    return sources.arrived(address, port, payload, flow_type="netflow9", now=now, received_ns=received_ns)


def test_the_first_datagram_asks_and_the_next_ones_wait() -> None:
    """One question per address; what comes meanwhile is kept in the order of arrival."""
    sources = Sources(DevicesConfig())
    assert arrive(sources, "10.0.0.1", 0.0, b"a", port=1) is Verdict.ASK
    assert arrive(sources, "10.0.0.1", 0.5, b"b", port=2) is Verdict.HELD
    assert sources.known("10.0.0.1")
    held = sources.take("10.0.0.1")
    assert [(datagram.payload, datagram.port) for datagram in held] == [(b"a", 1), (b"b", 2)]
    assert held[1].received_ns == int((WALL + 0.5) * 1e9)
    assert sources.take("10.0.0.1") == ()


def test_a_refused_address_is_left_alone_for_five_minutes() -> None:
    """After a negative answer nothing is held or asked until it has run out."""
    sources = Sources(DevicesConfig())
    arrive(sources, "10.0.0.1")
    sources.refused("10.0.0.1", 10.0)
    sources.take("10.0.0.1")
    assert arrive(sources, "10.0.0.1", 309.0) is Verdict.UNREGISTERED
    assert arrive(sources, "10.0.0.1", 310.0) is Verdict.ASK


def test_an_address_that_became_known_may_be_asked_for_again() -> None:
    """A device that is removed later is a stranger like any other."""
    sources = Sources(DevicesConfig())
    arrive(sources, "10.0.0.1")
    sources.refused("10.0.0.1", 0.0)
    sources.take("10.0.0.1")
    assert not sources.known("10.0.0.1")
    assert arrive(sources, "10.0.0.1", 1.0) is Verdict.ASK


def test_unregistered_sources_are_listed_for_half_an_hour() -> None:
    """The list tells first and last time, port and count, oldest first, and forgets the silent."""
    sources = Sources(DevicesConfig())
    for address, now in (("10.0.0.2", 0.0), ("10.0.0.1", 1.0), ("10.0.0.2", 5.0)):
        arrive(sources, address, now, port=4000 + int(now))
    assert sources.unregistered(5.0) == ()
    for address in ("10.0.0.1", "10.0.0.2"):
        sources.refused(address, 6.0)
        sources.take(address)
    first, second = sources.unregistered(6.0)
    assert (first.source, first.port, first.datagrams, first.flow_type) == ("10.0.0.2", 4005, 2, "netflow9")
    assert (first.first_seen, first.last_seen) == (WALL, WALL + 5)
    assert second.source == "10.0.0.1"
    assert [entry.source for entry in sources.unregistered(1802.0)] == ["10.0.0.2"]
    assert sources.unregistered(1806.0) == ()


def test_a_known_source_leaves_the_list() -> None:
    """A source that turns out to be registered is no longer listed."""
    sources = Sources(DevicesConfig())
    arrive(sources, "10.0.0.1")
    sources.refused("10.0.0.1", 0.0)
    sources.take("10.0.0.1")
    sources.known("10.0.0.1")
    assert sources.unregistered(1.0) == ()


def test_datagrams_wait_thirty_seconds_at_most() -> None:
    """When no answer comes the held datagrams are overdue, and nothing more is held; the question stays open."""
    sources = Sources(DevicesConfig())
    arrive(sources, "10.0.0.1", 0.0)
    assert sources.overdue(29.9) == ()
    assert sources.overdue(30.0) == ("10.0.0.1",)
    assert len(sources.take("10.0.0.1")) == 1
    assert arrive(sources, "10.0.0.1", 31.0) is Verdict.UNREGISTERED
    assert sources.overdue(99.0) == ()
    assert sources.known("10.0.0.1")


def test_one_address_holds_64_datagrams() -> None:
    """What goes over the bound of an address is unregistered, what is held stays."""
    sources = Sources(DevicesConfig())
    verdicts = [arrive(sources, "10.0.0.1") for _ in range(MAX_HELD_EACH + 1)]
    assert verdicts.count(Verdict.UNREGISTERED) == 1
    assert len(sources.take("10.0.0.1")) == 64


def test_all_addresses_hold_four_mebibytes() -> None:
    """The bytes of all held datagrams are bounded, and come free when they are taken."""
    sources = Sources(DevicesConfig())
    payload = bytes(65_000)
    verdicts = [arrive(sources, f"10.0.{n}.1", payload=payload) for n in range(100)]
    room = MAX_HELD_BYTES // (65_000 + HELD_OVERHEAD)
    assert verdicts.count(Verdict.ASK) == room
    sources.refused("10.0.0.1", 0.0)
    sources.take("10.0.0.1")
    assert arrive(sources, "10.1.0.1", payload=payload) is Verdict.ASK
    assert arrive(sources, "10.1.0.2", payload=payload) is Verdict.UNREGISTERED


def test_forged_sources_do_not_grow_the_tables() -> None:
    """Far more addresses than the bounds leave each table at its bound, and the newest in the list."""
    sources = Sources(DevicesConfig())
    verdicts = [arrive(sources, f"10.{n >> 8}.{n & 255}.9", payload=b"") for n in range(3 * MAX_ASKED)]
    assert verdicts.count(Verdict.ASK) == MAX_ASKED
    for n in range(3 * MAX_ASKED):
        address = f"10.{n >> 8}.{n & 255}.9"
        sources.refused(address, 1.0)
        sources.take(address)
    listed = sources.unregistered(1.0)
    assert len(listed) == MAX_LISTED
    assert listed[-1].source == "10.11.255.9"


def test_negative_answers_are_bounded() -> None:
    """Beyond the bound the oldest negative answer makes room, so that its address may be asked for again."""
    sources = Sources(DevicesConfig())
    for n in range(MAX_REFUSED + 1):
        sources.refused(f"10.{n >> 8}.{n & 255}.9", 0.0)
    assert arrive(sources, "10.0.0.9") is Verdict.ASK
    assert arrive(sources, "10.0.1.9") is Verdict.UNREGISTERED
    sources.refused("10.0.1.9", 0.0)
    sources.refused("new", 0.0)
    assert arrive(sources, "10.0.1.9") is Verdict.UNREGISTERED
    assert arrive(sources, "10.0.2.9") is Verdict.ASK


steps = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "known", "refused", "lapse"]), st.sampled_from(["a", "b", "c"]), st.integers(0, 400)
    ),
    max_size=60,
)


@given(steps)
def test_every_held_datagram_comes_back_once(script: list[tuple[str, str, int]]) -> None:
    """Whatever happens in whatever order, what was held is taken exactly once and the byte count returns to zero."""
    sources = Sources(DevicesConfig())
    held = taken = 0
    now = 0.0
    for action, address, seconds in script:
        now += seconds / 10
        if action == "arrive":
            held += arrive(sources, address, now) is not Verdict.UNREGISTERED
            continue
        if action == "known":
            sources.known(address)
        elif action == "refused":
            sources.refused(address, now)
        taken += sum(len(sources.take(each)) for each in (sources.overdue(now) if action == "lapse" else [address]))
    taken += sum(len(sources.take(address)) for address in ("a", "b", "c"))
    assert held == taken
    big = bytes(MAX_HELD_BYTES - HELD_OVERHEAD)
    assert arrive(sources, "fresh", now, big) is Verdict.ASK
