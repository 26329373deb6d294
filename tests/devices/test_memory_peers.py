"""What another kproxy knows of an exporter: taken in where it is newer, given to those that are listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import attrs
import pytest

from kproxy_tw.decode.optiondata.samplers import Sampler
from kproxy_tw.devices.memory.lines import enclosed, line_of, snapshot
from kproxy_tw.devices.memory.peers.config import Peer
from kproxy_tw.devices.memory.peers.service import ASK_SECONDS, PeerService
from kproxy_tw.devices.memory.store import MemoryStore
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer
from kproxy_tw.testing.offload import inline
from tests.decode.netflow_bytes import NOW, specifiers
from tests.devices.test_memory_lines import new_session, taught
from tests.devices.test_memory_service import Router


@attrs.frozen
class Told:
    """An answer of a peer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = attrs.Factory(dict)


class OtherKproxy:
    """A peer's pages, as an HTTP session sees them."""

    def __init__(self, *sessions: ExporterSession, saved: float = NOW) -> None:
        lines = [line_of(snapshot(session, saved)) for session in sessions]
        self.file = enclosed(lines, saved)
        self.asked: list[str] = []
        self.away = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        limit: int = 1 << 20,
    ) -> Answer:
        """See ``interfaces.UpstreamSession``."""
        assert (method, url) == ("GET", "http://[2001:db8::2]:9996/admin/exporters")
        if self.away:
            raise UpstreamError("nobody is there")
        known = (headers or {}).get("If-None-Match", "")
        self.asked.append(known)
        return Told(304) if known == "v1" else Told(200, self.file, {"etag": "v1"})

    async def close(self) -> None:
        """Nothing is open."""


def asking(other: OtherKproxy, *routers: Router) -> tuple[PeerService, Clock]:
    """A service that has asked once."""
    clock = Clock()
    service = PeerService(
        reactor=clock,
        peers=[Peer("2001:db8::2", 9996)],
        session=lambda: other,
        offload=inline,
        wall=lambda: NOW + 5.0,
        devices=lambda: routers,
    )
    service.startService()
    clock.pump([0.1] * 10)
    return service, clock


def test_a_session_learns_what_it_has_never_heard() -> None:
    """Templates and every table; not the sequence numbers."""
    mine = new_session()
    router = Router(mine)
    service, _clock = asking(OtherKproxy(taught()), router)
    before = snapshot(taught(), 0.0)
    after = snapshot(mine, 0.0)
    assert [row[:3] for row in after["templates"]] == [row[:3] for row in before["templates"]]
    assert after["domains"] == before["domains"]
    assert (len(mine.sequences), mine.restored_age, router.released) == (0, None, 1)
    assert [event.kind for event in router.events.latest()] == ["state_shared"]
    service.stopService()


def test_what_is_the_same_is_asked_for_once() -> None:
    """The peer says that nothing has changed; nothing happens."""
    other = OtherKproxy(taught())
    router = Router(new_session())
    service, clock = asking(other, router)
    clock.pump([1.0] * int(2 * ASK_SECONDS))
    assert other.asked == ["", "v1", "v1"]
    assert router.released == 1
    service.stopService()


def test_a_session_that_begins_later() -> None:
    """It gets what the peer told before."""
    router = Router()
    service, clock = asking(OtherKproxy(taught()), router)
    mine = new_session()
    router.sessions[mine.key] = mine
    service.adopt(router, mine)
    clock.pump([0.1] * 10)
    assert len(mine.templates) == len(taught().templates)
    service.stopService()


def test_the_newer_one_counts() -> None:
    """A template and a rate that changed there; what changed here since stays."""
    theirs, mine = taught(), taught()
    key = next(key for key, known in mine.templates.store.templates.items() if not known.is_options)
    mine.templates.store.templates[key].refreshed = NOW - 60.0
    theirs.templates.begin(5000, float(NOW))
    theirs.templates.withdraw(*key)
    theirs.templates.store.remove(key)
    theirs.templates.adopt(key, specifiers([(1, 8)]), 0, refreshed=NOW + 1.0)
    theirs.templates.store.domains[9, 1].put_sampler(3, Sampler(400, "", "", NOW + 1.0))
    mine.templates.store.domains[9, 1].put_explicit(Sampler(9, "", "", NOW + 2.0))
    service, _clock = asking(OtherKproxy(theirs), Router(mine))
    assert mine.templates.store.templates[key].content == specifiers([(1, 8)])
    domain = mine.templates.store.domains[9, 1]
    assert (domain.samplers[3].rate, cast(Sampler, domain.explicit).rate) == (400, 9)
    service.stopService()


@pytest.mark.parametrize("file", [b"", b"no state at all\n", enclosed([], 0.0)[:-5]])
def test_what_is_no_state(file: bytes) -> None:
    """It is said, and asked again."""
    other = OtherKproxy(taught())
    good, other.file = other.file, file
    mine = new_session()
    service, clock = asking(other, Router(mine))
    assert len(mine.templates) == 0
    other.file = good
    clock.pump([1.0] * int(2 * ASK_SECONDS))
    assert len(mine.templates) > 0
    service.stopService()


def test_a_peer_that_is_away() -> None:
    """Asked again and again."""
    other = OtherKproxy(taught())
    other.away = True
    mine = new_session()
    service, clock = asking(other, Router(mine))
    other.away = False
    clock.pump([1.0] * int(2 * ASK_SECONDS))
    assert len(mine.templates) > 0
    service.stopService()


def test_only_peers_may_ask() -> None:
    """Known by their address."""
    service, _clock = asking(OtherKproxy())
    assert (service.allows("2001:db8::2"), service.allows("2001:db8::3")) == (True, False)
    service.stopService()


def test_the_file_and_its_version(tmp_path: Path) -> None:
    """Nothing before it is written; then its bytes, and none to who has them."""
    store = MemoryStore(tmp_path, offload=inline)

    def told(known: str) -> tuple[str, bytes | None]:
        found: list[tuple[str, bytes | None]] = []
        Deferred.fromCoroutine(store.told(known)).addCallback(found.append)
        return found[0]

    assert told("") == ("", None)
    Deferred.fromCoroutine(store.save([]))
    version, body = told("")
    assert body == store.path.read_bytes()
    assert told(version) == (version, None)
