"""``python -m bench``: the benchmark tables. ``python -m bench formats`` or ``end_to_end`` prints one of them."""

from __future__ import annotations

import sys

from bench import end_to_end, formats

TABLES = {"formats": formats.report, "end_to_end": end_to_end.report}

for name in sys.argv[1:] or TABLES:
    for line in TABLES[name]():
        print(line, flush=True)
    print()
