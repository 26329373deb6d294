"""``python -m faults``: does the faults and prints the table; exit status 1 when one is lost."""

from __future__ import annotations

import argparse
import sys

from faults.endings import address_moved, daemon_killed, kbgp_killed, path_cut
from faults.frames import abuse
from faults.pressure import flood, side_stops_reading
from faults.signatures import keys
from faults.table import Fault, table

FAULTS = (
    Fault("F23", "kbgp: kill -9", "routers reconnect; no stale session in the daemon", kbgp_killed),
    Fault("F24", "gRPC path cut while a table is under way", "resumed, the bytes at both ends are equal", path_cut),
    Fault("F25", "router or daemon stops reading", "memory bounded, others unharmed, all arrives", side_stops_reading),
    Fault("F26", "daemon killed and restarted; wrong AS", "closed within 5 s, Established again", daemon_killed),
    Fault("F27", "1,000 connects/s of strangers", "at most 64 wait, 5 questions/s, known one in 10 s", flood),
    Fault("F28", "MD5: none, wrong, changed, removed, 1,000 keys", "named in the log, the sysctl too", keys),
    Fault("F29", "HTTP/2 used against kcollect", "others served, less than a core", abuse),
    Fault("F30", "two agents, the address moves", "the second has the only session within 30 s", address_moved),
)


def main(arguments: list[str]) -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("numbers", nargs="*", help="F23 ... F30; all without any")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args(arguments)
    unknown = set(options.numbers) - {fault.number for fault in FAULTS}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    chosen = [fault for fault in FAULTS if not options.numbers or fault.number in options.numbers]
    rows = table(chosen, range(options.first, options.first + options.seeds), lambda line: print(line, flush=True))
    return 0 if all(row.whole for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
