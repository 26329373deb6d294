"""What kbgp says of itself at one moment: frozen values that page, JSON and metrics are made from. No secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.denylist import DeniedStatus
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.status import Check, SettingStatus

if TYPE_CHECKING:
    from kproxy_tw.bgp.md5.peers import Md5Status
    from kproxy_tw.export.status import ExportStatus


@attrs.frozen(kw_only=True)
class SessionStatus:
    """One session.

    :ivar peer: the router's address and port.
    :ivar connected: whether its Data stream is up.
    :ivar autonomous_system, router_id, hold_time, capabilities: of the router's OPEN; ``None`` and empty before it.
    :ivar backend_system: of the backend's OPEN.
    :ivar messages_up: by the name of the type, from the router; ``messages_down`` from the backend.
    :ivar stalled_seconds: for how long one side has not read.
    """

    peer: str
    device_ip: str
    session_id: str
    device: str
    since_ns: int
    seconds: float
    connected: bool
    md5: bool
    backend_pin: str
    resumes: int
    bytes_up: int
    bytes_down: int
    messages_up: Mapping[str, int]
    messages_down: Mapping[str, int]
    autonomous_system: int | None = None
    router_id: str = ""
    hold_time: int | None = None
    capabilities: tuple[str, ...] = ()
    backend_system: int | None = None
    server_metadata: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    stalled_seconds: float = 0.0


@attrs.frozen(kw_only=True)
class EndedStatus:
    """A session that has ended; ``session`` is as it was then."""

    session: SessionStatus
    ended_ns: int
    cause: str
    reason: str


@attrs.frozen(kw_only=True)
class KbgpSettings:
    """Settings that the JSON shows.

    :ivar listeners: as they were given.
    :ivar all: every setting and where its value comes from; secrets masked.
    """

    listeners: tuple[str, ...]
    md5_enabled: bool
    md5_interface: str
    target: str
    email: str
    site_id: int
    all: tuple[SettingStatus, ...] = ()


@attrs.frozen(kw_only=True)
class KbgpStatus:
    """The process as a whole. Nanoseconds are since 1970.

    :ivar pending: connections that wait for admission.
    :ivar stalled: sessions in which one side has not read for longer than half a minute.
    :ivar signatures: ``None`` without support for TCP MD5.
    """

    instance_id: str
    version: str
    start_ns: int
    now_ns: int
    control: ControlStatus
    settings: KbgpSettings
    sessions: tuple[SessionStatus, ...]
    history: tuple[EndedStatus, ...]
    denied: tuple[DeniedStatus, ...]
    counts: BgpCounts
    pending: int
    stalled: int
    checks: tuple[Check, ...]
    signatures: Md5Status | None = None
    exports: tuple[ExportStatus, ...] = ()
