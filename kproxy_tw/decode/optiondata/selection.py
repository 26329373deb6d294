"""PSAMP's selection sequences: the selectors that a packet has passed, one after the other.

An exporter tells each selector (its algorithm and rate, in ``samplers``) and each sequence (its selectors in order); a
packet report names the sequence. Sources: RFC 5476 sections 6.5.1 and 6.5.2, RFC 5475 section 5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from kproxy_tw.decode.elements import IANA
from kproxy_tw.decode.optiondata.records import MAX_SELECTORS, OptionValues, has, number, repeated
from kproxy_tw.decode.optiondata.samplers import LARGEST_RATE, SELECTOR_ID, Sampler

SELECTION_SEQUENCE = 301

Selectors = tuple[int, ...]
"""Numbers of selectors, in the order in which packets pass them."""


def selection_of(values: OptionValues) -> tuple[int, Selectors] | None:
    """The sequence that an options record is about, and its selectors; ``None`` when it tells of none."""
    if not has(values, SELECTION_SEQUENCE):
        return None
    keys = [(IANA, SELECTOR_ID), *(repeated(SELECTOR_ID, time) for time in range(1, MAX_SELECTORS))]
    selectors = tuple(int.from_bytes(values[key][-8:], "big") for key in keys if values.get(key))
    return (number(values, SELECTION_SEQUENCE), selectors) if selectors else None


def selection_rate(selectors: Selectors, samplers: Mapping[int, Sampler]) -> float:
    """The rate of a sequence: its selectors' rates multiplied; 0 while one of them is not known."""
    rates = [samplers[selector].rate if selector in samplers else 0.0 for selector in selectors]
    rate = math.prod(rates)
    return rate if rate <= LARGEST_RATE else 0.0
