"""What pages and JSON show of what a device tells by sFlow."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kproxy_tw.decode.sflow.reasons import reason_name
from kproxy_tw.devices.counters import Key, SourceCounters
from kproxy_tw.devices.sflow import SflowDevice
from kproxy_tw.status import AgentStatus, DiscardStatus, SflowStatus, SourceStatus

Sources = list[tuple[Key, SourceCounters]]


def sflow_status(sflow: SflowDevice) -> SflowStatus:
    """A picture of now."""
    return hold_sflow(sflow)()


def hold_sflow(sflow: SflowDevice) -> Callable[[], SflowStatus]:
    """The same, but counters, of which there may be thousands, are described in any thread by what is returned."""
    sources = list(sflow.counters.sources())
    status = SflowStatus(
        counter_samples=sflow.counters.samples,
        skipped_samples=sflow.counters.skipped,
        agent_drops=sflow.agent_drops,
        forgotten_sources=sflow.counters.forgotten,
        discards=tuple(
            DiscardStatus(
                code=code, reason=reason_name(code), packets=packets, last_seen=sflow.discards.last_ns[code] / 1e9
            )
            for code, packets in sflow.discards.packets.most_common()
        ),
        agents=_agents(sflow),
        several_agents=tuple(sorted(source for source, agents in sflow.agents.items() if len(agents) > 1)),
    )
    return lambda: attrs.evolve(status, sources=_described(sources))


def _described(sources: Sources) -> tuple[SourceStatus, ...]:
    return tuple(
        SourceStatus(
            agent=agent,
            sub_agent=sub_agent,
            source_class=source_class,
            index=index,
            last_seen=source.received_ns / 1e9,
            restarts=source.restarts,
            records=dict(source.records),
            rates=dict(source.rates),
        )
        for (agent, sub_agent, source_class, index), source in sources
    )


def _agents(sflow: SflowDevice) -> tuple[AgentStatus, ...]:
    return tuple(
        AgentStatus(
            source=source,
            agent=agent,
            sub_agents=tuple(sorted(heard.sub_agents)),
            datagrams=heard.datagrams,
            last_seen=heard.last_ns / 1e9,
        )
        for source, agents in sorted(sflow.agents.items())
        for agent, heard in sorted(agents.items())
    )
