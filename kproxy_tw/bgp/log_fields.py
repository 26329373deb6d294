"""The fields that lines of the log about one connection of a router have in common. Pure."""

from __future__ import annotations

from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.status import shown_address

MODULE = "proxy/client-data"
"""Stands in every line about one connection."""


def places(connection: Connection) -> dict[str, object]:
    """Say which connection it is."""
    return {
        "module": MODULE,
        "peer_addr": shown_address(connection.device_ip, connection.device_port),
        "local_addr": shown_address(connection.proxy_ip, connection.proxy_port),
        "session_id": connection.session_id,
    }


def device_field(connection: Connection, *, company_id: int, name: str, device_id: int) -> str:
    """Name the device, as ``1289:edge5:127353-ipv4``."""
    version = 6 if ":" in connection.device_ip else 4
    return f"{company_id}:{name}:{device_id}-ipv{version}"
