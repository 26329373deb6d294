"""``python -m bench``: the benchmark table."""

from __future__ import annotations

from bench.end_to_end import report

for line in report():
    print(line, flush=True)
