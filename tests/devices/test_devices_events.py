"""What happened to a device: bounded, repetitions counted together."""

from __future__ import annotations

from kproxy_tw.decode.notices import MAX_NOTICES, Notice, Notices
from kproxy_tw.devices.events import MAX_EVENTS, Event, EventList


def test_repetitions_within_a_minute_are_one_event() -> None:
    """The list shows the latest words and how often; the log is told once."""
    told: list[Event] = []
    events = EventList(told.append)
    for second in (100.0, 130.0, 159.0):
        events.add("rate_changed", f"at {second}", now=second, subject="sampler 1")
    events.add("rate_changed", "another", now=131.0, subject="sampler 2")
    events.add("rate_changed", "later", now=161.0, subject="sampler 1")
    latest = [(event.text, event.first, event.last, event.count) for event in events.latest()]
    assert latest == [("later", 161.0, 161.0, 1), ("another", 131.0, 131.0, 1), ("at 159.0", 100.0, 159.0, 3)]
    assert len(told) == 3


def test_the_list_is_bounded() -> None:
    """A peer may cause events without end; the oldest go."""
    events = EventList(lambda _event: None)
    for number in range(MAX_EVENTS + 10):
        events.add("no_template", str(number), now=float(number), subject=str(number))
    assert [events.latest()[0].text, events.latest()[-1].text] == [str(MAX_EVENTS + 9), "10"]
    assert len(events.latest()) == MAX_EVENTS


def test_notices_of_decoding_name_their_source() -> None:
    """The same domain of two exporters is two subjects."""
    events = EventList(lambda _event: None)
    for source in ("192.0.2.1", "192.0.2.2"):
        events.notice(Notice("rate_changed", "domain 1", "it changed"), now=5.0, source=source)
    assert [event.text for event in events.latest()] == ["192.0.2.2: it changed", "192.0.2.1: it changed"]


def test_notices_wait_bounded() -> None:
    """Nobody fetching them costs no memory without end."""
    notices = Notices()
    for number in range(MAX_NOTICES + 5):
        notices("kind", str(number), "text")
    assert len(notices.take()) == MAX_NOTICES
    assert notices.take() == []
