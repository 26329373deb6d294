"""``python -m bench.visitor PORT ADDRESS TIMES``: looks at a daemon's status port from a process of its own.

The address is a path, or ``nc``: then nothing is said, as by people with ``nc``, and the text report comes. Of
``/events`` the first event is read.
"""

from __future__ import annotations

import socket
import sys
from http.client import HTTPConnection

TIMEOUT_SECONDS = 30.0
EVENT_END = b"\n\n"
ANSWERS = (200, 503)
"""Statuses of an answer: ``/hc`` has the latter while something fails."""


def look(port: int, address: str) -> None:
    """Get one answer. :raises RuntimeError: it is not what was asked for."""
    if address == "nc":
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
            while connection.recv(65_536):
                pass
        return
    http = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        http.request("GET", address)
        answer = http.getresponse()
        if answer.status not in ANSWERS:
            raise RuntimeError(f"{address}: status {answer.status}")
        if address.startswith("/events"):
            event = b""
            while EVENT_END not in event.partition(b"event: ")[2]:
                event += answer.read1(65_536)
        else:
            answer.read()
    finally:
        http.close()


if __name__ == "__main__":
    for _ in range(int(sys.argv[3])):
        look(int(sys.argv[1]), sys.argv[2])
