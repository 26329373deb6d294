"""``kproxy top`` and ``kbgp top``: the first page's table in a terminal, from the same JSON."""
