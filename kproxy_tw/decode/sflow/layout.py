"""The layouts of sFlow samples with packets: what turns chosen samples into columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.sflow.records import decode_samples
from kproxy_tw.decode.sflow.samples import gather
from kproxy_tw.decode.spans import Offsets
from kproxy_tw.flowbatch import FlowBatch


@attrs.frozen(slots=True, eq=False)
class SflowLayout:
    """The layout of flow samples, plain and expanded, and of discarded packets.

    :ivar decap: of a packet in a tunnel, the inner one is the flow.
    """

    decap: bool = False

    @property
    def flow_type(self) -> str:
        """``sflow``."""
        return "sflow"

    @property
    def flows_per_record(self) -> int:
        """One: a sample is one flow."""
        return 1

    def columns(
        self, sets: Sequence[RecordSet], chosen: Offsets | None, wanted: Collection[str] = frozenset()
    ) -> FlowBatch:
        """Decode samples; see :class:`kproxy_tw.interfaces.RecordLayout`.

        Each sample is one flow of one packet. ``in_bytes`` and ``sampled_packet_size`` are the length of the sampled
        frame as the agent tells it, with layer 2 and check sum, which is what sfcapd and sflowtool count; ``in_pkts``
        is 1 and ``sample_rate`` the sample's own, so that Σ ``in_bytes`` * ``sample_rate`` is sfcapd's total. A
        discarded packet has the rate 1: agents tell of each one, up to their limit.
        Damaged records leave zeros: whatever the walk has taken decodes.

        :param wanted: folded names of the custom columns that have a use; others may be left out.
        """
        batches = [decode_samples(samples, decap=self.decap, wanted=wanted) for samples in gather(sets, chosen)]
        return FlowBatch.concatenate(batches) if batches else FlowBatch(0)


SFLOW, SFLOW_INNER = SflowLayout(), SflowLayout(decap=True)
DISCARDS, DISCARDS_INNER = SflowLayout(), SflowLayout(decap=True)
"""Records wait and are counted under their layout; the two kinds do not mix."""
