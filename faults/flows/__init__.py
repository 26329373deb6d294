"""Faults done to kproxy and kcollect.

``numbered``  exporters whose every flow has a number, so that each can be found again;
``oracle``    what was issued, what is in the store, and what must hold between them;
``gate``      stands between the two daemons and lies;
``chain``     the daemons in a network namespace of their own, and the watch over their books;

the other modules hold the faults themselves.
"""
