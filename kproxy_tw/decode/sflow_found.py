"""What sFlow datagrams hold besides flow samples."""

from __future__ import annotations

import attrs

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.sflow_counters import CounterSample
from kproxy_tw.decode.sflow_sequence import SflowSequences


@attrs.frozen(eq=False, kw_only=True)
class SflowFound:
    """Of one or several datagrams of one source.

    :ivar sequences: the agents' sequence numbers, and those of their data sources.
    :ivar counters: the counter samples.
    :ivar discards: discarded packets, each with its reason; ``None`` for none.
    :ivar egress: flow samples that were left out because they were taken at the output interface.
    """

    sequences: SflowSequences
    counters: tuple[CounterSample, ...] = ()
    discards: RecordSet | None = None
    egress: int = 0
