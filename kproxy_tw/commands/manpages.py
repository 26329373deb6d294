"""The manual pages kproxy(8), kbgp(8), kcollect(8) and kentik.env(5), made from the flag tables.

``python -m kproxy_tw.commands.manpages DIR`` writes them. What the tables do not say stands in
:mod:`kproxy_tw.commands.manpages_text`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from kproxy_tw import __version__
from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.flags_kbgp import KBGP_FLAGS
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS
from kproxy_tw.commands.manpages_text import (
    DESCRIPTIONS,
    ENV_FILE,
    ENV_FILE_VARIABLES,
    EXIT_STATUS,
    FILES,
    SEE_ALSO,
    SIGNALS,
    Pairs,
)
from kproxy_tw.commands.reference import COMMANDS, TOOLS, default_note, tool_usage


def escaped(text: str) -> str:
    """Make text that troff shows as it is."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe.startswith((".", "'")) else safe


def header(name: str, section: int, sentence: str) -> list[str]:
    """Give the head of a page; its date is that of the build (``SOURCE_DATE_EPOCH``)."""
    built = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
    return [
        '.\\" Made from the flag tables in kproxy_tw/commands; edit those.',
        f'.TH {name.upper()} {section} "{time.strftime("%Y-%m-%d", built)}" "kproxy_tw {__version__}" '
        f'"{"System Administration" if section == 8 else "File Formats"}"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(sentence)}",
    ]


def pairs(entries: Pairs) -> list[str]:
    """Make a list of terms with their meanings."""
    return [line for term, meaning in entries for line in (".TP", f".B {escaped(term)}", escaped(meaning))]


def paragraphs(texts: Iterable[str]) -> list[str]:
    """Make paragraphs; one that begins with a blank is shown as it is, as an example."""
    lines = []
    for text in texts:
        if text.startswith(" "):
            lines += [".PP", ".EX", *(f"    {escaped(line.strip())}" for line in text.splitlines()), ".EE"]
        else:
            lines += [".PP", escaped(text)]
    return lines


def command_page(command: str, sentence: str, flags: Sequence[Flag]) -> str:
    """Make the page of one daemon."""
    working = [flag for flag in flags if flag.state is State.WORKS]
    idle = [flag for flag in flags if flag.state is not State.WORKS]
    lines = [*header(command, 8, sentence), ".SH SYNOPSIS", f".B {command}", ".RI [ flags ]"]
    lines += [".br", ".B twistd", ".RI [ options ]", f".B {command}", ".RI [ flags ]"]
    tools = [tool_usage(tool) for tool in TOOLS.get(command, ())]
    for usage, _meaning in tools:
        name, _, rest = usage.partition(" ")
        lines += [".br", f".B {command} {name}", *([f".I {escaped(rest)}"] if rest else [])]
    lines += [".SH DESCRIPTION", *paragraphs(DESCRIPTIONS[command])[1:]]
    lines += [".SH OPTIONS", "One or two dashes, a blank or = before the value, dash or underscore in a name:"]
    lines += ["all the same. A flag wins over its environment variable, and that over the default."]
    lines += [line for flag in _by_name(working) for line in _option(flag)]
    if tools:
        lines += [".SH TOOLS", *pairs([(f"{command} {usage}", f"{meaning}.") for usage, meaning in tools])]
    lines += [".SH ENVIRONMENT", *pairs(_environment(working))] if _environment(working) else []
    lines += [".SH FILES", *pairs(FILES[command]), ".SH SIGNALS", *pairs(SIGNALS), ".SH EXIT STATUS"]
    lines += pairs(EXIT_STATUS)
    if idle:
        lines += [".SH FLAGS WITHOUT EFFECT", "Accepted, with a warning at the start:"]
        lines += [f"{escaped(f'-{flag.name} ({flag.state.value})')}," for flag in _by_name(idle)]
        lines[-1] = lines[-1].removesuffix(",") + "."
    others = [name for name in SEE_ALSO if not name.startswith(f"{command}(")]
    return _page([*lines, ".SH SEE ALSO", escaped(", ".join(others)) + "."])


def env_page() -> str:
    """Make the page of the environment files."""
    lines = [*header("kentik.env", 5, "settings of the kproxy and kbgp services"), ".SH SYNOPSIS"]
    lines += ["/etc/default/kentik.env", ".br", "/etc/default/kbgp.env", ".SH DESCRIPTION"]
    lines += [*paragraphs(ENV_FILE)[1:], ".SH VARIABLES", *pairs(ENV_FILE_VARIABLES)]
    for command, flags in (("kproxy", KPROXY_FLAGS), ("kbgp", KBGP_FLAGS)):
        lines += [f".SS Read by {command}(8)", *pairs(_environment(flags))]
    return _page([*lines, ".SH SEE ALSO", escaped("kproxy(8), kbgp(8), systemd.exec(5).")])


def pages() -> dict[str, str]:
    """Give every page under its file name."""
    made = {f"{name}.8": command_page(name, sentence, flags) for name, sentence, flags in COMMANDS}
    return {**made, "kentik.env.5": env_page()}


def _option(flag: Flag) -> list[str]:
    names = ", ".join(f"\\-{escaped(name)}" for name in sorted((flag.name, *flag.aliases), key=len))
    notes = [flag.kind, default_note(flag), f"or ${flag.environment}" if flag.environment else ""]
    choices = f" One of {', '.join(flag.choices)}." if flag.choices else ""
    value = f" \\fI{escaped(flag.metavar or flag.kind)}\\fR" if flag.kind != "bool" else ""
    text = f"{flag.help[0].upper()}{flag.help[1:]}.{choices} ({'; '.join(note for note in notes if note)})"
    return [".TP", f"\\fB{names}\\fR{value}", escaped(text)]


def _environment(flags: Iterable[Flag]) -> list[tuple[str, str]]:
    return [
        (flag.environment, f"The same as -{flag.name}: {flag.help}.")
        for flag in _by_name(flags)
        if flag.environment and flag.state is State.WORKS
    ]


def _by_name(flags: Iterable[Flag]) -> list[Flag]:
    return sorted(flags, key=lambda flag: flag.key.lower())


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Write the pages into the folder that is named."""
    folder = Path(arguments[0] if arguments else "build/man")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
