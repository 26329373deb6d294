"""The gRPC server behind the guard is out of reach."""

from __future__ import annotations

from pathlib import Path

from tests.collector.bgp_target.raw_h2 import RawClient
from tests.collector.bgp_target.target import BgpDaemon, device, running_target


def test_a_socket_that_is_gone_is_named(tmp_path: Path) -> None:
    """When somebody clears the data directory, the log says why new connections are closed."""
    daemon = BgpDaemon()
    with running_target(tmp_path, daemon.port, [device(5, "192.0.2.1")]) as target:
        target.wait_for("takes BGP sessions")
        (tmp_path / "data" / "grpc.sock").unlink()
        assert RawClient(target.grpc_port).wait_closed() < 5
        target.wait_for("the gRPC server cannot be reached at its socket: ")
    daemon.listening.close()
