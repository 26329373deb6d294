"""What kcollect is told. Pure."""

from __future__ import annotations

from pathlib import Path

import attrs

from kproxy_tw.collector.bgp_target.config import BgpTargetConfig


@attrs.frozen(kw_only=True)
class CollectorConfig:
    """What kcollect is told.

    :ivar host: address to listen on.
    :ivar port: TCP port to listen on; 0 takes any free one.
    :ivar email, token: what clients must show; both empty: any pair, on loopback only.
    :ivar devices_file: JSON file of devices, read at start and again when it changes.
    :ivar auto_register: whether an unknown address that is asked for becomes a device.
    :ivar data_dir: directory of the store; made when missing.
    :ivar tls_cert_file, tls_key_file: PEM files; both or none. With them it speaks HTTPS only.
    :ivar bgp: the gRPC target; ``None`` for none.
    :ivar server_names: further names (``name`` or ``name:port``) that clients may call it by.
    """

    host: str = "127.0.0.1"
    port: int = 20080
    email: str = ""
    token: str = attrs.field(default="", repr=False)
    devices_file: Path | None = None
    auto_register: bool = False
    data_dir: Path = Path("kcollect-data")
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    bgp: BgpTargetConfig | None = None
    server_names: tuple[str, ...] = ()
