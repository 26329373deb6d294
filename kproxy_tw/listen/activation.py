"""Sockets that systemd holds for us and passes on at each start (sd_listen_fds(3)).

The kernel goes on to buffer what comes while no process of ours runs, so that a restart loses nothing. Datagram sockets
are for flow; the listening stream socket, or the one named ``health``, is for the health port.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

import attrs

from kproxy_tw.errors import ConfigError

FIRST_DESCRIPTOR = 3
MAX_SOCKETS = 64
HEALTH_NAME = "health"
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@attrs.frozen(kw_only=True)
class Inherited:
    """What was passed on.

    :ivar flow: bound datagram sockets.
    :ivar health: a listening stream socket.
    """

    flow: tuple[socket.socket, ...] = ()
    health: socket.socket | None = None


def inherited_sockets(environment: MutableMapping[str, str]) -> Inherited:
    """Take over what this process was passed; the variables are removed, for children have no use for them.

    :raises ConfigError: something else than such sockets was passed.
    """
    pid, count, names = (environment.pop(name, "") for name in _VARIABLES)
    if not count.isdecimal() or pid != str(os.getpid()):
        return Inherited()
    if int(count) > MAX_SOCKETS:
        raise ConfigError("host", f"systemd passed {count} sockets, {MAX_SOCKETS} is the most")
    named = names.split(":")
    flow: list[socket.socket] = []
    streams: dict[str, socket.socket] = {}
    for number in range(int(count)):
        sock, name = _socket(FIRST_DESCRIPTOR + number), named[number] if number < len(named) else ""
        if sock.type == socket.SOCK_DGRAM:
            flow.append(sock)
        else:
            streams[name] = sock
    return Inherited(flow=tuple(flow), health=_chosen(streams))


def _chosen(streams: dict[str, socket.socket]) -> socket.socket | None:
    if HEALTH_NAME in streams or len(streams) < 2:
        return streams.get(HEALTH_NAME) or next(iter(streams.values()), None)
    raise ConfigError(
        "healthcheck", f"systemd passed {len(streams)} stream sockets; name ours FileDescriptorName={HEALTH_NAME}"
    )


def _socket(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
    except OSError as problem:
        raise ConfigError("host", f"descriptor {descriptor} passed by systemd is no socket: {problem}") from None
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise ConfigError("host", f"descriptor {descriptor} passed by systemd is no socket for IP")
    return sock
