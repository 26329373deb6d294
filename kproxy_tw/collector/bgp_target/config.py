"""What the gRPC target is told. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from kproxy_tw.errors import ConfigError

DEFAULT_DAEMON = IPv4Address("127.0.0.1")
DEFAULT_SOURCES = IPv4Network("127.64.0.0/16")
MIN_SOURCES = 2


@attrs.frozen(kw_only=True)
class BgpTargetConfig:
    """What the gRPC target is told.

    :ivar host, port: where it listens for kbgp; port 0 takes any free one.
    :ivar required: whether there is no start without it; one that nobody asked for gives way to who has its port.
    :ivar daemon: address of the BGP daemon.
    :ivar daemon_port: its port.
    :ivar sources: from here each router gets the address that the daemon knows it by.
    """

    host: str = "127.0.0.1"
    port: int = 20443
    required: bool = True
    daemon: IPv4Address | IPv6Address = DEFAULT_DAEMON
    daemon_port: int = 179
    sources: IPv4Network | IPv6Network = DEFAULT_SOURCES


def daemon_address(host: str) -> IPv4Address | IPv6Address:
    """The address of ``-bgp_daemon``. :raises ConfigError: it is none."""
    try:
        return ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        problem = "must name the daemon by its address and port: 127.0.0.1:179 or [::1]:179"
        raise ConfigError("bgp_daemon", problem) from None


def source_network(text: str, daemon: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    """The network of ``-bgp_sources``, checked against the daemon's address.

    :raises ConfigError: it is none, too small, or no connection from there could reach the daemon.
    """
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigError("bgp_sources", "must be a network such as 127.64.0.0/16") from None
    if network.version != daemon.version:
        raise ConfigError(
            "bgp_sources",
            f"{network} cannot reach the daemon at {daemon}; give an IPv{daemon.version} network that is routed to this"
            f" machine (for example: ip -{daemon.version} route add local NETWORK dev lo)",
        )
    if network.is_loopback and not daemon.is_loopback:
        raise ConfigError("bgp_sources", f"{network} cannot reach {daemon}, which is another machine or interface")
    if network.num_addresses < MIN_SOURCES:
        raise ConfigError("bgp_sources", f"{network} holds one address, and each router needs one of its own")
    return network
