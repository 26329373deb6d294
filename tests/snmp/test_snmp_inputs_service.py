"""TargetsService: what the poller is told, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

import pytest

from kproxy_tw.devices.device import Device
from kproxy_tw.errors import ConfigError
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.service import TOGETHER_SECONDS, TargetsService
from kproxy_tw.snmp.interfaces import ProgressListener
from kproxy_tw.snmp.reading import Reading
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.status import PollerStatus


class Poller:
    """Remembers its targets."""

    def __init__(self) -> None:
        self.told: list[tuple[SnmpTarget, ...]] = []

    def targets_changed(self, targets: Iterable[SnmpTarget]) -> None:
        """Remember."""
        self.told.append(tuple(targets))

    async def poll_now(self, target: SnmpTarget, progress: ProgressListener | None = None) -> Reading:
        """It does not."""
        raise NotImplementedError

    def status(self) -> PollerStatus:
        """Nothing to say."""
        return PollerStatus()


class Around:
    """A service with devices, of which some have sent flow."""

    def __init__(self, **config: Any) -> None:
        self.clock, self.poller = Clock(), Poller()
        self.devices = [self.device(number) for number in (1, 2, 3)]
        self.opened: list[int] = []
        self.service = TargetsService(
            reactor=self.clock,
            config=SnmpConfig(**config),
            poller=self.poller,
            devices=lambda: self.devices,
            opened=lambda: self.opened,
            open=lambda device: self.opened.append(device.device_id),
        )

    @staticmethod
    def device(number: int, **fields: Any) -> Device:
        """A device with SNMP settings."""
        given = {"snmp_ip": f"192.0.2.{number}", "snmp_community": "public", **fields}
        return Device(device_id=number, company_id=1, name=f"r{number}", **given)

    def look(self) -> list[tuple[int, str]]:
        """Look, wait, and what the poller polls then."""
        self.service.look()
        self.clock.advance(TOGETHER_SECONDS)
        return [(target.device_id, target.address) for target in self.poller.told[-1]]


def test_a_device_is_polled_since_it_sends_flow() -> None:
    """And no longer when it is gone."""
    around = Around()
    around.service.startService()
    assert around.look() == []
    around.opened.append(2)
    assert around.look() == [(2, "192.0.2.2")]
    target = around.service.target(2)
    assert target is not None
    assert target.community == "public"
    around.devices.pop(1)
    assert around.look() == []


def test_devices_that_need_not_wait_for_flow() -> None:
    """Those of ``-bootstrap_devices`` take part at once; or all."""
    some = Around(bootstrap=frozenset({3}))
    some.service.startService()
    assert some.look() == [(3, "192.0.2.3")]
    assert some.opened == [3]
    everyone = Around(bootstrap_all=True)
    everyone.service.startService()
    assert [number for number, _address in everyone.look()] == [1, 2, 3]


def test_a_thousand_changes_at_once_are_told_once() -> None:
    """A restart makes a thousand devices begin to send in one second."""
    around = Around(bootstrap_all=True)
    around.service.startService()
    for _change in range(1000):
        around.service.look()
    around.clock.advance(TOGETHER_SECONDS)
    assert len(around.poller.told) == 1


def test_a_new_setting_of_the_api_is_told() -> None:
    """With the next look."""
    around = Around(bootstrap_all=True)
    around.service.startService()
    around.look()
    around.devices[0] = around.device(1, snmp_ip="198.51.100.1")
    assert around.look()[0] == (1, "198.51.100.1")


def write(path: Path, address: str) -> None:
    """A file with settings of device 1."""
    path.write_text(json.dumps({"devices": [{"device_id": 1, "snmp_ip": address, "snmp_comm": "local"}]}))


def test_the_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    """At the start a bad file ends the process, later it leaves all as it was."""
    path = tmp_path / "snmp.json"
    for content in (None, "{", '{"devices": [{"device_id": 1}]}'):
        if content is not None:
            path.write_text(content)
        with pytest.raises(ConfigError, match="-snmp_file"):
            Around(file=path)
    write(path, "203.0.113.1")
    around = Around(bootstrap_all=True, file=path)
    around.service.startService()
    assert around.look()[0] == (1, "203.0.113.1")
    write(path, "203.0.113.2")
    around.service.reload()
    around.clock.advance(TOGETHER_SECONDS)
    assert around.look()[0] == (1, "203.0.113.2")
    path.write_text('{"devices": 1}')
    with pytest.raises(ConfigError):
        around.service.reload()
    assert around.look()[0] == (1, "203.0.113.2")


def test_why_a_device_is_not_polled() -> None:
    """For its page."""
    around = Around(bootstrap_all=True)
    around.devices[1] = around.device(2, snmp_ip="127.0.0.1")
    around.service.startService()
    assert [number for number, _address in around.look()] == [1, 3]
    assert "this machine itself" in around.service.problem(2)
    assert around.service.problem(1) == ""


def test_nothing_is_told_after_the_stop() -> None:
    """A look that was asked for comes to nothing."""
    around = Around(bootstrap_all=True)
    around.service.startService()
    around.service.stopService()
    around.service.look()
    around.clock.advance(60)
    assert around.poller.told == []
