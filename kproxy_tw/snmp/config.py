"""What the operator says about SNMP."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import attrs

from kproxy_tw.snmp.inputs.policy import TargetPolicy
from kproxy_tw.snmp.settings import SnmpSchedule, V3Credentials, Version


class Comparison(StrEnum):
    """What of an interface has to change for the backend to be told of it again."""

    FULL = "full"
    BASIC = "basic"
    ALWAYS = "always"


@attrs.frozen(kw_only=True)
class SnmpConfig:
    """How devices are polled. Secrets never show in a ``repr``.

    :ivar file: settings by device; they take the place of the API's.
    :ivar community, v3: for devices that have an address to poll and no credentials of their own.
    :ivar version: of devices with a community.
    :ivar source_address: what to poll from; empty leaves it to the system.
    :ivar bootstrap: ids of the devices that are polled before they have sent flow.
    :ivar bootstrap_all: all of them are.
    :ivar policy: which addresses may be polled.
    :ivar metric_rate: the sample rate that metric records carry.
    """

    file: Path | None = None
    community: str = attrs.field(default="", repr=False)
    v3: V3Credentials | None = None
    version: Version = Version.V2C
    source_address: str = ""
    timeout_seconds: float = 5.0
    retries: int = 2
    max_repetitions: int = 50
    bootstrap: frozenset[int] = frozenset()
    bootstrap_all: bool = False
    policy: TargetPolicy = attrs.Factory(TargetPolicy)
    schedule: SnmpSchedule = attrs.Factory(SnmpSchedule)
    comparison: Comparison = Comparison.FULL
    metric_rate: int = 1

    def waits_for_flow(self, device_id: int) -> bool:
        """Whether a device is left alone until it has sent something."""
        return not self.bootstrap_all and device_id not in self.bootstrap
