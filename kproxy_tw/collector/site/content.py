"""What each page shows: read from the store, put into tables. Blocks; runs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from kproxy_tw.collector.bgp_target.status import TargetStatus
from kproxy_tw.collector.query import recent_flows
from kproxy_tw.collector.site.interfaces import interfaces_table
from kproxy_tw.collector.site.names import InterfaceName, StoredNames
from kproxy_tw.collector.site.sessions import ended_table, sessions_table
from kproxy_tw.collector.site.tables import PAGE_FLOWS, devices_table, flows_table
from kproxy_tw.collector.site.verdict import verdict
from kproxy_tw.collector.snmp.reads import PollReads
from kproxy_tw.collector.totals import DeviceTotals
from kproxy_tw.collector.traffic.chart import Chart, draw, step_words
from kproxy_tw.collector.traffic.content import asked_document, links, points_table, rows_table, whole_facts
from kproxy_tw.collector.traffic.dimensions import DIMENSIONS
from kproxy_tw.collector.traffic.query import LAYERS, QUERY_SECONDS, Reads, Traffic
from kproxy_tw.collector.traffic.question import Question, read_question
from kproxy_tw.collector.traffic.recent import RecentAnswers
from kproxy_tw.errors import TooSlow
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.tables.table import Facts, Table, facts


@attrs.frozen(kw_only=True)
class Moment:
    """What the pages are made of.

    :ivar answers: of the last moments.
    :ivar polls: what agents say by SNMP.
    :ivar device_names: of all devices that kcollect knows, by id.
    :ivar problem: what keeps flow from being stored; empty when nothing does.
    :ivar now: seconds since 1970.
    """

    store: Reads
    answers: RecentAnswers
    polls: PollReads
    device_names: Mapping[int, str]
    totals: tuple[DeviceTotals, ...]
    interface_name: InterfaceName
    bgp: TargetStatus | None
    problem: str
    now: float

    @property
    def names(self) -> StoredNames:
        """What devices and interfaces are called."""
        return StoredNames(self.totals, self.interface_name)


def home_content(moment: Moment) -> PageContent:
    """``/``: whether all is well, the last hour by device, devices, last flows, BGP sessions."""
    question = read_question(lambda _name: None, moment.now)
    found, slow, took = _asked(moment, question)
    tables = [devices_table(moment.totals, moment.now)]
    tables.append(flows_table(recent_flows(moment.store, limit=PAGE_FLOWS), moment.names))
    if moment.bgp is not None:
        tables += [sessions_table(moment.bgp, moment.now), ended_table(moment.bgp)]
    judged = verdict(moment.problem, moment.totals, moment.bgp, moment.now)
    return PageContent(
        template="collector.html",
        tables=tables,
        facts=(_home_facts(moment), *((whole_facts(found),) if found else ())),
        document={"Verdict": judged.as_json()},
        values={**_charted(question, found, slow), "verdict": judged, "now": moment.now, "bgp": moment.bgp},
        cost_seconds=took,
    )


def _home_facts(moment: Moment) -> Facts:
    totals = moment.totals
    return Facts(
        name="stored",
        key="Stored",
        title="Since the store began",
        items=tuple(
            facts(
                (len(totals), "Devices", "Devices", "count"),
                (sum(total.sums.flows for total in totals), "Flows", "Flows", "count"),
                (sum(total.messages for total in totals), "Messages", "Messages", "count"),
                (max((total.last_received for total in totals), default=None), "LastReceived", "Last received", "ago"),
            )
        ),
        now=moment.now,
    )


def traffic_content(moment: Moment, query: Mapping[str, str], *, path: str, by: str) -> PageContent:
    """``/traffic`` and ``/talkers``: over time, by what it is told apart by.

    :raises MalformedInput: the query has no meaning.
    :raises TooSlow: it would take too long.
    """
    question = read_question(query.get, moment.now, by=by)
    found, took = moment.answers.ask(moment.store, question, moment.names)
    return PageContent(
        template="collector_traffic.html",
        tables=(rows_table(found), points_table(found)),
        facts=(whole_facts(found),),
        query=f"?{question.query()}",
        document=asked_document(question),
        values={
            **_charted(question, found, ""),
            **links(question, path),
            "dimensions": _dimensions(question, path),
            "question": question,
            "talkers": question.dimension.talkers,
            "title": _title(question, moment.names),
            "now": moment.now,
        },
        live=bool(question.time.name),
        cost_seconds=took,
    )


def _dimensions(question: Question, path: str) -> list[tuple[str, str, bool]]:
    return [
        (one.title, f"{path}?{question.query(by=name)}", name == question.dimension.name)
        for name, one in DIMENSIONS.items()
        if one.talkers == question.dimension.talkers
    ]


def _title(question: Question, names: StoredNames) -> str:
    device = question.filters.get("device")
    of = f" of {names.device(int(device))}" if device else ""
    what = "Top talkers" if question.dimension.talkers else "Traffic"
    return f"{what}{of} by {question.dimension.title.lower()}"


def device_content(moment: Moment, device_id: int, query: Mapping[str, str]) -> PageContent | None:
    """``/devices/<id>``: one device's traffic, interfaces and last flows; ``None`` when it has never sent.

    :raises MalformedInput: the query has no meaning.
    """
    total = next((total for total in moment.totals if total.device_id == device_id), None)
    if total is None:
        return None
    asked = {**query, "device": str(device_id)}
    question = read_question(asked.get, moment.now, by="port")
    found, slow, took = _asked(moment, question)
    flows = flows_table(recent_flows(moment.store, device_id=device_id, limit=PAGE_FLOWS), moment.names)
    tables: list[Table] = [interfaces_table(moment.store, question, moment.names), flows] if found else [flows]
    if found:
        tables.append(rows_table(found))
    return PageContent(
        template="collector_device.html",
        tables=tables,
        facts=(_device_facts(total, moment.now), *((whole_facts(found),) if found else ())),
        query=f"?{question.query()}",
        values={
            **_charted(question, found, slow),
            **links(question, f"/devices/{device_id}"),
            "dimensions": _dimensions(question, f"/devices/{device_id}"),
            "device": total,
            "now": moment.now,
        },
        live=bool(question.time.name),
        cost_seconds=took,
    )


def _device_facts(total: DeviceTotals, now: float) -> Facts:
    return Facts(
        name="device",
        key="Device",
        title="Since the store began",
        items=tuple(
            facts(
                (total.device_name, "DeviceName", "Device"),
                (total.device_id, "DeviceID", "Device id"),
                (total.sums.flows, "Flows", "Flows", "count"),
                (total.messages, "Messages", "Messages", "count"),
                (total.last_received, "LastReceived", "Last received", "ago"),
            )
        ),
        now=now,
    )


def _asked(moment: Moment, question: Question) -> tuple[Traffic | None, str, float]:
    """The traffic, or why there is none to be seen, for such a page has more to show; and the seconds that it took."""
    try:
        found, took = moment.answers.ask(moment.store, question, moment.names)
    except TooSlow as problem:
        return None, f"The chart is left out: {problem}.", QUERY_SECONDS
    return found, "", took


def _charted(question: Question, found: Traffic | None, slow: str) -> Mapping[str, Any]:
    chart: Chart | None = draw(found) if found and found.layers else None
    return {
        "chart": chart,
        "slow": slow,
        "time": question.time,
        "step": step_words(question.time.step),
        "layers": LAYERS,
        "parts": rows_table(found) if found else None,
        "traffic_query": question.query(),
        "zoom": "/traffic?" + question.query(**{"from": "FROM", "to": "TO"}),
    }


Make = Callable[[Moment], PageContent | None]
"""Makes a page."""
