"""Options of gRPC channels and servers: windows below the replay buffer, dead paths noticed, nothing cached. Pure.

What one side has written and the other has not used lies in the HTTP/2 window, and in four messages: in the reader's
hand, announced beyond the window because it is waited for, in gRPC's buffer, and waiting for room there. All together
must stay below what is kept for replay (:data:`kproxy_tw.bgp.replay.REPLAY_BYTES`; kcollect keeps less), or a broken
stream could not be resumed. The window is therefore fixed, without bandwidth probes, which would let it grow.
"""

from __future__ import annotations

from kproxy_tw import __version__

Options = tuple[tuple[str, int | str], ...]

UP_WINDOW_BYTES = 384 << 10
DOWN_WINDOW_BYTES = 256 << 10
"""Of each stream, towards the backend and from there. Small messages weigh twice their bytes where they are kept."""

MESSAGE_BYTES = 64 << 10
"""Bytes of a session are coalesced up to about this."""

MAX_MESSAGE_BYTES = 4 << 20
"""A peer's message beyond this ends the stream (gRPC's default, which other servers have, too)."""

FRAME_BYTES = MESSAGE_BYTES + 4096
"""Of one HTTP/2 frame that we take: a whole message."""

MAX_METADATA_BYTES = 32 << 10

KEEPALIVE_SECONDS = 20
KEEPALIVE_ANSWER_SECONDS = 10
"""A path that is dead is noticed after the sum of both."""

CONNECT_SECONDS = 5
RECONNECT_SECONDS = 2
"""The longest that a channel waits of its own between attempts. Ours above it have jitter and grow."""

_SHARED: Options = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.max_frame_size", FRAME_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER_SECONDS * 1000),
    ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
)


def channel_options(proxy: str = "") -> Options:
    """Options of one HTTP/2 connection of the agent.

    :param proxy: ``http://[user:password@]host:port``, empty for none; the environment counts no more.
    """
    return (
        *_SHARED,
        ("grpc.http2.lookahead_bytes", DOWN_WINDOW_BYTES),
        ("grpc.primary_user_agent", f"kbgp/{__version__}"),
        ("grpc.use_local_subchannel_pool", 1),  # or channels to one target would share a connection
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),  # would keep a second copy of what is written
        ("grpc.min_reconnect_backoff_ms", CONNECT_SECONDS * 1000),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_SECONDS * 100),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_SECONDS * 1000),
        ("grpc.client_idle_timeout_ms", 0x7FFFFFFF),
        *((("grpc.http_proxy", proxy),) if proxy else (("grpc.enable_http_proxy", 0),)),
    )


def server_options() -> Options:
    """Options of a server whose clients are agents."""
    return (
        *_SHARED,
        ("grpc.http2.lookahead_bytes", UP_WINDOW_BYTES),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
    )
