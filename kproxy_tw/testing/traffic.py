"""Made-up flows with a heavy tail, for the demo, the benchmarks and tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FLOW = np.dtype(
    [
        ("src", "u4"),
        ("dst", "u4"),
        ("sport", "u2"),
        ("dport", "u2"),
        ("protocol", "u1"),
        ("tos", "u1"),
        ("flags", "u1"),
        ("input", "u2"),
        ("output", "u2"),
        ("src_as", "u2"),
        ("dst_as", "u2"),
        ("packets", "u4"),
        ("bytes", "u4"),
    ]
)
"""One flow; addresses are the numeric value of the IPv4 address."""

Flows = npt.NDArray[np.void]

SERVICES = np.array([(6, 443), (6, 80), (17, 443), (17, 53), (6, 22), (6, 25)], dtype=np.uint16)
"""Protocol and port of the servers; drawn with falling probability."""

SERVICE_SHARE = (0.45, 0.15, 0.2, 0.12, 0.05, 0.03)

CLIENTS = 0xC0000200  # 192.0.2.0/24 and up, RFC 5737
SERVERS = 0xC6336400  # 198.51.100.0/24, RFC 5737
PARETO_SHAPE = 1.2
"""Few flows carry most bytes, as on real links."""

MAX_PACKETS = 20_000


def make_flows(count: int, random: np.random.Generator) -> Flows:
    """``count`` flows between documentation addresses, with Pareto distributed sizes."""
    flows = np.zeros(count, FLOW)
    service = SERVICES[random.choice(len(SERVICES), count, p=SERVICE_SHARE)]
    flows["src"] = CLIENTS + random.integers(1, 255, count)
    flows["dst"] = SERVERS + random.integers(1, 255, count)
    flows["sport"] = random.integers(32768, 61000, count)
    flows["protocol"], flows["dport"] = service[:, 0], service[:, 1]
    flows["flags"] = np.where(flows["protocol"] == 6, 0x1B, 0)
    flows["input"], flows["output"] = random.integers(1, 5, count), random.integers(5, 9, count)
    flows["src_as"], flows["dst_as"] = 64496, random.integers(64497, 64511, count)
    flows["packets"] = np.minimum(1 + random.pareto(PARETO_SHAPE, count) * 4, MAX_PACKETS)
    flows["bytes"] = flows["packets"] * random.integers(64, 1400, count)
    return flows
