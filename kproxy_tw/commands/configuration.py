"""From a command line to the configuration objects of the services. Nothing behind this module reads options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kproxy_tw.addresses import configured_networks, plain_address
from kproxy_tw.assembly import KproxyConfig
from kproxy_tw.collector.bgp_target.config import BgpTargetConfig, daemon_address, source_network
from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.commands.configuration_snmp import snmp_config
from kproxy_tw.decode.options import DecodeOptions
from kproxy_tw.decode.templates.held import HeldLimits
from kproxy_tw.decode.templates.table import TemplateLimits
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.spool.limits import SpoolLimits
from kproxy_tw.devices.memory.peers.config import MAX_PEERS, Peer
from kproxy_tw.errors import ConfigError, MalformedInput
from kproxy_tw.intake import SessionConfig
from kproxy_tw.listen.ipfix.config import Address, StreamConfig, StreamLimits
from kproxy_tw.listen.service import ListenConfig
from kproxy_tw.listen.tee.config import tee_targets
from kproxy_tw.pipeline import SampleConfig
from kproxy_tw.selfmetrics.config import metrics_config
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
    hosts = _listened_hosts(options["host"])
    return KproxyConfig(
        credentials=Credentials(options["api_email"] or "", options["api_token"] or ""),
        endpoints=endpoints(options["region"] or "", options["api"], options["flow_url"]),
        tls=_tls(options),
        proxies=proxies(options["local_proxy"], options.environment),
        listen=ListenConfig(
            hosts=hosts,
            port=options["port"],
            receive_buffer=options["rcvbuf_size"],
            balancers=configured_networks("proxy_protocol", options["proxy_protocol"]),
            tee=tee_targets(options["tee_kproxy"], hosts, options["port"]),
        ),
        streams=_streams(options),
        peers=_peers(options["state_peers"]),
        decode=DecodeOptions(
            decap=options["decap"],
            drop_egress=options["sflow_drop_egress"],
            agent_address=options["sflow_agent_address"],
            exporter_address=not options["ignore_exporter_address"],
        ),
        sessions=_sessions(options),
        sample=SampleConfig(
            max_fps=float(options["max"]),
            interval_seconds=options["sampleInterval"] / 1000,
            sample_rate=float(options["sample_rate"]),
            rate_file=_path(options["sample_rate_file"]),
            plan=options["plan_fps"],
            shards=options["total_shards"] or 1,
            max_big=options["max_big"],
        ),
        snmp=snmp_config(options),
        shard=_shard(options),
        exit_when_silent=bool(options["exit_low_traffic"]),
        web=WebConfig(interface=options["healthcheck"], port=options["port"] + 1),
        state_dir=Path(options["state_dir"]),
        spool=_spool(options),
        deliver=DeliverConfig(concurrent_posts=min(options["num_http_send"], options["max_http_send"])),
        metrics=metrics_config(options["metrics"]),
        shown=options.effective(),
        settings=options.settings(),
    )


def _spool(options: Mapping[str, Any]) -> SpoolLimits | None:
    if options["spool"] == "off":
        return None
    return SpoolLimits(
        max_bytes=options["spool_max_bytes"],
        drop_newest=options["spool_full"] == "drop_newest",
        max_age_seconds=float(options["spool_max_age"]),
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
    if not options["grpc_listen"]:
        return None
    host, port = _host_and_port("grpc_listen", options["grpc_listen"])
    daemon_host, daemon_port = _host_and_port("bgp_daemon", options["bgp_daemon"])
    daemon = daemon_address(daemon_host)
    return BgpTargetConfig(
        host=host,
        port=port,
        required=any(options.origin(flag) != "default" for flag in ("grpc_listen", "bgp_daemon")),
        daemon=daemon,
        daemon_port=daemon_port,
        sources=source_network(options["bgp_sources"], daemon),
    )


def _shard(options: Mapping[str, Any]) -> str:
    """The shard's number for metrics; empty where flow is not split. :raises ConfigError: no such shard."""
    number, total = options["shard_num"], options["total_shards"] or 1
    if number is not None and number > total:
        raise ConfigError("shard_num", f"is {number}, but -total_shards is {total}; number them from 0 or from 1")
    return "" if total == 1 else str(number or 0)


def _sessions(options: Mapping[str, Any]) -> SessionConfig:
    """What exporters may make us remember."""
    return SessionConfig(
        by_port=options["session_ports"],
        limits=TemplateLimits(templates=options["max_templates"], domains=options["max_template_domains"]),
        max_templates=options["max_templates_total"],
        held=HeldLimits(
            each=options["held_max_bytes"],
            total=options["held_max_total_bytes"],
            seconds=float(options["held_seconds"]),
        ),
    )


def _streams(options: Mapping[str, Any]) -> StreamConfig:
    """Where IPFIX is taken over connections."""
    return StreamConfig(
        tcp=_addresses("ipfix_tcp_bind", options["ipfix_tcp_bind"]),
        tls=_addresses("ipfix_tls_bind", options["ipfix_tls_bind"]),
        cert_file=options["tls_cert_file"] or "",
        key_file=options["tls_key_file"] or "",
        client_ca_file=options["ipfix_tls_client_ca"] or "",
        balancers=configured_networks("proxy_protocol", options["proxy_protocol"]),
        limits=StreamLimits(connections=options["ipfix_max_connections"]),
    )


def _addresses(flag: str, text: str | None) -> tuple[Address, ...]:
    parts = [part.strip() for part in (text or "").split(",")]
    return tuple(_host_and_port(flag, part) for part in parts if part and part != "off")


def _peers(text: str | None) -> tuple[Peer, ...]:
    """Other kproxys. :raises ConfigError: too many, or one that is no address: who asks is known by it."""
    addresses = _addresses("state_peers", text)
    if len(addresses) > MAX_PEERS:
        raise ConfigError("state_peers", f"names more than {MAX_PEERS} others")
    try:
        return tuple(Peer(plain_address(host), port) for host, port in addresses)
    except MalformedInput as problem:
        raise ConfigError("state_peers", f"must name addresses: {problem}") from None


def _listened_hosts(text: str) -> tuple[str, ...]:
    """The addresses that ``-host`` names. :raises ConfigError: none, or one is no address."""
    hosts = tuple(host.strip() for host in text.split(",") if host.strip())
    if not hosts:
        raise ConfigError("host", "is empty; give an address of this machine, or all of them: -host=0.0.0.0")
    for host in hosts:
        try:
            plain_address(host)
        except MalformedInput as problem:
            raise ConfigError("host", f"{problem}; give one of this machine, or all: -host=0.0.0.0") from None
    return hosts


def _host_and_port(flag: str, text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise ConfigError(flag, "must be an address and a port, like 127.0.0.1:20080 or [::1]:20080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None


def _tls(options: Mapping[str, Any]) -> TlsConfig:
    return TlsConfig(
        ca_file=options["tls_ca_file"], cert_file=options["tls_cert_file"], key_file=options["tls_key_file"]
    )
