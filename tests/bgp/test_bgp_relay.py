"""Relay: bytes both ways, back pressure, ends, and what is not BGP."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from kproxy_tw.bgp.interfaces import Connection, Tunnel, TunnelEvents
from kproxy_tw.bgp.relay import MAX_EARLY_BYTES, Relay
from kproxy_tw.bgp.sessions import Session
from kproxy_tw.testing.bgp_backend import RecordingTunnel, known_device
from tests.bgp.bgp_messages import EXTENDED, KEEPALIVE, open_message, update

PLACE = Connection(session_id="s", device_ip="10.1.0.1", device_port=41000, proxy_ip="10.0.0.1", proxy_port=179)


@attrs.define
class Router:
    """Records what a relay does to its router."""

    written: bytes = b""
    reading: bool = True
    ended: str = ""
    unacknowledged: int = 0

    def write(self, data: bytes) -> None:
        """Note it."""
        self.written += data

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True

    def close(self) -> None:
        """Note it."""
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        """Note it."""
        self.ended = self.ended or "aborted"

    def probe(self) -> None:
        """Not used here."""

    def calm(self) -> None:
        """Not used here."""

    def outlive(self, seconds: int) -> None:
        """Note it."""
        self.unacknowledged = seconds


@attrs.define
class Bench:
    """A relay between a router and a tunnel that record."""

    router: Router = attrs.Factory(Router)
    session: Session = attrs.Factory(lambda: Session(connection=PLACE, since_ns=0, began=0.0))
    ends: list[tuple[str, str]] = attrs.Factory(list)
    now: float = 0.0
    relay: Relay = attrs.field(init=False)
    tunnel: RecordingTunnel = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.relay = Relay(
            self.session,
            self.router,
            ended=lambda relay, cause, reason: self.ends.append((cause, reason)),
            seconds=lambda: self.now,
        )

    def open_tunnel(self, events: TunnelEvents) -> Tunnel:
        """As a backend does."""
        self.tunnel = RecordingTunnel(PLACE, known_device("10.1.0.1"), events)
        return self.tunnel


@pytest.fixture
def bench() -> Bench:
    """A relay that is started."""
    made = Bench()
    made.relay.start(made.open_tunnel)
    made.relay.opened({"server": ("x",)}, 0)
    return made


def test_both_ways(bench: Bench) -> None:
    """Bytes arrive unchanged and in order, and are counted."""
    up, down = open_message() + KEEPALIVE, open_message(system=65000) + update(100)
    for start in range(0, len(up), 7):
        bench.relay.router_sent(up[start : start + 7])
    bench.relay.received(down)
    assert (bench.tunnel.written, bench.router.written) == (up, down)
    assert (bench.session.bytes_up, bench.session.bytes_down) == (len(up), len(down))
    assert bench.session.up.totals() == {"Open": 1, "Keepalive": 1}
    assert (bench.session.connected, bench.session.server_metadata) == (True, {"server": ("x",)})


def test_what_a_router_says_before_it_is_admitted_is_sent_first() -> None:
    """Nothing is lost while the backend is asked."""
    bench = Bench()
    bench.relay.router_sent(open_message()[:20])
    bench.relay.router_sent(open_message()[20:])
    bench.relay.start(bench.open_tunnel)
    bench.relay.router_sent(KEEPALIVE)
    assert bench.tunnel.written == open_message() + KEEPALIVE


def test_a_talkative_stranger_is_stopped() -> None:
    """Little is kept of somebody who is not admitted; then it is not read any more, until it is."""
    bench = Bench()
    bench.relay.router_sent(open_message())
    while bench.router.reading:
        bench.relay.router_sent(update(4096))
    assert bench.session.bytes_up < MAX_EARLY_BYTES + 2 * 4096
    bench.relay.start(bench.open_tunnel)
    assert bench.router.reading
    assert len(bench.tunnel.written) == bench.session.bytes_up


def test_back_pressure_both_ways(bench: Bench) -> None:
    """A side that does not read pauses the other one."""
    bench.relay.pause()
    assert not bench.router.reading
    bench.relay.resume()
    assert bench.router.reading
    bench.relay.router_blocked()
    assert bench.tunnel.paused
    bench.relay.router_ready()
    assert not bench.tunnel.paused


@pytest.mark.parametrize("side", ["router", "backend"])
def test_a_stall_longer_than_the_hold_time_ends_the_session(bench: Bench, side: str) -> None:
    """After a warning at 30 s, which is the page's, both sides are closed at the hold time (90 s and 60 s: 60 s)."""
    bench.relay.router_sent(open_message(hold=90))
    bench.relay.received(open_message(hold=60))
    (bench.relay.router_blocked if side == "router" else bench.relay.pause)()
    bench.now = 60.0
    bench.relay.check_stall()
    assert (bench.ends, bench.relay.stalled_seconds()) == ([], 60.0)
    bench.now = 60.1
    bench.relay.check_stall()
    assert bench.ends == [("stall", f"the {side} has not read for 60 s, the hold time")]
    assert (bench.router.ended, bench.tunnel.closed is not None) == ("closed", True)


def test_the_hold_time_reaches_both_sides(bench: Bench) -> None:
    """The tunnel may try to resume for so long, and the kernel may wait for acknowledgements."""
    bench.relay.router_sent(open_message(hold=90))
    assert bench.tunnel.hold_seconds == 0
    bench.relay.received(open_message(hold=30))
    assert (bench.tunnel.hold_seconds, bench.router.unacknowledged) == (30, 30)


def test_no_hold_time(bench: Bench) -> None:
    """Zero means that keepalives are not used (RFC 4271 section 4.2), not that nothing may wait."""
    bench.relay.router_sent(open_message(hold=0))
    bench.relay.received(open_message(hold=90))
    assert bench.tunnel.hold_seconds == 240


def test_a_broken_frame_of_the_router(bench: Bench) -> None:
    """Both sides end; the router is told by a NOTIFICATION "message header error"; no byte of it goes up."""
    bench.relay.router_sent(open_message())
    bench.relay.router_sent(b"\0" * 19)
    assert bench.tunnel.written == open_message()
    assert bench.router.written == b"\xff" * 16 + b"\x00\x15\x03\x01\x01"
    assert bench.ends[0][0] == "bgp_frame"
    assert bench.ends[0][1].startswith("from the router: the marker")
    assert (bench.router.ended, bench.tunnel.closed) == ("closed", bench.ends[0][1])


def test_no_notification_into_the_middle_of_a_message(bench: Bench) -> None:
    """Never a wrong byte: what is under way to the router stays its last message."""
    bench.relay.received(open_message()[:20])
    bench.relay.router_sent(b"\0" * 19)
    assert bench.router.written == open_message()[:20]


def test_a_broken_frame_of_the_backend(bench: Bench) -> None:
    """It does not reach the router."""
    bench.relay.received(b"\xff" * 16 + b"\x00\x13\x09")
    assert bench.router.written == b""
    assert bench.ends == [("bgp_frame", "from the backend: message type 9 is unknown")]
    assert bench.tunnel.closed is not None


@pytest.mark.parametrize(("both", "passes"), [(True, True), (False, False)])
def test_extended_messages_need_both_sides(bench: Bench, both: bool, passes: bool) -> None:
    """One announcement is not enough (RFC 8654 section 4)."""
    bench.relay.router_sent(open_message(capabilities=(EXTENDED,)))
    bench.relay.received(open_message(capabilities=(EXTENDED,) if both else ()))
    bench.relay.router_sent(update(60_000))
    bench.relay.received(update(60_000))
    assert (bench.ends == []) is passes


@pytest.mark.parametrize(
    ("abort", "router", "cause"), [(False, "closed", "backend_closed"), (True, "aborted", "session_reset")]
)
def test_the_tunnel_ends(bench: Bench, abort: bool, router: str, cause: str) -> None:
    """An orderly end closes the router's connection after the bytes under way; a KILL resets it."""
    bench.relay.received(KEEPALIVE)
    bench.relay.closed("because", abort=abort)
    assert (bench.router.written, bench.router.ended, bench.ends) == (KEEPALIVE, router, [(cause, "because")])
    assert bench.tunnel.closed is None  # it has ended by itself


def test_the_router_ends(bench: Bench) -> None:
    """The tunnel is closed once, whatever comes later."""
    bench.relay.router_closed("router_closed", "bye")
    bench.relay.router_closed("router_lost", "again")
    bench.relay.received(KEEPALIVE)
    bench.relay.router_sent(KEEPALIVE)
    bench.relay.closed("late", abort=True)
    assert (bench.ends, bench.tunnel.closed) == ([("router_closed", "bye")], "bye")
    assert (bench.router.written, bench.session.connected) == (b"", False)


def test_a_router_that_leaves_before_it_is_admitted() -> None:
    """That is no session that ended."""
    bench = Bench()
    bench.relay.router_closed("router_closed", "bye")
    assert bench.ends == [("gone", "bye")]


def test_a_tunnel_that_fails_at_once() -> None:
    """Backends may say no before ``open_tunnel`` returns."""
    bench = Bench()
    bench.relay.router_sent(open_message())

    def fail(events: TunnelEvents) -> Tunnel:
        events.closed("no", abort=False)
        return bench.open_tunnel(events)

    bench.relay.start(fail)
    assert (bench.ends, bench.router.ended) == ([("backend_closed", "no")], "closed")
    assert bench.tunnel.written == b""


def test_an_interruption_is_shown(bench: Bench) -> None:
    """The session stays; the table says that its stream is away, and later how often."""
    bench.relay.interrupted("network")
    assert (bench.session.connected, bench.ends) == (False, [])
    bench.relay.opened({}, 1)
    assert (bench.session.connected, bench.session.resumes) == (True, 1)


def test_an_open_that_cannot_be_read_passes(bench: Bench) -> None:
    """What OPENs say is between the two speakers."""
    odd = b"\xff" * 16 + b"\x00\x1d\x01" + b"\x03" + bytes(9)
    bench.relay.router_sent(odd)
    assert (bench.tunnel.written, bench.session.router, bench.ends) == (odd, None, [])


def test_on_open() -> None:
    """Whoever waits for the router's OPEN is told once it is whole."""
    bench, told = Bench(), list[str]()
    note: Callable[[], None] = lambda: told.append(bench.session.router.router_id if bench.session.router else "")  # noqa: E731
    bench.relay.on_open = note
    bench.relay.router_sent(open_message()[:-1])
    bench.relay.router_sent(open_message()[-1:] + KEEPALIVE)
    assert told == ["10.1.0.1"]
