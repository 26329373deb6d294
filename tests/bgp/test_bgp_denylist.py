"""The deny list."""

from __future__ import annotations

from kproxy_tw.bgp.denylist import MAX_DENIED, MAX_TTL_SECONDS, DenyList


def denied(ttl_seconds: int = 1200, ttl_counter: int = 0) -> DenyList:
    """One address, denied at second 100."""
    deny = DenyList()
    deny.deny("192.0.2.1", "unknown", ttl_seconds=ttl_seconds, ttl_counter=ttl_counter, now=100.0)
    return deny


def test_for_its_time_only() -> None:
    """20 minutes by the reply, not a second longer."""
    deny = denied()
    assert deny.refuses("192.0.2.1", 1299.9)
    assert not deny.refuses("192.0.2.1", 1300.0)
    assert not deny.refuses("192.0.2.2", 100.0)


def test_remaining_time() -> None:
    """Page and JSON show what is left, and how many were refused."""
    deny = denied()
    deny.refuses("192.0.2.1", 200.0)
    (entry,) = deny.status(400.0)
    assert (entry.device_ip, entry.ttl_seconds, entry.refused) == ("192.0.2.1", 900, 1)
    assert deny.status(1300.0) == []


def test_logged_once() -> None:
    """Only the first denial is news, until its time is over."""
    deny = DenyList()
    times = (0.0, 600.0, 3000.0)
    told = [deny.deny("192.0.2.1", "unknown", ttl_seconds=1200, ttl_counter=0, now=now) for now in times]
    assert told == [True, False, True]


def test_counted_uses() -> None:
    """A reply that is good for two uses refuses two connections."""
    deny = denied(ttl_counter=2)
    assert [deny.refuses("192.0.2.1", 101.0) for _ in range(3)] == [True, True, False]


def test_a_reply_that_is_not_cached_denies_nothing() -> None:
    """ttl 0: ask again next time."""
    assert not denied(ttl_seconds=0).refuses("192.0.2.1", 100.0)


def test_allowed_again() -> None:
    """A pushed reply takes an address off."""
    deny = denied()
    deny.allow("192.0.2.1")
    assert not deny.refuses("192.0.2.1", 101.0)


def test_bounds() -> None:
    """Neither the number of addresses nor the time is the peer's to choose."""
    deny = denied(ttl_seconds=2**32 - 1)
    assert not deny.refuses("192.0.2.1", 100.0 + MAX_TTL_SECONDS)
    for number in range(MAX_DENIED + 10):
        deny.deny(f"2001:db8::{number:x}", "unknown", ttl_seconds=1200, ttl_counter=0, now=0.0)
    assert len(deny.status(1.0)) == MAX_DENIED
    assert not deny.refuses("2001:db8::0", 1.0)
