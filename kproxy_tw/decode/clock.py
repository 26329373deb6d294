"""When a flow was: from the many clocks of exporters to nanoseconds since 1970.

Sources: NetFlow v5 and v9 tell milliseconds of uptime and, in the header, the uptime and wall clock of the export
(RFC 3954 section 5.1); IPFIX tells absolute times in several units (RFC 7011 section 6.1), uptimes beside the boot
time, or offsets from the export time. A flow's time is its end where the template has one, else the time of
observation, else its start, else the export time. Exporters with a wrong clock are common: a time more than a day
from the one at which we received the datagram is moved by what the clock in the header is off, or replaced by the time
of receipt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.elements import Kind
from kproxy_tw.decode.records import ClockValue, RecordSet
from kproxy_tw.flowbatch import Column

if TYPE_CHECKING:
    from kproxy_tw.decode.optiondata.domain import DomainOptions

Nanoseconds = npt.NDArray[np.int64]

FARTHEST_NS = 24 * 3600 * 10**9
"""How far a flow's time may be from the time of receipt before it is not believed."""

NTP_TO_UNIX_SECONDS = 2_208_988_800
"""Seconds from 1900, where NTP timestamps begin (RFC 5905 section 6), to 1970."""

PLAIN_UNITS = {Kind.MICROSECONDS: 1000, Kind.NANOSECONDS: 1}
"""Kinds that are NTP timestamps (RFC 7011 section 6.1.9). Some exporters send a plain count since 1970 instead: here is
its unit in nanoseconds. That reading is taken where it is the only one that can be true."""

_LARGEST = 2**63 - 1


class Clocks:
    """The clocks of the datagrams that chosen records came in, one value a record.

    :param sets: record sets in order.
    :param chosen: ascending indices into their records, or ``None`` for all.
    """

    def __init__(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> None:
        self._sets = sets
        packets = [records.datagrams for records in sets]
        each = np.repeat([records.count // records.datagrams for records in sets], packets)
        owners = np.repeat(np.arange(len(each)), each)
        self._owners = owners if chosen is None else owners.take(chosen)
        self._received = _flat([records.clock.received_ns for records in sets])
        self.received_ns = self._received.take(self._owners)

    def __len__(self) -> int:
        return len(self._owners)

    @cached_property
    def _told_ns(self) -> Nanoseconds:
        """Wall clock of the exporter, one value a datagram; the time of receipt where the format has none."""
        told = _flat([records.clock.export_ms for records in self._sets])
        return np.where(told == 0, self._received, told * 10**6)

    @property
    def sampling(self) -> npt.NDArray[np.int64] | None:
        """The rate in the datagram headers, ``None`` when none of them tells one."""
        rates = [records.sampling for records in self._sets]
        if not any(rates):
            return None
        return np.repeat(rates, [records.datagrams for records in self._sets]).take(self._owners)

    @cached_property
    def domains(self) -> tuple[list[DomainOptions], Column | None]:
        """The domains that have option tables, and which of them each record is of, from 0; ``None`` for all the first.

        Records without such a domain count as of number ``len(domains)``.
        """
        of_sets = [records.domain for records in self._sets]
        found = {id(domain): domain for domain in of_sets if domain is not None}
        domains = list(found.values())
        if len(domains) < 2 and None not in of_sets:
            return domains, None
        numbers = {key: number for number, key in enumerate(found)}
        each = [numbers.get(id(domain), len(domains)) for domain in of_sets]
        owners = np.repeat(np.array(each, np.uint16), [records.datagrams for records in self._sets])
        return domains, owners.take(self._owners)

    @cached_property
    def export_ns(self) -> Nanoseconds:
        """Wall clock of the exporter in nanoseconds; the time of receipt where it is more than 24 hours from that."""
        told = np.where(_is_near(self._told_ns, self._received), self._told_ns, self._received)
        return told.take(self._owners)

    def believed(self, times: Nanoseconds) -> Nanoseconds:
        """``times`` where they are at most 24 hours from the time of receipt.

        Others are moved by what the exporter's clock is off, if that helps; else the time of receipt stands in.
        """
        near = _is_near(times, self.received_ns)
        if near.all():
            return times
        moved = times + (self._received - self._told_ns).take(self._owners)
        return np.where(near, times, np.where(_is_near(moved, self.received_ns), moved, self.received_ns))

    def nanoseconds(self, kind: Kind, values: Column, boot_ms: Column | None) -> Nanoseconds:
        """Times as nanoseconds since 1970.

        :param kind: what ``values`` (64-bit unsigned) are.
        :param boot_ms: when the exporter started, milliseconds since 1970, where its records tell.
        """
        raw = values.astype(np.uint64, copy=False)
        if kind is Kind.SECONDS:
            return _scaled(raw, 10**9)
        if kind is Kind.MILLISECONDS:
            return _scaled(raw, 10**6)
        if kind in PLAIN_UNITS:
            ntp, plain = _from_ntp(raw), _scaled(raw, PLAIN_UNITS[kind])
            return np.where(self._only(plain, ntp), plain, ntp)
        if kind is Kind.DELTA:
            return self.export_ns - _scaled(np.minimum(raw, np.uint64(2**48)), 1000)
        if boot_ms is not None:
            return _scaled(np.minimum(boot_ms, np.uint64(2**48)) + np.minimum(raw, np.uint64(2**48)), 10**6)
        return self._from_uptime(raw)

    def _only(self, times: Nanoseconds, others: Nanoseconds) -> npt.NDArray[np.bool_]:
        """Where ``times`` are near the time of receipt and ``others`` are not."""
        return _is_near(times, self.received_ns) & ~_is_near(others, self.received_ns)

    def _from_uptime(self, raw: npt.NDArray[np.uint64]) -> Nanoseconds:
        """The uptime counts milliseconds modulo 2**32, so the age is the difference modulo 2**32.

        It is taken as signed: an event a little ahead of the header's uptime is one that the exporter
        recorded while it was filling the datagram, not one of 49 days ago.
        """
        uptime = _flat([records.clock.uptime_ms for records in self._sets]).take(self._owners).astype(np.uint32)
        age_ms = (uptime - raw.astype(np.uint32)).view(np.int32).astype(np.int64)
        return self.export_ns - age_ms * 10**6


def _is_near(times: Nanoseconds, received_ns: Nanoseconds) -> npt.NDArray[np.bool_]:
    """Which times are at most 24 hours from the time of receipt."""
    near: npt.NDArray[np.bool_] = np.abs(times - received_ns) <= FARTHEST_NS
    return near


def _flat(values: Sequence[ClockValue]) -> Nanoseconds:
    """One value a datagram, of sets of one datagram (a number) and of several (an array)."""
    parts: list[Nanoseconds] = []
    for several, alike in groupby(values, lambda value: isinstance(value, np.ndarray)):
        run = list(alike)
        parts += cast(list[Nanoseconds], run) if several else [np.array(run, np.int64)]
    return np.concatenate(parts)


def _scaled(raw: npt.NDArray[np.uint64], factor: int) -> Nanoseconds:
    return (np.minimum(raw, np.uint64(_LARGEST // factor)) * np.uint64(factor)).astype(np.int64)


def _from_ntp(raw: npt.NDArray[np.uint64]) -> Nanoseconds:
    """64-bit NTP timestamps: seconds since 1900 (before 1970: of the era that begins in 2036), and a fraction."""
    seconds = (raw >> np.uint64(32)).astype(np.int64) - NTP_TO_UNIX_SECONDS
    seconds += np.where(seconds < 0, 2**32, 0)
    fraction = ((raw & np.uint64(0xFFFFFFFF)) * np.uint64(10**9)) >> np.uint64(32)
    return seconds * 10**9 + fraction.astype(np.int64)
