"""A health port and a status port whose devices and routers say the forty hostile strings; run as a program.

Prints both ports and serves until its input ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Thread

import attrs

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.status import EndedStatus, KbgpSettings, KbgpStatus, SessionStatus
from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.status import Check, EventStatus, ExporterStatus, UnregisteredStatus
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device
from tests.web.hostile import STRINGS

NOW_NS = int(NOW * 1e9)


def kproxy_status() -> FixedStatus:
    """Each string is a device's name, an interface's name and an event."""
    named = [{"index": number, "name": text, "description": text} for number, text in enumerate(STRINGS)]
    table = {"source": "192.0.2.1", "version": 10, "domain": 1, "port": 0, "rate": 0, "exporter": {}, "samplers": []}
    table |= {"selections": []}
    options = {**table, "interface_rates": [], "interfaces": named, "applications": [], "vrfs": []}
    events = tuple(EventStatus(kind="x", text=text, first=NOW, last=NOW, count=1) for text in STRINGS)
    devices = [
        sample_device(
            device_id=number,
            device_name=text,
            flow_types=(text,),
            sources=(text,),
            last_seen=NOW - 900,
            exporters=ExporterStatus(options=(options,), events=events),
        )
        for number, text in enumerate(STRINGS, 1)
    ]
    strangers = [
        UnregisteredStatus(source=text, port=1, first_seen=NOW, last_seen=NOW, datagrams=1, flow_type=text)
        for text in STRINGS
    ]
    return FixedStatus(daemon_status=sample_daemon(), device_list=devices, unregistered_list=strangers)


@attrs.frozen
class Routers:
    """Fits ``web.kbgp.source.StatusSource``: each string is a router's device and the reason of an end."""

    def hold(self) -> Callable[[], KbgpStatus]:
        """The moment."""
        return self._status

    def session(self, device_ip: str) -> None:
        """There is none of that address."""

    def checks(self) -> tuple[Check, ...]:
        """One, with a hostile detail."""
        return (Check(name="control stream", status="ok", detail=STRINGS[0]),)

    def _status(self) -> KbgpStatus:
        sessions = [_session(number, text) for number, text in enumerate(STRINGS, 1)]
        return KbgpStatus(
            instance_id="x",
            version="1",
            start_ns=NOW_NS - 10**12,
            now_ns=NOW_NS,
            control=ControlStatus(last_error=STRINGS[1]),
            settings=KbgpSettings(
                listeners=("[::]:179",), md5_enabled=False, md5_interface="", target=STRINGS[2], email="", site_id=0
            ),
            sessions=tuple(sessions),
            history=tuple(
                EndedStatus(session=one, ended_ns=NOW_NS, cause="router", reason=text)
                for one, text in zip(sessions, STRINGS, strict=True)
            ),
            denied=(),
            counts=BgpCounts(),
            pending=0,
            stalled=0,
            checks=self.checks(),
        )


def _session(number: int, text: str) -> SessionStatus:
    return SessionStatus(
        peer=f"192.0.2.{number}:179",
        device_ip=f"192.0.2.{number}",
        session_id="x",
        device=text,
        since_ns=NOW_NS,
        seconds=1.0,
        connected=True,
        md5=False,
        backend_pin=text,
        resumes=0,
        bytes_up=1,
        bytes_down=1,
        messages_up={text: 1},
        messages_down={},
        capabilities=(text,),
    )


def main() -> None:
    """Serve until the input ends."""
    reactor = asyncio_reactor()
    # What they import would install another reactor.
    from kproxy_tw.web.kbgp.service import StatusPort, StatusPortConfig
    from kproxy_tw.web.service import HealthService, WebConfig

    health = HealthService(reactor, WebConfig(port=0), kproxy_status())
    port = StatusPort(reactor=reactor, config=StatusPortConfig(port=0), status=Routers(), wall_ns=lambda: NOW_NS)
    health.startService()
    port.startService()
    print(health.port, port.port, flush=True)
    Thread(target=lambda: (sys.stdin.read(), reactor.callFromThread(reactor.stop)), daemon=True).start()
    reactor.run()


if __name__ == "__main__":
    main()
