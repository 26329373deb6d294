"""``kproxy fields``: which elements the exporters in a capture use, the unknown ones with examples."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import attrs

from kproxy_tw.capture.understood import CaptureReader
from kproxy_tw.commands.exits import Exit
from kproxy_tw.commands.tools.arguments import ToolParser, add_files
from kproxy_tw.commands.tools.inputs import Inputs
from kproxy_tw.decode.elements import VARIABLE, element_name
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.unknown import inventory


@attrs.frozen
class FieldUse:
    """An element of one length in the templates of one exporter."""

    exporter: str
    pen: int
    number: int
    length: int
    name: str
    templates: tuple[int, ...]


def main(arguments: Sequence[str]) -> Exit:
    """Run it. :raises BadFile: a file cannot be used."""
    parser = ToolParser("fields", "List the information elements that exporters use; the unknown ones with examples.")
    add_files(parser, folders=True)
    parser.add_argument("--json", action="store_true", help="one JSON object an element and line")
    parser.add_argument("--unknown", action="store_true", help="only elements that kproxy has no name for")
    asked = parser.parse_args(list(arguments))
    inputs, reader = Inputs(asked.files, asked.port), CaptureReader()
    for datagram in inputs.datagrams():
        reader.learn(datagram)
    for datagram in inputs.datagrams():
        reader.read(datagram)
    found = False
    for exporter, templates in reader.exporters():
        for line in _lines(exporter, templates, as_json=asked.json, only_unknown=asked.unknown):
            found = True
            sys.stdout.write(line + "\n")
    for problem in inputs.damaged:
        sys.stderr.write(f"damaged: {problem}\n")
    if not found:
        what = "unknown elements" if asked.unknown else "templates (NetFlow v5 and sFlow have none)"
        sys.stderr.write(f"no {what} in these files\n")
    return Exit.FAILED if inputs.damaged or not (found or asked.unknown) else Exit.OK


def uses(exporter: str, templates: TemplateCache) -> Iterator[FieldUse]:
    """Every element in the templates of one exporter, by enterprise, number and length."""
    where: dict[tuple[int, int, int], set[int]] = {}
    for (_version, _domain, template_id), template in templates.store.templates.items():
        for field in template.layout.fields[template.scopes if _version == 9 else 0 :]:
            where.setdefault((field.pen, field.number, field.length), set()).add(template_id)
    for (pen, number, length), ids in sorted(where.items()):
        yield FieldUse(exporter, pen, number, length, element_name(pen, number), tuple(sorted(ids)))


def _lines(exporter: str, templates: TemplateCache, *, as_json: bool, only_unknown: bool) -> Iterator[str]:
    layouts = [template.layout for template in templates.store.templates.values() if not template.is_options]
    examples = {(row["pen"], row["id"], row["length"]): row for row in inventory(layouts)}
    for use in uses(exporter, templates):
        length = "variable" if use.length == VARIABLE else use.length
        seen = examples.get((use.pen, use.number, length), {})
        if only_unknown and use.name:
            continue
        if as_json:
            yield json.dumps(
                {
                    "Exporter": use.exporter,
                    "PEN": use.pen,
                    "ID": use.number,
                    "Length": length,
                    "Name": use.name or None,
                    "Templates": list(use.templates),
                    "Records": seen.get("count"),
                    "Example": seen.get("example"),
                }
            )
        else:
            example = f"  e.g. {seen['example']} in {seen['count']} records" if seen else ""
            ids = ",".join(map(str, use.templates[:8])) + (",..." if len(use.templates) > 8 else "")
            element = f"{use.pen}/{use.number}"
            yield f"{use.exporter:<24} {element:<13} {length!s:<9} {use.name or '(unknown)':<40} {ids}{example}"
