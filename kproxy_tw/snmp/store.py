"""The engines of version 3, kept over restarts, so that they need not be discovered again. No secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from kproxy_tw.errors import StoreError
from kproxy_tw.snmp.agents import MAX_ENGINES, Key, KnownAgent
from kproxy_tw.snmp.usm import MAX_ENGINE_ID

FILE = "snmp-engines.json"
MAX_BYTES = 8 << 20


class AgentStore:
    """One file.

    :param directory: it is made when something is kept.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE

    def load(self) -> dict[Key, KnownAgent]:
        """What was kept; nothing when the file is not there or is not ours: engines are then discovered."""
        try:
            with self._path.open("rb") as file:
                rows = json.loads(file.read(MAX_BYTES))
            return dict(_engine(row) for row in rows[:MAX_ENGINES])
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            return {}

    def save(self, engines: Mapping[Key, KnownAgent]) -> None:
        """Keep them. :raises StoreError: the disk said no."""
        rows = [
            [address, port, engine.engine_id.hex(), engine.boots, round(engine.started)]
            for (address, port), engine in engines.items()
        ]
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_text(json.dumps(rows), encoding="ascii")
            os.replace(new, self._path)
        except OSError as problem:
            raise StoreError(f"{self._path}: {problem.strerror}") from None


def _engine(row: list[object]) -> tuple[Key, KnownAgent]:
    address, port, engine_id, boots, started = row
    if not (isinstance(address, str) and isinstance(port, int) and isinstance(engine_id, str)):
        raise TypeError("an address, a port and an engine id were wanted")
    if not (isinstance(boots, int) and isinstance(started, int | float)) or not 0 <= boots <= 0x7FFFFFFF:
        raise TypeError("boots and a time were wanted")
    identity = bytes.fromhex(engine_id)
    if not 1 <= len(identity) <= MAX_ENGINE_ID:
        raise ValueError("an engine id of another length")
    return (address, port), KnownAgent(identity, boots, float(started))
