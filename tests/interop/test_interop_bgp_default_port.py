"""kcollect takes BGP sessions without being told to; one whose default port is taken goes on without."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from kproxy_tw.testing.processes import Daemon, get
from tests.interop.bgp_lab import wait
from tests.interop.namespaces import Namespace, need_namespaces

DEFAULT_GRPC_PORT = 20443
"""Of the documentation."""

SETTINGS = b"\x04"
EMPTY_SETTINGS = b"\0\0\0" + SETTINGS + b"\0" * 5
"""RFC 9113 section 6.5: the type of the frame, and one without content."""


@attrs.frozen
class Machine:
    """A namespace in which no other program has the default ports."""

    space: Namespace
    directory: Path

    def kcollect(self, http_port: int) -> Daemon:
        """kcollect without a word about BGP."""
        command = [str(Path(sys.executable).parent / "kcollect"), f"-listen=127.0.0.1:{http_port}"]
        command += [f"-data={self.directory / str(http_port)}"]
        return Daemon(self.space.prefix(*command), log=self.directory / f"kcollect{http_port}.log")

    def status_of(self, http_port: int) -> int | None:
        """How kcollect answers to who asks for its BGP target; ``None`` while it does not."""
        with self.space.entered():
            try:
                return get(http_port, "/admin/bgp/status")[0]
            except OSError:
                return None


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Make one."""
    need_namespaces()
    with Namespace("alone") as space:
        yield Machine(space, tmp_path)


def test_kcollect_opens_its_grpc_port(machine: Machine) -> None:
    """HTTP/2 is spoken there; a second kcollect says that it has no port, and works."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + EMPTY_SETTINGS
    with machine.kcollect(20080) as first, machine.kcollect(20090) as second:
        wait(lambda: machine.status_of(20080) is not None, "kcollect does not start", first)
        wait(lambda: machine.status_of(20090) is not None, "the second kcollect does not start", second)
        assert {machine.status_of(20080), machine.status_of(20090)} == {200, 404}
        without = first if machine.status_of(20080) == 404 else second
        assert "-grpc_listen" in without.log.read_text()
        with machine.space.entered():
            connection = socket.create_connection(("127.0.0.1", DEFAULT_GRPC_PORT), timeout=10)
        with connection:
            connection.sendall(preface)
            assert connection.recv(4)[3:] == SETTINGS
