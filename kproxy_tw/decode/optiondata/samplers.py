"""What an options record says about sampling, as a rate: 1 in n.

Sources: RFC 5477 sections 8.2 and 8.3 (selection of packets), RFC 3954 section 8 (34, 35, 48 to 50); IANA's registry
for 84.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from kproxy_tw.decode.elements import IANA
from kproxy_tw.decode.optiondata.records import OptionValues, number
from kproxy_tw.reader import Reader

UNSAMPLED_RATE = 1.0
LARGEST_RATE = float(2**40)
"""A larger rate is no rate but a damaged record."""

SAMPLING_INTERVAL, SAMPLING_ALGORITHM = 34, 35
SAMPLER_ID, SAMPLER_MODE, SAMPLER_RANDOM_INTERVAL = 48, 49, 50
SAMPLER_NAME, SELECTOR_ID, SELECTOR_ALGORITHM, SELECTOR_NAME = 84, 302, 304, 335
PACKET_INTERVAL, PACKET_SPACE = 305, 306
TIME_INTERVAL, TIME_SPACE = 307, 308
SIZE, POPULATION, PROBABILITY = 309, 310, 311
HASH_MIN, HASH_MAX, SELECTED_MIN, SELECTED_MAX = 329, 330, 331, 332

PROPERTY_MATCH = 5
"""The selector algorithm that takes every packet of some kind: it filters, and changes no rate."""

ALGORITHMS_V9 = {1: "deterministic", 2: "random"}
"""Values of 35 and 49."""

SELECTORS = {
    1: "systematic count-based",
    2: "systematic time-based",
    3: "random n-out-of-N",
    4: "uniform probabilistic",
    5: "property match",
    6: "hash BOB",
    7: "hash IPSX",
    8: "hash CRC",
    9: "flow-state dependent",
}
"""IANA "PSAMP Parameters", selectorAlgorithm."""


@attrs.frozen(slots=True)
class Sampler:
    """One sampler of an exporter.

    :ivar rate: 1 in so many packets.
    :ivar name: as configured there; may be empty.
    :ivar algorithm: in words; may be empty.
    :ivar learned: seconds since 1970 of the last time it was told; not part of the comparison.
    """

    rate: float
    name: str = ""
    algorithm: str = ""
    learned: float = attrs.field(default=0.0, eq=False)

    @property
    def is_filter(self) -> bool:
        """Whether it takes every packet of some kind."""
        return self.algorithm == SELECTORS[PROPERTY_MATCH]


def told_rate(values: OptionValues) -> float:
    """The rate of an options record; 0 when it tells none.

    ``interval`` packets are taken and ``space`` ones left out in turn, so that the rate is
    (interval + space) / interval; exporters that send the interval without space mean "1 in interval".
    """
    for element, rate_of in RATES:
        if (IANA, element) in values:
            rate = rate_of(values)
            if 0 < rate <= LARGEST_RATE:
                return max(rate, UNSAMPLED_RATE)
    return UNSAMPLED_RATE if number(values, SELECTOR_ALGORITHM) == PROPERTY_MATCH else 0.0


def packet_rate(interval: int, space: int, space_told: bool) -> float:
    """The rate of ``samplingPacketInterval`` and ``samplingPacketSpace``; 0 for none."""
    return ratio(interval + space, interval) if space_told else float(interval)


def ratio(whole: int, part: int) -> float:
    """``whole / part``; 0 when either is 0."""
    return whole / part if part else 0.0


def _of_probability(raw: bytes) -> float:
    """1 / ``samplingProbability``, a float of 8 or (reduced size) 4 bytes."""
    reader = Reader(raw)
    probability = reader.f64() if len(raw) == 8 else reader.f32() if len(raw) == 4 else 0.0
    return 1 / probability if math.isfinite(probability) and 0 < probability <= 1 else 0.0


def _of_hash(values: OptionValues) -> float:
    """How many times larger a hash function's range is than the part of it that is selected."""
    whole, selected = number(values, HASH_MAX), number(values, SELECTED_MAX)
    if not whole:
        return 0.0
    part = selected - number(values, SELECTED_MIN) + 1
    return ratio(whole - number(values, HASH_MIN) + 1, max(part, 0))


RATES: tuple[tuple[int, Callable[[OptionValues], float]], ...] = (
    (SAMPLING_INTERVAL, lambda values: float(number(values, SAMPLING_INTERVAL))),
    (
        PACKET_INTERVAL,
        lambda values: packet_rate(
            number(values, PACKET_INTERVAL), number(values, PACKET_SPACE), (IANA, PACKET_SPACE) in values
        ),
    ),
    (
        TIME_INTERVAL,
        lambda values: ratio(number(values, TIME_INTERVAL) + number(values, TIME_SPACE), number(values, TIME_INTERVAL)),
    ),
    (SIZE, lambda values: ratio(number(values, POPULATION), number(values, SIZE))),
    (PROBABILITY, lambda values: _of_probability(values[IANA, PROBABILITY])),
    (SAMPLER_RANDOM_INTERVAL, lambda values: float(number(values, SAMPLER_RANDOM_INTERVAL))),
    (SELECTED_MAX, _of_hash),
)
"""The elements that tell a rate, in the order in which they count, and how."""


def algorithm_of(values: OptionValues) -> str:
    """How the sampler chooses, in words; empty when the record does not tell."""
    selector = number(values, SELECTOR_ALGORITHM)
    if selector:
        return SELECTORS.get(selector, f"selector algorithm {selector}")
    mode = number(values, SAMPLER_MODE) or number(values, SAMPLING_ALGORITHM)
    return ALGORITHMS_V9.get(mode, f"mode {mode}") if mode else ""
