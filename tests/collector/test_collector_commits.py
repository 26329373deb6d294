"""Group commit: what waits is stored together, bounded, and every sender gets an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np
import pytest

from kproxy_tw.collector.commits import GROUP_FLOWS, CommitQueue, QueueFull
from kproxy_tw.collector.message import Message
from kproxy_tw.collector.totals import Sums
from kproxy_tw.errors import StoreError
from kproxy_tw.flowbatch import FlowBatch

WAIT = 10.0


def message(flows: int = 1) -> Message:
    """A message of 8 bytes a flow."""
    batch = FlowBatch(flows, {"in_bytes": np.ones(flows, np.uint64)})
    return Message(device_id=1, device_name="d", received=1.0, batch=batch, custom={}, sums=Sums())


class SlowDisk:
    """A place to write to that waits until it is told to go on."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.writing = threading.Event()
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def write(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Store, or fail where an error is set."""
        self.writing.set()
        assert self.go_on.wait(WAIT)
        if self.error is not None:
            raise self.error
        self.groups.append(len(messages))
        return []


@pytest.fixture
def disk() -> SlowDisk:
    """A slow disk."""
    return SlowDisk()


@pytest.fixture
def queue(disk: SlowDisk) -> Iterator[CommitQueue]:
    """A running queue of at most 4 messages and 100 bytes in front of it."""
    queue = CommitQueue(disk.write, max_waiting=4, max_bytes=100)
    queue.start()
    yield queue
    disk.go_on.set()
    queue.stop()


def occupy(queue: CommitQueue, disk: SlowDisk) -> Future[None]:
    """Have the writer busy with a first message."""
    first = queue.submit(message())
    assert disk.writing.wait(WAIT)
    return first


def test_what_waits_is_stored_together(queue: CommitQueue, disk: SlowDisk) -> None:
    """While one commit is under way the others gather, and the next one takes all of them."""
    first = occupy(queue, disk)
    others = [queue.submit(message()) for _ in range(4)]
    assert not first.done()
    disk.go_on.set()
    for done in (first, *others):
        assert done.result(WAIT) is None
    assert disk.groups == [1, 4]


def test_bounded_by_count(queue: CommitQueue, disk: SlowDisk) -> None:
    """The fifth waiting message is refused; when the queue has drained, it is taken."""
    occupy(queue, disk)
    waiting = [queue.submit(message()) for _ in range(4)]
    with pytest.raises(QueueFull):
        queue.submit(message())
    disk.go_on.set()
    waiting[-1].result(WAIT)
    assert queue.submit(message()).result(WAIT) is None


def test_bounded_by_bytes(queue: CommitQueue, disk: SlowDisk) -> None:
    """Two messages of 80 bytes are too many for 100; one of 8,000 alone is not."""
    occupy(queue, disk)
    queue.submit(message(10))
    with pytest.raises(QueueFull):
        queue.submit(message(10))
    disk.go_on.set()


def test_large_message_alone_is_taken(queue: CommitQueue, disk: SlowDisk) -> None:
    """The bound on bytes never makes a message impossible."""
    disk.go_on.set()
    assert queue.submit(message(1000)).result(WAIT) is None


def test_failure_reaches_every_sender_and_the_queue_lives_on(queue: CommitQueue, disk: SlowDisk) -> None:
    """A full disk refuses the group; the next one is stored when there is room again."""
    disk.error = StoreError("disk full")
    first = occupy(queue, disk)
    second = queue.submit(message())
    disk.go_on.set()
    for done in (first, second):
        assert isinstance(done.exception(WAIT), StoreError)
    assert queue.last_error == "disk full"
    disk.error = None
    assert queue.submit(message()).result(WAIT) is None
    assert queue.last_error == ""


def test_unexpected_failure_reaches_the_sender(queue: CommitQueue, disk: SlowDisk) -> None:
    """Even a bug in writing leaves nobody waiting."""
    disk.error = KeyError("bug")
    disk.go_on.set()
    assert isinstance(queue.submit(message()).exception(WAIT), KeyError)
    disk.error = None
    assert queue.submit(message()).result(WAIT) is None


def test_cancelled_message_is_not_stored(queue: CommitQueue, disk: SlowDisk) -> None:
    """A sender that went away takes its message back unless it is being written."""
    first = occupy(queue, disk)
    second, third = queue.submit(message()), queue.submit(message())
    assert not first.cancel()
    assert second.cancel()
    disk.go_on.set()
    third.result(WAIT)
    assert disk.groups == [1, 1]


def test_stop_stores_what_waits_and_takes_no_more(disk: SlowDisk) -> None:
    """A stop loses nothing that was taken."""
    queue = CommitQueue(disk.write)
    queue.start()
    waiting = [queue.submit(message()) for _ in range(3)]
    disk.go_on.set()
    queue.stop()
    assert all(done.done() and done.exception() is None for done in waiting)
    with pytest.raises(StoreError, match="stopping"):
        queue.submit(message())


def test_group_is_bounded_by_flows(disk: SlowDisk) -> None:
    """A commit takes a full group at most, so that its memory is bounded."""
    queue = CommitQueue(disk.write)
    queue.start()
    occupy(queue, disk)
    waiting = [queue.submit(message(GROUP_FLOWS // 2)) for _ in range(5)]
    disk.go_on.set()
    for done in waiting:
        done.result(WAIT)
    queue.stop()
    assert disk.groups == [1, 2, 2, 1]
