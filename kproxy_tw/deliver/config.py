"""DeliverConfig: every limit of delivery."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class DeliverConfig:
    """Limits of what waits for the backend, and of each attempt to send it.

    :ivar max_messages: of one device, the one under way included: two minutes at a message a second.
    :ivar max_device_bytes: bodies of one device's messages.
    :ivar max_total_bytes: bodies of all devices' messages together; the device that holds most gives way first.
    :ivar post_seconds: outer time limit of one POST.
    :ivar max_answer_bytes: of the backend's answer to a POST.
    :ivar backoff_seconds: ceiling of the wait after the first failure; it doubles with every further one.
    :ivar max_backoff_seconds: it never grows beyond this.
    :ivar hold_seconds: between two attempts, of whichever devices, while the backend refuses the credentials.
    :ivar drain_seconds: how long a stop tries to send what waits.
    :ivar concurrent_posts: messages of one device that are under way at the same time, each over a connection of its
        own. More than one are while more wait than one connection takes, and the backend takes them.
    :ivar failing_attempts: so many failures in a row make the health check fail.
    :ivar failing_seconds: so long without success while messages wait make it fail, too.
    """

    max_messages: int = 120
    max_device_bytes: int = 16 << 20
    max_total_bytes: int = 64 << 20
    post_seconds: float = 30.0
    max_answer_bytes: int = 1 << 20
    backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0
    hold_seconds: float = 60.0
    drain_seconds: float = 8.0
    concurrent_posts: int = 5
    failing_attempts: int = 5
    failing_seconds: float = 60.0
