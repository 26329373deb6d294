"""The reactor of all daemons: asyncio's, with a clock that never jumps."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any


class OtherReactor(Exception):
    """Another reactor is installed; ``str()`` says which and what to do."""


def asyncio_reactor() -> Any:
    """Return the process's reactor, installing it when there is none yet.

    Its ``seconds`` is the monotonic clock, so that neither timers nor rates follow a clock that is set.

    :raises OtherReactor: the process has a reactor that is not asyncio's.
    """
    from twisted.internet import asyncioreactor
    from twisted.internet.main import installReactor

    from kproxy_tw.commands.gathering import GatheringLoop
    from kproxy_tw.commands.prompt_reactor import PromptReactor

    if "twisted.internet.reactor" not in sys.modules:
        loop = GatheringLoop()
        asyncio.set_event_loop(loop)
        installReactor(PromptReactor(loop))
    from twisted.internet import reactor

    if not isinstance(reactor, asyncioreactor.AsyncioSelectorReactor):
        raise OtherReactor(
            f"works on the asyncio reactor only, and {type(reactor).__name__} is installed; leave --reactor out"
        )
    reactor.seconds = time.monotonic
    return reactor
