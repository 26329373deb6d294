"""What a device tells by sFlow besides flows."""

from __future__ import annotations

import attrs

from kproxy_tw.decode.sflow.walk import walk, walk_all
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.sflow import MAX_AGENTS, SflowDevice
from kproxy_tw.devices.sflow_status import sflow_status
from tests.decode.packet_bytes import ethernet, ipv4, udp
from tests.decode.sflow_datagrams import RECEIVED_NS, counters, datagram, discarded_sample, flow_sample, raw_header

FRAME = ethernet(ipv4(udp(1, 2), 17), 0x0800)
DEVICE = Device(device_id=1, company_id=1, name="leaf")


def take(device: SflowDevice, *datagrams: bytes, source: str = "192.0.2.1") -> tuple[str, ...]:
    """Take datagrams, walked together."""
    (walked,), _problems = walk_all(datagrams, [RECEIVED_NS] * len(datagrams))
    assert walked.sflow is not None
    return device.take(walked, walked.sflow, source, DEVICE)


def test_one_agent_is_nothing_to_tell() -> None:
    """Also with several sub-agents."""
    device = SflowDevice()
    other = datagram()[:12] + b"\0\0\0\x09" + datagram()[16:]
    assert take(device, datagram(), other) == ()
    (agent,) = sflow_status(device).agents
    assert (agent.agent, agent.sub_agents, agent.datagrams, agent.last_seen) == (
        "192.0.2.9",
        (7, 9),
        2,
        RECEIVED_NS / 1e9,
    )
    assert sflow_status(device).several_agents == ()


def test_several_agents_of_one_source_are_told_once_each() -> None:
    """When the second comes, and the third, but not again."""
    device = SflowDevice()
    assert take(device, datagram(agent="192.0.2.9")) == ()
    assert take(device, datagram(agent="192.0.2.10")) == ("192.0.2.10", "192.0.2.9")
    assert take(device, datagram(agent="192.0.2.10"), datagram(agent="192.0.2.9")) == ()
    assert len(take(device, datagram(agent="2001:db8::1"))) == 3
    assert take(device, datagram(), source="192.0.2.2") == ()
    assert sflow_status(device).several_agents == ("192.0.2.1",)
    device.forget("192.0.2.1")
    assert sflow_status(device).several_agents == ()


def test_agents_are_bounded() -> None:
    """Forged ones do not pile up."""
    device = SflowDevice()
    for number in range(3 * MAX_AGENTS):
        take(device, datagram(agent=f"198.51.100.{number % 256}"))
    assert len(sflow_status(device).agents) == MAX_AGENTS


def test_discarded_packets_are_counted_and_become_flows_only_with_their_reason() -> None:
    """A device without a column for the reason could not tell them from traffic."""
    data = datagram(discarded_sample(raw_header(FRAME), reason=258), discarded_sample(reason=258), flow_sample())
    for columns, sets, records in (({}, 1, 1), ({"DISCARD_REASON": 9}, 2, 3)):
        device, walked = SflowDevice(), walk(data, RECEIVED_NS)
        assert walked.sflow is not None
        device.take(walked, walked.sflow, "192.0.2.1", attrs.evolve(DEVICE, custom_columns=columns))
        assert (len(walked.sets), walked.records) == (sets, records)
        (discard,) = sflow_status(device).discards
        assert (discard.code, discard.reason, discard.packets) == (258, "ACL", 2)


def test_counters_are_kept_by_agent_and_source() -> None:
    """Two agents have an interface of the same number."""
    device = SflowDevice()
    take(device, datagram(counters(), agent="192.0.2.9"), datagram(counters(), agent="192.0.2.10"))
    status = sflow_status(device)
    assert [(source.agent, source.index) for source in status.sources] == [("192.0.2.10", 3), ("192.0.2.9", 3)]
    assert (status.counter_samples, status.forgotten_sources) == (2, 0)


def test_samples_that_agents_drop_are_counted_from_the_first_report_on() -> None:
    """Each source has a count of its own, which goes round, and begins anew with its agent."""
    device = SflowDevice()

    def told(*drops: int, source: int = 3) -> int:
        samples = [flow_sample(raw_header(FRAME), drops=drop, source=source) for drop in drops]
        take(device, datagram(*samples))
        return sflow_status(device).agent_drops

    assert told(0, 0) == 0
    assert told(100) == 0
    assert told(105, 110) == 10
    assert told(7, source=4) == 10
    assert told(8, source=4) == 11
    assert told(2**32 - 5, source=5) == 11
    assert told(5, source=5) == 21
    assert told(3, source=4) == 21
