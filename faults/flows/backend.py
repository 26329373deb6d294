"""A backend that is away, slow, refuses or lies: F8 to F11, F15."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

from faults.flows import gate as tricks
from faults.flows.chain import HEALTH_PORT, chain
from faults.table import Outcome
from kproxy_tw.deliver.breaker import PROBE_SECONDS
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import get

OUTAGE_SECONDS = 60.0
"""An hour in the plan."""

DRAIN_SECONDS = 400.0
"""For what a minute has left: a wait of up to a minute may just have begun, flow goes on, and the machine is busy."""

BUSY = 3000
NORMAL_SECONDS = 5.0
WAITING_SECONDS = 5
"""What devices send in these seconds always waits for something, on a busy machine."""

SLOWEST_BACKLOG = 1 << 20
"""Bytes a second that the backlog may have at least."""

MOST_RETURNING = 2.0
"""Times the normal rate that a backend which is back may get, or what is normal and the slowest backlog together."""

UNEVEN = 1.3
"""Messages are no liquid: what a second may have more than it should."""

HERD = 20
NEARER = 0.8
"""An attempt takes its time on a busy machine, and may come so much sooner behind the one before it."""

FIRST_RETRIES_SECONDS = 10.0
"""In these the first senders find out."""

FOUND_SECONDS = 60.0
LIES_SECONDS = 20.0
HOLD_SECONDS = 60.0


def away(directory: Path, chance: random.Random, seconds: float = OUTAGE_SECONDS) -> Outcome:
    """F8: refused for a minute while 20 devices send; one tries at a time, the backlog drains in time, not faster."""
    with chain(directory, devices=HERD, gated=True) as made:
        gate = made.gate
        assert gate is not None
        made.load(BUSY)
        time.sleep(NORMAL_SECONDS + chance.uniform(1.0, 3.0))
        gate.trick = tricks.status(503)
        began = time.monotonic()
        normal = sum(each.size for each in gate.met if each.at >= began - NORMAL_SECONDS) / NORMAL_SECONDS
        time.sleep(seconds)
        _left_alone([each.at for each in gate.met if each.at > began + FIRST_RETRIES_SECONDS])
        assert made.on_disk() > 0, "nothing is on disk"
        gate.trick = tricks.Request.forward
        back = time.monotonic()
        few = BUSY * WAITING_SECONDS
        made.wait(
            lambda: made.status()["Totals"]["RecordsInFlight"] <= few, "the backlog does not drain", DRAIN_SECONDS
        )
        _not_drowned([each for each in gate.met if each.at > back], normal)
        made.settle()
        return made.end()


def _not_drowned(came: list[tricks.Meeting], normal: float) -> None:
    by_second: Counter[int] = Counter()
    for each in came:
        by_second[int(each.at)] += each.size
    worst, most = max(by_second.values()), max(MOST_RETURNING * normal, normal + SLOWEST_BACKLOG) * UNEVEN
    assert worst <= most, f"the backend that was back got {worst:,} bytes in a second, normal are {normal:,.0f}"


def _left_alone(attempts: list[float]) -> None:
    """The breaker lets one of them through at a time."""
    assert attempts, "nobody has tried whether the backend is back"
    nearest = min((behind - at for at, behind in pairwise(attempts)), default=PROBE_SECONDS)
    assert nearest >= PROBE_SECONDS * NEARER, f"{len(attempts)} attempts, two of them {nearest:.2f} s from each other"


def black_hole(directory: Path, chance: random.Random) -> Outcome:
    """F9: kcollect is stopped (SIGSTOP), or packets to it vanish; told within a minute, nothing is lost."""
    with chain(directory) as made:
        assert made.kcollect is not None
        made.load()
        time.sleep(chance.uniform(1.0, 3.0))
        stopped = chance.random() < 0.5
        if stopped:
            os.kill(made.kcollect.process.pid, signal.SIGSTOP)
        else:
            rule = "type filter hook input priority 0; tcp dport 20080 drop;"
            made.space.run("nft", f"table inet hole {{ chain input {{ {rule} }}; }}")
        try:
            made.wait(_found, "the health page does not tell", FOUND_SECONDS + 15.0)
            time.sleep(chance.uniform(0.0, 5.0))
        finally:
            if stopped:
                os.kill(made.kcollect.process.pid, signal.SIGCONT)
            else:
                made.space.run("nft", "delete", "table", "inet", "hole")
        made.settle()
        made.wait(lambda: not _found(), "the health page does not clear", FOUND_SECONDS)
        return made.end()


def _found() -> bool:
    return get(HEALTH_PORT, "/hc")[0] != HTTPStatus.OK


LIES: tuple[tuple[str, tricks.Trick], ...] = (
    ("500", tricks.status(500)),
    ("503 with Retry-After", tricks.status(503, Retry_After="2")),
    ("429", tricks.status(429)),
    ("408", tricks.status(408)),
    ("RST instead of an answer", tricks.cut_request),
    ("answer cut", tricks.once_each(tricks.cut_answer)),
    ("answer without end", tricks.once_each(tricks.endless_answer)),
    ("a byte a second", tricks.once_each(tricks.slow_answer)),
)


def lies(directory: Path, chance: random.Random) -> Outcome:
    """F10: three of those answers that are to be tried again, mixed with good ones; then a refusal, then 401."""
    with chain(directory, gated=True) as made:
        gate = made.gate
        assert gate is not None
        made.load()
        for _name, trick in chance.sample(LIES, 3):
            gate.trick = tricks.at_times(chance, trick)
            time.sleep(LIES_SECONDS / 2)
        gate.trick = tricks.once_each(tricks.status(chance.choice([400, 404, 422, 302])))
        time.sleep(3.0)
        gate.trick = tricks.Request.forward
        time.sleep(2.0)
        assert made.kproxy is not None
        made.quiet()
        made.stop_kproxy()  # what was refused is on disk: it need not wait five minutes here
        made.start_kproxy()
        made.load()
        time.sleep(1.0)
        gate.trick = tricks.status(chance.choice([401, 403]))
        time.sleep(5.0)
        made.quiet()
        gate.trick = tricks.Request.forward
        made.settle(HOLD_SECONDS + 60.0)
        return made.end()


def answers_lost(directory: Path, chance: random.Random) -> Outcome:
    """F11: kcollect has committed, and the answer is lost, at each first attempt and at half of all others."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None
        made.gate.trick = tricks.at_times(chance, tricks.lost_answer, part=0.6)
        made.load()
        time.sleep(chance.uniform(8.0, 15.0))
        made.gate.trick = tricks.Request.forward
        made.settle()
        return made.end()


def too_large(directory: Path, chance: random.Random) -> Outcome:
    """F10, its 413: what is too large for the backend arrives in parts, or is counted."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None
        made.gate.trick = tricks.too_large(chance.randint(4_000, 8_000))
        made.load(1200)
        time.sleep(6.0)
        made.gate.trick = tricks.Request.forward
        made.settle()
        return made.end()


def certificates(directory: Path, chance: random.Random) -> Outcome:
    """F15: kcollect's certificate is expired, of the future or a stranger's; then a good one with a new key."""
    authority, stranger = Authority(), Authority("stranger")
    ca = directory / "ca.pem"
    ca.write_bytes(authority.certificate)
    good = authority.issue(["localhost"])
    bad = {
        "expired": authority.issue(["localhost"], first_day=-30, last_day=-1),
        "not yet valid": authority.issue(["localhost"], first_day=1, last_day=30),
        "of a stranger": stranger.issue(["localhost"]),
        "for another name": authority.issue(["other.example"]),
    }
    flags = ["-api=https://localhost:20080/api/internal", f"-tls_ca_file={ca}"]
    with chain(directory, *flags, started=False) as made:

        def serve(name: str, certificate: object) -> None:
            pem, key = certificate.write(directory, name)  # type: ignore[attr-defined]
            made.start_kcollect(f"-tls_cert_file={pem}", f"-tls_key_file={key}")

        serve("good", good)
        made.start_kproxy()
        made.kproxy.wait_until_ready(HEALTH_PORT)  # type: ignore[union-attr]
        made.load()
        time.sleep(2.0)
        for name in chance.sample(sorted(bad), 2):
            made.kill_kcollect()
            serve(name.replace(" ", "_"), bad[name])
            forwarded = made.status()["Totals"]["RecordsForwarded"]
            time.sleep(6.0)
            assert made.on_disk() > 0, f"nothing is kept while the certificate is {name}"
            grown = made.status()["Totals"]["RecordsForwarded"] - forwarded
            assert grown == 0, f"{grown} flows went to a backend whose certificate is {name}"
        made.kill_kcollect()
        serve("renewed", authority.issue(["localhost"]))
        made.settle()
        return made.end()
