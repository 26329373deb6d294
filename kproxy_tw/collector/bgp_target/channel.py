"""What the gRPC server is told about its connections: bounds for what a client can make it do. Pure."""

from __future__ import annotations

from kproxy_tw.bgp.grpc_options import Options, server_options

STREAMS = 256
"""At once on one connection. kbgp puts 10 sessions on one unless told otherwise."""

METADATA_BYTES = 8 << 10
"""Of a call; more than this is refused, double of it ends the stream at once."""

MESSAGE_BYTES = 1 << 20
"""Largest message that is taken."""

CONNECTIONS = 1024

IDLE_SECONDS = 300
"""A connection without a stream is closed after this."""

HANDSHAKE_SECONDS = 10
PING_SECONDS = 10
"""Pings that come closer together than this are strikes; after two the connection is closed (``too_many_pings``)."""

PENDING_CALLS = 512
"""Calls that wait to be looked at; then they are refused."""


def channel_options() -> Options:
    """Options of the server: those that agents rely on, and the bounds above in place of theirs."""
    bounds: dict[str, int | str] = {
        **dict(server_options()),
        "grpc.max_concurrent_streams": STREAMS,
        "grpc.http.overload_protection": 1,
        "grpc.max_metadata_size": METADATA_BYTES,
        "grpc.absolute_max_metadata_size": 2 * METADATA_BYTES,
        "grpc.max_receive_message_length": MESSAGE_BYTES,
        "grpc.max_allowed_incoming_connections": CONNECTIONS,
        "grpc.max_connection_idle_ms": IDLE_SECONDS * 1000,
        "grpc.server_handshake_timeout_ms": HANDSHAKE_SECONDS * 1000,
        "grpc.http2.min_ping_interval_without_data_ms": PING_SECONDS * 1000,
        "grpc.http2.max_ping_strikes": 2,
        "grpc.http2.max_pings_without_data": 0,
        "grpc.server.max_pending_requests": PENDING_CALLS,
        "grpc.server.max_pending_requests_hard_limit": 2 * PENDING_CALLS,
    }
    return tuple(bounds.items())
