"""The registry finds devices, and says what each new list changes."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.devices.device import Device
from kproxy_tw.devices.registry import Registry


def device(number: int, *addresses: str, name: str = "") -> Device:
    """A device with that id."""
    return Device(
        device_id=number, company_id=1, name=name or f"router_{number}", sending_addresses=frozenset(addresses)
    )


def test_every_sending_address_finds_the_device() -> None:
    """All addresses of a device lead to it, and so does its id."""
    registry = Registry()
    edge = device(7, "10.0.0.1", "2001:db8::1")
    changes = registry.replace([edge])
    assert changes.added == (edge,)
    assert changes.addresses == {"10.0.0.1", "2001:db8::1"}
    assert registry.by_address("10.0.0.1") is registry.by_address("2001:db8::1") is registry.by_id(7) is edge
    assert registry.by_address("10.0.0.2") is None


def test_a_new_list_tells_what_came_went_and_changed() -> None:
    """Each device of the old and the new list is under exactly one heading, or unchanged."""
    registry = Registry()
    stays, goes, renamed = device(1, "10.0.0.1"), device(2, "10.0.0.2"), device(3, "10.0.0.3")
    registry.replace([stays, goes, renamed])
    after, new = attrs.evolve(renamed, name="other"), device(4, "10.0.0.2")
    changes = registry.replace([device(1, "10.0.0.1"), after, new])
    assert (changes.added, changes.removed, changes.changed) == ((new,), (goes,), (after,))
    assert changes.addresses == {"10.0.0.2", "10.0.0.3"}
    assert registry.devices() == (stays, after, new)


def test_the_same_list_changes_nothing() -> None:
    """An unchanged list gives an empty, false Changes."""
    registry = Registry()
    registry.replace([device(1, "10.0.0.1")])
    assert not registry.replace([device(1, "10.0.0.1")])
    assert not registry.put(device(1, "10.0.0.1"))


def test_an_address_that_moves_within_a_device() -> None:
    """An address that a device gives up is unknown, one that it gains is known."""
    registry = Registry()
    registry.replace([device(1, "10.0.0.1", "10.0.0.2")])
    changes = registry.put(device(1, "10.0.0.2", "10.0.0.3"))
    assert registry.by_address("10.0.0.1") is None
    assert registry.by_address("10.0.0.3") == device(1, "10.0.0.2", "10.0.0.3")
    assert changes.addresses == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}


def test_of_two_claims_the_lower_id_wins() -> None:
    """Whatever the order in which they come, the lower id has the address, and the conflict is told."""
    for numbers in ((8, 3), (3, 8)):
        registry = Registry()
        changes = registry.replace([device(number, "10.0.0.1") for number in numbers])
        assert registry.by_address("10.0.0.1") == device(3, "10.0.0.1")
        (conflict,) = changes.conflicts
        assert (conflict.address, conflict.kept.device_id, conflict.refused.device_id) == ("10.0.0.1", 3, 8)


def test_the_second_claim_comes_up_when_the_first_goes() -> None:
    """The loser of a conflict gets the address when the winner is removed, and the change is told."""
    registry = Registry()
    registry.replace([device(3, "10.0.0.1"), device(8, "10.0.0.1")])
    changes = registry.replace([device(8, "10.0.0.1")])
    assert registry.by_address("10.0.0.1") == device(8, "10.0.0.1")
    assert changes.addresses == {"10.0.0.1"}
    assert changes.changed == ()


fleets = st.dictionaries(
    st.integers(1, 4), st.frozensets(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])), max_size=4
)


@given(st.lists(fleets, max_size=5))
def test_the_index_always_agrees_with_the_list(lists: list[dict[int, frozenset[str]]]) -> None:
    """After any series of lists, look-ups equal a search through the last one, and Changes names each difference."""
    registry = Registry()
    before: dict[str, Device | None] = {}
    for fleet in lists:
        changes = registry.replace([device(number, *addresses) for number, addresses in fleet.items()])
        for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            owner = min((number for number, addresses in fleet.items() if address in addresses), default=None)
            found = registry.by_address(address)
            assert (found.device_id if found else None) == owner
            assert (address in changes.addresses) == (found != before.get(address))
            before[address] = found
