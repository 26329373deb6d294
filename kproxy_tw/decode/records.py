"""What walking a datagram gives: undecoded records, counted, under the layout that can decode them.

Walk now, decode later: the walkers below ``decode/`` step over headers only, keep each set of records as one
slice of bytes, and count. :class:`RecordSet` is that slice; ``RecordLayout.columns`` turns many into columns.

These values are made for every datagram, so they are slotted but not frozen, which would double their cost; nobody
changes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.blocks import Joined

if TYPE_CHECKING:
    from kproxy_tw.decode.optiondata.domain import DomainOptions
    from kproxy_tw.decode.sflow.found import SflowFound
    from kproxy_tw.interfaces import RecordLayout


ClockValue = int | npt.NDArray[np.int64]

Starts = tuple[()] | npt.NDArray[np.integer[Any]]
"""Offsets of records; none, where they stand one behind the other and have one length."""


@attrs.define(eq=False)
class PacketClock:
    """The clocks of one datagram, or, as arrays with one value each, of several.

    :ivar export_ms: the exporter's wall clock in milliseconds since 1970; 0 where the format has none (sFlow).
    :ivar uptime_ms: the exporter's uptime in milliseconds, modulo 2**32; 0 where the format has none (IPFIX).
    :ivar received_ns: when we received it, nanoseconds since 1970.
    """

    export_ms: ClockValue
    uptime_ms: ClockValue
    received_ns: ClockValue


@attrs.define(eq=False)
class RecordSet:
    """Records of one layout from one datagram, or from several with equally many each; not decoded.

    :ivar layout: decodes them.
    :ivar count: how many records.
    :ivar body: the bytes that they stand in; other sets may stand in the same.
    :ivar clock: the datagram's clocks; of sFlow, each record's time of reception.
    :ivar starts: offset of each record in ``body``; empty where ``body`` is these records and nothing else, one behind
        the other, all of one length.
    :ivar datagrams: how many datagrams they are from.
    :ivar sampling: the rate (1 in n) that the datagram's header tells (NetFlow v5), 0 for none.
    :ivar exporter: address of the device that the records say they are of; empty when they do not say.
    :ivar domain: what the exporter's options say of the domain they belong to; ``None`` where there are no options.
    :ivar forced_rate: the rate (1 in n) that the operator set for their exporter, 0 for none.
    """

    layout: RecordLayout
    count: int
    body: Joined
    clock: PacketClock
    starts: Starts = ()
    sampling: int = 0
    datagrams: int = 1
    domain: DomainOptions | None = None
    exporter: str = ""
    forced_rate: float = 0.0


@attrs.define
class Walk:
    """What one datagram holds.

    :ivar flow_type: ``netflow1``, ``5``, ``7``, ``9``, ``ipfix`` or ``sflow``.
    :ivar sets: its record sets.
    :ivar records: records counted: those in ``sets``, and the ones counted in the three fields below.
    :ivar held: records that wait for their template (at least 1 a set: nobody can count them).
    :ivar no_template: records of data sets whose template is not known and that could not be kept.
    :ivar malformed: records (at least 1) in sets or samples that break the format after a good beginning.
    :ivar options: records of options, which are no flows and not in ``records``.
    :ivar agent: sFlow's agent address as text, else empty; of several datagrams the last one's.
    :ivar sflow: what else sFlow datagrams hold.
    """

    flow_type: str
    sets: list[RecordSet] = attrs.field(factory=list)
    records: int = 0
    held: int = 0
    no_template: int = 0
    malformed: int = 0
    options: int = 0
    agent: str = ""
    sflow: SflowFound | None = None
