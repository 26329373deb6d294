"""Heavy-tailed traffic for the cap: flows of which everything is known, as records of two templates."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.devices.device import Device
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.ledger import Ledger
from kproxy_tw.pipeline import DevicePipeline, SampleConfig
from kproxy_tw.sample.pending import ByteBudget

FLOW = np.dtype([("source", "u4"), ("bytes", "u8"), ("packets", "u8")])
PARETO = 1.2
RATE = 3
CLOCK = PacketClock(0, 0, 0)
RECORDS_A_SET = 100

Flows = npt.NDArray[np.void]


class FlowLayout:
    """Records that are rows of ``FLOW``; all were sampled 1 in ``RATE``."""

    flow_type = "ipfix"
    flows_per_record = 1

    def columns(
        self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None, wanted: Collection[str] = ()
    ) -> FlowBatch:
        """The rows."""
        rows = np.frombuffer(b"".join(records.body for records in sets), FLOW)
        rows = rows if chosen is None else rows[chosen]
        columns = {"ipv4_src_addr": rows["source"], "in_bytes": rows["bytes"], "in_pkts": rows["packets"]}
        return FlowBatch(len(rows), {**columns, "sample_rate": np.full(len(rows), float(RATE))}, rate_origin="record")


LAYOUTS = (FlowLayout(), FlowLayout())


def heavy_flows(count: int, random: np.random.Generator) -> Flows:
    """``count`` flows whose bytes are Pareto distributed with an index of 1.2, from 40 bytes up."""
    flows = np.zeros(count, FLOW)
    flows["source"] = random.integers(0, 50, count)
    flows["bytes"] = 40 * (1 + random.pareto(PARETO, count))
    flows["packets"] = 1 + flows["bytes"] // 1400
    return flows


def walk_of(flows: Flows) -> Walk:
    """The flows as a datagram would bring them: sets of records, of one template and of the other in turn."""
    parts = [flows[first : first + RECORDS_A_SET] for first in range(0, len(flows), RECORDS_A_SET)]
    sets = [RecordSet(LAYOUTS[i % 2], len(part), part.tobytes(), CLOCK) for i, part in enumerate(parts)]
    return Walk("ipfix", sets, len(flows))


def capped(flows_per_second: int, seed: int) -> DevicePipeline:
    """A pipeline with this cap, at second 0; its choices follow from the seed."""
    return DevicePipeline(
        device=Device(device_id=1, company_id=1, name="edge", max_flow_rate=flows_per_second),
        config=SampleConfig(),
        ledger=Ledger(),
        budget=ByteBudget(1 << 27),
        random=np.random.default_rng(seed),
        now=0.0,
    )
