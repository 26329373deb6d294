"""What is known of a device's exporters, as the JSON documents have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kproxy_tw.status import ExporterStatus
from kproxy_tw.web.text import utc_time

Document = dict[str, object]
Row = Mapping[str, Any]


def exporters_document(status: ExporterStatus) -> Document:
    """Keys of ``/admin/devices/<id>``."""
    return {
        "Sessions": [_session(session) for session in status.sessions],
        "SamplingTable": {
            "InUse": [{"Rate": _whole(one.rate), "Origin": one.origin, "Flows": one.flows} for one in status.rates],
            "Domains": [{**_place(table), "Rate": _whole(table["rate"])} for table in status.options if table["rate"]],
            "Samplers": [
                {
                    **_place(table),
                    "ID": row["id"],
                    "Rate": _whole(row["rate"]),
                    "Name": row["name"],
                    "Algorithm": row["algorithm"],
                    "Learned": utc_time(row["learned"]),
                }
                for table, row in _rows(status, "samplers")
            ],
            "SelectionSequences": [
                {**_place(table), "ID": row["id"], "Rate": _whole(row["rate"]), "Selectors": row["selectors"]}
                for table, row in _rows(status, "selections")
            ],
            "Interfaces": [
                {**_place(table), "Index": row["index"], "Rate": _whole(row["rate"])}
                for table, row in _rows(status, "interface_rates")
            ],
        },
        "Interfaces": [
            {**_place(table), "Index": row["index"], "Name": row["name"], "Description": row["description"]}
            for table, row in _rows(status, "interfaces")
        ],
        "Applications": [
            {**_place(table), "ID": row["id"], "Name": row["name"], "Description": row["description"]}
            for table, row in _rows(status, "applications")
        ],
        "VRFs": [{**_place(table), "ID": row["id"], "Name": row["name"]} for table, row in _rows(status, "vrfs")],
        "Exporters": [{**_place(table), **table["exporter"]} for table in status.options if table["exporter"]],
        "UnknownElements": [
            {
                "Source": row["source"],
                "PEN": row["pen"],
                "ID": row["id"],
                "Length": row["length"],
                "Count": row["count"],
                "Example": row["example"],
            }
            for row in status.unknown
        ],
        "Events": [
            {
                "Kind": event.kind,
                "Text": event.text,
                "First": utc_time(event.first),
                "Last": utc_time(event.last),
                "Count": event.count,
            }
            for event in status.events
        ],
    }


def _rows(status: ExporterStatus, name: str) -> Iterable[tuple[Row, Row]]:
    return ((table, row) for table in status.options for row in table[name])


def _place(table: Row) -> Document:
    """Where a row comes from; the port where the domain is kept apart by it."""
    place: Document = {"Source": table["source"], "Version": table["version"], "Domain": table["domain"]}
    return {**place, "Port": table["port"]} if table["port"] else place


def _session(session: Row) -> Document:
    return {
        "Source": session["source"],
        "Address": session["address"],
        "Ports": [{"Port": port, "LastSeen": utc_time(last)} for port, last in session["ports"].items()],
        "Datagrams": session["datagrams"],
        "FirstSeen": utc_time(session["first_seen"]),
        "LastSeen": utc_time(session["last_seen"]),
        "RestoredAgeSeconds": session["restored_age"],
        "Templates": session["templates"],
        "TemplatesRefused": session["refused"],
        "LastRefusal": session["last_refusal"],
        "TemplatesEvicted": session["evicted"],
        "TemplatesExpired": session["expired"],
        "HeldRecords": session["held_records"],
        "HeldBytes": session["held_bytes"],
        "WaitingFor": [
            {"Version": key["version"], "Domain": key["domain"], "ID": key["id"], "Sets": key["sets"]}
            for key in session["waiting"]
        ],
        "OptionRecordsLeftAside": session["options_left_aside"],
        "TemplateConflicts": [
            {"Version": one["version"], "Domain": one["domain"], "PortsApart": one["ports"]}
            for one in session["conflicts"]
        ],
    }


def _whole(rate: float) -> float | int:
    """A rate without a fraction where it has none."""
    return int(rate) if rate == int(rate) else rate
