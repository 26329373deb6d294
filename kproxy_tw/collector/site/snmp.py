"""``/snmp`` and ``/snmp/<id>``: what agents say of devices by SNMP. Blocks; runs in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kproxy_tw.collector.site.content import Moment
from kproxy_tw.collector.snmp.figures import interface_figures
from kproxy_tw.collector.snmp.store import HISTORY_POLLS
from kproxy_tw.collector.snmp.tables import (
    device_name,
    devices_table,
    interfaces_table,
    poll_state,
    polling_words,
    system_facts,
)
from kproxy_tw.web.equipment import components_table
from kproxy_tw.web.judgement import SHOWN_POINTS, Point, Verdict, counted
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.tables.choice import choice_of, view


def polled_content(moment: Moment, query: Mapping[str, str]) -> PageContent:
    """``/snmp``: every device that is polled."""
    rows = moment.polls.devices()
    judged = _whole_verdict(rows, moment)
    return PageContent(
        template="collector_polled.html",
        view=view(devices_table(rows, moment.device_names, moment.now), choice_of(query)),
        document={"Verdict": judged.as_json()},
        values={"verdict": judged, "now": moment.now},
    )


def _whole_verdict(rows: Sequence[Sequence[Any]], moment: Moment) -> Verdict:
    if not rows:
        return Verdict(level="starting", sentence="No device is polled by SNMP yet.")
    ill = [row for row in rows if poll_state(row, moment.now) != "answers"]
    polled = f"{counted(len(rows), 'device')} {'is' if len(rows) == 1 else 'are'} polled by SNMP"
    points = [
        Point(f"{device_name(row[0], moment.device_names)} {polling_words(row, moment.now)}", f"/snmp/{row[0]}")
        for row in ill[:SHOWN_POINTS]
    ]
    return Verdict(
        level="attention" if ill else "good",
        sentence=f"{polled}; {counted(len(ill), 'thing')} to look at." if ill else f"{polled}. All answer.",
        points=tuple(points),
        omitted=len(ill) - len(points),
    )


def polled_device_content(moment: Moment, device_id: int, query: Mapping[str, str]) -> PageContent | None:
    """``/snmp/<id>``: one device; ``None`` when kcollect does not know it."""
    if device_id not in moment.device_names:
        return None
    row = next((row for row in moment.polls.devices() if row[0] == device_id), None)
    figures = interface_figures(moment.polls.interfaces(device_id), moment.polls.counters(device_id, HISTORY_POLLS))
    judged = _device_verdict(row, device_name(device_id, moment.device_names), moment.now)
    return PageContent(
        template="collector_polled_device.html",
        view=view(interfaces_table(figures, device_id), choice_of(query)),
        tables=(components_table(moment.polls.components(device_id)),),
        facts=() if row is None else (system_facts(row, moment.now),),
        document={"Verdict": judged.as_json()},
        values={
            "verdict": judged,
            "now": moment.now,
            "device_id": device_id,
            "name": device_name(device_id, moment.device_names),
        },
    )


def _device_verdict(row: Sequence[Any] | None, name: str, now: float) -> Verdict:
    if row is None:
        return Verdict(level="starting", sentence=f"{name} has not been polled by SNMP yet.")
    level = {"answers": "good", "not polled": "starting"}.get(poll_state(row, now), "attention")
    return Verdict(level=level, sentence=f"{name} {polling_words(row, now)}.")
