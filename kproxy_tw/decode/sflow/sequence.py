"""The sequence numbers of sFlow datagrams and of the flow samples in them (sFlow Version 5, section 5)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@attrs.frozen(eq=False)
class SflowSequences:
    """Numbers of one or several datagrams of one exporter, in the order of arrival.

    :ivar agents: each datagram's agent address as text.
    :ivar sub_agents, numbers, uptimes: each datagram's sub-agent, sequence number and uptime in milliseconds.
    :ivar received_ns: when each datagram came in, nanoseconds since 1970.
    :ivar sample_datagrams: for each flow sample the index of its datagram, ascending.
    :ivar sample_classes, sample_sources: the sample's data source: class (0 for ifIndex) and index.
    :ivar sample_numbers: the sample's own sequence number.
    """

    agents: Sequence[str]
    sub_agents: Integers
    numbers: Integers
    uptimes: Integers
    received_ns: Integers
    sample_datagrams: Integers
    sample_classes: Integers
    sample_sources: Integers
    sample_numbers: Integers
