"""HTTP/2 connections to the backend: one for the control stream, one for each few sessions."""

from __future__ import annotations

import ssl
from pathlib import Path

import attrs
import grpc
import grpc.aio
from cryptography import x509

from kproxy_tw.bgp.grpc_options import channel_options
from kproxy_tw.bgp.proto.ktbgp_pb2_grpc import ProxyServiceStub
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.errors import ConfigError

MAX_PEM_BYTES = 4 << 20


@attrs.define(eq=False)
class Lane:
    """One HTTP/2 connection, with the service's methods on it. :ivar sessions: that share it now."""

    channel: grpc.aio.Channel
    stub: ProxyServiceStub
    sessions: int = 0


class Channels:
    """Makes connections, and shares them among sessions. Construction reads the authorities and opens nothing.

    :raises ConfigError: the file of authorities cannot be read or holds none.
    """

    def __init__(self, config: BackendConfig) -> None:
        self._config = config
        self._credentials = None if config.insecure else grpc.ssl_channel_credentials(_authorities(config.ca_file))
        self._lanes: list[Lane] = []

    def __len__(self) -> int:
        """How many connections sessions share."""
        return len(self._lanes)

    def open(self) -> Lane:
        """Make a connection of its own, opened by its first stream. Call it inside the running event loop."""
        target, options = f"dns:///{self._config.target}", channel_options(self._config.proxy)
        if self._credentials is None:
            channel = grpc.aio.insecure_channel(target, options=options)
        else:
            channel = grpc.aio.secure_channel(target, self._credentials, options=options)
        return Lane(channel, ProxyServiceStub(channel))

    def take(self) -> Lane:
        """Take a place on a connection that has one free, or on a new one."""
        lane = next((lane for lane in self._lanes if lane.sessions < self._config.multi), None)
        if lane is None:
            lane = self.open()
            self._lanes.append(lane)
        lane.sessions += 1
        return lane

    async def give_back(self, lane: Lane) -> None:
        """Leave a place; a connection that nobody uses is closed, if there is another one."""
        lane.sessions -= 1
        if not lane.sessions and len(self._lanes) > 1:
            self._lanes.remove(lane)
            await lane.channel.close()

    async def close(self) -> None:
        """Close all shared connections with whatever is on them."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            await lane.channel.close()


def _authorities(name: str) -> bytes | None:
    """Read the trusted certificates; ``None`` leaves them to gRPC, where the platform has no file of them."""
    if not name:
        paths = ssl.get_default_verify_paths()
        return Path(paths.cafile).read_bytes() if paths.cafile else None
    try:
        with Path(name).open("rb") as file:
            pem = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise ConfigError("tls-ca-file", f"cannot read {name}: {error.strerror}") from error
    if len(pem) > MAX_PEM_BYTES:
        raise ConfigError("tls-ca-file", f"{name} is larger than {MAX_PEM_BYTES >> 20} MiB; is it the right file?")
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigError("tls-ca-file", f"{name} holds no readable PEM certificate") from None
    return pem
