"""Whose datagram is it: devices that come, change and go, and strangers."""

from __future__ import annotations

from twisted.internet.task import Clock

import attrs
import numpy as np

from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.registry import Registry
from kproxy_tw.devices.sources import Sources
from kproxy_tw.inbox import ALIKE_DATAGRAMS, INBOX_DATAGRAMS
from kproxy_tw.intake import INBOX_BYTES, DeviceLife, Intake
from kproxy_tw.ledger import SAMPLE_SECONDS, Ledger
from kproxy_tw.pipeline import DevicePipeline, SampleConfig
from kproxy_tw.sample.overrides.rules import RateOverrides
from kproxy_tw.sample.pending import ByteBudget
from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.traffic import make_flows

NOW = 1_790_000_000
EDGE = Device(device_id=7, company_id=1, name="edge", sending_addresses=frozenset({"192.0.2.1", "192.0.2.2"}))


class Bench:
    """An intake with everything real around it but the API and the timers."""

    def __init__(
        self, *devices: Device, options: DecodeOptions = AS_SENT, overrides: RateOverrides | None = None
    ) -> None:
        self.clock = Clock()
        self.registry = Registry()
        self.registry.replace(devices)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.changed: list[str] = []
        self.closed: list[DevicePipeline] = []
        self.sources = Sources(DevicesConfig())
        self.intake = Intake(
            clock=self.clock,
            wall_ns=lambda: (NOW * 10**9) + int(self.clock.seconds() * 1e9),
            registry=self.registry,
            sources=self.sources,
            ask=self.asked.append,
            life=DeviceLife(
                open=self._open,
                change=lambda _pipeline, device: self.changed.append(device.name),
                close=self.closed.append,
            ),
            complain=lambda device, address, problem: self.complaints.append(f"{device} {address}: {problem}"),
            options=options,
            overrides=overrides,
        )

    def _open(self, device: Device) -> DevicePipeline:
        return DevicePipeline(
            device=device,
            config=SampleConfig(),
            ledger=Ledger(),
            budget=ByteBudget(1 << 20),
            random=np.random.default_rng(1),
            now=0.0,
        )

    def datagram(self, data: bytes, address: str, port: int) -> None:
        """One comes in."""
        self.intake.receiver([(data, (address, port))])

    def gather(self) -> None:
        """What the tick of every device does first."""
        for device in self.intake.devices.values():
            self.intake.gather(device.pipeline)

    def ledger(self) -> Ledger:
        """The ledger of the device ``EDGE``."""
        return self.intake.devices[7].pipeline.ledger


def v5(flows: int = 10) -> bytes:
    """A datagram of that many flows."""
    return NetFlow5Exporter(NOW).datagram(make_flows(flows, np.random.default_rng(1)), NOW)


def v5_stream(datagrams: int) -> list[bytes]:
    """Datagrams of one flow each, numbered through."""
    exporter, flows = NetFlow5Exporter(NOW), make_flows(1, np.random.default_rng(1))
    return [exporter.datagram(flows, NOW) for _datagram in range(datagrams)]


def test_a_registered_source_is_walked_at_the_tick() -> None:
    """Both addresses of a device end in one pipeline, each with a session of its own."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.1", 50000)
    bench.clock.advance(3)
    bench.datagram(v5(4), "192.0.2.2", 50000)
    bench.gather()
    device = bench.intake.devices[7]
    assert (bench.ledger().datagrams_received, bench.ledger().records_received) == (2, 14)
    assert sorted(device.sessions) == ["192.0.2.1", "192.0.2.2"]
    assert (device.first_seen, device.last_seen) == (NOW, NOW + 3)
    assert bench.asked == []


def test_a_flood_does_not_wait_for_the_tick() -> None:
    """What waits to be walked is bounded: the next datagram after so many has them all walked."""
    bench = Bench(EDGE)
    for _datagram in range(INBOX_DATAGRAMS):
        bench.datagram(v5(1), "192.0.2.1", 50000)
    assert bench.ledger().records_received == INBOX_DATAGRAMS


def test_datagrams_that_are_alike_wait_for_more_of_them() -> None:
    """A walk of what is alike is cheap, whatever the number; of what is not, no more than before is walked at once."""
    bench = Bench(EDGE)
    *alike, last = v5_stream(INBOX_DATAGRAMS + ALIKE_DATAGRAMS)
    for data in alike:
        bench.datagram(data, "192.0.2.1", 50000)
    assert bench.ledger().records_received == INBOX_DATAGRAMS
    bench.datagram(last, "192.0.2.1", 50000)
    assert bench.ledger().records_received == INBOX_DATAGRAMS + ALIKE_DATAGRAMS
    for number in range(ALIKE_DATAGRAMS + INBOX_DATAGRAMS):
        bench.datagram(b"\0\x63" + bytes([number % 251]), "192.0.2.1", 50000)
    assert bench.ledger().datagrams_received == 2 * (INBOX_DATAGRAMS + ALIKE_DATAGRAMS)
    assert bench.ledger().datagrams_dropped["unknown_version"] == INBOX_DATAGRAMS + ALIKE_DATAGRAMS


def test_a_feed_that_comes_twice_is_walked_as_before() -> None:
    """Each break in a sequence is looked at by itself: the copies among a thousand would hold the reactor."""
    bench = Bench(EDGE)
    for count, data in enumerate(v5_stream(2 * INBOX_DATAGRAMS)):
        for copies in (1, 2):
            bench.datagram(data, "192.0.2.1", 50000)
            whole = (2 * count + copies) // INBOX_DATAGRAMS * INBOX_DATAGRAMS
            assert bench.ledger().records_received == whole
    assert bench.ledger().sequence_seen == 2 * INBOX_DATAGRAMS


def test_long_datagrams_wait_in_small_numbers() -> None:
    """Nine of 65,000 bytes take all 256 places."""
    bench = Bench(EDGE)
    walked = []
    for _datagram in range(9):
        bench.datagram(v5(1).ljust(65_000, b"\0"), "192.0.2.1", 50000)
        walked.append(bench.ledger().records_received)
    assert walked == [0, 0, 0, 0, 0, 0, 0, 0, 9]


def test_what_waits_is_bounded_in_bytes_over_all_exporters() -> None:
    """Large datagrams of many sources are walked as they come once 32 MiB wait; all are walked at the tick."""
    addresses = [f"198.51.100.{number}" for number in range(1, 251)]
    bench = Bench(attrs.evolve(EDGE, sending_addresses=frozenset(addresses)))
    large = v5(1) + bytes(60_000)
    for _turn in range(4):
        for address in addresses:
            bench.datagram(large, address, 50000)
    walked = bench.ledger().records_received
    assert (1000 - walked) * len(large) <= INBOX_BYTES
    assert walked < 600  # and no sooner than that
    bench.gather()
    assert bench.ledger().records_received == 1000


def test_bad_datagrams_are_counted_by_reason_and_told() -> None:
    """Garbage of a registered device is dropped; what is good goes on."""
    bench = Bench(EDGE)
    for data in (b"\x00\x08garbage", v5()[:20], v5()):
        bench.datagram(data, "192.0.2.1", 50000)
    bench.gather()
    dropped = bench.ledger().datagrams_dropped
    assert (dropped["unknown_version"], dropped["malformed"]) == (1, 1)
    assert bench.ledger().records_received == 10
    assert len(bench.complaints) == 2
    assert all(complaint.startswith("edge 192.0.2.1: ") for complaint in bench.complaints)


def test_datagrams_of_an_address_that_turns_out_to_be_known_are_kept() -> None:
    """The first ones are held while the API is asked, once, and count when it says whose they are."""
    bench = Bench()
    for _datagram in range(3):
        bench.datagram(v5(), "192.0.2.1", 50000)
    assert bench.asked == ["192.0.2.1"]
    bench.registry.put(EDGE)
    bench.intake.answered("192.0.2.1", EDGE)
    bench.gather()
    assert bench.ledger().records_received == 30
    assert bench.intake.unregistered.datagrams_received == 0


def test_datagrams_of_a_stranger_are_counted_and_listed() -> None:
    """When the API does not know the address, every datagram of it is an unregistered one."""
    bench = Bench()
    bench.datagram(v5(), "198.51.100.9", 50000)
    bench.sources.refused("198.51.100.9", 0.0)
    bench.intake.answered("198.51.100.9", None)
    bench.datagram(b"junk", "198.51.100.9", 50000)
    assert bench.intake.unregistered.datagrams_dropped["unregistered"] == 2
    (listed,) = bench.sources.unregistered(1.0)
    assert (listed.source, listed.datagrams) == ("198.51.100.9", 2)


def test_a_changed_device_goes_on_with_its_new_settings() -> None:
    """A new name and cap hold at once; books and sessions stay."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.1", 50000)
    bench.intake.changed(bench.registry.replace([attrs.evolve(EDGE, name="core", max_flow_rate=5)]))
    bench.gather()
    pipeline = bench.intake.devices[7].pipeline
    assert (pipeline.device.name, pipeline.max_fps) == ("core", 5.0)
    assert bench.changed == ["core"]
    assert bench.ledger().records_received == 10


def test_a_removed_device_is_closed_and_its_books_stay_in_the_total() -> None:
    """What waited of it is dropped as unregistered, and the next datagram of its address asks again."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.1", 50000)
    pipeline = bench.intake.devices[7].pipeline
    bench.intake.changed(bench.registry.replace([]))
    assert bench.closed == [pipeline]
    assert not bench.intake.has(pipeline)
    assert bench.intake.devices == {}
    for _call in range(2):  # the total of a gone device is folded at the first call and must not count twice
        total = Ledger.total(bench.intake.ledgers())
        assert (total.records_received, total.records_dropped["unregistered"]) == (10, 10)
        assert total.balanced()
    bench.datagram(v5(), "192.0.2.1", 50000)
    assert bench.asked == ["192.0.2.1"]


def test_an_address_that_moves_to_another_device_counts_there() -> None:
    """From the change on, its datagrams are the other device's."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.2", 50000)
    other = Device(device_id=9, company_id=1, name="other", sending_addresses=frozenset({"192.0.2.2"}))
    mine = attrs.evolve(EDGE, sending_addresses=frozenset({"192.0.2.1"}))
    bench.intake.changed(bench.registry.replace([mine, other]))
    bench.datagram(v5(4), "192.0.2.2", 50000)
    bench.gather()
    assert bench.ledger().records_received == 10
    assert bench.intake.devices[9].pipeline.ledger.records_received == 4


def test_histories_see_datagrams_in_and_messages_out() -> None:
    """In1 and Out1 are differences of the device's own counters."""
    bench = Bench(EDGE)
    bench.datagram(v5(), "192.0.2.1", 50000)
    bench.gather()
    device = bench.intake.devices[7]
    bench.intake.sample_histories()
    device.pipeline.ledger.datagrams_received += 5
    device.pipeline.ledger.messages_sent += 2
    assert device.received.difference(device.pipeline.ledger.datagrams_received, SAMPLE_SECONDS) == 5
    assert device.sent.difference(device.pipeline.ledger.messages_sent, 60) == 2
