"""What is polled of a device: API, file, flags, policy."""

from __future__ import annotations

from typing import Any

import attrs

from kproxy_tw.devices.device import Device, SnmpV3Credentials
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.file import FileEntry
from kproxy_tw.snmp.inputs.policy import TargetPolicy, allowed
from kproxy_tw.snmp.inputs.targets import Targets, targets
from kproxy_tw.snmp.settings import AuthProtocol, SecurityLevel, V3Credentials, Version


def device(number: int = 7, **fields: Any) -> Device:
    """A router with an address to poll and a community."""
    given = {"snmp_ip": "192.0.2.7", "snmp_community": "public", **fields}
    return Device(device_id=number, company_id=1, name=f"r{number}", **given)


def found(*devices: Device, entries: tuple[FileEntry, ...] = (), **config: Any) -> Targets:
    """The targets."""
    return targets(devices, {entry.device_id: entry for entry in entries}, SnmpConfig(**config))


def test_the_api_settings() -> None:
    """Address, port, community, minimized; the flags' figures."""
    one = device(snmp_ip="192.0.2.7:1161", minimize_snmp=True)
    (target,) = found(one, retries=4, timeout_seconds=9.0, max_repetitions=20, version=Version.V1).polled
    assert (target.device_id, target.address, target.port) == (7, "192.0.2.7", 1161)
    assert (target.version, target.community, target.minimized) == (Version.V1, "public", True)
    assert (target.retries, target.timeout_seconds, target.max_repetitions) == (4, 9.0, 20)


def test_a_user_of_the_api() -> None:
    """It goes before the community."""
    user = SnmpV3Credentials(
        user_name="u", authentication_protocol="SHA-256", authentication_passphrase="secret123", privacy_protocol=""
    )
    (target,) = found(device(snmp_v3=user)).polled
    assert target.version is Version.V3
    assert target.community == ""
    assert target.v3 is not None
    assert (target.v3.auth, target.v3.level) == (AuthProtocol.SHA256, SecurityLevel.AUTH_NO_PRIV)


def test_the_file_takes_the_place_of_the_api() -> None:
    """All of it, for its devices; the others stay."""
    entry = FileEntry(device_id=7, address="192.0.2.99", port=161, community="local", minimize=True)
    first, second = found(device(), device(8), entries=(entry,)).polled
    assert (first.address, first.community, first.minimized) == ("192.0.2.99", "local", True)
    assert (second.address, second.community, second.minimized) == ("192.0.2.7", "public", False)


def test_flags_fill_in_what_is_missing_and_nothing_else() -> None:
    """A device without credentials gets the common ones; one without an address is not polled."""
    user = V3Credentials(user="all")
    assert [one.v3 for one in found(device(snmp_community=""), v3=user).polled] == [user]
    assert [one.community for one in found(device(snmp_community=""), community="all").polled] == ["all"]
    assert [one.community for one in found(device(), community="all").polled] == ["public"]
    assert found(device(snmp_ip=""), community="all") == Targets()


def test_problems_are_told_and_cost_only_their_device() -> None:
    """No credentials, a bad address, a bad user, a forbidden address."""
    bad_user = SnmpV3Credentials(user_name="u", authentication_protocol="SHA", authentication_passphrase="")
    result = found(
        device(1, snmp_community=""),
        device(2, snmp_ip="router.example"),
        device(3, snmp_v3=bad_user),
        device(4, snmp_ip="169.254.169.254"),
        device(5),
    )
    assert [one.device_id for one in result.polled] == [5]
    assert "neither a community" in result.problems[1]
    assert result.problems[2].startswith("device_snmp_ip is no IP address")
    assert "AuthenticationPassphrase must be" in result.problems[3]
    assert "credentials; -snmp_allow=169.254.169.254" in result.problems[4]


def test_the_file_cannot_go_where_policy_forbids() -> None:
    """Unless the operator says so."""
    entry = FileEntry(device_id=7, address="127.0.0.1", port=161, community="c")
    assert found(device(), entries=(entry,)).polled == ()
    policy = TargetPolicy(allowed("127.0.0.1"))
    assert [one.address for one in found(device(), entries=(entry,), policy=policy).polled] == ["127.0.0.1"]


def test_the_source_address_is_of_the_targets_family() -> None:
    """A socket at an IPv4 address cannot send IPv6."""
    first, second = found(device(1), device(2, snmp_ip="2001:db8::2"), source_address="192.0.2.250").polled
    assert (first.source_address, second.source_address) == ("192.0.2.250", "")


def test_no_secret_in_a_repr() -> None:
    """Targets may end up in a traceback."""
    user = SnmpV3Credentials(user_name="u", authentication_protocol="SHA", authentication_passphrase="C4NARY")
    result = found(device(1, snmp_community="C4NARY"), device(2, snmp_v3=user))
    assert len(result.polled) == 2
    assert "C4NARY" not in repr(result)
    assert "C4NARY" not in repr(attrs.evolve(SnmpConfig(), community="C4NARY"))
