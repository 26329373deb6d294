"""The compiled schema ``kflow.capnp``."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import capnp


@cache
def _compiled() -> Any:
    # A parser of its own: pycapnp's global one refuses a second file with the same ids.
    with as_file(files(__package__) / "kflow.capnp") as path:
        return capnp.SchemaParser().load(str(path))


def packed_chf() -> Any:
    """The struct ``PackedCHF``, the root of each message. Compiled once in a process."""
    return _compiled().PackedCHF


def chf() -> Any:
    """The struct ``CHF``, one flow."""
    return _compiled().CHF
