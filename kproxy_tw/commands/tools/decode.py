"""``kproxy decode``: what kproxy makes of captured datagrams, without any network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence

from kproxy_tw.capture.datagrams import Datagram
from kproxy_tw.capture.shown import utc
from kproxy_tw.capture.understood import CaptureReader, Understood
from kproxy_tw.commands.exits import Exit
from kproxy_tw.commands.tools.arguments import ToolParser, add_files, whole
from kproxy_tw.commands.tools.inputs import Inputs

COLUMNS = (
    ("time", 24),
    ("source", 28),
    ("destination", 28),
    ("proto", 5),
    ("bytes", 12),
    ("packets", 9),
    ("in", 6),
    ("out", 6),
    ("rate", 6),
)
"""Of the table: heading and least width."""


def main(arguments: Sequence[str]) -> Exit:
    """Run it. :raises BadFile: a file cannot be used."""
    parser = ToolParser("decode", "Decode captured flow packets; for each datagram, what was understood and what not.")
    add_files(parser, folders=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a datagram and line")
    form.add_argument("--table", action="store_true", help="flows as a table (the default)")
    parser.add_argument("--limit", type=whole(1, 10**9), help="stop after so many datagrams")
    asked = parser.parse_args(list(arguments))
    inputs, reader = Inputs(asked.files, asked.port), CaptureReader()
    for datagram in inputs.datagrams():
        reader.learn(datagram)
    count = understood = 0
    for datagram in inputs.datagrams():
        count += 1
        found = reader.read(datagram)
        understood += found.is_understood
        for line in [_json(count, found)] if asked.json else _table(count, found):
            sys.stdout.write(line + "\n")
        if count == asked.limit:
            break
    _closing(inputs, count, understood)
    return Exit.OK if understood and not inputs.damaged else Exit.FAILED


def _json(number: int, found: Understood) -> str:
    head, datagram = found.head, found.datagram
    document: dict[str, object] = {
        "Datagram": number,
        "Time": utc(datagram.time_ns) if datagram.time_ns else None,
        "Source": _source(datagram) or None,
        "FlowType": found.flow_type or None,
        "Bytes": len(datagram.payload),
        "Sequence": head.sequence if head else None,
        "Domain": head.domain if head else None,
        "Records": found.records,
        "OptionRecords": found.options,
        "CounterSamples": found.counters,
        "Templates": list(found.learned),
        "Sets": [{"ID": each.set_id, "Bytes": each.size} for each in head.sets] if head else [],
        "Flows": list(found.flows),
        "NotUnderstood": list(found.problems),
    }
    return json.dumps(document, separators=(",", ":"))


def _table(number: int, found: Understood) -> Iterator[str]:
    datagram, head = found.datagram, found.head
    origin = f" from {_source(datagram)}" if datagram.source else ""
    time = f" {utc(datagram.time_ns)}" if datagram.time_ns else ""
    place = f", domain {head.domain}, sequence {head.sequence}" if head else ""
    yield f"#{number}{time}{origin}: {found.flow_type or 'not understood'}, {len(datagram.payload)} bytes{place}"
    parts = [f"{found.records} flow records"] if found.records else []
    parts += [f"{found.options} option records"] if found.options else []
    parts += [f"{found.counters} counter samples"] if found.counters else []
    parts += [f"templates {', '.join(map(str, found.learned))}"] if found.learned else []
    if parts:
        yield "  understood: " + "; ".join(parts)
    for problem in found.problems:
        yield f"  not understood: {problem}"
    if found.flows:
        yield "  " + " ".join(f"{name:<{width}}" for name, width in COLUMNS).rstrip()
        for flow in found.flows:
            yield "  " + " ".join(
                f"{value:<{width}}" for value, (_name, width) in zip(_cells(flow), COLUMNS, strict=True)
            )


def _source(datagram: Datagram) -> str:
    host, port = datagram.source, datagram.source_port
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if port else host


def _cells(flow: Mapping[str, object]) -> list[str]:
    def end(side: str) -> str:
        address = flow.get(f"ipv4_{side}_addr") or flow.get(f"ipv6_{side}_addr") or "-"
        return (
            f"[{address}]:{port}"
            if ":" in str(address) and (port := flow.get(f"l4_{side}_port"))
            else (f"{address}:{flow[f'l4_{side}_port']}" if f"l4_{side}_port" in flow else str(address))
        )

    octets = flow.get("in_bytes") or flow.get("out_bytes") or 0
    packets = flow.get("in_pkts") or flow.get("out_pkts") or 0
    others = [flow.get(name, "-") for name in ("input_port", "output_port", "sample_rate")]
    return [
        str(flow.get("timestamp_nano", "-")),
        end("src"),
        end("dst"),
        str(flow.get("protocol", "-")),
        *map(str, (octets, packets, *others)),
    ]


def _closing(inputs: Inputs, count: int, understood: int) -> None:
    """What was not shown, on stderr, so that it is in nobody's way."""
    sys.stderr.write(f"{count} datagrams, {understood} of them understood\n")
    for reason, packets in inputs.passed_over.most_common():
        sys.stderr.write(f"passed over: {packets} packets: {reason}\n")
    for problem in inputs.damaged:
        sys.stderr.write(f"damaged: {problem}\n")
