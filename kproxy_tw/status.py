"""What the daemons say of themselves: frozen values that pages, JSON and metrics are made from.

The values are built by the services (``interfaces.ProxyStatus``) when somebody asks, and hold no
secrets: whoever builds ``config`` masks them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from kproxy_tw.ledger import Ledger
from kproxy_tw.snmp.shown import DeviceSnmp
from kproxy_tw.snmp.status import PollerStatus

if TYPE_CHECKING:
    from kproxy_tw.flowbatch import FlowBatch


def shown_address(host: str, port: int) -> str:
    """Address and port as people write them, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@attrs.frozen(kw_only=True)
class SourceStatus:
    """The latest counters of one sFlow data source.

    :ivar source_class: 0 for an interface.
    :ivar last_seen: seconds since 1970.
    :ivar restarts: how often its counters began anew.
    :ivar records, rates: by kind of record; see ``devices.counters``.
    """

    agent: str
    sub_agent: int
    source_class: int
    index: int
    last_seen: float
    restarts: int
    records: Mapping[str, Mapping[str, int | float | str]]
    rates: Mapping[str, Mapping[str, float]]


@attrs.frozen(kw_only=True)
class DiscardStatus:
    """Discarded packets of one reason, since the start. ``code`` is sFlow's."""

    code: int
    reason: str
    packets: int
    last_seen: float


@attrs.frozen(kw_only=True)
class AgentStatus:
    """One sFlow agent behind a source address."""

    source: str
    agent: str
    sub_agents: tuple[int, ...]
    datagrams: int
    last_seen: float


@attrs.frozen(kw_only=True)
class SflowStatus:
    """What a device tells by sFlow besides flows.

    :ivar counter_samples, skipped_samples: how many came in, and how many of them were too many to be read.
    :ivar agent_drops: flow samples that the agents dropped for want of resources.
    :ivar forgotten_sources: data sources that had to make room.
    :ivar several_agents: the source addresses that carry more than one agent.
    """

    counter_samples: int = 0
    skipped_samples: int = 0
    agent_drops: int = 0
    forgotten_sources: int = 0
    sources: tuple[SourceStatus, ...] = ()
    discards: tuple[DiscardStatus, ...] = ()
    agents: tuple[AgentStatus, ...] = ()
    several_agents: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class RateStatus:
    """A sampling rate in use: 1 in ``rate``, told by ``origin``, carried by so many of the latest flows."""

    rate: float
    origin: str
    flows: int


@attrs.frozen(kw_only=True)
class EventStatus:
    """Something that happened to a device, ``count`` times. Times in seconds since 1970."""

    kind: str
    text: str
    first: float
    last: float
    count: int


@attrs.frozen(kw_only=True)
class ExporterStatus:
    """What is known of a device's exporters; made by ``devices.exporter_status``.

    :ivar sessions: one for each exporter; its ports, counts, what waits for templates.
    :ivar rates: the sampling rates in use, the commonest first.
    :ivar options: the option tables of each domain, as ``describe_options`` gives them, each with its ``source``.
    :ivar unknown: elements that the table does not know, each with its ``source``.
    :ivar events: the newest first.
    """

    sessions: tuple[Mapping[str, Any], ...] = ()
    rates: tuple[RateStatus, ...] = ()
    options: tuple[Mapping[str, Any], ...] = ()
    unknown: tuple[Mapping[str, Any], ...] = ()
    events: tuple[EventStatus, ...] = ()


@attrs.frozen(kw_only=True)
class CapStatus:
    """What the cap did to a device's flows in the last ``seconds``.

    :ivar plan_fps: flows per second that the plan's cap leaves the device; infinite while that does not limit it.
    :ivar seen, kept: records that came in, and that were let through.
    :ivar seen_per_kept: records that each kept one stands for, on average.
    :ivar octets_error, packets_error: expected relative error of totals estimated from the kept flows: one standard
        error, as ``sample.accuracy`` computes it.
    """

    seconds: float = 60.0
    plan_fps: float = math.inf
    seen: int = 0
    kept: int = 0
    seen_per_kept: float = 1.0
    octets_error: float = 0.0
    packets_error: float = 0.0


@attrs.frozen(kw_only=True)
class RecentStatus:
    """What a device did in the last 15 minutes.

    :ivar readings: of the counter of datagrams received, each ``ledger.SAMPLE_SECONDS``, the oldest first.
    :ivar records, sampled_out, dropped: records.
    :ivar dropped_since: seconds since 1970 at which the first of those was dropped; ``None`` if none was.
    :ivar gaps, sequence_seen: of what the exporter numbers: what never came, and what did.
    :ivar gaps_since: like ``dropped_since``.
    """

    readings: Sequence[int] = ()
    records: int = 0
    sampled_out: int = 0
    dropped: int = 0
    dropped_since: float | None = None
    gaps: int = 0
    sequence_seen: int = 0
    gaps_since: float | None = None


@attrs.frozen(kw_only=True)
class DeviceStatus:
    """A registered device that has sent something since the start.

    :ivar in1, out1, in15, out15: datagrams received and messages sent, over 1 and 15 minutes.
    :ivar last_seen: seconds since 1970 of the last datagram.
    :ivar sources: addresses it has sent from.
    :ivar channel_highwater: queue name to the longest length it ever had.
    :ivar max_fps: the cap in force, flows per second.
    :ivar cap: what the cap did lately.
    :ivar recent: what it did in the last 15 minutes.
    :ivar enabled: whether its flow is to be forwarded.
    :ivar last_flows: some of those that were sent last; only in the status of a single device.
    :ivar template_counts: templates of its sessions: ``in_force``, ``waiting`` (data came before them), and
        ``refused``, ``evicted``, ``expired`` so far.
    :ivar templates: the templates in force, as ``TemplateCache.describe`` gives them, each with its ``source``
        address; only in the status of a single device.
    :ivar exporters: what is known of its exporters; only in the status of a single device.
    :ivar sflow: what it tells by sFlow besides flows; only in the status of a single device.
    :ivar snmp: what is known of it by SNMP; its interfaces only in the status of a single device.
    :ivar sequences: its sequences of numbers, as ``SequenceBook.describe`` gives them, each with its ``source``; only
        in the status of a single device.
    """

    device_id: int
    device_name: str
    company_id: int
    flow_types: tuple[str, ...]
    in1: int
    out1: int
    in15: int
    out15: int
    first_seen: float
    last_seen: float
    sources: tuple[str, ...]
    channel_highwater: Mapping[str, int]
    max_fps: float
    sample_rate: float
    rate_origin: str
    ledger: Ledger
    template_counts: Mapping[str, int] = attrs.Factory(dict)
    templates: tuple[Mapping[str, object], ...] = ()
    sflow: SflowStatus = attrs.Factory(SflowStatus)
    exporters: ExporterStatus = attrs.Factory(ExporterStatus)
    sequences: tuple[Mapping[str, object], ...] = ()
    cap: CapStatus = attrs.Factory(CapStatus)
    snmp: DeviceSnmp = attrs.Factory(DeviceSnmp)
    recent: RecentStatus = attrs.Factory(RecentStatus)
    enabled: bool = True
    last_flows: FlowBatch | None = None


@attrs.frozen
class TapStatus:
    """Flows of a device that were sent last. ``number``: of this look at them; another one has another."""

    device_name: str
    number: int
    flows: FlowBatch | None


@attrs.frozen(kw_only=True)
class UnregisteredStatus:
    """A source address that belongs to no registered device. Times in seconds since 1970."""

    source: str
    port: int
    first_seen: float
    last_seen: float
    datagrams: int
    flow_type: str


@attrs.frozen(kw_only=True)
class EndpointStatus:
    """One upstream URL.

    :ivar purpose: what it is for, in a word or two.
    :ivar last_status: the HTTP status, 0 before the first answer.
    :ivar latency_ms: of the last answer, from the request's first byte; ``None`` before it.
    :ivar certificate_expires: seconds since 1970; ``None`` without TLS and before the first connection.
    """

    url: str
    connected: bool
    last_status: int = 0
    last_error: str = ""
    retry_in_ms: int = 0
    purpose: str = ""
    latency_ms: float | None = None
    certificate_expires: float | None = None


@attrs.frozen(kw_only=True)
class ListenerStatus:
    """One UDP socket. ``kernel_drops``: datagrams lost in its buffer before we could read them."""

    address: str
    receive_buffer: int
    kernel_drops: int


@attrs.frozen(kw_only=True)
class TeeStatus:
    """A target that gets copies of all datagrams.

    :ivar source: whose address they come from, in words.
    :ivar sent, lost: copies that the kernel took, and did not take.
    :ivar problem: the last one, in words; empty for none.
    """

    target: str
    source: str
    sent: int
    lost: int
    problem: str = ""


@attrs.frozen(kw_only=True)
class StreamStatus:
    """One connection of an IPFIX exporter. ``name``: transport, port, number."""

    address: str
    name: str
    seconds: float
    messages: int
    bytes: int
    silent_seconds: float


@attrs.frozen(kw_only=True)
class StreamListenerStatus:
    """IPFIX over TCP and TLS.

    :ivar addresses: what is listened on, each with its transport in front.
    :ivar accepted: connections since the start.
    :ivar ended_for: reason to the number of connections that ended for it.
    :ivar streams: the connections that are open.
    """

    addresses: tuple[str, ...] = ()
    accepted: int = 0
    messages: int = 0
    bytes: int = 0
    ended_for: Mapping[str, int] = attrs.field(factory=dict)
    streams: tuple[StreamStatus, ...] = ()


@attrs.frozen(kw_only=True)
class Check:
    """One line of ``/hc``. ``status``: ``ok``, ``initializing`` or ``failing``.

    :ivar warning: it is well still, but somebody should do something about it.
    :ivar seconds: for how long it has not been well; ``None`` while it is, and where nobody knows.
    """

    name: str
    status: str
    detail: str
    warning: bool = False
    seconds: float | None = None


@attrs.frozen(kw_only=True)
class SettingStatus:
    """One setting in force. Secrets are masked.

    :ivar origin: ``flag``, ``environment`` or ``default``.
    :ivar default: what it is when nobody says anything.
    :ivar help: what it does, in one line.
    """

    name: str
    value: object
    origin: str
    default: object = None
    help: str = ""


@attrs.frozen(kw_only=True)
class LimitStatus:
    """Something that may not grow without end.

    :ivar unit: ``B`` for bytes, empty for a number of things.
    :ivar limit: infinite when there is none.
    :ivar peak: the most since the start; ``None`` when nobody keeps it.
    """

    name: str
    current: float
    limit: float
    peak: float | None = None
    unit: str = ""
    hint: str = ""


@attrs.frozen(kw_only=True)
class DaemonStatus:
    """The process as a whole.

    :ivar gateway: of the container that the process is in; empty outside of one.
    :ivar config: effective settings by flag name, secrets masked as ``***``.
    :ivar spool: ``Messages``, ``Bytes``, ``OldestMs``, ``MaxBytes`` of what waits to be sent.
    :ivar shard: number of the shard of every device that this process is, as text; empty where flow is not split.
    :ivar log_lines_lost: by the sink that did not take them.
    :ivar polling: the process that polls SNMP.
    :ivar certificates: of each host and ourselves, until when it is valid, seconds since 1970.
    :ivar settings: every setting and where its value comes from.
    :ivar lately, lately_seconds: what was counted in the last so many seconds, about a minute.
    :ivar forwarded: readings of the records forwarded, each ``ledger.SAMPLE_SECONDS``, the oldest first.
    :ivar clock_offset: seconds by which this machine's clock is ahead of the backend's; ``None`` while unknown.
    """

    instance_id: str
    version: str
    start_time: float
    now: float
    config: Mapping[str, object]
    upstream: tuple[EndpointStatus, ...]
    listeners: tuple[ListenerStatus, ...]
    spool: Mapping[str, int]
    totals: Ledger
    streams: StreamListenerStatus = attrs.Factory(StreamListenerStatus)
    tee: tuple[TeeStatus, ...] = ()
    gateway: str = ""
    shard: str = ""
    log_lines_lost: Mapping[str, int] = attrs.Factory(dict)
    polling: PollerStatus = attrs.Factory(PollerStatus)
    certificates: Mapping[str, float] = attrs.Factory(dict)
    settings: tuple[SettingStatus, ...] = ()
    lately: Ledger = attrs.Factory(Ledger)
    lately_seconds: float = 0.0
    forwarded: Sequence[int] = ()
    clock_offset: float | None = None
