"""What a device tells by sFlow besides flows: counters, discarded packets, and which agents speak.

One packet source usually carries one agent. Several behind one address mean a relay or NAT, or devices that are
configured alike; their flows would all be counted for one device, so it is flagged.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping

import attrs
import numpy as np

from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.records import RecordSet, Walk
from kproxy_tw.decode.sflow.found import SflowFound, Source
from kproxy_tw.decode.sflow.samples import DISCARD_REASON, WORD
from kproxy_tw.decode.sflow.sequence import SflowSequences
from kproxy_tw.devices.counters import MAX_SOURCES, WRAP32, CounterStore, Discards
from kproxy_tw.devices.device import Device

MAX_AGENTS = 64
"""Agents of one source that are told apart; the one that has been silent longest makes room."""

REASON_COLUMN = folded("discard_reason")


@attrs.define(eq=False)
class AgentHeard:
    """One agent behind one source address.

    :ivar sub_agents: those of its sub-agents that spoke, at most ``MAX_AGENTS``.
    :ivar datagrams: how many it has sent.
    :ivar last_ns: when the last one came in, nanoseconds since 1970.
    """

    sub_agents: set[int] = attrs.field(factory=set)
    datagrams: int = 0
    last_ns: int = 0


@attrs.define(eq=False)
class SflowDevice:
    """Of one device.

    :ivar agents: source address to the agents behind it, by address.
    :ivar agent_drops: samples that the agents dropped for want of resources, since they first told of some.
    """

    counters: CounterStore = attrs.field(factory=CounterStore)
    discards: Discards = attrs.field(factory=Discards)
    agents: dict[str, OrderedDict[str, AgentHeard]] = attrs.field(factory=dict)
    agent_drops: int = 0
    _drops: OrderedDict[Source, int] = attrs.field(factory=OrderedDict)

    def take(self, walk: Walk, found: SflowFound, source: str, device: Device) -> tuple[str, ...]:
        """Take in what an sFlow walk holds besides flows.

        Discarded packets become flows, with their reason in the custom column ``discard_reason``, when the device has
        one: without it nobody could tell them from traffic. They are counted here in any case.

        :return: all agents of the source, when one of them is new and not the only one.
        """
        self.counters.take(found.counters)
        self._add_drops(found.agent_drops)
        if found.discards is not None:
            self._count(found.discards)
            if REASON_COLUMN in map(folded, device.custom_columns):
                walk.sets.append(found.discards)
                walk.records += found.discards.count
        return self._hear(found.sequences, source)

    def forget(self, source: str) -> None:
        """The source is not this device's any longer."""
        self.agents.pop(source, None)

    def _add_drops(self, drops: Mapping[Source, int]) -> None:
        for source, count in drops.items():
            step = (count - self._drops.get(source, count)) % WRAP32
            self.agent_drops += step if step < WRAP32 // 2 else 0
            self._drops[source] = count
            self._drops.move_to_end(source)
        while len(self._drops) > MAX_SOURCES:
            self._drops.popitem(last=False)

    def _hear(self, told: SflowSequences, source: str) -> tuple[str, ...]:
        known = self.agents.setdefault(source, OrderedDict())
        fresh = False
        received_ns = int(told.received_ns[-1])
        for agent, datagrams in Counter(told.agents).items():
            if agent not in known:
                fresh = True
            heard = known.setdefault(agent, AgentHeard())
            heard.datagrams += datagrams
            heard.last_ns = received_ns
            known.move_to_end(agent)
        for agent, sub_agent in set(zip(told.agents, told.sub_agents.tolist(), strict=True)):
            if agent in known and len(known[agent].sub_agents) < MAX_AGENTS:
                known[agent].sub_agents.add(sub_agent)
        while len(known) > MAX_AGENTS:
            known.popitem(last=False)
        return tuple(sorted(known)) if fresh and len(known) > 1 else ()

    def _count(self, discards: RecordSet) -> None:
        words = np.frombuffer(discards.body, ">u4")
        places = np.asarray(discards.starts) // WORD + 2 + DISCARD_REASON
        received_ns = int(np.max(np.asarray(discards.clock.received_ns)))
        for reason, packets in Counter(words[places].tolist()).items():
            self.discards.add(reason, packets, received_ns)
