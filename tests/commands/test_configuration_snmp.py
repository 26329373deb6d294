"""From the command line to how devices are polled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kproxy_tw.commands.configuration_snmp import checked_entry, snmp_config
from kproxy_tw.commands.kproxy import Options
from kproxy_tw.errors import ConfigError
from kproxy_tw.snmp.config import Comparison, SnmpConfig
from kproxy_tw.snmp.settings import Version

USER = '{"UserName": "u", "AuthenticationProtocol": "NoAuth", "PrivacyProtocol": "NoPriv"}'


def parsed(*flags: str, **environment: str) -> Options:
    """The options."""
    options = Options(environment)
    options.parseOptions(list(flags))
    return options


def config(*flags: str, **environment: str) -> SnmpConfig:
    """What they come to."""
    return snmp_config(parsed(*flags, **environment))


def test_the_documented_defaults() -> None:
    """750 interfaces, later 500, 50 rows at once, 5 seconds, each 5 and 30 minutes, minimized 6 hours."""
    plain = config()
    schedule = plain.schedule
    assert (schedule.max_interfaces, schedule.max_interfaces_later) == (750, 500)
    assert (plain.max_repetitions, plain.timeout_seconds, plain.metric_rate) == (50, 5.0, 1)
    assert (schedule.counters_seconds, schedule.descriptions_seconds, schedule.minimized_seconds) == (300, 1800, 21_600)
    assert (plain.file, plain.community, plain.v3, plain.bootstrap, schedule.low) == (
        None,
        "",
        None,
        frozenset(),
        False,
    )


def test_every_flag() -> None:
    """Each reaches its place."""
    found = config(
        *("-snmp_file=/x/snmp.json", "-snmp_low", "-snmp_max=10", "-snmp_max_cycle=9", "-snmp_max_repetitions=8"),
        *("-snmp_retries=0", "-snmp_timeout_seconds=7", "-proxy_snmp=192.0.2.9", "-bootstrap_devices=12002, 1221"),
        *("-snmp_allow=127.0.0.1", "-snmp_version=1", "-sample_metric=3", "-interface_metadata_comparison=basic"),
        KPROXY_SNMP_COMMUNITY="c",
        KPROXY_SNMP_V3=USER,
    )
    assert found.file == Path("/x/snmp.json")
    assert (found.schedule.low, found.schedule.max_interfaces, found.schedule.max_interfaces_later) == (True, 10, 9)
    assert (found.max_repetitions, found.retries, found.timeout_seconds) == (8, 0, 7.0)
    assert (found.source_address, found.version) == ("192.0.2.9", Version.V1)
    assert found.bootstrap == frozenset({12002, 1221})
    assert found.policy.refusal("127.0.0.1") == ""
    assert found.policy.refusal("127.0.0.2")
    assert (found.community, found.metric_rate, found.comparison) == ("c", 3, Comparison.BASIC)
    assert found.v3 is not None
    assert found.waits_for_flow(7)
    assert not found.waits_for_flow(1221)
    assert not config("-bootstrap_devices=all").waits_for_flow(7)


@pytest.mark.parametrize(
    ("hosts", "source"),
    [("192.0.2.1", "192.0.2.1"), ("127.0.0.1", ""), ("0.0.0.0", ""), ("192.0.2.1,192.0.2.2", ""), ("::", "")],  # noqa: S104
)
def test_host_is_what_is_polled_from_where_that_can_be(hosts: str, source: str) -> None:
    """As documented for ``-proxy_snmp``; from a loopback address no router can be reached."""
    assert config(f"-host={hosts}").source_address == source


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("-bootstrap_devices=1,x", "'x' is no device id"),
        ("-snmp_allow=10.0.0.0/33", "is no address and no prefix"),
        ("-proxy_snmp=eth0", "must be an address"),
        ("-snmp_v3={", "is no JSON"),
        ("-snmp_description_seconds=1000", "no multiple of the 300 s"),
    ],
)
def test_what_cannot_work(flag: str, said: str) -> None:
    """The error names the flag."""
    with pytest.raises(ConfigError, match=flag.partition("=")[0]) as caught:
        config(flag)
    assert said in str(caught.value)


def test_a_comparison_that_is_not_known_does_not_end_the_start() -> None:
    """The original does not say which there are."""
    options = parsed("-interface_metadata_comparison=odd")
    assert snmp_config(options).comparison is Comparison.FULL
    assert any("odd is not known" in line for line in options.warnings())


def test_what_a_check_polls() -> None:
    """An address needs something to ask it with; a user goes before a community."""

    def entry(*flags: str, **environment: str) -> Any:
        options = parsed(*flags, **environment)
        return checked_entry(options, snmp_config(options))

    assert entry() is None
    with pytest.raises(ConfigError, match="KPROXY_SNMP_COMMUNITY"):
        entry("-snmp_ip=192.0.2.1")
    found = entry("-snmp_ip=192.0.2.1:1161", "-snmp_community=c")
    assert (found.address, found.port, found.community, found.v3) == ("192.0.2.1", 1161, "c", None)
    assert entry("-snmp_ip=192.0.2.1", "-snmp_community=c", KPROXY_SNMP_V3=USER).community == ""


def test_secrets_are_masked() -> None:
    """In what pages and JSON show of the settings."""
    shown = str(parsed("-snmp_community=C4NARY", KPROXY_SNMP_V3=USER.replace('"u"', '"C4NARY"')).effective())
    assert "C4NARY" not in shown
    assert "'snmp_community': '***'" in shown
