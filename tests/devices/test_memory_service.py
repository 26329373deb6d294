"""State over a restart: loaded, handed over, saved on change and at the stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from kproxy_tw.devices.events import EventList
from kproxy_tw.devices.memory.lines import enclosed, line_of, lines_in, parse_line, snapshot
from kproxy_tw.devices.memory.service import QUIET_SAVE_SECONDS, SAVE_SECONDS, MemoryService
from kproxy_tw.devices.memory.store import MemoryStore
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.testing.offload import inline
from tests.decode.netflow_bytes import NOW, specifiers
from tests.devices.test_memory_lines import new_session, taught

T = TypeVar("T")


class Router:
    """A device as the memory sees it."""

    def __init__(self, *sessions: ExporterSession) -> None:
        self.sessions = {session.key: session for session in sessions}
        self.events = EventList(lambda _event: None)
        self.given_up: list[str] = []
        self.released = 0

    def take_released(self, session: ExporterSession, now: float) -> None:
        """Count the calls."""
        self.released += 1

    def give_up_held(self, reason: str) -> None:
        """Note the reason."""
        self.given_up.append(reason)


class SlowDisk:
    """An offload whose work ends when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    async def __call__(self, work: Callable[[], T], /) -> T:
        """Wait, then work."""
        go: Deferred[None] = Deferred()
        self.waiting.append(lambda: go.callback(None))
        await go
        return work()

    def finish(self) -> None:
        """Let everything end that was begun, and what that begins."""
        while self.waiting:
            self.waiting.pop(0)()


class Bench:
    """A memory service over a real file."""

    def __init__(self, directory: Path, *routers: Router) -> None:
        self.clock = Clock()
        self.routers = list(routers)
        self.store = MemoryStore(directory, offload=inline, wall=self.wall)
        self.service = MemoryService(
            reactor=self.clock, store=self.store, offload=inline, wall=self.wall, devices=lambda: self.routers
        )

    def wall(self) -> float:
        """Seconds since 1970."""
        return NOW + self.clock.seconds()

    def turn(self, seconds: float = SAVE_SECONDS) -> None:
        """Let time go by."""
        self.clock.pump([1.0] * int(seconds))

    def saved(self) -> int:
        """How many sessions the file has; -1 without a file."""
        return len(lines_in(self.store.path.read_bytes())) if self.store.path.exists() else -1


def write_state(directory: Path, *sessions: ExporterSession) -> None:
    """A file as a predecessor left it."""
    lines = [line_of(snapshot(session, float(NOW))) for session in sessions]
    (directory / "exporters.jsonl").write_bytes(enclosed(lines, float(NOW)))


def test_a_change_is_saved_once_in_ten_seconds(tmp_path: Path) -> None:
    """Not before there is a change, and not again while nothing changes."""
    router = Router(new_session())
    bench = Bench(tmp_path, router)
    bench.service.startService()
    bench.turn()
    assert bench.saved() == -1
    session = router.sessions["192.0.2.1"]
    session.templates.begin(5000, bench.wall())
    session.templates.learn(9, 1, 256, specifiers([(8, 4)]))
    bench.turn()
    assert bench.saved() == 1
    bench.store.path.unlink()
    bench.turn()
    assert bench.saved() == -1


def test_sequence_numbers_alone_are_saved_once_a_minute(tmp_path: Path) -> None:
    """They change with every datagram."""
    router = Router(new_session())
    bench = Bench(tmp_path, router)
    bench.service.startService()
    router.sessions["192.0.2.1"].datagrams = 5
    bench.turn(QUIET_SAVE_SECONDS - SAVE_SECONDS)
    assert bench.saved() == -1
    bench.turn(SAVE_SECONDS)
    assert bench.saved() == 1


def test_the_stop_saves_and_gives_up_what_waits(tmp_path: Path) -> None:
    """What still waits for a template at the stop is dropped as ``shutdown``."""
    router = Router(taught())
    bench = Bench(tmp_path, router)
    bench.service.startService()
    done: list[None] = []
    bench.service.stopService().addCallback(done.append)
    assert done == [None]
    assert router.given_up == ["shutdown"]
    assert bench.saved() == 1


def test_a_session_that_begins_gets_its_state(tmp_path: Path) -> None:
    """With an event that says how old it is; once."""
    write_state(tmp_path, taught())
    router = Router()
    bench = Bench(tmp_path, router)
    bench.service.startService()
    bench.turn(30)
    session = new_session()
    bench.service.adopt(router, session)
    assert session.restored_age == 30.0
    assert len(session.templates) == 3
    (event,) = router.events.latest()
    assert "192.0.2.1: 3 templates and 6 rows of option data" in event.text
    assert router.released == 1
    other = new_session()
    bench.service.adopt(router, other)
    assert other.restored_age is None


def much() -> ExporterSession:
    """A session whose state is too much for one go."""
    session = taught()
    for index in range(4_000):
        session.templates.store.domains[9, 1].put_names("applications", index, (f"application {index}", "of many"))
    return session


def test_much_state_is_handed_over_step_by_step(tmp_path: Path) -> None:
    """The reactor has its turn between; a file that is written meanwhile has the whole state."""
    write_state(tmp_path, much())
    session = new_session()
    router = Router(session)
    bench = Bench(tmp_path, router)
    bench.service.startService()
    tables = session.templates.store.domains[9, 1]
    assert 0 < len(tables.applications) < 4_000
    bench.service.stopService()
    (line,) = lines_in(bench.store.path.read_bytes()).values()
    assert len(parse_line(line.line).domains[0].applications) == 4_001
    for _turn in range(10):
        bench.clock.advance(0)
    assert (len(tables.applications), router.released) == (4_001, 1)


def test_the_hand_over_ends_with_the_session(tmp_path: Path) -> None:
    """Its successor gets everything."""
    write_state(tmp_path, much())
    router = Router(new_session())
    bench = Bench(tmp_path, router)
    bench.service.startService()
    session = router.sessions["192.0.2.1"] = new_session()
    bench.service.adopt(router, session)
    for _turn in range(10):
        bench.clock.advance(0)
    assert (len(session.templates.store.domains[9, 1].applications), router.released) == (4_001, 1)


def test_a_session_that_began_before_the_file_was_read_gets_it_afterwards(tmp_path: Path) -> None:
    """Reading takes its time, datagrams do not wait; connections have no past."""
    write_state(tmp_path, taught())
    stream = ExporterSession(
        address="192.0.2.1", key="192.0.2.1 tcp:5#1", templates=new_session().templates, first_seen=0, persistent=False
    )
    router, disk = Router(new_session(), stream), SlowDisk()
    bench = Bench(tmp_path, router)
    bench.store = MemoryStore(tmp_path, offload=disk, wall=bench.wall)
    bench.service = MemoryService(
        reactor=bench.clock, store=bench.store, offload=disk, wall=bench.wall, devices=lambda: bench.routers
    )
    bench.service.startService()
    assert router.sessions["192.0.2.1"].restored_age is None
    disk.finish()
    assert router.sessions["192.0.2.1"].restored_age == 0.0
    assert stream.restored_age is None


def test_exporters_that_have_not_sent_since_are_saved_again(tmp_path: Path) -> None:
    """Two restarts in short sequence lose nothing of a router that is silent between; a day later it is forgotten."""
    write_state(tmp_path, taught())
    bench = Bench(tmp_path)
    bench.service.startService()
    bench.service.stopService()
    assert bench.saved() == 1
    later = Bench(tmp_path)
    later.service.startService()
    later.clock.advance(25 * 3600)
    later.service.stopService()
    assert later.saved() == 0


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """The start goes on, and the file is kept for those who want to know."""
    (tmp_path / "exporters.jsonl").write_bytes(b"\x00garbage")
    bench = Bench(tmp_path, Router())
    bench.service.startService()
    assert [path.name[:19] for path in tmp_path.iterdir()] == ["exporters.jsonl.bad"]
    assert bench.service.running


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The failure is logged, and tried again."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    router = Router(taught())
    bench = Bench(blocked / "state", router)
    bench.service.startService()
    router.sessions["192.0.2.1"].templates.changes += 1
    bench.turn(30)
    blocked.unlink()
    bench.turn()
    assert bench.saved() == 1


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Templates are no secrets, but nobody else's business either."""
    bench = Bench(tmp_path / "state", Router(taught()))
    bench.service.startService()
    bench.service.stopService()
    assert bench.store.path.stat().st_mode & 0o777 == 0o600
    assert bench.store.path.parent.stat().st_mode & 0o777 == 0o700
