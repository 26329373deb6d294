"""The parts that remember exporters, over a restart and together with other kproxys."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from kproxy_tw import __version__
from kproxy_tw.devices.memory.peers.config import Peer
from kproxy_tw.devices.memory.peers.service import PeerService
from kproxy_tw.devices.memory.remembering import Remembering
from kproxy_tw.devices.memory.service import MemoryService
from kproxy_tw.devices.memory.store import MemoryStore
from kproxy_tw.offload import Offload
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.tls import TlsPolicy


def memory_service(
    *,
    reactor: Any,
    state_dir: Path,
    peers: Sequence[Peer],
    tls: TlsPolicy,
    offload: Offload,
    devices: Callable[[], Iterable[Remembering]],
) -> MemoryService:
    """The memory of one kproxy.

    :param peers: other kproxys, which are asked without our credentials and not through a proxy.
    """

    def session() -> HttpsSession:
        return HttpsSession(reactor=reactor, tls=tls, credentials=None, user_agent=f"kproxy/{__version__}")

    return MemoryService(
        reactor=reactor,
        store=MemoryStore(state_dir, offload=offload),
        offload=offload,
        wall=time.time,
        devices=devices,
        peers=PeerService(
            reactor=reactor, peers=peers, session=session, offload=offload, wall=time.time, devices=devices
        ),
    )
