"""Gathers what kbgp's parts know of themselves into one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import attrs

from kproxy_tw import __version__
from kproxy_tw.bgp.framing import totals
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.relay import STALL_WARNING_SECONDS
from kproxy_tw.bgp.sessions import EndedSession, Session
from kproxy_tw.bgp.status import EndedStatus, KbgpSettings, KbgpStatus, SessionStatus
from kproxy_tw.status import Check, shown_address

if TYPE_CHECKING:
    from kproxy_tw.bgp.md5.peers import Md5Status
    from kproxy_tw.bgp.service import EdgeService
    from kproxy_tw.export.status import ExportStatus

FIRST_CONNECT_SECONDS = 30.0
"""So long the control stream may take to come up at the start."""

OLD_SECONDS = 200.0
"""Older than three heartbeats: the control stream is up, but nobody answers on it."""


class Controlling(Protocol):
    """The backend, as far as the overview needs it."""

    def status(self) -> ControlStatus:
        """The control stream now."""


@attrs.frozen(kw_only=True)
class KbgpOverview:
    """Takes the moment.

    :ivar clock: ``seconds()`` gives monotonic seconds.
    :ivar wall_ns: nanoseconds since 1970.
    :ivar start_ns: of the process.
    :ivar signatures: gives the state of TCP MD5; ``None`` without it.
    """

    instance_id: str
    settings: KbgpSettings
    clock: Any
    wall_ns: Callable[[], int]
    start_ns: int
    backend: Controlling
    edge: EdgeService
    signatures: Callable[[], Md5Status] | None = None
    exports: Sequence[Callable[[], ExportStatus]] = ()

    def hold(self) -> Callable[[], KbgpStatus]:
        """Hold this moment: copy what goes on counting, and no more, for a thousand sessions take time.

        :returns: makes the value; for any thread.
        """
        edge, now = self.edge, self.clock.seconds()
        figures = [_figures(session, now - session.began, edge.stalled_seconds(session)) for session in edge.table]
        status = KbgpStatus(
            instance_id=self.instance_id,
            version=__version__,
            start_ns=self.start_ns,
            now_ns=self.wall_ns(),
            control=self.backend.status(),
            settings=self.settings,
            sessions=(),
            history=tuple(_ended(ended) for ended in edge.table.history()),
            denied=tuple(edge.denied.status(now)),
            counts=edge.table.totals(),
            pending=edge.pending,
            stalled=edge.stalled(STALL_WARNING_SECONDS),
            checks=self.checks(),
            signatures=self.signatures() if self.signatures is not None else None,
            exports=tuple(export() for export in self.exports),
        )
        return lambda: attrs.evolve(status, sessions=tuple(session_status(one) for one in figures))

    def session(self, device_ip: str) -> SessionStatus | None:
        """The oldest session of an address."""
        session = next(iter(self.edge.table.of(device_ip)), None)
        if session is None:
            return None
        seconds = self.clock.seconds() - session.began
        return session_status(_figures(session, seconds, self.edge.stalled_seconds(session)))

    def checks(self) -> tuple[Check, ...]:
        """The checks behind ``/hc``; nothing is taken apart for them."""
        now = self.wall_ns() / 1e9
        control = control_check(self.backend.status(), now, now - self.start_ns / 1e9)
        return control, sessions_check(len(self.edge.table), self.edge.stalled(STALL_WARNING_SECONDS))


class _Figures(NamedTuple):
    """What of a session changes while it is shown."""

    session: Session
    seconds: float
    stalled_seconds: float
    connected: bool
    resumes: int
    bytes_up: int
    bytes_down: int
    counts_up: Sequence[int]
    counts_down: Sequence[int]


def _figures(session: Session, seconds: float, stalled_seconds: float) -> _Figures:
    return _Figures(
        session,
        seconds,
        stalled_seconds,
        session.connected,
        session.resumes,
        session.bytes_up,
        session.bytes_down,
        session.up.counts[:],
        session.down.counts[:],
    )


def _ended(ended: EndedSession) -> EndedStatus:
    session = session_status(_figures(ended.session, ended.seconds, 0.0))
    return EndedStatus(session=session, ended_ns=ended.ended_ns, cause=ended.cause, reason=ended.reason)


def control_check(control: ControlStatus, now: float, uptime: float) -> Check:
    """Judge the control stream.

    :param now: seconds since 1970.
    :param uptime: seconds since the start.
    """
    name = "control stream"
    if control.connected:
        silent = now - max(control.last_received or 0.0, control.since or 0.0)
        if silent > OLD_SECONDS:
            detail = f"nothing received for {silent:.0f} s"
            return Check(name=name, status="old_result", detail=detail, seconds=silent)
        return Check(name=name, status="ok", detail="connected")
    detail = control.last_error or "not connected yet"
    away = now - control.last_received if control.last_received else uptime
    if uptime < FIRST_CONNECT_SECONDS and not control.messages_received:
        return Check(name=name, status="initializing", detail=detail)
    if not control.last_error:
        detail = f"not connected after {FIRST_CONNECT_SECONDS:.0f} s"
        return Check(name=name, status="timeout", detail=detail, seconds=away)
    return Check(name=name, status="failing", detail=detail, seconds=away)


def sessions_check(sessions: int, stalled: int) -> Check:
    """Judge the sessions: one that stands still is its router's trouble, all of them are ours."""
    if sessions and stalled == sessions:
        seconds = f"{STALL_WARNING_SECONDS:.0f} s"
        return Check(name="sessions", status="failing", detail=f"in all {sessions} a side has not read for {seconds}")
    return Check(name="sessions", status="ok", detail=f"{sessions} open, {stalled} stalled")


def session_status(figures: _Figures) -> SessionStatus:
    """Make the value of one session."""
    session = figures.session
    connection, router = session.connection, session.router
    return SessionStatus(
        peer=shown_address(connection.device_ip, connection.device_port),
        device_ip=connection.device_ip,
        session_id=connection.session_id,
        device=session.device_name,
        since_ns=session.since_ns,
        seconds=max(0.0, figures.seconds),
        connected=figures.connected,
        md5=session.md5,
        backend_pin=session.backend_pin,
        resumes=figures.resumes,
        bytes_up=figures.bytes_up,
        bytes_down=figures.bytes_down,
        messages_up=totals(figures.counts_up),
        messages_down=totals(figures.counts_down),
        autonomous_system=router.autonomous_system if router else None,
        router_id=router.router_id if router else "",
        hold_time=router.hold_time if router else None,
        capabilities=router.capabilities if router else (),
        backend_system=session.backend.autonomous_system if session.backend else None,
        server_metadata=session.server_metadata,
        stalled_seconds=figures.stalled_seconds,
    )
