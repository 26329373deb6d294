"""The oracle: compares what was issued with what is in kcollect's store, flow by flow.

No invention: every flow in the store was issued. Integrity: it looks as its number says. Once: no number is there
twice. Conservation: what is missing was lost in a crash within the time that is promised, or is counted under a reason;
and there are as many messages as were acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import duckdb
import numpy as np

from faults.flows.numbered import BASE, Numbers, Sent, destination, octets, packets
from faults.flows.reading import Crash
from faults.table import Outcome
from kproxy_tw.deliver.spool.tally import SLOT_BYTES, parse_slot
from kproxy_tw.errors import MalformedInput

CRASH_SECONDS = 2.0
"""What a process has read so long before it is killed may be lost: up to 1 s until records are made a message, 0.5 s
until that is durable, and what a busy machine adds. What it has not read is in the kernel, and may not."""

MADE_SECONDS = 1.5
"""What was read so long before a write of the spool began is in it, or in an earlier one."""

MOST_CRASH_SECONDS = 10.0
"""However slow the disk is and however busy the machine, what was read before that must be durable."""


def durable_until(tally: Path, started: float) -> float:
    """What a process that is dead now had read until then must be durable, monotonic seconds.

    Where two seconds are not enough, for the disk was slow, the tally tells: its older slot was written when a write of
    the spool was over, and another one began and was finished behind it.

    :param started: when the process was; what others had read before is not its affair.
    """
    now, wall = time.monotonic(), time.time()
    data = tally.read_bytes() if tally.exists() else b""
    written = []
    for first in range(0, len(data), SLOT_BYTES):
        with suppress(MalformedInput):
            written.append(now - (wall - parse_slot(data[first : first + SLOT_BYTES])[1].written_ms / 1000))
    last_but_one = min(written) - MADE_SECONDS if len(written) > 1 else now
    return max(started, now - MOST_CRASH_SECONDS, min(now - CRASH_SECONDS, last_but_one))


@attrs.frozen
class Stored:
    """The columns of all flows in the store, and how many messages they came in."""

    numbers: Numbers
    destinations: Numbers
    octets: Numbers
    packets: Numbers
    messages: int


def stored(data: Path) -> Stored:
    """Read the store of a kcollect that has ended, without the low-resolution copies that ``-max_big`` makes."""
    with duckdb.connect(str(data / "kcollect.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT ipv4_src_addr, ipv4_dst_addr, in_bytes, in_pkts FROM flows WHERE NOT big ORDER BY ipv4_src_addr"
        ).fetchnumpy()
        (messages,) = connection.execute("SELECT count(*) FROM messages").fetchone() or (0,)
    number, to, size, count = (np.asarray(column).astype(np.int64) for column in rows.values())
    return Stored(number - BASE, to, size, count, messages)


def judge(
    data: Path,
    sent: Iterable[Sent],
    crashes: Sequence[Crash],
    counted: Mapping[str, int],
    unheard: int = 0,
    acknowledged: range | None = None,
) -> Outcome:
    """Compare. :raises AssertionError: something that must hold does not.

    :param crashes: of kproxy, with what each may have cost.
    :param counted: flows that were dropped by reason, as the daemons tell.
    :param unheard: flows at most that no daemon was there to hear, or that the network lost.
    :param acknowledged: how many messages kproxy says that the backend has; ``None``: that is not known.
    """
    datagrams = list(sent)
    issued = np.concatenate([np.arange(each.first, each.first + each.count) for each in datagrams])
    in_crash = np.repeat(
        [any(crash.may_have_cost(each.first, each.at) for crash in crashes) for each in datagrams],
        [each.count for each in datagrams],
    )
    found = stored(data)
    assert acknowledged is None or found.messages in acknowledged, (
        f"{found.messages} messages are in the store, and {acknowledged.start} were acknowledged"
    )
    once, copies = np.unique(found.numbers, return_counts=True)
    duplicates = int((copies - 1).sum())
    assert not duplicates, f"{duplicates} flows are in the store twice"
    invented = np.setdiff1d(once, issued)
    assert not len(invented), f"{len(invented)} flows are in the store that nobody sent: {invented[:3]}"
    wrong = (
        (found.destinations != destination(found.numbers))
        | (found.octets != octets(found.numbers))
        | (found.packets != packets(found.numbers))
    )
    assert not wrong.any(), f"{int(wrong.sum())} flows have changed on their way"
    missing = ~np.isin(issued, once)
    crashed = int((missing & in_crash).sum())
    rest = int((missing & ~in_crash).sum())
    reasons = {reason: flows for reason, flows in counted.items() if flows}
    known = sum(reasons.values())
    # A message that a killed process had delivered, and not marked, is the next one's to drop: counted, not missing.
    least = 0 if crashes else known
    assert least <= rest <= known + unheard, (
        f"{rest} flows are missing, {known} of them are counted ({reasons}), {unheard} were unheard at most"
    )
    lost = {"crash": crashed, "unheard": max(0, rest - known)} | reasons
    return Outcome(len(issued), len(once), {reason: flows for reason, flows in lost.items() if flows}, duplicates)
