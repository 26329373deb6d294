"""The libraries that walk tables, and which one is there. Imports none of them: kproxy itself does not poll."""

from __future__ import annotations

import importlib.util

PYSNMP, GUFO = "pysnmp", "gufo-snmp"


def installed() -> str:
    """The library that walks tables: the fast one where it is there."""
    return GUFO if importlib.util.find_spec("gufo") and importlib.util.find_spec("gufo.snmp") else PYSNMP
