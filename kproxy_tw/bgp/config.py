"""What can be set of kbgp's side towards the routers."""

from __future__ import annotations

import attrs

from kproxy_tw.addresses import Network


@attrs.frozen
class ListenAddress:
    """One address to listen on: an IP address, with a zone if it is link-local, and a port; 0 for any free one."""

    host: str
    port: int


@attrs.frozen(kw_only=True)
class EdgeConfig:
    """Where routers connect. Seconds where nothing else is said.

    :ivar listen: addresses; ``[::]`` takes IPv4 as well unless an IPv4 address with the same port is listed.
    :ivar proxies: networks whose connections begin with a PROXY protocol header.
    :ivar wait_seconds: longest wait of a router for the backend's answer.
    :ivar probe_seconds: in this time it shows whether a session of the same router is still alive.
    :ivar drain_seconds: at a stop, sessions get this long to send what they hold.
    :ivar max_sessions: open at once.
    :ivar max_sessions_of_one_address: of different routers behind one NAT address.
    """

    listen: tuple[ListenAddress, ...] = (ListenAddress("0.0.0.0", 179), ListenAddress("::", 179))  # noqa: S104
    proxies: tuple[Network, ...] = ()
    wait_seconds: float = 30.0
    probe_seconds: float = 5.0
    drain_seconds: float = 5.0
    max_sessions: int = 4096
    max_sessions_of_one_address: int = 16
