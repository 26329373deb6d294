"""HTTP/2 used against kcollect: F29. Frames are written by hand (RFC 9113, RFC 7541)."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

from faults.scenes import Scene, scene
from tests.interop.bgp_daemons import bird_router
from tests.interop.bgp_lab import BACKEND, GRPC_PORT, sessions_of, some_routes, wait
from tests.interop.namespaces import Namespace

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_HEADERS, END_STREAM = 4, 1

ATTACK_SECONDS = 6.0
ROUTE_SECONDS = 3.0
"""In this time a route of another agent's router comes through."""

MOST_CORES = 1.0
CHUNK_FRAMES = 200


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def request() -> bytes:
    """HPACK without table: POST to the Data method."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": "/kentik.ktbgp.v202203beta2.ProxyService/Data",
        ":authority": BACKEND,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )


def rapid_reset(turn: int) -> bytes:
    """Open streams and reset them at once."""
    streams = range(1 + 2 * turn * CHUNK_FRAMES, 1 + 2 * (turn + 1) * CHUNK_FRAMES, 2)
    block = request()
    return b"".join(
        frame(HEADERS, END_HEADERS, stream, block) + frame(RST_STREAM, 0, stream, bytes(4)) for stream in streams
    )


def pings(turn: int) -> bytes:
    """PING frames that must be answered."""
    return frame(PING, 0, 0, bytes(8)) * CHUNK_FRAMES


def settings(turn: int) -> bytes:
    """SETTINGS frames that must be acknowledged."""
    return frame(SETTINGS, 0, 0, struct.pack("!HI", 4, 65535)) * CHUNK_FRAMES


def continuations(turn: int) -> bytes:
    """A header block that never ends."""
    first = frame(HEADERS, 0, 1, request()) if turn == 0 else b""
    return first + frame(CONTINUATION, 0, 1, b"\x00\x03abc\x03def" * 100) * CHUNK_FRAMES


def header_bomb(turn: int) -> bytes:
    """One large field in the table, named a thousand times in each request (RFC 7541 section 6.1)."""
    value = b"\x7f" + bytes([0x81, 0x1E]) + b"x" * 4000  # 4000 = 127 + 1 + 30 * 128 + 32: read as a prefixed integer
    first = request() + b"\x40\x04bomb" + value if turn == 0 else request()
    return frame(HEADERS, END_HEADERS, 1 + 2 * turn, first + b"\xbe" * 4000)


def many_streams(turn: int) -> bytes:
    """Open streams and leave them."""
    streams = range(1 + 2 * turn * CHUNK_FRAMES, 1 + 2 * (turn + 1) * CHUNK_FRAMES, 2)
    block = request()
    return b"".join(frame(HEADERS, END_HEADERS, stream, block) for stream in streams)


ATTACKS: tuple[Callable[[int], bytes], ...] = (
    rapid_reset,
    pings,
    settings,
    continuations,
    header_bomb,
    many_streams,
)


def abuse(directory: Path, chance: random.Random) -> None:
    """F29: one attack for some seconds; an agent's router is served meanwhile, and kcollect does not burn a core."""
    attack = chance.choice(ATTACKS)
    with scene(directory, 1) as made:
        over = threading.Event()
        attacker = threading.Thread(target=_attack, args=(made.lab.agent, attack, over))
        used, began = made.lab.kcollect.cpu_seconds(), time.monotonic()
        attacker.start()
        try:
            time.sleep(1.0)
            took = _one_more_route(made)
            time.sleep(max(0.0, ATTACK_SECONDS - (time.monotonic() - began)))
            cores = (made.lab.kcollect.cpu_seconds() - used) / (time.monotonic() - began)
        finally:
            over.set()
            attacker.join()
        assert took <= ROUTE_SECONDS, f"{attack.__name__}: a route took {took:.1f} s"
        assert cores <= MOST_CORES, f"{attack.__name__}: kcollect used {cores:.2f} cores"
        made.settle(f"{attack.__name__}: not whole after the attack")


def _one_more_route(made: Scene) -> float:
    (session,) = sessions_of(1, {"ipv4": some_routes(1, 60)["ipv4"]})
    made.sessions[1] = session
    made.routers[1].configure(bird_router(1, [session]))
    return wait(lambda: made.lab.terminator.route_count() == len(session.routes), "the route does not come", None, 20.0)


def _attack(space: Namespace, attack: Callable[[int], bytes], over: threading.Event) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with space.entered():
        while not over.is_set():
            try:
                with socket.create_connection((BACKEND, GRPC_PORT), 3) as plain, context.wrap_socket(plain) as sock:
                    _flood(sock, attack, over)
            except OSError:
                time.sleep(0.05)  # thrown out: come again


def _flood(sock: ssl.SSLSocket, attack: Callable[[int], bytes], over: threading.Event) -> None:
    sock.settimeout(1.0)
    sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
    turn = 0
    while not over.is_set():
        sock.sendall(attack(turn))
        turn += 1
