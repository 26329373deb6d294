"""What IPFIX over TCP and TLS is told: addresses, limits, certificates."""

from __future__ import annotations

import attrs

from kproxy_tw.addresses import Network

Address = tuple[str, int]
"""Host and port."""


@attrs.frozen(kw_only=True)
class StreamLimits:
    """What one exporter, and all together, may occupy.

    :ivar connections: open at the same time.
    :ivar per_address: open at the same time from one address.
    :ivar header_seconds: until a load balancer has said whose the connection is.
    :ivar handshake_seconds: until TLS stands.
    :ivar first_seconds: until the first message is complete.
    :ivar partial_seconds: from a message's first byte to its last.
    :ivar idle_seconds: between two messages. Templates come once a connection, so a quiet exporter must not be cut
        too soon; one that is gone is found by the kernel's probes within two minutes.
    """

    connections: int = 512
    per_address: int = 16
    header_seconds: float = 10.0
    handshake_seconds: float = 10.0
    first_seconds: float = 60.0
    partial_seconds: float = 30.0
    idle_seconds: float = 3600.0


@attrs.frozen(kw_only=True)
class StreamConfig:
    """Where IPFIX is taken over connections.

    :ivar tcp: addresses for plain TCP.
    :ivar tls: addresses for TLS.
    :ivar cert_file, key_file: the certificate that is shown to exporters, with its chain, and its key, in PEM.
    :ivar client_ca_file: authorities of which an exporter's certificate must be; empty for exporters without one.
    :ivar balancers: networks of load balancers whose connections begin with a PROXY protocol header.
    """

    tcp: tuple[Address, ...] = ()
    tls: tuple[Address, ...] = ()
    cert_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""
    balancers: tuple[Network, ...] = ()
    limits: StreamLimits = attrs.Factory(StreamLimits)
