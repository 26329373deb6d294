"""What agents post besides flows: checked, counted, bounded."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.bounded_json import dump_json, dump_json_list, parse_json
from kproxy_tw.collector.budget import Budget, OverBudget
from kproxy_tw.collector.side_inputs import LatestMetrics, count_dns, parse_metrics
from kproxy_tw.errors import MalformedInput

METRIC = {"metric": "chf.client_Total", "timestamp": 1767225600, "value": 12, "tags": {"cid": "1"}}

DNS_ANSWER = (
    b"\x82"
    b"\xa8Question\x82\xa4Name\xa5a.com\xa4Host\xc4\x04\x01\x02\x03\x04"
    b"\xa7Answers\x91\x83\xa4Name\xa5a.com\xa2IP\xc4\x04\x0a\x00\x00\x01\xa3TTL\xce\x00\x00\x00\x3c"
)
"""One answer, laid out by hand from the msgpack specification."""


def test_metrics_are_counted() -> None:
    """Each item of the array counts."""
    assert parse_metrics(json.dumps([METRIC, METRIC]).encode()) == [METRIC, METRIC]
    assert parse_metrics(b"[]") == []


def test_the_last_value_of_each_metric_is_kept() -> None:
    """Tags tell metrics apart; the oldest makes room."""
    latest = LatestMetrics(most=2)
    other = METRIC | {"tags": {"cid": "2"}}
    latest.keep([METRIC, other, METRIC | {"value": 13}])
    assert latest.all() == [other, METRIC | {"value": 13}]
    latest.keep([METRIC | {"metric": "chf.new"}])
    assert [each["metric"] for each in latest.all()] == ["chf.client_Total", "chf.new"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b"[{}]",
        json.dumps([METRIC | {"value": "12"}]).encode(),
        json.dumps([METRIC | {"timestamp": None}]).encode(),
        json.dumps([METRIC | {"metric": ""}]).encode(),
        json.dumps([METRIC | {"tags": []}]).encode(),
        b"[" * 200_000,
        b'[{"metric": "x", "timestamp": NaN, "value": 1}]',
    ],
)
def test_bad_metrics(body: bytes) -> None:
    """Anything else is malformed, whatever its depth."""
    with pytest.raises(MalformedInput):
        parse_metrics(body)


def test_dns_answers_are_counted() -> None:
    """Maps stand one behind the other."""
    assert count_dns(DNS_ANSWER) == 1
    assert count_dns(DNS_ANSWER * 3) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x01",
        b"\xc1",
        b"\x91\x80",
        DNS_ANSWER[:-1],
        DNS_ANSWER + b"\x81",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff" * 2,
        b"\x81\x01" * 40 + b"\x01",
    ],
)
def test_bad_dns(body: bytes) -> None:
    """Empty, cut short, no map, or lying about its size."""
    with pytest.raises(MalformedInput):
        count_dns(body)


@given(st.binary(max_size=300))
def test_any_dns_body(body: bytes) -> None:
    """Any bytes count or are malformed."""
    try:
        assert count_dns(body) > 0
    except MalformedInput:
        return


def test_json_is_bounded_and_strict() -> None:
    """Too long, lone surrogates and constants of JavaScript are malformed."""
    for body in (b'"' + b"x" * 50 + b'"', b'"\\ud800"', b"Infinity"):
        with pytest.raises(MalformedInput):
            parse_json(body, limit=40)


def test_json_answers_are_harmless_in_html() -> None:
    """No angle bracket leaves as itself; pretty and compact hold the same."""
    hostile = {"a": "</script><script>é"}
    for pretty in (False, True):
        text = dump_json(hostile, pretty=pretty)
        assert b"<" not in text
        assert text.isascii()
        assert json.loads(text) == hostile
        assert json.loads(dump_json_list([hostile, 1], pretty=pretty)) == [hostile, 1]
        assert json.loads(dump_json_list([], pretty=pretty)) == []


def test_budget_by_count_and_size() -> None:
    """What is over budget is refused until something is given back; one thing alone may be larger."""
    budget = Budget("things", count=2, size=10)
    with budget.hold(100), pytest.raises(OverBudget), budget.hold(1):
        pass
    with budget.hold(1), budget.hold(1), pytest.raises(OverBudget), budget.hold(1):
        pass
    with budget.hold(10):
        pass
