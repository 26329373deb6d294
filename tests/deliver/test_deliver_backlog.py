"""SpoolService and BacklogService together, on a real disk and the real reactor."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from twisted.internet import reactor
from twisted.internet.task import deferLater

import attrs
import pytest
import pytest_twisted

from kproxy_tw.deliver.backlog.service import BacklogService
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.spool.limits import Lost, SpoolLimits
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.deliver.spool.service import COMMIT_SECONDS, SpoolService
from kproxy_tw.deliver.spool.store import Spool
from kproxy_tw.deliver.spool.tally import Books
from kproxy_tw.deliver.spool.tallyfile import TallyFile
from kproxy_tw.devices.device import Device
from kproxy_tw.errors import UpstreamError
from kproxy_tw.kflow.encode import encode
from kproxy_tw.ledger import Ledger
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import Line, RecordedRequest, RecordingSession
from tests.deliver.sending import GOOD, Letters, columns, plain_flows, status

RUN = UUID("0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11")
EDGE = Device(device_id=7, company_id=1, name="edge")


@attrs.define
class Live:
    """What is delivered beside the backlog."""

    sent: int = 0
    well: bool = True

    def bytes_sent(self) -> int:
        """As the test sets it."""
        return self.sent

    def healthy(self) -> bool:
        """As the test sets it."""
        return self.well


class Disk:
    """A spool in a directory and a backlog that delivers from it to a script."""

    def __init__(self, directory: Path, *script: Line, otherwise: Line = GOOD, **limits: Any) -> None:
        self.wall = 1e9
        self.ledger, self.live, self.lost = Ledger(), Live(), list[Lost]()
        self.letters = Letters()
        self.session = RecordingSession(script, otherwise=otherwise)
        self.spool = SpoolService(
            reactor=reactor,
            spool=Spool(directory, SpoolLimits(free_bytes=0, **limits), wall=lambda: self.wall),
            max_bytes=1 << 30,
            inherited=self.ledger.inherit,
            lost=self._lose,
            books=lambda: Books(self.ledger.records_received, self.ledger.records_in_flight),
            wall=lambda: self.wall,
        )
        self.backlog = BacklogService(
            reactor=reactor,
            spool=self.spool,
            session=self.session,
            url="https://flow.example.com/chf",
            recipient={7: EDGE}.get,
            knows_devices=lambda: True,
            ledger=lambda _origin: self.ledger,
            live=self.live,
            config=DeliverConfig(backoff_seconds=0.05),
            offload=inline,
            wall=lambda: 1e9,
            letters=self.letters,
            uniform=lambda _low, high: min(high, 0.05),
        )

    def _lose(self, lost: Lost) -> None:
        self.lost.append(lost)
        self.ledger.drop_messages(lost.reason, lost.messages, lost.flows)

    def give_up(self, *numbers: int, device: int = 7, size: int = 20) -> None:
        """Memory cannot keep these messages of three flows."""
        for number in numbers:
            self.ledger.inherit(1, 3)
            batch = BatchId(RUN, device, number)
            assert self.spool.take_over(Message(b"%d." % number * size, 3, reactor.seconds(), batch))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something, five seconds at most."""
        for _attempt in range(250):
            if condition():
                return
            await deferLater(reactor, 0.02)
        raise AssertionError("it did not come true")

    async def stop(self) -> None:
        """As the daemon does: first the backlog, then the spool."""
        if self.backlog.running:
            await self.backlog.stopService()
        await self.spool.stopService()


@pytest_twisted.ensureDeferred
async def test_what_memory_gave_up_is_delivered_from_disk_in_order(tmp_path: Path) -> None:
    """With its name, and booked as forwarded; the directory is empty then."""
    disk = Disk(tmp_path)
    disk.spool.startService()
    disk.give_up(1, 2, 3)
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.records_forwarded == 9)
    assert [request.headers["X-Kproxy-Batch"] for request in disk.session.requests] == [
        f"{RUN}:7:{n}" for n in (1, 2, 3)
    ]
    assert disk.session.requests[0].url == "https://flow.example.com/chf?sid=0&sender_id=1%3Aedge%3A7"
    await disk.until(lambda: disk.spool.waiting().messages == 0)
    assert disk.ledger.balanced()
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_the_backlog_does_not_drown_a_backend_that_is_back(tmp_path: Path) -> None:
    """While devices send next to nothing it goes at 1 MiB/s: behind 400,000 bytes it waits for 0.38 s."""
    came: list[float] = []

    def answer(_asked: RecordedRequest) -> tuple[int, Mapping[str, str], bytes]:
        came.append(reactor.seconds())
        return GOOD

    disk = Disk(tmp_path, otherwise=answer)
    disk.spool.startService()
    disk.give_up(1, 2, 3, size=200_000)
    await disk.until(lambda: disk.spool.waiting().messages == 3)
    disk.backlog.startService()
    await disk.until(lambda: len(came) == 3)
    assert came[2] - came[0] >= 2 * 400_000 / (1 << 20)
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_trouble_on_the_way_repeats_the_same_message(tmp_path: Path) -> None:
    """A refusal to connect, a 503, then it works: three attempts of one message."""
    disk = Disk(tmp_path, UpstreamError("refused"), status(503))
    disk.spool.startService()
    disk.give_up(1)
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.records_forwarded == 3)
    assert len({request.headers["X-Kproxy-Batch"] for request in disk.session.requests}) == 1
    assert (len(disk.session.requests), disk.ledger.messages_retried) == (3, 2)
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_what_is_left_at_a_stop_is_there_at_the_next_start(tmp_path: Path) -> None:
    """It counts as received by the new run, and gets its fate there."""
    first = Disk(tmp_path)
    first.spool.startService()
    first.give_up(1, 2)
    await first.stop()
    assert (first.ledger.records_in_flight, first.ledger.messages_in_flight) == (6, 2)
    second = Disk(tmp_path)
    second.spool.startService()
    await second.until(lambda: second.ledger.records_in_flight == 6)
    assert (second.ledger.messages_created, second.ledger.messages_in_flight) == (2, 2)
    second.backlog.startService()
    await second.until(lambda: second.ledger.records_forwarded == 6)
    assert (second.ledger.balanced(), second.ledger.settled, second.ledger.messages_sent) == (True, True, 2)
    await second.stop()


@pytest_twisted.ensureDeferred
async def test_a_backend_that_takes_nothing_is_left_alone(tmp_path: Path) -> None:
    """While live messages fail, the backlog does not add to the trouble."""
    disk = Disk(tmp_path)
    disk.live.well = False
    disk.spool.startService()
    disk.give_up(1)
    disk.backlog.startService()
    await disk.until(lambda: disk.spool.waiting().messages == 1)
    await deferLater(reactor, 0.3)
    assert disk.session.requests == []
    disk.live.well = True
    await disk.until(lambda: disk.ledger.records_forwarded == 3)
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_messages_of_a_device_that_is_gone_are_dropped_as_such(tmp_path: Path) -> None:
    """Nobody could take them."""
    disk = Disk(tmp_path)
    disk.spool.startService()
    disk.give_up(1, device=8)
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.records_dropped["unregistered"] == 3)
    assert (disk.ledger.balanced(), disk.ledger.messages_dropped["unregistered"]) == (True, 1)
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_a_message_that_is_refused_is_not_sent_for_ever(tmp_path: Path) -> None:
    """413 is for good where there are no halves; what stands behind it goes on."""
    disk = Disk(tmp_path, status(413))
    disk.spool.startService()
    disk.give_up(1, 2)
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.records_forwarded == 3)
    assert disk.ledger.records_dropped["rejected"] == 3
    assert disk.letters.kept == [(b"1." * 20, 413)]
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_a_message_on_disk_that_is_too_large_goes_in_halves(tmp_path: Path) -> None:
    """They are on the disk before the whole is struck off, and a restart in between sends them under the same names."""
    disk = Disk(tmp_path, status(413), otherwise=status(503))
    disk.spool.startService()
    disk.ledger.inherit(1, 8)
    body = encode(plain_flows(8), device_id=7, column_ids={})
    assert disk.spool.take_over(Message(body, 8, reactor.seconds(), BatchId(RUN, 7, 1)))
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.messages_split == 1 and disk.spool.waiting().messages == 2)
    await disk.stop()
    assert (disk.ledger.records_in_flight, disk.ledger.balanced()) == (8, True)
    assert (disk.ledger.messages_created, disk.ledger.messages_in_flight) == (3, 2)
    again = Disk(tmp_path)
    again.spool.startService()
    await again.until(lambda: again.ledger.records_in_flight == 8)
    again.backlog.startService()
    await again.until(lambda: again.ledger.records_forwarded == 8)
    names = [request.headers["X-Kproxy-Batch"] for request in again.session.requests]
    assert names == [f"{RUN}:7:1:1", f"{RUN}:7:1:2"]
    assert [columns(request.body or b"")["in_bytes"] for request in again.session.requests] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_a_refused_message_waits_aside_and_survives_a_stop(tmp_path: Path) -> None:
    """400 may pass: it is kept, holds up nothing, and is on the disk for the next run."""
    disk = Disk(tmp_path, status(400))
    disk.spool.startService()
    disk.give_up(1, 2)
    disk.backlog.startService()
    await disk.until(lambda: disk.ledger.records_forwarded == 3)
    assert (disk.ledger.records_in_flight, disk.letters.kept) == (3, [])
    await disk.stop()
    again = Disk(tmp_path)
    again.spool.startService()
    again.backlog.startService()
    await again.until(lambda: again.ledger.records_forwarded == 3)
    assert [request.body for request in again.session.requests] == [b"1." * 20]
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_without_a_directory_it_goes_on_from_memory(tmp_path: Path) -> None:
    """The check says why, and nothing is taken over."""
    (tmp_path / "file").write_text("no directory")
    disk = Disk(tmp_path / "file" / "spool")
    disk.spool.startService()
    assert not disk.spool.take_over(Message(b"x", 1, 0.0, BatchId(RUN, 7, 1)))
    assert disk.spool.check().status == "failing"
    assert "Not a directory" in disk.spool.check().detail
    assert (disk.spool.check().seconds or -1.0) > 0.0
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_a_disk_that_fails_again_and_again_fails_since_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write fails; once one succeeds all is well."""
    disk = Disk(tmp_path)
    disk.spool.startService()

    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(TallyFile, "write", full)
        disk.give_up(1)
        await disk.until(lambda: (disk.spool.check().seconds or 0.0) > 3 * COMMIT_SECONDS)
        assert "No space left on device" in disk.spool.check().detail
    disk.give_up(2)
    await disk.until(lambda: disk.spool.check().status == "ok")
    assert disk.spool.check().seconds is None
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_health_names_what_was_set_aside(tmp_path: Path) -> None:
    """A file of a later version: the spool goes on without it, and says where it is."""
    (tmp_path / "00000001.seg").write_bytes(b"KPspool\x09")
    disk = Disk(tmp_path)
    disk.spool.startService()
    assert disk.spool.check().status == "ok"
    assert disk.spool.check().detail == (
        "0 messages on disk; spool_quarantined: what could not be used was set aside as"
        f" {tmp_path}/00000001.bad-1000000000"
    )
    assert (disk.spool.check().warning, disk.spool.shown()["Quarantined"]) == (True, 1)
    await disk.stop()


@pytest_twisted.ensureDeferred
async def test_a_directory_that_cannot_be_used_gives_way_to_a_new_one(tmp_path: Path) -> None:
    """A file stands in its place: it is kept under another name, people are told, and the spool does its work."""
    (tmp_path / "spool").write_text("no directory")
    disk = Disk(tmp_path / "spool")
    disk.spool.startService()
    assert (disk.spool.check().status, disk.spool.check().warning) == ("ok", True)
    assert f"spool_quarantined: what could not be used was set aside as {tmp_path}/spool.bad-1000000000" in (
        disk.spool.check().detail
    )
    assert (tmp_path / "spool.bad-1000000000").read_text() == "no directory"
    disk.give_up(1)
    await disk.until(lambda: disk.spool.waiting().messages == 1)
    await disk.stop()
    again = Disk(tmp_path / "spool")
    again.spool.startService()
    assert (again.spool.check().warning, again.spool.shown()["Quarantined"]) == (False, 0)
    await again.until(lambda: again.ledger.messages_in_flight == 1)
    await again.stop()


@pytest_twisted.ensureDeferred
async def test_a_full_spool_counts_what_gives_way(tmp_path: Path) -> None:
    """10 messages of 20 kB into 64 KiB for one device at most half of it: the books close."""
    disk = Disk(tmp_path, max_bytes=64 << 10, segment_bytes=8 << 10)
    disk.spool.startService()
    for number in range(1, 11):
        disk.give_up(number, size=5_000)
        await deferLater(reactor, 0.0)
    await disk.spool.stopService()
    assert disk.ledger.balanced()
    assert disk.ledger.records_in_flight + disk.ledger.records_dropped["spool_full"] == 30
    assert disk.ledger.records_dropped["spool_full"] > 0
    assert 3 * disk.ledger.messages_dropped["spool_full"] == disk.ledger.records_dropped["spool_full"]
    assert disk.ledger.messages_in_flight == disk.spool.waiting().messages


@pytest_twisted.ensureDeferred
async def test_messages_that_are_too_old_are_counted_as_such(tmp_path: Path) -> None:
    """Three of an hour ago, in files of their own: the last file stays, for what comes next may be in it."""
    disk = Disk(tmp_path, max_bytes=1 << 20, segment_bytes=50, max_age_seconds=1800)
    disk.spool.startService()
    for number in (1, 2, 3):
        disk.give_up(number)
        await disk.until(lambda: disk.spool.waiting().messages == number)  # noqa: B023
    disk.wall += 3600
    disk.give_up(4)
    await disk.until(lambda: disk.ledger.messages_dropped["spool_expired"] == 2)
    assert (disk.ledger.records_dropped["spool_expired"], disk.ledger.records_dropped["spool_full"]) == (6, 0)
    await disk.stop()
    assert (disk.ledger.balanced(), disk.ledger.messages_in_flight) == (True, 2)
