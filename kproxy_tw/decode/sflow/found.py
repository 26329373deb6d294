"""What sFlow datagrams hold besides flow samples."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.sflow.counters import CounterSample
from kproxy_tw.decode.sflow.sequence import SflowSequences

Source = tuple[str, int, int, int]
"""Agent, sub-agent, class and index."""


@attrs.frozen(eq=False, kw_only=True)
class SflowFound:
    """Of one or several datagrams of one source.

    :ivar sequences: the agents' sequence numbers, and those of their data sources.
    :ivar counters: the counter samples.
    :ivar discards: discarded packets, each with its reason; ``None`` for none.
    :ivar agent_drops: data source (agent, sub-agent, class, index) to the samples that its agent has dropped so far for
        want of resources, modulo 2**32; only sources that dropped some.
    :ivar egress: flow samples that were left out because they were taken at the output interface.
    """

    sequences: SflowSequences
    counters: tuple[CounterSample, ...] = ()
    discards: RecordSet | None = None
    agent_drops: Mapping[Source, int] = attrs.field(factory=dict)
    egress: int = 0
