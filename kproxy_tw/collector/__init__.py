"""kcollect: the receiving side, for people without a Kentik account and for tests.

::

    POST /chf ─► intake ─► commit queue ─► store ◄─ query ◄─ GET /totals, /flows, /
                 (threads)  (one writer)   (DuckDB)

``app`` holds the routes, ``service`` starts and stops it all; ``devices`` is the directory behind the device API.
"""
