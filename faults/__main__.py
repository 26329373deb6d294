"""``python -m faults flows|bgp``: does the faults and prints the table; exit status 1 when one is lost."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from faults.endings import address_moved, daemon_killed, kbgp_killed, path_cut
from faults.flows.backend import answers_lost, away, black_hole, certificates, lies, too_large
from faults.flows.disk import damaged, failing, full, store_full
from faults.flows.kills import (
    CALLS,
    collector_killed,
    killed_at_crash_points,
    killed_at_random,
    killed_in_a_system_call,
    terminated,
    upgraded,
)
from faults.flows.network import bad_path, names
from faults.flows.pressure import no_files, one_floods, strangers
from faults.flows.surroundings import clock_set, devices_change, log_blocked, second_instance
from faults.frames import abuse
from faults.pressure import flood, side_stops_reading
from faults.signatures import keys
from faults.table import Fault, table

FLOWS = (
    Fault(
        "F1",
        "kproxy: kill -9 at random, 20 times a seed",
        "what was read up to 2 s before is lost at most",
        killed_at_random,
        partial(killed_at_random, kills=3),
    ),
    Fault(
        "F2",
        "kproxy: kill -9 at each crash point, twice a seed",
        "as F1",
        killed_at_crash_points,
        partial(killed_at_crash_points, points=("write", "sync", "ack", "state"), kills=1),
    ),
    Fault(
        "F3",
        "kproxy: kill -9 in the n-th system call",
        "as F1",
        killed_in_a_system_call,
        partial(killed_in_a_system_call, calls=CALLS[:2]),
    ),
    Fault("F4", "kproxy: SIGTERM under load", "exit 0 within 10 s, nothing lost", terminated),
    Fault(
        "F5",
        "spool's disk full, no inodes, file limit, read only",
        "live goes on, nothing lost uncounted",
        full,
        long=True,
    ),
    Fault("F6", "spool's disk says EIO, ENOSPC", "no exit, nothing believed durable", failing),
    Fault("F7", "spool damaged between two runs", "what is hit is missing, nothing else", damaged),
    Fault(
        "F8",
        "backend away for 1 min (an hour in the plan), 20 devices",
        "one tries at a time, drains, <= 2 x",
        away,
        partial(away, seconds=20.0),
        long=True,
    ),
    Fault("F9", "backend stopped, or packets to it vanish", "told within 60 s, nothing lost", black_hole, long=True),
    Fault("F10", "backend answers 5xx, 4xx, garbage, slowly, for ever", "nothing lost", lies, long=True),
    Fault("F10b", "backend answers 413 to what is large", "in parts, or counted", too_large),
    Fault("F11", "answers lost behind the commit", "in the store once", answers_lost),
    Fault("F12", "loss, 1 Mbit/s, delay, flapping link", "lost before kproxy = sequence gaps", bad_path),
    Fault("F13", "name not resolved, or to another address", "connection goes on, nothing lost", names),
    Fault(
        "F14",
        "clock set by hours, days, to 2036, 2038; 5 times too fast",
        "timers as before (5 %), told once",
        clock_set,
        partial(clock_set, steps=1, seconds=8.0),
    ),
    Fault("F15", "certificate expired, of a stranger, renewed", "nothing sent, then resumed", certificates),
    Fault("F16", "an exporter at ten times its cap", "it is thinned, the other loses nothing", one_floods),
    Fault(
        "F17",
        "200,000 strangers, 4 x 65,280 templates",
        "at most 32 MiB more",
        strangers,
        partial(strangers, sources=50_000, domains=1),
    ),
    Fault("F18", "no descriptors left, slow clients", "answers again, nothing lost", no_files),
    Fault("F21", "devices change, API talks garbage, is away", "the last good list is used", devices_change, long=True),
    Fault("F22", "a second instance", "ends with one line, the first goes on", second_instance),
    Fault("F31", "stop and start under load, files of a later version", "set aside, no gap", upgraded),
    Fault(
        "F32",
        "kcollect: kill -9 at random and around commits",
        "in the store once",
        collector_killed,
        partial(collector_killed, kills=1),
    ),
    Fault("F32b", "kcollect's disk full", "acknowledges nothing that is not stored", store_full),
    Fault("F33", "kproxy's log blocked", "flow and pages go on", log_blocked),
)

BGP = (
    Fault("F23", "kbgp: kill -9", "routers reconnect; no stale session in the daemon", kbgp_killed),
    Fault("F24", "gRPC path cut while a table is under way", "resumed, the bytes at both ends are equal", path_cut),
    Fault("F25", "router or daemon stops reading", "memory bounded, others unharmed, all arrives", side_stops_reading),
    Fault("F26", "daemon killed and restarted; wrong AS", "closed within 5 s, Established again", daemon_killed),
    Fault("F27", "1,000 connects/s of strangers", "at most 64 wait, 5 questions/s, known one in 10 s", flood),
    Fault("F28", "MD5: none, wrong, changed, removed, 1,000 keys", "named in the log, the sysctl too", keys),
    Fault("F29", "HTTP/2 used against kcollect", "others served, less than a core", abuse),
    Fault("F30", "two agents, the address moves", "the second has the only session within 30 s", address_moved),
)


GROUPS = {"flows": FLOWS, "bgp": BGP}


def main(arguments: list[str]) -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("group", choices=sorted(GROUPS), help="what is done to kproxy and kcollect, or to kbgp")
    parser.add_argument("numbers", nargs="*", help="some of them, such as F1 F22; all without any")
    parser.add_argument("--at-once", type=int, default=1, help="so many at the same time: most of them mostly wait")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="less of what takes long")
    options = parser.parse_args(arguments)
    faults = GROUPS[options.group]
    unknown = set(options.numbers) - {fault.number for fault in faults}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    chosen = [fault for fault in faults if not options.numbers or fault.number in options.numbers]
    if options.short:
        chosen = [fault.shortened for fault in chosen]
    seeds = range(options.first, options.first + options.seeds)
    rows = table(chosen, seeds, lambda line: print(line, flush=True), options.at_once)
    return 0 if all(row.whole for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
