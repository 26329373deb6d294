"""One row per format: how many flows a second of one core kproxy decodes, and nfcapd or sfcapd beside it.

kproxy's figures are CPU time of this process: walking datagrams (with sequence accounting), decoding every record into
columns, and both together. The peer's figure is the CPU time of its process for the same datagrams, received over
loopback and written to its files, which it cannot be asked to leave out; so the two are not the same work, and are
told side by side.
"""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np

from kproxy_tw.decode.dispatch import walk_all
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.book import SequenceBook
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.testing.exporters import (
    Exporter,
    IpfixExporter,
    NetFlow5Exporter,
    NetFlow9Exporter,
    SflowExporter,
)
from kproxy_tw.testing.processes import Daemon, free_port
from kproxy_tw.testing.traffic import Flows, make_flows

BATCH = 256
"""Datagrams that are walked together: what the intake lets wait of one exporter."""

FLOWS = 100_000
"""Of each format, in different datagrams."""

REPEATS = 7
"""The fastest one counts: others share the machine."""

SEND_PAUSE_EVERY = 50
"""Datagrams to the peer without a pause, so that it loses none."""

NOW = 1_790_000_000.0
BUFFER = 32 << 20


class VariableExporter:
    """IPFIX with a name of variable length in the middle of each record (interfaceName, 82)."""

    flows_per_datagram = 25
    TEMPLATE = struct.pack("!HHHH" + "HH" * 8, 2, 40, 301, 8, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 82, 65535, 2, 4, 1, 8)

    def __init__(self, started: float) -> None:
        self._records = 0

    def datagram(self, flows: Flows, now: float) -> bytes:
        """See :class:`Exporter`."""
        head = np.zeros(len(flows), [("src", ">u4"), ("dst", ">u4"), ("sport", ">u2"), ("dport", ">u2"), ("p", "u1")])
        tail = np.zeros(len(flows), [("packets", ">u4"), ("bytes", ">u8")])
        for name in ("src", "dst", "sport", "dport"):
            head[name] = flows[name]
        head["p"] = flows["protocol"]
        tail["packets"], tail["bytes"] = flows["packets"], flows["bytes"]
        records = b"".join(
            head[row].tobytes() + self._name(int(flow["input"])) + tail[row].tobytes() for row, flow in enumerate(flows)
        )
        body = (
            (self.TEMPLATE if self._records % 1250 == 0 else b"") + struct.pack("!HH", 301, 4 + len(records)) + records
        )
        header = struct.pack("!HHIII", 10, 16 + len(body), int(now), self._records, 0)
        self._records += len(flows)
        return header + body

    @staticmethod
    def _name(port: int) -> bytes:
        text = f"GigabitEthernet0/0/{port}".encode()[: 8 + port * 3]
        return bytes([len(text)]) + text


@attrs.frozen
class Format:
    """A row."""

    name: str
    exporter: Callable[[float], Exporter]
    peer: str


FORMATS = (
    Format("NetFlow v5", NetFlow5Exporter, "nfcapd"),
    Format("NetFlow v9", NetFlow9Exporter, "nfcapd"),
    Format("IPFIX", IpfixExporter, "nfcapd"),
    Format("IPFIX, variable length", VariableExporter, "nfcapd"),
    Format("sFlow v5 (samples)", SflowExporter, "sfcapd"),
)


def datagrams(each: Format) -> tuple[list[bytes], int]:
    """Ready-made datagrams of one exporter, and how many flows are in them."""
    exporter, random = each.exporter(NOW), np.random.default_rng(5)
    size = exporter.flows_per_datagram
    count = FLOWS // size
    flows = make_flows(count * size, random)
    made = [exporter.datagram(flows[first : first + size], NOW) for first in range(0, len(flows), size)]
    return made, len(flows)


def walked(made: Sequence[bytes]) -> tuple[float, list[Walk]]:
    """CPU seconds of walking everything, in batches as the intake does, and what was found."""
    templates, sequences, found = TemplateCache(), SequenceBook(), list[Walk]()
    received = [int(NOW * 1e9)] * BATCH
    began = time.thread_time()
    for first in range(0, len(made), BATCH):
        batch = made[first : first + BATCH]
        walks, _problems = walk_all(batch, templates, received[: len(batch)], sequences)
        found += walks
    return time.thread_time() - began, found


def decoded(found: Sequence[Walk], flows: int) -> float:
    """CPU seconds of decoding all record sets, a layout at a time, as the tick does."""
    began = time.thread_time()
    by_layout: dict[int, list[object]] = {}
    for each in found:
        for records in each.sets:
            by_layout.setdefault(id(records.layout), []).append(records)
    count = 0
    for sets in by_layout.values():
        count += sets[0].layout.columns(sets, None).length  # type: ignore[attr-defined]
    spent = time.thread_time() - began
    assert count == flows, (count, flows)
    return spent


def peer_seconds(program: str, made: Sequence[bytes]) -> float | None:
    """CPU seconds of nfcapd or sfcapd for the same datagrams; ``None`` where it is not installed."""
    path = shutil.which(program)
    if path is None:
        return None
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        port = free_port(socket.SOCK_DGRAM)
        command = [path, "-p", str(port), "-b", "127.0.0.1", "-B", str(BUFFER), "-l", name, "-t", "3600"]
        with Daemon(command, log=Path(name) / "peer.log") as peer:
            time.sleep(0.7)
            before = peer.cpu_seconds()
            for index, data in enumerate(made):
                sock.sendto(data, ("127.0.0.1", port))
                if index % SEND_PAUSE_EVERY == 0:
                    time.sleep(0.001)
            time.sleep(0.7)
            return peer.cpu_seconds() - before


def row(each: Format) -> str:
    """One line of the table."""
    made, flows = datagrams(each)
    rounds = []
    for _repeat in range(REPEATS):
        walking, found = walked(made)
        rounds.append((walking, decoded(found, flows)))
    walking = min(seconds for seconds, _decoding in rounds)
    decoding = min(seconds for _walking, seconds in rounds)
    theirs = peer_seconds(each.peer, made)
    shown = f"{flows / theirs:>14,.0f}  {each.peer}" if theirs else f"{'-':>14}  {each.peer} is not installed"
    speeds = (flows / walking, flows / decoding, flows / (walking + decoding))
    return f"{each.name:<26}" + "".join(f"{speed:>14,.0f}" for speed in speeds) + shown


def report() -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield f"flows a second of one core, by format ({FLOWS:,} flows each; best of {REPEATS})"
    yield f"{'':<26}{'walk':>14}{'decode':>14}{'both':>14}{'peer':>14}"
    for each in FORMATS:
        yield row(each)
