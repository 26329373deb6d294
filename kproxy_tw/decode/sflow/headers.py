"""The headers of sFlow samples in columns: rate, interfaces, and what became of the packet."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kproxy_tw.decode.sflow.reasons import FORWARDED, TO_US, status_of
from kproxy_tw.decode.sflow.samples import DISCARD, DISCARD_REASON, DISCARDED, MULTIPLE, Interfaces, Samples
from kproxy_tw.decode.spans import put_custom
from kproxy_tw.flowbatch import FlowBatch

FATE_COLUMNS = frozenset({"forwardingstatus", "discardreason", "outputcount"})
"""Custom columns, as ``custom.folded`` spells them."""


def read_sample_headers(samples: Samples, wanted: Collection[str]) -> FlowBatch:
    """A batch with a row for each sample: one packet at the sample's own rate."""
    length = len(samples.starts)
    discarded = samples.kinds() == DISCARDED
    rates = np.where(discarded, 1, samples.words[samples.at("rate")]).astype(np.float64)
    output = Interfaces.of(samples, "output")
    batch = FlowBatch(length, rate_origin="record" if rates.any() else "unknown")
    batch.columns = {
        "timestamp_nano": samples.received_ns,
        "sample_rate": rates,
        "in_pkts": np.ones(length, np.uint64),
        "in_bytes": np.zeros(length, np.uint64),
        "sampled_packet_size": np.zeros(length, np.uint32),
        "input_port": Interfaces.of(samples, "input").indices(),
        "output_port": output.indices(),
    }
    if not FATE_COLUMNS.isdisjoint(wanted):
        _put_fates(batch, samples, output)
    return batch


def _put_fates(batch: FlowBatch, samples: Samples, output: Interfaces) -> None:
    """``forwarding_status`` as IPFIX element 89 has it, ``discard_reason`` as sFlow has it, ``output_count``."""
    dropped = samples.kinds() == DISCARDED
    reasons = np.where(dropped, samples.words[samples.starts + 2 + DISCARD_REASON], output.numbers)
    dropped |= output.formats == DISCARD
    several = output.formats == MULTIPLE
    status = np.where(several | (output.indices() > 0), FORWARDED, 0).astype(np.uint8)
    status[output.local()] = TO_US
    status[dropped] = status_of(reasons[dropped])
    everything = np.arange(batch.length)
    rows = np.flatnonzero(dropped)
    put_custom(batch, "forwarding_status", everything, status)
    put_custom(batch, "discard_reason", rows, np.minimum(reasons[rows], 0xFFFF).astype(np.uint16))
    put_custom(batch, "output_count", np.flatnonzero(several), output.numbers[several])
