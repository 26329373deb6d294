"""Lines that wait for export: bounded, the oldest go first."""

from __future__ import annotations

from kproxy_tw.export.lines import MAX_LINE_BYTES, MAX_POST_BYTES, MAX_WAITING_BYTES, WaitingLines


def test_in_order_one_per_line() -> None:
    """What came first goes first."""
    waiting = WaitingLines()
    assert waiting.take() is None
    for line in (b"one", b"two"):
        waiting.add(line)
    batch = waiting.take()
    assert batch is not None
    assert batch.body() == b"one\ntwo\n"
    assert waiting.take() is None


def test_what_could_not_be_sent_is_sent_first_later() -> None:
    """Put back in front of what came since."""
    waiting = WaitingLines()
    waiting.add(b"one")
    batch = waiting.take()
    waiting.add(b"two")
    assert batch is not None
    batch.put_back()
    again = waiting.take()
    assert again is not None
    assert again.body() == b"one\ntwo\n"


def test_memory_is_bounded() -> None:
    """The oldest lines go, and are counted; too long ones never come in."""
    waiting = WaitingLines()
    size, total = 1000, 3000
    for number in range(total):
        waiting.add(b"%08d" % number + bytes(size - 8))
    waiting.add(bytes(MAX_LINE_BYTES + 1))
    kept = MAX_WAITING_BYTES // size
    assert waiting.dropped == total - kept + 1
    batch = waiting.take()
    assert batch is not None
    assert len(batch.body()) <= MAX_POST_BYTES
    assert batch.body().startswith(b"%08d" % (total - kept))


def test_what_is_put_back_does_not_grow_the_queue() -> None:
    """What is older gives way to what is newer."""
    waiting = WaitingLines()
    waiting.add(b"old")
    batch = waiting.take()
    for _ in range(MAX_WAITING_BYTES // 1024):
        waiting.add(bytes(1024))
    assert batch is not None
    batch.put_back()
    assert waiting.dropped == 1
