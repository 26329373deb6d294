"""A front that takes no body above a limit, as web servers do, between the real kproxy and kcollect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from tests.interop import peers
from tests.interop.test_interop_process import CREDENTIALS, send_flows
from tests.interop.test_interop_spool import kcollect

MOST_BYTES = 1000


@contextmanager
def front(behind: int) -> Iterator[tuple[int, list[int]]]:
    """Passes small POSTs on to a port, and answers 413 to others; its port, and the sizes that it has refused."""
    refused: list[int] = []

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) > MOST_BYTES:
                refused.append(len(body))
                self._answer(413, b"")
                return
            connection = HTTPConnection("127.0.0.1", behind, timeout=30)
            connection.request("POST", self.path, body, {**self.headers, "Host": f"127.0.0.1:{behind}"})
            answer = connection.getresponse()
            self._answer(answer.status, answer.read())
            connection.close()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], refused
        server.shutdown()


def test_every_flow_arrives_once_in_smaller_messages(tmp_path: Path) -> None:
    """Messages that are too large are halved until they fit: none lost, none twice, no dead letter."""
    flow_port, collector_port = free_port_pair(), free_port()
    with kcollect(tmp_path, collector_port) as collector, front(collector_port) as (front_port, refused):
        collector.wait_until_ready(collector_port)
        flags = [f"-port={flow_port}", f"-api=http://127.0.0.1:{collector_port}/api/internal", "-host=127.0.0.1"]
        flags += [f"-state_dir={tmp_path / 'state'}", f"-flow_url=http://127.0.0.1:{front_port}/chf"]
        with Daemon(["kproxy", *flags], log=tmp_path / "kproxy.log", environment=CREDENTIALS) as proxy:
            proxy.wait_until_ready(flow_port + 1)
            sent = send_flows(flow_port, 40)
            ledger = peers.settled_ledger(flow_port + 1, sent)
            assert proxy.stop() == 0
        (total,) = get_json(collector_port, "/totals")["Devices"]
    assert (ledger["RecordsForwarded"], total["Flows"]) == (sent, sent)
    assert ledger["MessagesSplit"] == len(refused) > 0
    assert ledger["DeadLetters"] == 0
    assert total["Messages"] == ledger["MessagesSent"]
