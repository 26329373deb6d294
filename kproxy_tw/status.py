"""What the daemons say of themselves: frozen values that pages, JSON and metrics are made from.

The values are built by the services (``interfaces.ProxyStatus``) when somebody asks, and hold no
secrets: whoever builds ``config`` masks them.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.ledger import Ledger


def shown_address(host: str, port: int) -> str:
    """Address and port as people write them, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@attrs.frozen(kw_only=True)
class DeviceStatus:
    """A registered device that has sent something since the start.

    :ivar in1, out1, in15, out15: datagrams received and messages sent, over 1 and 15 minutes.
    :ivar last_seen: seconds since 1970 of the last datagram.
    :ivar sources: addresses it has sent from.
    :ivar channel_highwater: queue name to the longest length it ever had.
    :ivar max_fps: the cap in force, flows per second.
    :ivar templates: the templates in force, as ``TemplateCache.describe`` gives them, each with its ``source``
        address; only in the status of a single device.
    """

    device_id: int
    device_name: str
    company_id: int
    flow_types: tuple[str, ...]
    in1: int
    out1: int
    in15: int
    out15: int
    first_seen: float
    last_seen: float
    sources: tuple[str, ...]
    channel_highwater: Mapping[str, int]
    max_fps: float
    sample_rate: float
    rate_origin: str
    ledger: Ledger
    templates: tuple[Mapping[str, object], ...] = ()


@attrs.frozen(kw_only=True)
class UnregisteredStatus:
    """A source address that belongs to no registered device. Times in seconds since 1970."""

    source: str
    port: int
    first_seen: float
    last_seen: float
    datagrams: int
    flow_type: str


@attrs.frozen(kw_only=True)
class EndpointStatus:
    """One upstream URL. ``last_status`` is the HTTP status, 0 before the first answer."""

    url: str
    connected: bool
    last_status: int = 0
    last_error: str = ""
    retry_in_ms: int = 0


@attrs.frozen(kw_only=True)
class ListenerStatus:
    """One UDP socket. ``kernel_drops``: datagrams lost in its buffer before we could read them."""

    address: str
    receive_buffer: int
    kernel_drops: int


@attrs.frozen(kw_only=True)
class Check:
    """One line of ``/hc``. ``status``: ``ok``, ``initializing`` or ``failing``."""

    name: str
    status: str
    detail: str


@attrs.frozen(kw_only=True)
class DaemonStatus:
    """The process as a whole.

    :ivar config: effective settings by flag name, secrets masked as ``***``.
    :ivar spool: ``Messages``, ``Bytes``, ``OldestMs``, ``MaxBytes`` of what waits to be sent.
    :ivar log_lines_lost: by the sink that did not take them.
    """

    instance_id: str
    version: str
    start_time: float
    now: float
    config: Mapping[str, object]
    upstream: tuple[EndpointStatus, ...]
    listeners: tuple[ListenerStatus, ...]
    spool: Mapping[str, int]
    totals: Ledger
    log_lines_lost: Mapping[str, int] = attrs.Factory(dict)
