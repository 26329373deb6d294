"""PeerService: asks other kproxys every few seconds for the templates and option data that reached only them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.devices.memory.lines import SavedLine, lines_in, parse_line
from kproxy_tw.devices.memory.peers.config import Peer
from kproxy_tw.devices.memory.remembering import Remembering
from kproxy_tw.devices.memory.takeover import is_too_old, learn_from
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import MalformedInput, UpstreamError
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.offload import Offload

ASK_SECONDS = 10.0
"""Between two questions. Data waits longer than that for its template, so none is lost meanwhile."""

ANSWER_SECONDS = 30.0

MAX_ANSWER_BYTES = 16 << 20
"""What one peer may tell; it is kept."""

OK, NOTHING_YET, NOT_MODIFIED = 200, 204, 304


@attrs.define(eq=False)
class Asked:
    """A peer that is asked.

    :ivar version: of what it told last, in its own words.
    :ivar told: session key to when the peer had saved it, as far as that was taken in.
    :ivar lines: what it told, by session key.
    :ivar problem: why it could not be asked; empty when it could.
    """

    peer: Peer
    session: UpstreamSession
    version: str = ""
    told: dict[str, float] = attrs.Factory(dict)
    lines: Mapping[str, SavedLine] = attrs.Factory(dict)
    problem: str = ""


class PeerService(Service):
    """Learns from peers, and lets a session that begins learn from what they have told.

    Only templates and option tables are taken over, as if the exporter had sent them here; no counts.

    :param session: makes an HTTP session without credentials.
    :param offload: where what they tell is checked and read.
    :param wall: seconds since 1970.
    :param devices: gives the devices that have sent something.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        peers: Sequence[Peer],
        session: Callable[[], UpstreamSession],
        offload: Offload,
        wall: Callable[[], float],
        devices: Callable[[], Iterable[Remembering]],
    ) -> None:
        self._reactor = reactor
        self._offload = offload
        self._wall = wall
        self._devices = devices
        self._asked = [Asked(peer, session()) for peer in peers]
        self._turns = LoopingCall(self._turn)
        self._turns.clock = reactor

    def startService(self) -> None:
        """Ask from now on."""
        super().startService()
        if self._asked:
            self._turns.start(ASK_SECONDS, now=True).addErrback(self._report)

    async def _stop(self) -> None:
        for asked in self._asked:
            await asked.session.close()

    def stopService(self) -> Deferred[None]:
        """Ask no more."""
        super().stopService()
        if self._turns.running:
            self._turns.stop()
        return Deferred.fromCoroutine(self._stop())

    def allows(self, address: str) -> bool:
        """Whether this is the address of one of the peers."""
        return any(asked.peer.host == address for asked in self._asked)

    def adopt(self, device: Remembering, session: ExporterSession) -> None:
        """A session begins: give it what peers have told of its exporter."""
        for asked in self._asked:
            line = asked.lines.get(session.key)
            if line is not None:
                started = Deferred.fromCoroutine(self._teach(asked, device, session, line))
                started.addErrback(self._report)

    def _report(self, failure: Failure) -> None:
        self.log.failure("what a peer tells met a bug; please report", failure)

    def _turn(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._ask_all())

    async def _ask_all(self) -> None:
        for asked in self._asked:
            try:
                await self._ask(asked)
            except (UpstreamError, MalformedInput) as problem:
                if not asked.problem:
                    self.log.warn(
                        "cannot learn from {url}: {problem}; tried again every {seconds:.0f} s",
                        url=asked.peer.url,
                        problem=str(problem),
                        seconds=ASK_SECONDS,
                    )
                asked.problem = str(problem)

    async def _ask(self, asked: Asked) -> None:
        headers = {"If-None-Match": asked.version} if asked.version else {}
        answer = await asked.session.request(
            "GET", asked.peer.url, headers=headers, seconds=ANSWER_SECONDS, limit=MAX_ANSWER_BYTES
        )
        if answer.status == OK:
            asked.lines = await self._offload(partial(lines_in, answer.body))
            asked.version = answer.headers.get("etag", "")
            await self._teach_all(asked)
        elif answer.status not in (NOTHING_YET, NOT_MODIFIED):
            raise UpstreamError(f"it answers with status {answer.status}; does it list this kproxy in -state_peers?")
        if asked.problem:
            self.log.info("{url} answers again", url=asked.peer.url)
        asked.problem = ""

    async def _teach_all(self, asked: Asked) -> None:
        asked.told = {key: saved for key, saved in asked.told.items() if key in asked.lines}
        for device in list(self._devices()):
            for session in list(device.sessions.values()):
                line = asked.lines.get(session.key)
                if line is not None and session.persistent and line.saved > asked.told.get(session.key, 0.0):
                    await self._teach(asked, device, session, line)

    async def _teach(self, asked: Asked, device: Remembering, session: ExporterSession, line: SavedLine) -> None:
        saved = await self._offload(partial(parse_line, line.line))
        now = self._wall()
        if is_too_old(saved, now):
            return
        before = session.changes()
        for _step in learn_from(session, saved, now):
            await deferLater(self._reactor, 0)
            if device.sessions.get(session.key) is not session:
                return
        asked.told[session.key] = line.saved
        if session.changes() != before:
            text = f"{session.key}: templates or option data came from the kproxy at {asked.peer.host}"
            device.events.add("state_shared", text, now=now, subject=session.key)
            device.take_released(session, now)
