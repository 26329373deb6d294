"""From a command line to :class:`~kproxy_tw.snmp.config.SnmpConfig`, and to what a check polls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from kproxy_tw.errors import ConfigError, MalformedInput
from kproxy_tw.snmp.config import Comparison, SnmpConfig
from kproxy_tw.snmp.inputs.credentials import v3_credentials
from kproxy_tw.snmp.inputs.file import FileEntry
from kproxy_tw.snmp.inputs.policy import TargetPolicy, allowed, endpoint
from kproxy_tw.snmp.settings import SnmpSchedule, Version

RETRIES = 2
ALL = "all"

Read = TypeVar("Read")


def snmp_config(options: Mapping[str, Any]) -> SnmpConfig:
    """How devices are polled. :raises ConfigError: something cannot work; names the flag."""
    bootstrap = options["bootstrap_devices"] or ""
    return SnmpConfig(
        file=Path(options["snmp_file"]) if options["snmp_file"] else None,
        community=options["snmp_community"] or "",
        v3=_read("snmp_v3", v3_credentials, options["snmp_v3"]) if options["snmp_v3"] else None,
        version=Version(options["snmp_version"]),
        source_address=_source(options),
        timeout_seconds=float(options["snmp_timeout_seconds"]),
        retries=RETRIES if options["snmp_retries"] is None else options["snmp_retries"],
        max_repetitions=options["snmp_max_repetitions"],
        bootstrap=_ids(bootstrap),
        bootstrap_all=bootstrap.strip() == ALL,
        policy=TargetPolicy(_read("snmp_allow", allowed, options["snmp_allow"] or "")),
        schedule=_schedule(options),
        comparison=comparison(options["interface_metadata_comparison"]) or Comparison.FULL,
        metric_rate=options["sample_metric"],
    )


def comparison(text: str | None) -> Comparison | None:
    """What ``-interface_metadata_comparison`` means; ``None`` where it means nothing to us.

    The original has the flag and does not say which values it takes: one that we do not know must not end the start.
    """
    return next((one for one in Comparison if one.value == text), None)


def checked_entry(options: Mapping[str, Any], config: SnmpConfig) -> FileEntry | None:
    """What ``-snmp_ip`` names; ``None`` without it.

    :raises ConfigError: it is no address, or there is nothing to ask it with.
    """
    if not options["snmp_ip"]:
        return None
    address, port = _read("snmp_ip", endpoint, options["snmp_ip"])
    if config.v3 is None and not config.community:
        raise ConfigError(
            "snmp_ip",
            "needs a community or a user: KPROXY_SNMP_COMMUNITY or KPROXY_SNMP_V3 in the environment, -snmp_community "
            "or -snmp_v3",
        )
    return FileEntry(
        device_id=0,
        address=address,
        port=port,
        community="" if config.v3 else config.community,
        version=config.version,
        v3=config.v3,
    )


def _schedule(options: Mapping[str, Any]) -> SnmpSchedule:
    counters, descriptions = options["snmp_counter_seconds"], options["snmp_description_seconds"]
    if descriptions % counters:
        raise ConfigError(
            "snmp_description_seconds", f"is {descriptions}, which is no multiple of the {counters} s between counters"
        )
    return SnmpSchedule(
        counters_seconds=float(counters),
        descriptions_seconds=float(descriptions),
        low=bool(options["snmp_low"]),
        max_interfaces=options["snmp_max"],
        max_interfaces_later=options["snmp_max_cycle"],
    )


def _read(flag: str, reader: Callable[[str], Read], text: str) -> Read:
    try:
        return reader(text)
    except MalformedInput as problem:
        raise ConfigError(flag, str(problem)) from None


def _ids(text: str) -> frozenset[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == [ALL]:
        return frozenset()
    wrong = [part for part in parts if not (part.isascii() and part.isdigit() and len(part) <= 10)]
    if wrong:
        raise ConfigError("bootstrap_devices", f"{wrong[0][:40]!r} is no device id; give ids with commas, or all")
    return frozenset(map(int, parts))


def _source(options: Mapping[str, Any]) -> str:
    """The address to poll from; empty leaves it to the system."""
    if options["proxy_snmp"]:
        try:
            return str(ip_address(options["proxy_snmp"]))
        except ValueError:
            raise ConfigError("proxy_snmp", "must be an address of this machine") from None
    hosts = [host.strip() for host in options["host"].split(",") if host.strip()]
    try:
        (only,) = [ip_address(host) for host in hosts]
    except ValueError:
        return ""
    return "" if only.is_loopback or only.is_unspecified else str(only)
