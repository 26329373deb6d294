"""Dead letters on a real disk."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kproxy_tw.deliver.letters.service import MAX_PENDING, DeadLetters
from kproxy_tw.deliver.letters.store import DeadLetterStore
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.testing.offload import inline

BATCH = BatchId(UUID(int=1), 7, 42)


def names(directory: Path) -> list[str]:
    """The files that are there."""
    return sorted(path.name for path in directory.iterdir())


def test_a_letter_is_the_body_under_a_telling_name(tmp_path: Path) -> None:
    """When, which answer, which device, which message; for its owner's eyes only."""
    store = DeadLetterStore(tmp_path / "dead")
    letters = DeadLetters(store=store, offload=inline, clock=Clock(), wall=lambda: 1_700_000_000.5)
    letters.keep(BATCH, b"body", 422)
    (path,) = (tmp_path / "dead").iterdir()
    assert (path.name, path.read_bytes()) == ("1700000000500-422-7-42.kflow", b"body")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_oldest_give_way(tmp_path: Path) -> None:
    """Never more bytes than allowed, not even for one that is larger than all."""
    store = DeadLetterStore(tmp_path, max_bytes=100)
    for number in range(5):
        store.keep(f"{number}", b"x" * 40)
    assert names(tmp_path) == ["3.kflow", "4.kflow"]
    store.keep("5", b"x" * 101)
    assert names(tmp_path) == []


def test_a_disk_that_fails_is_no_matter(tmp_path: Path) -> None:
    """The message is counted as rejected in any case."""
    (tmp_path / "file").write_text("no directory")
    store = DeadLetterStore(tmp_path / "file")
    letters = DeadLetters(store=store, offload=inline, clock=Clock(), wall=lambda: 0.0)
    letters.keep(BATCH, b"body", 400)
    assert letters.stopService().called


def test_a_slow_disk_holds_a_bounded_number() -> None:
    """The reactor does not wait, and memory is bounded."""
    asked: list[Deferred[None]] = []

    def slow(_work: object) -> Deferred[None]:
        asked.append(Deferred())
        return asked[-1]

    letters = DeadLetters(store=DeadLetterStore(Path()), offload=slow, clock=Clock(), wall=lambda: 0.0)  # type: ignore[arg-type]
    for _letter in range(MAX_PENDING + 10):
        letters.keep(BATCH, b"body", 400)
    stopped = letters.stopService()
    assert (len(asked), stopped.called) == (MAX_PENDING, False)
    for each in asked:
        each.callback(None)
    assert stopped.called
