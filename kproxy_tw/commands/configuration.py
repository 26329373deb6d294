"""From a command line to the configuration objects of the services. Nothing behind this module reads options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kproxy_tw.assembly import KproxyConfig
from kproxy_tw.collector.bgp_target.config import BgpTargetConfig, daemon_address, source_network
from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.deliver.spool.limits import SpoolLimits
from kproxy_tw.errors import ConfigError
from kproxy_tw.listen.service import ListenConfig
from kproxy_tw.pipeline import SampleConfig
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.proxies import proxies
from kproxy_tw.upstream.regions import endpoints
from kproxy_tw.upstream.tls import TlsConfig
from kproxy_tw.web.service import WebConfig

if TYPE_CHECKING:
    from kproxy_tw.commands.options import CommandOptions

MAX_PORT = 65535


def kproxy_config(options: CommandOptions) -> KproxyConfig:
    """What ``kproxy`` needs to run. :raises ConfigError: something is missing or cannot work; names the flag."""
    hosts = tuple(host.strip() for host in options["host"].split(",") if host.strip())
    if not hosts:
        raise ConfigError("host", "is empty; give an address of this machine, or all of them: -host=0.0.0.0")
    return KproxyConfig(
        credentials=Credentials(options["api_email"] or "", options["api_token"] or ""),
        endpoints=endpoints(options["region"] or "", options["api"], options["flow_url"]),
        tls=_tls(options),
        proxies=proxies(options["local_proxy"], options.environment),
        listen=ListenConfig(hosts=hosts, port=options["port"], receive_buffer=options["rcvbuf_size"]),
        sample=SampleConfig(
            max_fps=float(options["max"]),
            interval_seconds=options["sampleInterval"] / 1000,
            sample_rate=float(options["sample_rate"]),
        ),
        web=WebConfig(interface=options["healthcheck"], port=options["port"] + 1),
        state_dir=Path(options["state_dir"]),
        spool=SpoolLimits(max_bytes=options["spool_max_bytes"]) if options["spool"] == "on" else None,
        shown=options.effective(),
    )


def kcollect_config(options: CommandOptions) -> CollectorConfig:
    """What ``kcollect`` needs to run. :raises ConfigError: something cannot work; names the flag."""
    host, port = _host_and_port("listen", options["listen"])
    return CollectorConfig(
        host=host,
        port=port,
        email=options["email"] or "",
        token=options["token"] or "",
        devices_file=_path(options["devices"]),
        auto_register=bool(options["auto_register"]),
        data_dir=Path(options["data"]),
        tls_cert_file=_path(options["tls_cert_file"]),
        tls_key_file=_path(options["tls_key_file"]),
        bgp=_bgp_target(options),
    )


def _bgp_target(options: CommandOptions) -> BgpTargetConfig | None:
    if not options["bgp_daemon"]:
        if options.origin("grpc_listen") != "default":
            raise ConfigError("grpc_listen", "has no use without a BGP daemon behind it; give -bgp_daemon HOST:PORT")
        return None
    host, port = _host_and_port("grpc_listen", options["grpc_listen"])
    daemon_host, daemon_port = _host_and_port("bgp_daemon", options["bgp_daemon"])
    daemon = daemon_address(daemon_host)
    return BgpTargetConfig(
        host=host,
        port=port,
        daemon=daemon,
        daemon_port=daemon_port,
        sources=source_network(options["bgp_sources"], daemon),
    )


def _host_and_port(flag: str, text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise ConfigError(flag, "must look like 127.0.0.1:20080 or [::1]:20080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def _tls(options: Mapping[str, Any]) -> TlsConfig:
    return TlsConfig(
        ca_file=options["tls_ca_file"], cert_file=options["tls_cert_file"], key_file=options["tls_key_file"]
    )
