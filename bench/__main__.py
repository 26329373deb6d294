"""``python -m bench``: the benchmark tables, or those named: ``python -m bench relay``. Some are long: only by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from bench import end_to_end, formats, latency, pages, polling, relay, snmp, spool

TABLES: Mapping[str, Callable[[], Iterator[str]]] = {
    "flows": end_to_end.report,
    "formats": formats.report,
    "latency": latency.report,
    "pages": pages.report,
    "relay": relay.report,
    "spool": spool.report,
    "snmp": snmp.report,
}

LONG_TABLES: Mapping[str, Callable[[], Iterator[str]]] = {"polling": polling.report}

for name in sys.argv[1:] or TABLES:
    for line in {**TABLES, **LONG_TABLES}[name]():
        print(line, flush=True)
    print(flush=True)
