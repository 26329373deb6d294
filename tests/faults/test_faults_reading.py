"""What a crash may have cost: seen at a real socket."""

from __future__ import annotations

import socket
import time

from faults.flows.numbered import NumberedExporter
from faults.flows.reading import Reading


def test_only_what_was_read_lately_may_be_lost() -> None:
    """Of five datagrams of two exporters, two read long ago, one just now, two not at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        exporters = [NumberedExporter(sock.getsockname()[1], place) for place in range(2)]
        reading = Reading(sock, exporters)
        try:
            exporters[0].send(2)
            sock.recv(2048), sock.recv(2048)
            reading.look()
            time.sleep(0.3)
            exporters[1].send(2)
            reading.look()
            time.sleep(0.3)
            exporters[0].send(1)
            sock.recv(2048)
            crash = reading.crash(time.monotonic() - 0.15)
            assert sock.recv(2048)[:2] == b"\0\5"  # looking has taken nothing
        finally:
            for exporter in exporters:
                exporter.close()
    lost = [[crash.may_have_cost(each.first, each.at) for each in exporter.sent] for exporter in exporters]
    assert lost == [[False, False, False], [True, False]]
