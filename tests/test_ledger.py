"""The ledger's identity and the differences over time."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.ledger import (
    DATAGRAM_DROP_REASONS,
    LEDGERS,
    MESSAGE_DROP_REASONS,
    RECORD_DROP_REASONS,
    SAMPLE_SECONDS,
    History,
    Ledger,
    Pace,
    RetiredLedgers,
    adding,
)


def test_every_fate_takes_records_out_of_flight() -> None:
    """10 received: 4 forwarded, 3 sampled out, 2 dropped leave 1 in flight."""
    ledger = Ledger()
    ledger.receive(10)
    ledger.forward(4)
    ledger.sample_out(3)
    ledger.drop("rejected", 2)
    assert ledger.records_in_flight == 1
    assert ledger.balanced()


def test_a_fate_for_records_that_were_never_received_is_seen() -> None:
    """Forwarding more than came in leaves the books open."""
    ledger = Ledger()
    ledger.receive(1)
    ledger.forward(2)
    assert not ledger.balanced()


def test_every_fate_takes_a_message_out_of_flight() -> None:
    """8 made, one of them becomes two: of 10 ids one ended so, and 3 + 1 + 4 = 8 have a fate; 1 is in flight."""
    ledger = Ledger()
    ledger.receive(80)
    for _message in range(7):
        ledger.create_message()
    ledger.inherit(1, 10)
    ledger.split_message()
    for _message in range(3):
        ledger.deliver_message(10, 1000)
    ledger.refuse_message(5)
    ledger.drop_messages("spool_full", 3, 30)
    ledger.drop_messages("shutdown", 1, 10)
    assert (ledger.messages_created, ledger.messages_in_flight, ledger.messages_sent) == (10, 1, 3)
    assert (ledger.messages_split, ledger.dead_letters, ledger.messages_dropped.total()) == (1, 1, 4)
    assert (ledger.records_in_flight, ledger.records_dropped["rejected"], ledger.bytes_sent) == (15, 5, 3000)
    assert ledger.balanced()
    ledger.messages_in_flight -= 1
    assert not ledger.balanced()


def test_a_copy_counts_no_further() -> None:
    """Each count of it is the ledger's, field by field, and stays."""
    ledger = Ledger()
    for place, name in enumerate(field.name for field in attrs.fields(Ledger)):
        value = getattr(ledger, name)
        if isinstance(value, Counter):
            value.update(dict.fromkeys(value, 100 * place))
        else:
            setattr(ledger, name, place)
    copy, before = ledger.copy(), ledger.as_json()
    assert copy == ledger
    ledger.receive(1)
    ledger.drop_datagram("malformed")
    ledger.create_message()
    ledger.drop_messages("shutdown", 1, 1)
    assert copy.as_json() == before


def test_a_message_that_was_never_made_cannot_have_a_fate() -> None:
    """Though the sums agree, less than nothing is in flight."""
    ledger = Ledger()
    ledger.drop_messages("shutdown", 1, 0)
    assert not ledger.balanced()


def test_a_device_that_is_gone_keeps_its_books_while_a_message_of_it_is_on_its_way() -> None:
    """Even one that holds no records, such as a half with nothing but low-resolution copies."""
    gone, retired = Ledger(), RetiredLedgers()
    gone.create_message()
    retired.add(gone)
    assert retired.total().messages_in_flight == 1
    gone.deliver_message(0, 100)
    assert (retired.total().messages_in_flight, retired.total().messages_sent) == (0, 1)
    assert retired.total().balanced()


def test_unknown_reasons_are_refused() -> None:
    """A reason that the contracts do not list cannot slip in."""
    ledger = Ledger()
    with pytest.raises(ValueError, match="bad_luck"):
        ledger.drop("bad_luck", 1)
    with pytest.raises(ValueError, match="bad_luck"):
        ledger.drop_datagram("bad_luck")
    with pytest.raises(ValueError, match="no_template"):
        ledger.drop_messages("no_template", 1, 1)


fates = st.lists(st.tuples(st.sampled_from(["forward", "sample", *RECORD_DROP_REASONS]), st.integers(0, 50)))


@given(st.lists(fates, max_size=4))
def test_the_total_balances_when_its_parts_do(devices: list[list[tuple[str, int]]]) -> None:
    """Sums of balanced ledgers are balanced and hold the sums of their counts."""
    ledgers = []
    for device in devices:
        ledger = Ledger()
        for fate, count in device:
            ledger.receive(count)
            if fate == "forward":
                ledger.forward(count)
            elif fate == "sample":
                ledger.sample_out(count)
            else:
                ledger.drop(fate, count)
        ledgers.append(ledger)
    total = Ledger.total(ledgers)
    assert total.balanced()
    assert total.records_received == sum(count for device in devices for _fate, count in device)
    assert total.records_dropped["rejected"] == sum(
        count for device in devices for fate, count in device if fate == "rejected"
    )


def test_json_names_follow_the_contract() -> None:
    """Keys are CamelCase and each reason is there from the start, so that dashboards find it."""
    ledger = Ledger()
    ledger.drop_datagram("malformed")
    document = ledger.as_json()
    assert set(document) == {
        "DatagramsReceived",
        "RecordsReceived",
        "RecordsForwarded",
        "RecordsSampledOut",
        "RecordsDropped",
        "RecordsInFlight",
        "DatagramsDropped",
        "KernelDrops",
        "SequenceGaps",
        "SequenceSeen",
        "MessagesSent",
        "BytesSent",
        "MessagesRetried",
        "MessagesSplit",
        "DeadLetters",
        "MessagesCreated",
        "MessagesInFlight",
        "MessagesDropped",
    }
    assert document["RecordsDropped"] == dict.fromkeys(RECORD_DROP_REASONS, 0)
    assert document["MessagesDropped"] == dict.fromkeys(MESSAGE_DROP_REASONS, 0)
    assert document["DatagramsDropped"] == dict.fromkeys(DATAGRAM_DROP_REASONS, 0) | {"malformed": 1}


def test_differences_look_back_one_and_fifteen_minutes() -> None:
    """A counter that grows by 1 a second differs by 60 over a minute and by 900 over fifteen."""
    history = History()
    for second in range(0, 2000, SAMPLE_SECONDS):
        history.sample(second)
    assert history.difference(2000, 60) == 60
    assert history.difference(2000, 900) == 900


def test_a_young_history_differs_from_zero() -> None:
    """Before the first minute is over, the difference is all there was since the start."""
    history = History()
    history.sample(7)
    assert history.difference(10, 60) == 10


def test_the_pace_of_a_counter_and_the_fastest_so_far() -> None:
    """2000 in the first 5 s, 100 in the next; the first reading has nothing to compare with."""
    pace = Pace()
    pace.sample(100.0, 7)
    assert (pace.latest, pace.most) == (0.0, 0.0)
    pace.sample(105.0, 2007)
    assert (pace.latest, pace.most) == (400.0, 400.0)
    pace.sample(110.0, 2107)
    assert (pace.latest, pace.most) == (20.0, 400.0)
    pace.sample(110.0, 9999)
    assert (pace.latest, pace.most) == (20.0, 400.0)


@pytest.mark.parametrize("number", [0, 1, LEDGERS, 2 * LEDGERS + 1])
def test_many_ledgers_are_added_up_in_short_steps(number: int) -> None:
    """The sum is that of all at once."""
    ledgers = [Ledger() for _ in range(number)]
    for place, ledger in enumerate(ledgers):
        ledger.receive(place + 3)
        ledger.drop("malformed", 2)
        ledger.drop_datagram("shed")
    steps, turns = adding(ledgers), 0
    try:
        while True:
            next(steps)
            turns += 1
    except StopIteration as done:
        total = done.value
    assert turns == -(-number // LEDGERS)
    assert total.records_received == number * (number - 1) // 2 + 3 * number
    assert total.records_dropped == Counter({"malformed": 2 * number})
    assert total.datagrams_dropped == Counter({"shed": number})
    assert total.balanced()
