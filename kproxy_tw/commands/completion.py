"""Completion for bash, zsh and fish, made from the flag tables.

``python -m kproxy_tw.commands.completion DIR`` writes one file per shell and command, with the name that
the shell looks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.reference import COMMANDS, TOOLS, tool_usage

#: Commands whose flags the documents spell with two dashes.
TWO_DASHES = {"kbgp"}

_FILES, _FOLDERS = "FILE", "DIR"


def offered(flags: Iterable[Flag]) -> list[Flag]:
    """Give the flags that do something, by name; nobody wants to be offered the others."""
    return sorted((flag for flag in flags if flag.state is State.WORKS), key=lambda flag: flag.key.lower())


def bash(command: str, flags: Iterable[Flag]) -> str:
    """Make the function that bash calls."""
    known = offered(flags)
    dashes = "--" if command in TWO_DASHES else "-"
    names = " ".join(flag.name for flag in known)
    cases = [
        *(f'        {flag.key}) words="{" ".join(flag.choices)}" ;;' for flag in known if flag.choices),
        *_bash_case(known, _FILES, 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word")); return'),
        *_bash_case(known, _FOLDERS, 'compopt -o filenames; COMPREPLY=($(compgen -d -- "$word")); return'),
        *_bash_rest(known),
    ]
    return f"""\
# bash completion for {command}, made from its flag table
_{command}()
{{
    local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD - 1]}} words="" dashes={dashes}
    COMPREPLY=()
    if [[ $word == = ]]; then
        word=
    elif [[ $flag == = ]]; then
        flag=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    if [[ $flag == -* ]]; then
        flag=${{flag#-}}
        flag=${{flag#-}}
        case ${{flag//-/_}} in
{chr(10).join("    " + case for case in cases)}
        esac
        if [[ -n $words ]]; then
            COMPREPLY=($(compgen -W "$words" -- "$word"))
            return
        fi
    fi
    [[ $word == --* ]] && dashes=--
    words="{names}"
    if [[ -z $word || $word == -* ]]; then
        COMPREPLY=($(compgen -P "$dashes" -W "$words" -- "${{word##*(-)}}"))
    fi
    if ((COMP_CWORD == 1)); then
        COMPREPLY+=($(compgen -W "{" ".join(_tools(command))}" -- "$word"))
    fi
}}
shopt -q extglob || shopt -s extglob
complete -F _{command} {command}
"""


def _bash_case(flags: Iterable[Flag], metavar: str, action: str) -> list[str]:
    names = "|".join(flag.key for flag in flags if flag.metavar == metavar)
    return [f"        {names}) {action} ;;"] if names else []


def _bash_rest(flags: Iterable[Flag]) -> list[str]:
    """Values that cannot be guessed: nothing is offered."""
    names = "|".join(flag.key for flag in flags if _takes_value(flag) and not _guessable(flag))
    return [f"        {names}) return ;;"] if names else []


def zsh(command: str, flags: Iterable[Flag]) -> str:
    """Make the function that zsh loads."""
    dashes = "--" if command in TWO_DASHES else "-"
    specs = [f"  {_quoted(_zsh_spec(flag, dashes))}" for flag in offered(flags)]
    tools = " ".join(_quoted(f"{name}:{meaning.replace(':', ';')}") for name, meaning in _tools(command).items())
    first = ["  '1: :_tools'"] if tools else []
    body = " \\\n".join(["_arguments -S", *specs, *first])
    helper = f"_tools() {{\n  local -a names=({tools})\n  _describe tool names\n}}\n\n" if tools else ""
    return f"#compdef {command}\n# made from the flag table of {command}\n\n{helper}{body}\n"


def _zsh_spec(flag: Flag, dashes: str) -> str:
    meaning = flag.help.replace("[", "(").replace("]", ")").replace(":", r"\:")
    name = f"{dashes}{flag.name}"
    if not _takes_value(flag):
        return f"{name}[{meaning}]"
    value = (flag.metavar or flag.kind).replace(":", r"\:")
    action = (
        f"({' '.join(flag.choices)})"
        if flag.choices
        else {_FILES: "_files", _FOLDERS: "_files -/"}.get(flag.metavar, " ")
    )
    return f"{name}=[{meaning}]:{value}:{action}"


def fish(command: str, flags: Iterable[Flag]) -> str:
    """Make the lines that fish reads."""
    lines = [f"# fish completion for {command}, made from its flag table", f"complete -c {command} -f"]
    long = "-l" if command in TWO_DASHES else "-o"
    for flag in offered(flags):
        parts = [f"complete -c {command}", long, flag.name, "-d", _fish_quoted(flag.help)]
        if flag.choices:
            parts += ["-x", "-a", _fish_quoted(" ".join(flag.choices))]
        elif flag.metavar in (_FILES, _FOLDERS):
            parts += ["-r", "-F"] if flag.metavar == _FILES else ["-x", "-a", "'(__fish_complete_directories)'"]
        elif _takes_value(flag):
            parts += ["-x"]
        lines.append(" ".join(parts))
    lines += [
        f"complete -c {command} -n __fish_is_first_arg -a {name} -d {_fish_quoted(meaning)}"
        for name, meaning in _tools(command).items()
    ]
    return "\n".join(lines) + "\n"


def _tools(command: str) -> dict[str, str]:
    """Name the tools of a command, each with what it does."""
    described = (tool_usage(tool) for tool in TOOLS.get(command, ()))
    return {usage.split()[0]: meaning for usage, meaning in described}


def _takes_value(flag: Flag) -> bool:
    return flag.kind != "bool"


def _guessable(flag: Flag) -> bool:
    return bool(flag.choices) or flag.metavar in (_FILES, _FOLDERS)


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


#: How a shell's text is made, and the name of the file that the shell looks for.
SHELLS: Mapping[str, tuple[Callable[[str, Iterable[Flag]], str], str]] = {
    "bash": (bash, "{}"),
    "zsh": (zsh, "_{}"),
    "fish": (fish, "{}.fish"),
}


def write(folder: Path) -> None:
    """Write ``<folder>/<shell>/<file>`` for every shell and command."""
    for shell, (make, name) in SHELLS.items():
        (folder / shell).mkdir(parents=True, exist_ok=True)
        for command, _sentence, flags in COMMANDS:
            (folder / shell / name.format(command)).write_text(make(command, flags), encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Write the files below the folder that is named."""
    write(Path(arguments[0] if arguments else "build/completion"))


if __name__ == "__main__":
    main(sys.argv[1:])
