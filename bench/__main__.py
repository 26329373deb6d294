"""``python -m bench``: the benchmark tables."""

from __future__ import annotations

from itertools import chain

from bench import end_to_end, spool

for line in chain(end_to_end.report(), [""], spool.report()):
    print(line, flush=True)
