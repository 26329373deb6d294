"""``python -m bench``: the benchmark tables, or those named: ``python -m bench relay``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from bench import end_to_end, formats, pages, relay, spool

TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "flows": end_to_end.report,
    "formats": formats.report,
    "pages": pages.report,
    "relay": relay.report,
    "spool": spool.report,
}

for name in sys.argv[1:] or TABLES:
    for line in TABLES[name]():
        print(line, flush=True)
    print(flush=True)
