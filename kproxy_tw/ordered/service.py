"""Services that depend on each other: started in order, stopped in the reverse order."""

from __future__ import annotations

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred


class OrderedServices(MultiService):
    """Starts its children in order and stops them in the reverse order, each only when the one before it is done."""

    def stopService(self) -> Deferred[None]:
        """Fires when the last child has stopped."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop_children())

    async def _stop_children(self) -> None:
        for child in reversed(list(self)):
            stopping = child.stopService()
            if stopping is not None:
                await stopping
