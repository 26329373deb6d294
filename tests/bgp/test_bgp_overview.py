"""What the status port gets from an edge that runs."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.overview import KbgpOverview, sessions_check
from kproxy_tw.bgp.status import KbgpSettings
from kproxy_tw.testing.bgp_backend import RecordingBackend, unknown_device
from tests.bgp.bgp_messages import KEEPALIVE, capability, open_message
from tests.bgp.edge import Edge, edge, read_all

SETTINGS = KbgpSettings(
    listeners=("0.0.0.0:179",),
    md5_enabled=False,
    md5_interface="any",
    target="grpc.api.example.com:443",
    email="ops@example.com",
    site_id=0,
)


def overview(one: Edge) -> KbgpOverview:
    """Over a running edge."""
    return KbgpOverview(
        instance_id="instance",
        settings=SETTINGS,
        clock=one.reactor,
        wall_ns=time.time_ns,
        start_ns=time.time_ns(),
        backend=one.backend,
        edge=one.service,
    )


@ensureDeferred
async def test_one_session_one_stranger() -> None:
    """Every column of the table, the deny list, and counts that agree with them."""
    one = edge(RecordingBackend(replies={"127.0.0.66": unknown_device("127.0.0.66")}))
    seen = overview(one)
    with closing(one.router()) as router, closing(one.router("127.0.0.66")) as stranger:
        await read_all(stranger)
        router.sendall(open_message(system=23456, capabilities=(capability(65, b"\0\1\0\1"),)) + KEEPALIVE)
        tunnel = await one.tunnel()
        tunnel.events.opened({"server": ("x",)}, 2)
        tunnel.events.received(open_message(system=65000))
        await one.until(lambda: len(tunnel.written) > 19 + 29)
        status = seen.hold()()
        port = router.getsockname()[1]
        found = seen.session("127.0.0.10")
        nobody = seen.session("127.0.0.9")
    (session,) = status.sessions
    assert (session.peer, session.device, session.connected) == (f"127.0.0.10:{port}", "router 127.0.0.10", True)
    assert (session.autonomous_system, session.router_id, session.hold_time) == (65537, "10.1.0.1", 90)
    assert (session.backend_system, session.capabilities) == (65000, ("4-octet AS",))
    assert (session.messages_up, session.messages_down) == ({"Open": 1, "Keepalive": 1}, {"Open": 1})
    assert (session.bytes_up, session.bytes_down) == (len(tunnel.written), 29)
    assert (session.resumes, session.backend_pin, session.server_metadata) == (2, "42b0e9c9", {"server": ("x",)})
    assert 0 <= session.seconds < 30
    assert found is not None
    assert (found.session_id, nobody) == (session.session_id, None)
    assert [entry.device_ip for entry in status.denied] == ["127.0.0.66"]
    counts = status.counts
    assert (counts.connections, counts.sessions_opened, counts.refused["unknown"]) == (2, 1, 1)
    assert (counts.bytes_up, counts.messages_down) == (session.bytes_up, {"Open": 1})
    await one.stop()
    ended = seen.hold()()
    assert ended.sessions == ()
    assert [entry.session.resumes for entry in ended.history] == [2]


@ensureDeferred
async def test_a_held_moment_does_not_change() -> None:
    """What is made later in a thread is of the moment in which it was held."""
    one = edge()
    with closing(one.router()) as router:
        router.sendall(open_message())
        tunnel = await one.tunnel()
        await one.until(lambda: tunnel.written)
        make = overview(one).hold()
        router.sendall(KEEPALIVE * 5)
        await one.until(lambda: tunnel.written.endswith(KEEPALIVE * 5))
    (session,) = make().sessions
    assert (session.bytes_up, session.messages_up) == (29, {"Open": 1})
    await one.stop()


@ensureDeferred
async def test_checks_follow_the_control_stream() -> None:
    """The backend's word is what health is made of."""
    one = edge(RecordingBackend(control=ControlStatus(last_error="refused", messages_received=1)))
    control, sessions = overview(one).checks()
    assert (control.status, control.detail, sessions.status) == ("failing", "refused", "ok")
    await one.stop()


@pytest.mark.parametrize(
    ("sessions", "stalled", "word"), [(0, 0, "ok"), (3, 0, "ok"), (3, 2, "ok"), (3, 3, "failing"), (1, 1, "failing")]
)
def test_sessions_that_stand_still(sessions: int, stalled: int, word: str) -> None:
    """One router that does not read must not take the agent out of service; when all sessions stand still it is."""
    assert sessions_check(sessions, stalled).status == word
