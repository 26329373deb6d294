"""DomainOptions: what an exporter's option data says about one observation domain, in bounded tables.

Samplers, names of applications, interfaces and VRFs, and the exporter's own addresses. The walk fills the tables in
the reactor's thread; conversion reads :attr:`DomainOptions.sampling` and looks names up by key in its own. Tables are
plain dictionaries, so that a look-up or a copy is one step for the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Literal, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.elements import IANA
from kproxy_tw.decode.optiondata.records import SCOPE, OptionValues, has, number, text
from kproxy_tw.decode.optiondata.samplers import (
    SAMPLER_ID,
    SAMPLER_NAME,
    SELECTOR_ID,
    SELECTOR_NAME,
    Sampler,
    algorithm_of,
    told_rate,
)
from kproxy_tw.decode.optiondata.selection import Selectors, selection_of, selection_rate

MAX_SAMPLERS = MAX_SELECTIONS = 256
MAX_INTERFACES = 4096
"""Most rows of each table of a domain; the one told longest ago makes room."""

MAX_NAME = 64
MAX_DESCRIPTION = 128
"""Characters of a text that are kept."""

SCOPE_SYSTEM, SCOPE_INTERFACE = 1, 2
"""NetFlow v9 scope types (RFC 3954 section 6.1)."""

INGRESS_INTERFACE, EGRESS_INTERFACE, INTERFACE_NAME, INTERFACE_DESCRIPTION = 10, 14, 82, 83
APPLICATION_DESCRIPTION, APPLICATION_ID, APPLICATION_NAME = 94, 95, 96
EXPORTER_IPV4, EXPORTER_IPV6, EXPORTING_PROCESS, DOMAIN_ID = 130, 131, 144, 149
INGRESS_VRF, EGRESS_VRF, VRF_NAME = 234, 235, 236

T = TypeVar("T")

EXPORTER_KEYS = frozenset(
    {(IANA, EXPORTER_IPV4), (IANA, EXPORTER_IPV6), (IANA, EXPORTING_PROCESS), (SCOPE, SCOPE_SYSTEM)}
)

Names = tuple[str, str]
"""Name and description."""

NameTable = Literal["interfaces", "applications", "vrfs"]

MAX_NAMES: Mapping[NameTable, int] = {"interfaces": MAX_INTERFACES, "applications": 4096, "vrfs": 1024}

Tell = Callable[[str, str, str], None]
"""Told of a change that people should see: kind, what it is about, text."""


@attrs.frozen(slots=True, eq=False)
class SamplingTable:
    """The rates of one domain, ready to be looked up in columns; never changed.

    :ivar ids, rates: sampler ids, ascending, and the rate of each.
    :ivar selections, selection_rates: numbers of PSAMP's selection sequences, ascending, and the rate of each.
    :ivar interfaces, interface_rates: interface numbers, ascending, and the rate of each.
    :ivar domain_rate: of records that name no sampler; 0 when it is not told or not unique.
    :ivar explicit_rate: the one that was told for the domain itself, 0 for none: it also holds for records that name
        a sampler nobody has told of.
    """

    ids: npt.NDArray[np.uint64]
    rates: npt.NDArray[np.float64]
    selections: npt.NDArray[np.uint64]
    selection_rates: npt.NDArray[np.float64]
    interfaces: npt.NDArray[np.uint64]
    interface_rates: npt.NDArray[np.float64]
    domain_rate: float
    explicit_rate: float

    @property
    def is_empty(self) -> bool:
        """Whether it tells no rate at all."""
        return not (len(self.ids) or len(self.interfaces) or self.domain_rate)


def sampling_table(
    samplers: Mapping[int, Sampler],
    selections: Mapping[int, Selectors],
    interfaces: Mapping[int, float],
    explicit: float,
) -> SamplingTable:
    """A table from samplers by id, selection sequences, rates by interface, and the domain's own rate (0 for none)."""
    distinct = {sampler.rate for sampler in samplers.values() if not sampler.is_filter}
    of_selections = {number: selection_rate(selectors, samplers) for number, selectors in selections.items()}
    ids, rates = _columns({number: sampler.rate for number, sampler in samplers.items()})
    numbers, selection_rates = _columns(of_selections)
    indices, interface_rates = _columns(interfaces)
    return SamplingTable(
        ids=ids,
        rates=rates,
        selections=numbers,
        selection_rates=selection_rates,
        interfaces=indices,
        interface_rates=interface_rates,
        domain_rate=explicit or (distinct.pop() if len(distinct) == 1 else 0.0),
        explicit_rate=explicit,
    )


def _columns(rates: Mapping[int, float]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Keys, ascending, and what stands under each."""
    keys = sorted(rates)
    return np.array(keys, np.uint64), np.array([rates[key] for key in keys], np.float64)


NO_SAMPLING = sampling_table({}, {}, {}, 0.0)


@attrs.frozen(kw_only=True)
class OptionTables:
    """The tables of a domain as they were at one moment; see :class:`DomainOptions`."""

    domain_rate: float
    samplers: Mapping[int, Sampler]
    selections: Mapping[int, Selectors]
    interface_rates: Mapping[int, float]
    interfaces: Mapping[int, Names]
    applications: Mapping[int, Names]
    vrfs: Mapping[int, Names]
    exporter: Mapping[str, str]
    dropped: int


@attrs.define
class OptionRoom:
    """What option data of all exporters together may take.

    :ivar most: rows of all tables. ``used``: how many there are.
    :ivar most_waiting: bytes of records that are not read yet. ``waiting``: how many there are.
    """

    most: int = 131_072
    used: int = 0
    most_waiting: int = 16 << 20
    waiting: int = 0


class DomainOptions:
    """The option tables of one domain of one exporter session.

    :param room: shared by all exporters.
    :param tell: told of a rate that changes.
    :param label: how the domain is called in such a message.
    :param of_exporter: gives the tables of domain 0, which hold for the whole exporter (RFC 7011 section 3.1), if there
        are any: used where this domain has nothing of the kind itself.
    :ivar number: the observation domain or source id.
    :ivar dropped: rows that found no room or had to make some.
    :ivar changes: how often a row was added or changed; the same again is no change.
    """

    def __init__(
        self,
        room: OptionRoom,
        tell: Tell,
        label: str,
        of_exporter: Callable[[], DomainOptions | None] = lambda: None,
        number: int = 0,
    ) -> None:
        self.number = number
        self._room = room
        self._tell = tell
        self._label = label
        self._of_exporter = of_exporter
        self.samplers: dict[int, Sampler] = {}
        self.selections: dict[int, Selectors] = {}
        self.interface_rates: dict[int, float] = {}
        self.interfaces: dict[int, Names] = {}
        self.applications: dict[int, Names] = {}
        self.vrfs: dict[int, Names] = {}
        self.exporter: dict[str, str] = {}
        self.explicit: Sampler | None = None
        self._table = NO_SAMPLING
        self._stale = False
        self._system = b""
        self.dropped = 0
        self.changes = 0

    def __bool__(self) -> bool:
        return bool(self.explicit or self.exporter or self.rows or self._of_exporter())

    @property
    def sampling(self) -> SamplingTable:
        """The rates, as conversion needs them; made anew when a row has changed, in whichever thread asks."""
        if self._stale:
            self._stale = False  # first: what changes from here on makes it stale again
            self._table = sampling_table(
                self.samplers.copy(),
                self.selections.copy(),
                self.interface_rates.copy(),
                self.explicit.rate if self.explicit else 0.0,
            )
        whole = self._of_exporter()
        return whole.sampling if whole is not None and self._table.is_empty else self._table

    def names(self, table: NameTable) -> Mapping[int, Names]:
        """One of the tables of names."""
        own = self._name_tables()[table]
        whole = self._of_exporter()
        return whole.names(table) if whole is not None and not own else own

    def held(self) -> OptionTables:
        """Everything as it is now."""
        return OptionTables(
            domain_rate=self.sampling.domain_rate,
            samplers=self.samplers.copy(),
            selections=self.selections.copy(),
            interface_rates=self.interface_rates.copy(),
            interfaces=self.interfaces.copy(),
            applications=self.applications.copy(),
            vrfs=self.vrfs.copy(),
            exporter=self.exporter.copy(),
            dropped=self.dropped,
        )

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(len(table) for table in _tables(self))

    def learn(self, values: OptionValues, now: float) -> None:
        """Take in one options record. ``now``: seconds since 1970."""
        self._sampling(values, now)
        self._names(values)
        if not EXPORTER_KEYS.isdisjoint(values):
            self._exporter(values)

    def clear(self) -> None:
        """Forget everything and give the room back."""
        for table in _tables(self):
            self._room.used -= len(table)
            table.clear()
        self.explicit, self._stale = None, True
        self.exporter.clear()

    def put_sampler(self, sampler_id: int, sampler: Sampler) -> None:
        """Know a sampler; a rate that differs from the known one is told of."""
        before = self.samplers.get(sampler_id)
        if self._put(self.samplers, sampler_id, sampler, MAX_SAMPLERS):
            self._stale = True
            if before is not None and before.rate != sampler.rate:
                _tell_change(self._tell, f"sampler {sampler_id} of {self._label}", before.rate, sampler.rate)

    def put_selection(self, number: int, selectors: Selectors) -> None:
        """Know through which selectors the packets of a selection sequence went."""
        if self._put(self.selections, number, selectors, MAX_SELECTIONS):
            self._stale = True

    def put_explicit(self, sampler: Sampler) -> None:
        """Know the rate of the domain itself."""
        before, self.explicit = self.explicit, sampler
        if before == sampler:
            return
        self.changes += 1
        self._stale = True
        if before is not None and before.rate != sampler.rate:
            _tell_change(self._tell, self._label, before.rate, sampler.rate)

    def put_interface_rate(self, index: int, rate: float) -> None:
        """Know the rate of one interface."""
        before = self.interface_rates.get(index)
        if self._put(self.interface_rates, index, rate, MAX_INTERFACES):
            self._stale = True
            if before is not None:
                _tell_change(self._tell, f"interface {index} of {self._label}", before, rate)

    def put_names(self, table: NameTable, key: int, names: Names) -> None:
        """Know the names of an interface, an application or a VRF."""
        self._put(self._name_tables()[table], key, names, MAX_NAMES[table])

    def put_exporter(self, name: str, value: str) -> None:
        """Know something of the exporter itself."""
        if self.exporter.get(name) != value:
            self.exporter[name] = value
            self.changes += 1

    def _name_tables(self) -> dict[NameTable, dict[int, Names]]:
        return {"interfaces": self.interfaces, "applications": self.applications, "vrfs": self.vrfs}

    def _sampling(self, values: OptionValues, now: float) -> None:
        selection = selection_of(values)
        if selection is not None:
            self.put_selection(*selection)
        rate = told_rate(values)
        if not rate:
            return
        name = text(values, SAMPLER_NAME, MAX_NAME) or text(values, SELECTOR_NAME, MAX_NAME)
        sampler = Sampler(rate, name, algorithm_of(values), now)
        interface = _interface_scope(values)
        if has(values, SELECTOR_ID) or has(values, SAMPLER_ID):
            self.put_sampler(number(values, SELECTOR_ID) or number(values, SAMPLER_ID), sampler)
        elif interface:
            self.put_interface_rate(interface, rate)
        else:
            self.put_explicit(sampler)

    def _names(self, values: OptionValues) -> None:
        if has(values, INTERFACE_NAME) or has(values, INTERFACE_DESCRIPTION):
            index = number(values, INGRESS_INTERFACE) or number(values, EGRESS_INTERFACE) or _interface_scope(values)
            name = text(values, INTERFACE_NAME, MAX_NAME)
            self.put_names("interfaces", index, (name, text(values, INTERFACE_DESCRIPTION, MAX_DESCRIPTION)))
        if has(values, APPLICATION_ID) and has(values, APPLICATION_NAME):
            name = text(values, APPLICATION_NAME, MAX_NAME)
            described = text(values, APPLICATION_DESCRIPTION, MAX_DESCRIPTION)
            self.put_names("applications", number(values, APPLICATION_ID), (name, described))
        if has(values, VRF_NAME):
            vrf = number(values, INGRESS_VRF) or number(values, EGRESS_VRF)
            self.put_names("vrfs", vrf, (text(values, VRF_NAME, MAX_NAME), ""))

    def _exporter(self, values: OptionValues) -> None:
        for element, size, name in ((EXPORTER_IPV4, 4, "IPv4Address"), (EXPORTER_IPV6, 16, "IPv6Address")):
            raw = values.get((IANA, element), b"")
            if len(raw) == size:
                self.put_exporter(name, str(ip_address(raw)))
        if has(values, EXPORTING_PROCESS):
            self.put_exporter("ExportingProcess", str(number(values, EXPORTING_PROCESS)))
        system = values.get((SCOPE, SCOPE_SYSTEM), b"")
        if len(system) in (4, 16) and system != self._system:
            self._system = system
            self.put_exporter("System", str(ip_address(system)))

    def _put(self, table: dict[int, T], key: int, value: T, most: int) -> bool:
        """Put a row; whether that changed the table."""
        before = table.pop(key, None)
        if before is None:
            if len(table) >= most:
                del table[next(iter(table))]
                self._room.used -= 1
                self.dropped += 1
            elif self._room.used >= self._room.most:
                self.dropped += 1
                return False
            self._room.used += 1
        table[key] = value
        if before == value:
            return False
        self.changes += 1
        return True


def _tables(
    options: DomainOptions,
) -> tuple[dict[int, Sampler] | dict[int, Selectors] | dict[int, Names] | dict[int, float], ...]:
    return (
        options.samplers,
        options.selections,
        options.interface_rates,
        options.interfaces,
        options.applications,
        options.vrfs,
    )


def _tell_change(tell: Tell, subject: str, before: float, after: float) -> None:
    tell("rate_changed", subject, f"the sampling rate of {subject} changed from 1:{before:g} to 1:{after:g}")


def _interface_scope(values: OptionValues) -> int:
    """The interface that the record is about, 0 for none."""
    scope = values.get((SCOPE, SCOPE_INTERFACE), b"")
    if scope and len(scope) <= 8:
        return int.from_bytes(scope, "big")
    return number(values, INGRESS_INTERFACE) or number(values, EGRESS_INTERFACE)
