"""sFlow at the intake: whose the datagram is by its agent, samples that are dropped, what is told of agents."""

from __future__ import annotations

import attrs
import numpy as np

from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.devices.device import Device
from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import make_flows
from tests.decode.packet_bytes import ethernet, ipv4, udp
from tests.decode.sflow_datagrams import counters, datagram, discarded_sample, flow_sample, raw_header
from tests.test_intake import EDGE, NOW, Bench, v5

FRAME = ethernet(ipv4(udp(1, 2), 17), 0x0800)
LEAF = Device(device_id=8, company_id=1, name="leaf", sending_addresses=frozenset({"192.0.2.9", "2001:db8::9"}))
BY_AGENT = DecodeOptions(agent_address=True)


def receive(bench: Bench, *datagrams: bytes, source: str = "192.0.2.1") -> None:
    """Datagrams come in, and the tick."""
    for data in datagrams:
        bench.datagram(data, source, 6343)
    bench.gather()


def records(bench: Bench) -> dict[str, int]:
    """Device to the records that it received."""
    return {
        device.pipeline.device.name: device.pipeline.ledger.records_received for device in bench.intake.devices.values()
    }


def test_without_the_flag_the_sender_is_the_device() -> None:
    """Whatever agent the datagram names."""
    bench = Bench(EDGE, LEAF, options=AS_SENT)
    receive(bench, datagram(flow_sample(raw_header(FRAME))))
    assert records(bench) == {"edge": 1}


def test_the_agent_is_the_device_when_asked() -> None:
    """IPv4 and IPv6 agents behind one sender, which is not even registered; NetFlow still goes by its sender."""
    bench = Bench(EDGE, LEAF, options=BY_AGENT)
    sample = flow_sample(raw_header(FRAME))
    receive(bench, datagram(sample), datagram(sample, sample, agent="2001:db8::9"), source="198.51.100.77")
    receive(bench, v5(10))
    assert records(bench) == {"leaf": 3, "edge": 10}
    assert sorted(bench.intake.devices[8].sessions) == ["192.0.2.9", "2001:db8::9"]


def test_an_unknown_agent_is_asked_for_and_listed_by_its_address() -> None:
    """That is the address to be registered."""
    bench = Bench(EDGE, options=BY_AGENT)
    receive(bench, datagram(flow_sample(), agent="203.0.113.40"))
    assert bench.asked == ["203.0.113.40"]
    bench.registry.replace([EDGE, attrs.evolve(LEAF, sending_addresses=frozenset({"203.0.113.40"}))])
    bench.intake.answered("203.0.113.40", bench.registry.by_address("203.0.113.40"))
    bench.gather()
    assert records(bench) == {"leaf": 1}


def test_an_agent_without_an_address_has_that_of_its_sender() -> None:
    """0.0.0.0 is nobody; a damaged header neither."""
    bench = Bench(EDGE, options=BY_AGENT)
    receive(bench, datagram(flow_sample(), agent="0.0.0.0"), b"\0\0\0\5\0\0\0\3")  # noqa: S104
    assert records(bench) == {"edge": 1}
    assert bench.ledger().datagrams_dropped["malformed"] == 1


def test_several_agents_of_one_sender_are_an_event() -> None:
    """Once, with their addresses; the flows count for the sender."""
    bench = Bench(EDGE)
    sample = flow_sample(raw_header(FRAME))
    for _ in range(3):
        receive(bench, datagram(sample, agent="192.0.2.9"), datagram(sample, agent="192.0.2.10"))
    assert records(bench) == {"edge": 6}
    (event,) = [event for event in bench.intake.devices[7].events.latest() if event.kind == "several_agents"]
    assert "192.0.2.1 carries several sFlow agents" in event.text
    assert "192.0.2.10, 192.0.2.9" in event.text


def test_egress_samples_are_dropped_with_their_reason() -> None:
    """The books stay balanced."""
    bench = Bench(EDGE, options=DecodeOptions(drop_egress=True))
    samples = [flow_sample(raw_header(FRAME), interfaces=interfaces) for interfaces in ((3, 4), (4, 3), (4, 3))]
    receive(bench, datagram(*samples))
    ledger = bench.ledger()
    assert (ledger.records_received, ledger.records_dropped["egress"], ledger.records_in_flight) == (3, 2, 1)
    assert ledger.balanced()


def test_counters_and_discards_reach_the_device() -> None:
    """Beside flows, in the same datagram; discards become records where the device has a column for their reason."""
    bench = Bench(attrs.evolve(EDGE, custom_columns={"discard_reason": 5}))
    receive(bench, datagram(flow_sample(raw_header(FRAME)), counters(), discarded_sample(raw_header(FRAME))))
    device = bench.intake.devices[7]
    assert (len(device.sflow.counters), dict(device.sflow.discards.packets)) == (1, {256: 1})
    assert records(bench) == {"edge": 2}
    assert bench.ledger().balanced()


def test_other_protocols_in_one_batch() -> None:
    """A device that speaks NetFlow and sFlow from one address: nothing is lost of either."""
    bench = Bench(EDGE)
    exporter = NetFlow5Exporter(NOW)
    flows = make_flows(5, np.random.default_rng(1))
    receive(
        bench,
        *(data for _ in range(10) for data in (exporter.datagram(flows, NOW), datagram(flow_sample(), counters()))),
    )
    assert records(bench) == {"edge": 60}
    assert bench.intake.devices[7].sessions["192.0.2.1"].flow_types == {"netflow5", "sflow"}
    assert bench.intake.devices[7].sflow.counters.samples == 10
