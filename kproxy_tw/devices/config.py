"""Settings of the device registry."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class DevicesConfig:
    """How the device list is kept fresh and unknown addresses are asked for. Times in seconds.

    :ivar refresh_seconds: distance between two fetches of the whole list.
    :ivar retry_first_seconds, retry_max_seconds: ceiling of the wait after the first failed fetch; it doubles with
        each further failure up to the second figure (full jitter: the wait is drawn between nothing and the ceiling).
    :ivar negative_seconds: an address that the API does not know is not asked for again this long.
    :ivar hold_seconds: datagrams of an address wait at most this long for the API's answer.
    :ivar forget_seconds: an unregistered source is listed this long after its last datagram.
    :ivar questions_in_flight: addresses asked for at the same time.
    """

    refresh_seconds: float = 1200.0
    retry_first_seconds: float = 1.0
    retry_max_seconds: float = 300.0
    negative_seconds: float = 300.0
    hold_seconds: float = 30.0
    forget_seconds: float = 1800.0
    questions_in_flight: int = 8
