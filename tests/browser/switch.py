"""A switch that speaks sFlow: flow samples, and each second the counters of its interfaces."""

from __future__ import annotations

import struct

import numpy as np

from kproxy_tw.testing.exporters import SflowExporter

SAMPLES_AT = 24
"""Where the number of samples stands in a datagram."""

INTERFACES = {1: (10**10, 4e9, 0.3e9), 2: (10**10, 0.2e9, 2.5e9), 3: (10**9, 0.0, 0.0)}
"""By index: bits per second that it is able to carry, and that come in and go out."""

DOWN = 3
UP, ADMINISTRATIVELY_UP = 3, 1
"""``ifStatus`` of sFlow's interface counters: bit 0 is the administrative state, bit 1 the operational one."""


class SwitchExporter(SflowExporter):
    """See :class:`SflowExporter`."""

    def __init__(self, started: float, rate: int = 1) -> None:
        super().__init__(started, rate)
        self._began = started
        self._next = started
        self._samples_sent = 0

    def datagram(self, flows: np.ndarray, now: float) -> bytes:
        """Flow samples, and counters when it is time."""
        sent = bytearray(super().datagram(flows, now))
        if now < self._next:
            return bytes(sent)
        self._next = now + 1
        self._samples_sent += 1
        (samples,) = struct.unpack_from("!I", sent, SAMPLES_AT)
        struct.pack_into("!I", sent, SAMPLES_AT, samples + len(INTERFACES))
        return bytes(sent) + b"".join(self._counters(index, now - self._began) for index in INTERFACES)

    def _counters(self, index: int, seconds: float) -> bytes:
        """A counter sample with one record of generic interface counters (sFlow version 5, section 5.4)."""
        speed, came, went = INTERFACES[index]
        octets_in, octets_out = (int(rate * seconds / 8) for rate in (came, went))
        status = ADMINISTRATIVELY_UP if index == DOWN else UP
        record = struct.pack("!IIQII", index, 6, speed, 1, status)
        record += struct.pack("!QIIIIII", octets_in, octets_in // 800, 0, 0, int(seconds), 0, 0)
        record += struct.pack("!QIIIIII", octets_out, octets_out // 800, 0, 0, 0, 0, 0)
        body = struct.pack("!III", self._samples_sent, index, 1) + struct.pack("!II", 1, len(record)) + record
        return struct.pack("!II", 2, len(body)) + body
