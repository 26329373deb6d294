"""What one finished poll of one device says. Plain values: they travel from the polling process as JSON.

Texts come from the device: at most 255 characters, with controls, bidi and line separators escaped. They are still
somebody else's words: escape them for HTML, and never make a name of a file, a metric or a query of them.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_interface

import attrs


@attrs.frozen(kw_only=True)
class SystemGroup:
    """The system group (RFC 3418).

    :ivar uptime_seconds: since the agent started, by ``sysUpTime``.
    :ivar manufacturer: from the enterprise number in ``object_id``; empty when that is not in our table.
    """

    descr: str = ""
    object_id: str = ""
    uptime_seconds: float = 0.0
    contact: str = ""
    name: str = ""
    location: str = ""
    services: int = 0
    manufacturer: str = ""


@attrs.frozen(kw_only=True)
class InterfaceAddress:
    """An address of an interface.

    :ivar address: in its shortest spelling.
    :ivar prefix_length: ``None`` when the agent does not tell.
    """

    address: str
    prefix_length: int | None = None

    @property
    def netmask(self) -> str:
        """The prefix length as the device API writes it (``255.255.255.0``); empty when it is not known."""
        if self.prefix_length is None:
            return ""
        return str(ip_interface(f"{self.address}/{self.prefix_length}").netmask)


@attrs.frozen(kw_only=True)
class Vrf:
    """The VRF that an interface is in (MPLS-L3VPN-STD-MIB, RFC 4382).

    :ivar rd: the route distinguisher as text, as far as the agent tells.
    :ivar extended_rd: the same as the 8 bytes that BGP carries, as a number; 0 when it is not known.
    :ivar route_targets: as text.
    """

    name: str
    description: str = ""
    rd: str = ""
    extended_rd: int = 0
    route_targets: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Neighbor:
    """What is at the other end of the link, by LLDP (IEEE 802.1AB)."""

    chassis_id: str = ""
    port_id: str = ""
    port_description: str = ""
    system_name: str = ""


@attrs.frozen(kw_only=True)
class Interface:
    """One row of ifTable and ifXTable (RFC 2863), and what other tables know of it.

    :ivar type: an IANAifType number.
    :ivar speed_bps: from ``ifHighSpeed`` where there is one, else ``ifSpeed``; 0 when not known.
    :ivar mac: ``00:11:22:aa:bb:cc``; empty when there is none.
    :ivar admin_status, oper_status: 1 up, 2 down, 3 testing, 4 unknown, 5 dormant, 6 not present, 7 lower layer down;
        0 when not known.
    :ivar last_change_seconds: the agent's uptime when ``oper_status`` last changed.
    :ivar connector_present: ``None`` when the agent does not tell.
    :ivar lower, higher: indexes of the interfaces below and above this one (``ifStackStatus``).
    """

    index: int
    name: str = ""
    descr: str = ""
    alias: str = ""
    type: int = 0
    speed_bps: int = 0
    mtu: int = 0
    mac: str = ""
    admin_status: int = 0
    oper_status: int = 0
    last_change_seconds: float = 0.0
    connector_present: bool | None = None
    addresses: tuple[InterfaceAddress, ...] = ()
    vrf: Vrf | None = None
    lower: tuple[int, ...] = ()
    higher: tuple[int, ...] = ()
    neighbors: tuple[Neighbor, ...] = ()

    @property
    def speed_mbps(self) -> int:
        """The speed as the device API wants it."""
        return self.speed_bps // 1_000_000


@attrs.frozen(kw_only=True)
class Counts:
    """Counters of an interface, or their growth; ``None`` where the agent does not tell, or the growth is not known."""

    in_octets: int | None = None
    out_octets: int | None = None
    in_unicast: int | None = None
    out_unicast: int | None = None
    in_multicast: int | None = None
    out_multicast: int | None = None
    in_broadcast: int | None = None
    out_broadcast: int | None = None
    in_discards: int | None = None
    out_discards: int | None = None
    in_errors: int | None = None
    out_errors: int | None = None


@attrs.frozen(kw_only=True)
class InterfaceCounters:
    """What went through an interface.

    :ivar totals: as the agent counts.
    :ivar deltas: growth since the last poll that knew this interface; ``None`` in the first one, after a restart of the
        agent or of the counters, and when the agent's clock stands still.
    :ivar seconds: the real time that ``deltas`` grew in; 0 without them.
    """

    index: int
    name: str = ""
    speed_bps: int = 0
    admin_status: int = 0
    oper_status: int = 0
    totals: Counts = attrs.Factory(Counts)
    deltas: Counts | None = None
    seconds: float = 0.0

    def per_second(self, counter: str) -> float | None:
        """The rate of a counter, by its name in :class:`Counts`; ``None`` when it is not known."""
        grown: int | None = None if self.deltas is None else getattr(self.deltas, counter)
        return None if grown is None or self.seconds <= 0 else grown / self.seconds

    @property
    def in_bits_per_second(self) -> float | None:
        """Received."""
        return _times_eight(self.per_second("in_octets"))

    @property
    def out_bits_per_second(self) -> float | None:
        """Sent."""
        return _times_eight(self.per_second("out_octets"))

    @property
    def in_utilization(self) -> float | None:
        """Received, as a share of the speed (0 to 1); ``None`` when rate or speed is not known."""
        return self._share(self.in_bits_per_second)

    @property
    def out_utilization(self) -> float | None:
        """Sent, as a share of the speed (0 to 1); ``None`` when rate or speed is not known."""
        return self._share(self.out_bits_per_second)

    def _share(self, bits: float | None) -> float | None:
        return None if bits is None or self.speed_bps <= 0 else min(bits / self.speed_bps, 1.0)


def _times_eight(octets: float | None) -> float | None:
    return None if octets is None else octets * 8


@attrs.frozen(kw_only=True)
class Cpu:
    """Load of one processor or card, 0 to 100 %."""

    name: str
    percent: float


@attrs.frozen(kw_only=True)
class Memory:
    """One memory, in bytes."""

    name: str
    total: int
    used: int

    @property
    def free(self) -> int:
        """What is left."""
        return max(self.total - self.used, 0)

    @property
    def percent(self) -> float:
        """What is used, 0 to 100 %."""
        return 100 * self.used / self.total if self.total > 0 else 0.0


@attrs.frozen(kw_only=True)
class Temperature:
    """One sensor."""

    name: str
    celsius: float


@attrs.frozen(kw_only=True)
class DeviceHealth:
    """Processors, memories, temperatures; empty where the agent has none."""

    cpus: tuple[Cpu, ...] = ()
    memories: tuple[Memory, ...] = ()
    temperatures: tuple[Temperature, ...] = ()


class ErrorKind(StrEnum):
    """Why a poll brought nothing, or not all."""

    NO_ROUTE = "no route"
    REFUSED = "port closed"
    NO_ANSWER = "no answer"
    UNKNOWN_USER = "unknown user"
    WRONG_AUTH = "wrong authentication"
    WRONG_PRIV = "wrong privacy"
    UNSUPPORTED_LEVEL = "unsupported security level"
    UNKNOWN_CONTEXT = "unknown context"
    AGENT_ERROR = "agent error"
    BROKEN_ANSWER = "broken answer"
    NOTHING = "no interfaces"
    OVERRUN = "overrun"
    SETTINGS = "settings"
    POLLER = "polling process"


@attrs.frozen(kw_only=True)
class PollError:
    """What failed.

    :ivar text: one line for people: what is wrong and what it may be. Holds no secret.
    """

    kind: ErrorKind
    text: str

    @property
    def line(self) -> str:
        """The text with its kind in front, which some texts begin with anyway."""
        return self.text if self.text.startswith(self.kind) else f"{self.kind}: {self.text}"


@attrs.frozen(kw_only=True)
class Partial:
    """A table that was not read to its end; what was read of it is kept.

    :ivar table: its name.
    :ivar rows: how many rows were read.
    """

    table: str
    rows: int
    error: PollError


class EventKind(StrEnum):
    """What happened to a device between two polls."""

    AGENT_RESTARTED = "agent restarted"
    RENUMBERED = "interface renumbered"
    APPEARED = "interface appeared"
    DISAPPEARED = "interface disappeared"
    NO_BULK = "agent without GETBULK"


@attrs.frozen(kw_only=True)
class PollEvent:
    """Something worth telling.

    :ivar interface: its name, where it is about one.
    :ivar old_index, new_index: of that interface, 0 where there is none.
    """

    kind: EventKind
    text: str
    interface: str = ""
    old_index: int = 0
    new_index: int = 0


@attrs.frozen(kw_only=True)
class V3State:
    """What was negotiated with an agent of version 3.

    :ivar engine_id: in hexadecimal.
    :ivar engine_boots, engine_time: its clock when the poll ended.
    """

    engine_id: str
    engine_boots: int
    engine_time: int
    user: str
    auth: str
    priv: str
    level: str
    context_name: str = ""


@attrs.frozen(kw_only=True)
class Effort:
    """What a poll cost.

    :ivar requests: sent, repeated ones included.
    :ivar retries: of these, how many were repeated.
    :ivar timeouts: how often no answer came in time.
    :ivar ignored: datagrams that were no answer to a question of ours.
    :ivar variables: that were taken in.
    :ivar repetitions: rows asked for at once when the poll ended; 1 without GETBULK.
    :ivar cpu_seconds: of the polling process.
    """

    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    ignored: int = 0
    variables: int = 0
    repetitions: int = 0
    cpu_seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Reading:
    """What one finished poll of one device says. Times are seconds since 1970.

    :ivar scheduled: when it was due; the same each interval, however late the poll began.
    :ivar started, duration_seconds: when it really began, and how long it took.
    :ivar with_descriptions: the poll asked for system group, interfaces and what belongs to them.
    :ivar with_counters: it asked for counters.
    :ivar system: ``None`` when the agent did not say.
    :ivar interfaces: by index; the busiest ones when there are more than wanted; empty without descriptions.
    :ivar counters: of the same interfaces; empty without counters.
    :ivar health: processors, memories, temperatures; polled each time.
    :ivar interfaces_found: how many interfaces there are, the ones left out included; 0 when not asked for.
    :ivar partial: tables that were not read to their end.
    :ivar error: why there is nothing, or not all; ``None`` when all went well.
    :ivar events: what happened since the last poll.
    :ivar dropped: polls of this device that were due and left out, since the process began, as an earlier one ran on.
    :ivar failures: polls without any answer in a row, up to this one.
    :ivar next_poll: when the next poll is due.
    """

    device_id: int
    scheduled: float = 0.0
    started: float = 0.0
    duration_seconds: float = 0.0
    with_descriptions: bool = False
    with_counters: bool = False
    system: SystemGroup | None = None
    interfaces: tuple[Interface, ...] = ()
    counters: tuple[InterfaceCounters, ...] = ()
    health: DeviceHealth = attrs.Factory(DeviceHealth)
    interfaces_found: int = 0
    partial: tuple[Partial, ...] = ()
    error: PollError | None = None
    events: tuple[PollEvent, ...] = ()
    effort: Effort = attrs.Factory(Effort)
    v3: V3State | None = None
    dropped: int = 0
    failures: int = 0
    next_poll: float = 0.0

    @property
    def answered(self) -> bool:
        """The agent said something."""
        return self.system is not None or bool(self.interfaces) or bool(self.counters)
