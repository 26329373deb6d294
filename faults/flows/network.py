"""Networks that lose, slow down, delay and flap, and names that are not resolved: F12, F13."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.flows import gate as tricks
from faults.flows.chain import GATE_PORT, Chain, chain
from faults.table import Outcome
from kproxy_tw.testing.certificates import Authority

EACH_SECONDS = 8.0
FLAPS = 8
GOES_ON_SECONDS = 20.0
LONGEST_STALL_SECONDS = 2.0
"""Of an answer of the health page while names are not resolved: a resolver that blocked the reactor would take 5 or
more. The machine may be busy, so that this is no measure of speed."""

NAME = "backend.test"
RESOLVERS = Path("/etc/netns")


def bad_path(directory: Path, chance: random.Random) -> Outcome:
    """F12: loss of 10 or 30 %, of the exporters' datagrams too, 1 Mbit/s, delays that reorder, a link that flaps."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None
        made.load()
        percent = chance.choice([10, 30])
        with _dropping(made, f"numgen random mod 100 < {percent}"):
            time.sleep(EACH_SECONDS)
        made.space.throttle("lo", "1mbit")
        time.sleep(EACH_SECONDS)
        made.space.run("tc", "qdisc", "del", "dev", "lo", "root")
        made.gate.trick = tricks.delayed(chance, 1.5)
        time.sleep(EACH_SECONDS)
        made.gate.trick = tricks.Request.forward
        for _flap in range(FLAPS):
            with _dropping(made, "meta l4proto tcp"):
                time.sleep(0.5)
            time.sleep(0.5)
        made.settle()
        gaps = int(made.status()["Totals"]["SequenceGaps"])
        made.unheard = gaps
        outcome = made.end()
        lost = outcome.lost.get("unheard", 0)
        assert lost == gaps, f"{lost} flows were lost before kproxy, the sequence numbers say {gaps}"
        return outcome


@contextmanager
def _dropping(made: Chain, match: str) -> Iterator[None]:
    """Drop what matches on its way to the daemons, the pages aside."""
    rules = f"type filter hook input priority 0; tcp dport 9996 accept; tcp sport 9996 accept; {match} drop;"
    made.space.run("nft", f"table inet loss {{ chain input {{ {rules} }}; }}")
    try:
        yield
    finally:
        made.space.run("nft", "delete", "table", "inet", "loss")


class NameServer:
    """Answers for one name, or does not: RFC 1035 in as few bytes as can be.

    :ivar mode: ``good``, ``other`` (an address where nobody listens), ``missing`` (NXDOMAIN), ``failing``
        (SERVFAIL) or ``silent``.
    """

    def __init__(self) -> None:
        self.mode = "good"
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                question, client = self._socket.recvfrom(512)
                self.asked += 1
                if self.mode != "silent":
                    self._socket.sendto(self._answer(question), client)
            except OSError:
                return

    def _answer(self, question: bytes) -> bytes:
        end = question.index(b"\0", 12) + 5
        kind = int.from_bytes(question[end - 4 : end - 2], "big")
        code = {"missing": 3, "failing": 2}.get(self.mode, 0)
        found = code == 0 and kind == 1
        head = question[:2] + bytes([0x81, 0x80 | code, 0, 1, 0, int(found), 0, 0, 0, 0])
        address = bytes([127, 0, 0, 9 if self.mode == "other" else 1])
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + address
        return head + question[12:end] + (record if found else b"")


def names(directory: Path, chance: random.Random) -> Outcome:
    """F13: the backend's name is not resolved in three ways; its connection goes on, what has none waits on disk."""
    authority = Authority()
    ca = directory / "ca.pem"
    ca.write_bytes(authority.certificate)
    flags = [f"-api=https://{NAME}:{GATE_PORT}/api/internal", f"-tls_ca_file={ca}"]
    with chain(directory, *flags, gated=True, started=False) as made, _resolver(made) as server:
        assert made.gate is not None
        made.gate.close()
        made.gate.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.gate.tls.load_cert_chain(*authority.issue([NAME]).write(directory, "gate"))
        made.gate.open()
        made.start_kcollect()
        made.start_kproxy(prefix=made.space.prefix()[:4])
        made.load()
        time.sleep(3.0)
        for mode in chance.sample(["other", "missing", "failing", "silent"], 3):
            server.mode = mode
            time.sleep(1.0)  # what was under way has arrived
            forwarded = made.status()["Totals"]["RecordsForwarded"]
            made.wait(
                partial(_grown, made, forwarded),
                f"the connection does not go on while the name is {mode}",
                GOES_ON_SECONDS,
            )
            made.gate.close()
            made.gate.open()
            made.wait(lambda: made.on_disk() > 0, f"nothing is on disk while the name is {mode}", 30.0)
            server.mode = "good"
            made.wait(lambda: made.on_disk() == 0, f"not delivered after the name was {mode}", 120.0)
        assert server.asked, "nobody asked for the name"
        slowest = made.watch.slowest
        assert slowest < LONGEST_STALL_SECONDS, f"the health page took {slowest:.1f} s"
        made.settle()
        return made.end()


def _grown(made: Chain, forwarded: int) -> bool:
    return bool(made.status()["Totals"]["RecordsForwarded"] > forwarded)


@contextmanager
def _resolver(made: Chain) -> Iterator[NameServer]:
    place = RESOLVERS / made.space.name
    place.mkdir(parents=True)
    (place / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    server = NameServer()
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(place)
