"""How polling goes: values for page, JSON and metrics."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.snmp.reading import Reading


@attrs.frozen(kw_only=True)
class PollerStatus:
    """The polling process.

    :ivar pid: 0 while there is none; there is none before there is something to poll.
    :ivar restarts: how often it had to be started again.
    :ivar client: which library asks (``pysnmp`` or ``gufo-snmp``).
    :ivar cpu_seconds: what the process used up, its predecessors included.
    :ivar cpu_percent: of one core, over the last minute.
    :ivar targets: devices that it polls.
    :ivar latest: by device id, the last reading of each, without interfaces and counters.
    :ivar next_polls: by device id, when it is due, in seconds since 1970.
    :ivar problem: why there is no process; empty while there is one.
    """

    pid: int = 0
    restarts: int = 0
    client: str = ""
    cpu_seconds: float = 0.0
    cpu_percent: float = 0.0
    targets: int = 0
    latest: Mapping[int, Reading] = attrs.field(factory=dict)
    next_polls: Mapping[int, float] = attrs.field(factory=dict)
    problem: str = ""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a single poll has come.

    :ivar stage: what is being read (``system``, ``ifTable``, ...).
    :ivar rows: read of it so far.
    """

    stage: str
    rows: int = 0
    requests: int = 0
