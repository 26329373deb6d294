"""What the rest of kproxy sees of the poller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kproxy_tw.snmp.reading import Reading
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.status import PollerStatus, Progress

ReadingListener = Callable[[Reading], None]
"""Called with each finished poll, failed ones included, from the reactor's turn; must return at once."""

ProgressListener = Callable[[Progress], None]


class SnmpPoller(Protocol):
    """Polls devices.

    Implemented by ``kproxy_tw.snmp.service.PollerService(reactor=, schedule=, state_dir=, listener=)``, a Twisted
    service; ``state_dir`` is where the engine ids of version 3 are kept.
    """

    def targets_changed(self, targets: Iterable[SnmpTarget]) -> None:
        """These are all devices to poll from now on.

        Those that stay as they are keep schedule and counters; one whose settings changed is polled anew, its counters
        are kept while address and port stay. May be called before the service is started.
        """

    async def poll_now(self, target: SnmpTarget, progress: ProgressListener | None = None) -> Reading:
        """Poll once, everything, outside of any schedule; also a device that is no target.

        Never raises for what the agent does: the reading says so.
        """

    def status(self) -> PollerStatus:
        """How it goes. Cheap."""
