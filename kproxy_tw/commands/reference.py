"""What people read about the flags: the ``-h`` text and the page ``docs/flags.rst``, both from the tables.

``python -m kproxy_tw.commands.reference docs/flags.rst`` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kproxy_tw.commands.flags import Flag, State, normal
from kproxy_tw.commands.flags_kbgp import KBGP_FLAGS
from kproxy_tw.commands.flags_kcollect import KCOLLECT_FLAGS
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS

#: Daemons in the order of the page, each with a sentence about it.
COMMANDS: tuple[tuple[str, str, Sequence[Flag]], ...] = (
    ("kproxy", "takes flow from routers, limits it, and sends it on encrypted", KPROXY_FLAGS),
    ("kbgp", "takes BGP sessions from routers and relays them over gRPC", KBGP_FLAGS),
    ("kcollect", "receives what kproxy sends, stores it, and answers questions about it", KCOLLECT_FLAGS),
)

#: What may stand in the place of flags, and what it does.
TOOLS: Mapping[str, tuple[str, ...]] = {
    "kproxy": (
        "decode FILE...   (what captured flow packets hold)",
        "fields FILE...   (which elements exporters use)",
        "replay FILE...   (send captured flow packets)",
        "check [flags]    (the configuration, without starting anything)",
        "doctor [flags]   (clock, names, TLS, credentials, buffers, ports, disk: what is wrong, and what to do)",
        "healthcheck      (whether the running one is well: exit status 0 or 1)",
        "top              (the running one, live in the terminal)",
    ),
    "kbgp": (
        "check [flags]    (the configuration, without starting anything)",
        "healthcheck      (whether the running one is well: exit status 0 or 1)",
        "top              (the running one, live in the terminal)",
    ),
    "kcollect": (
        "check [flags]    (the configuration, without starting anything)",
        "healthcheck      (whether the running one is well: exit status 0 or 1)",
    ),
}

#: Where the meaning begins in the help.
_COLUMN = 34


def help_text(command: str, flags: Iterable[Flag]) -> str:
    """Make the text of ``-h``: every flag with type, default and one line."""
    lines = [
        f"Usage: {command} [flags]",
        f"       twistd [twistd's options] {command} [flags]",
        *(f"       {command} {tool}" for tool in TOOLS.get(command, ())),
        "",
        "One or two dashes, a space or = before the value, dash or underscore in a name: all the same.",
        "",
    ]
    lines.extend(_help_line(flag) for flag in _sorted(flags))
    return "\n".join(lines)


def _help_line(flag: Flag) -> str:
    left = f"  {_usage(flag)}"
    notes = (flag.kind, default_note(flag), _environment_note(flag), _state_note(flag))
    return f"{left:<{_COLUMN}}  {flag.help} ({'; '.join(note for note in notes if note)})"


def _usage(flag: Flag) -> str:
    spellings = ", ".join(f"-{name}" for name in sorted((flag.name, *flag.aliases), key=len))
    return f"{spellings} {flag.metavar}" if flag.metavar else spellings


def default_note(flag: Flag) -> str:
    """Say what holds when the flag is not given; empty when that is nothing."""
    if flag.default_text:
        return f"default: {flag.default_text}"
    if flag.default is None:
        return ""
    return f"default {_literal(flag.default)}"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment_note(flag: Flag) -> str:
    return f"or ${flag.environment}" if flag.environment else ""


def _state_note(flag: Flag) -> str:
    return "" if flag.state is State.WORKS else flag.state.value


def tool_usage(line: str) -> tuple[str, str]:
    """Take a line of :data:`TOOLS` apart: how the tool is called, and what it does."""
    usage, _, meaning = line.partition("(")
    return usage.strip(), meaning.removesuffix(")")


def _sorted(flags: Iterable[Flag]) -> list[Flag]:
    return sorted(flags, key=lambda flag: normal(flag.name).lower())


def page() -> str:
    """Make the page ``docs/flags.rst``."""
    parts = [
        ".. Made by ``make docs-flags`` from the tables in kproxy_tw/commands; edit those.",
        "",
        *_heading("Flags", "="),
        "A flag takes one or two dashes, and a space or ``=`` before its value; dashes and underscores in a name are",
        "interchangeable. A ``bool`` flag needs no value. A flag on the command line wins over its environment",
        "variable, and that over the default. Giving a flag that is obsolete or not there yet logs one warning.",
        "",
    ]
    for command, sentence, flags in COMMANDS:
        parts += [*_heading(command, "-"), f"``{command}`` {sentence}.", "", *_table(flags), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def _table(flags: Iterable[Flag]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 8 20 38 12", ""]
    lines += _row("Flag", "Type", "Default", "Meaning", "State")
    for flag in _sorted(flags):
        default = flag.default_text or ("" if flag.default is None else f"``{_literal(flag.default)}``")
        if flag.environment:
            default = f"``${flag.environment}``" + (f", {default}" if default else "")
        lines += _row(f"``{_usage(flag)}``", flag.kind, default, flag.help, flag.state.value)
    return lines


def _row(*cells: str) -> list[str]:
    first, *rest = cells
    return [f"   * - {first}", *(f"     - {cell}".rstrip() for cell in rest)]


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[0] if arguments else "docs/flags.rst").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
