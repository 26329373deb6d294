"""What is polled of a device: its settings in the file, else in the API, completed by the flags, past the policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from kproxy_tw.devices.device import Device, SnmpV3Credentials
from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.credentials import v3_credentials
from kproxy_tw.snmp.inputs.file import FileEntry
from kproxy_tw.snmp.inputs.policy import endpoint
from kproxy_tw.snmp.settings import SnmpTarget, V3Credentials, Version


@attrs.frozen
class Targets:
    """What is polled.

    :ivar polled: the devices to poll.
    :ivar problems: device id to why a device that has SNMP settings is not polled; holds no secret.
    """

    polled: tuple[SnmpTarget, ...] = ()
    problems: Mapping[int, str] = attrs.field(factory=dict)


def targets(devices: Iterable[Device], entries: Mapping[int, FileEntry], config: SnmpConfig) -> Targets:
    """The targets among ``devices``. :param entries: of the file, by device id."""
    polled, problems = [], {}
    for device in devices:
        try:
            target = _target(device, entries.get(device.device_id), config)
        except MalformedInput as problem:
            problems[device.device_id] = str(problem)
        else:
            polled += [] if target is None else [target]
    return Targets(tuple(polled), problems)


def targets_of_file(entries: Mapping[int, FileEntry], config: SnmpConfig) -> Targets:
    """The targets of the file alone, where it is not known which devices there are."""
    polled, problems = [], {}
    for device_id, entry in entries.items():
        try:
            polled.append(made_target(entry, config))
        except MalformedInput as problem:
            problems[device_id] = str(problem)
    return Targets(tuple(polled), problems)


def made_target(entry: FileEntry, config: SnmpConfig) -> SnmpTarget:
    """The target of complete settings. :raises MalformedInput: local policy forbids its address."""
    if refusal := config.policy.refusal(entry.address):
        raise MalformedInput(f"not polled: {refusal}")
    return SnmpTarget(
        device_id=entry.device_id,
        address=entry.address,
        port=entry.port,
        source_address=_same_family(config.source_address, entry.address),
        version=Version.V3 if entry.v3 else entry.version,
        community=entry.community,
        v3=entry.v3,
        minimized=entry.minimize,
        timeout_seconds=config.timeout_seconds,
        retries=config.retries,
        max_repetitions=config.max_repetitions,
    )


def _same_family(source: str, address: str) -> str:
    """``source``, unless a socket there could not send to ``address``."""
    return source if source and (":" in source) == (":" in address) else ""


def _target(device: Device, entry: FileEntry | None, config: SnmpConfig) -> SnmpTarget | None:
    if entry is None:
        entry = _of_api(device, config)
    return None if entry is None else made_target(entry, config)


def _of_api(device: Device, config: SnmpConfig) -> FileEntry | None:
    """The API's settings in the form of the file's; ``None`` where it has none."""
    if not device.snmp_ip:
        return None
    try:
        address, port = endpoint(device.snmp_ip)
    except MalformedInput as problem:
        raise MalformedInput(f"device_snmp_ip {problem}") from None
    v3, community = _v3_of_api(device.snmp_v3), device.snmp_community
    if v3 is None and not community:
        v3, community = config.v3, config.community
    if v3 is None and not community:
        raise MalformedInput(
            "it has an address for SNMP, but neither a community nor a user of version 3; those of the API are not "
            "kept on disk and come with its next answer"
        )
    return FileEntry(
        device_id=device.device_id,
        address=address,
        port=port,
        community="" if v3 else community,
        version=config.version,
        minimize=device.minimize_snmp,
        v3=v3,
    )


def _v3_of_api(found: SnmpV3Credentials | None) -> V3Credentials | None:
    if found is None or not found.user_name:
        return None
    try:
        return v3_credentials(
            {
                "UserName": found.user_name,
                "AuthenticationProtocol": found.authentication_protocol,
                "AuthenticationPassphrase": found.authentication_passphrase,
                "PrivacyProtocol": found.privacy_protocol,
                "PrivacyPassphrase": found.privacy_passphrase,
                "ContextName": found.context_name,
                "ContextEngineID": found.context_engine_id,
            }
        )
    except MalformedInput as problem:
        raise MalformedInput(f"device_snmp_v3_conf: {problem}") from None
