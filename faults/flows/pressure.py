"""Peers that want too much: F16 to F18."""

from __future__ import annotations

import random
import socket
import struct
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from faults.flows.chain import COLLECTOR_PORT, FLOW_PORT, HEALTH_PORT, Chain, chain, device, resident
from faults.table import Outcome
from kproxy_tw.testing.processes import answers
from tests.decode import netflow_bytes as nf

MIB = 1 << 20
MOST_GROWTH = 32 * MIB
WARM_SECONDS = 6.0

CAP = 2000
FLOOD_FLOWS = 20_000
FLOOD_SECONDS = 18.0
"""A window is 15 s: in its first part all may be kept."""

MOST_RESIDENT = 350 * MIB
MOST_LOSS = 0.001

STRANGERS = 200_000
"""A million in five seeds."""

STRANGERS_PER_SECOND = 20_000
TEMPLATE_IDS = range(256, 65_536)
TEMPLATES_A_DATAGRAM = 100
DOMAINS = 4
IP_PKTINFO = 8

FILES = 96
CONNECTIONS = 150


def one_floods(directory: Path, chance: random.Random) -> Outcome:
    """F16: one exporter at ten times its cap; it is thinned, the other loses nothing, memory stays within bounds."""
    with chain(directory, started=False) as made:
        made.devices_file([device(0, max_flow_rate=CAP), device(1)])
        made.start_kcollect()
        made.start_kproxy()
        assert made.kproxy is not None
        made.kproxy.wait_until_ready(HEALTH_PORT)
        flooder, other = made.exporters
        other.start(300)
        time.sleep(1.0)
        flooder.start(FLOOD_FLOWS)
        time.sleep(FLOOD_SECONDS + chance.uniform(0.0, 2.0))
        memory = resident(made.kproxy.process.pid)
        flooder.stop()
        made.settle()
        made.unheard = int(made.status()["Totals"]["SequenceGaps"])
        outcome = made.end()
        assert memory <= MOST_RESIDENT, f"{memory // MIB} MiB resident"
        assert outcome.lost.get("thinned"), "the flooder is not thinned"
        return outcome


def strangers(directory: Path, chance: random.Random, sources: int = STRANGERS, domains: int = DOMAINS) -> Outcome:
    """F17: 200,000 sources that nobody knows, and a known one that teaches all template numbers of four domains."""
    with chain(directory) as made:
        assert made.kproxy is not None
        made.load(300)
        time.sleep(WARM_SECONDS)
        before = resident(made.kproxy.process.pid)
        made.space.run("ip", "route", "add", "local", "10.0.0.0/8", "dev", "lo")
        _from_everywhere(chance, sources)
        _templates(made, domains)
        time.sleep(2.0)
        growth = resident(made.kproxy.process.pid) - before
        assert growth <= MOST_GROWTH, f"kproxy grew by {growth // MIB} MiB"
        made.settle()
        totals = made.status()["Totals"]
        # The machine may have no time for the flood, and the kernel cannot tell friend from foe.
        if totals["KernelDrops"] or totals["DatagramsDropped"]["shed"]:
            made.unheard = int(totals["SequenceGaps"])
        return made.end()


def _from_everywhere(chance: random.Random, sources: int) -> None:
    """A datagram from each of many addresses, which the socket is told for each."""
    junk = struct.pack("!HH", 5, 1) + bytes(68)
    first = int(ip_address("10.0.0.1")) + chance.randrange(1 << 23)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        due = time.monotonic()
        for number in range(sources):
            source = struct.pack("=I4s4s", 0, (first + number).to_bytes(4, "big"), bytes(4))
            sock.sendmsg([junk], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, ("127.0.0.1", FLOW_PORT))
            if number % 1000 == 999:
                due += 1000 / STRANGERS_PER_SECOND
                time.sleep(max(0.0, due - time.monotonic()))


def _templates(made: Chain, domains: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((made.exporters[0].address, 0))
        for domain in range(1, domains + 1):
            for first in range(TEMPLATE_IDS.start, TEMPLATE_IDS.stop, TEMPLATES_A_DATAGRAM):
                numbers = range(first, min(first + TEMPLATES_A_DATAGRAM, TEMPLATE_IDS.stop))
                taught = b"".join(nf.template(number, (1, 4), (2, 4)) for number in numbers)
                header = struct.pack("!HHIIII", 9, len(numbers), 1000, int(time.time()), first, domain)
                sock.sendto(header + nf.a_set(0, taught), ("127.0.0.1", FLOW_PORT))
                time.sleep(0.0005)


def no_files(directory: Path, chance: random.Random) -> Outcome:
    """F18: kproxy has few descriptors, and slow clients take all that its pages have; kcollect's too."""
    with chain(directory, prefix=["/usr/bin/prlimit", f"--nofile={FILES}"]) as made:
        made.load()
        slow: list[socket.socket] = []
        for port in (HEALTH_PORT, COLLECTOR_PORT):
            for _connection in range(CONNECTIONS):
                with suppress(OSError):
                    sock = socket.create_connection(("127.0.0.1", port), 0.5)
                    sock.sendall(b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * chance.randrange(20))
                    slow.append(sock)
        time.sleep(chance.uniform(4.0, 8.0))
        for sock in slow:
            sock.close()
        made.wait(lambda: answers(HEALTH_PORT, "/readyz"), "the page does not come back")
        made.wait(lambda: answers(COLLECTOR_PORT, "/totals"), "kcollect does not come back")
        made.settle()
        return made.end()
