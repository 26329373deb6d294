"""``kproxy decode``, ``kproxy fields`` and ``kproxy replay``: tools for captured flow packets."""
