"""Tables of routes for BIRD, large enough to be under way for a while."""

from __future__ import annotations

ROUTES_OF_ONE_PATH = 4


def table(count: int) -> tuple[str, ...]:
    """As many /24 prefixes, each few of them with a community of their own so that they need an UPDATE of their own."""
    lines = []
    for number in range(count):
        group = number // ROUTES_OF_ONE_PATH
        place = f"{40 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/24"
        community = f"bgp_community.add(({group >> 16}, {group & 65535}));"
        lines.append(f"{place} blackhole {{ {community} }}")
    return tuple(lines)
