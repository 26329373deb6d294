"""The page ``docs/upgrade-flags.rst``: what became of every flag of Kentik's kproxy, chfagent and kbgp.

``python -m kproxy_tw.commands.upgrade_page docs/upgrade-flags.rst`` writes it. Whether a flag works comes from the flag
tables; what is better than it was stands here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.reference import COMMANDS

#: Flags that the original does not have.
OWN: Mapping[str, frozenset[str]] = {
    "kproxy": frozenset(
        {
            *("decap", "flow_url", "help", "ignore_exporter_address", "nodaemon", "plan_fps", "session_ports"),
            *("held_max_bytes", "held_max_total_bytes", "held_seconds"),
            *("ipfix_max_connections", "ipfix_tcp_bind", "ipfix_tls_bind", "ipfix_tls_client_ca"),
            *("max_template_domains", "max_templates", "max_templates_total"),
            *("spool", "spool_max_bytes", "state_dir", "workers"),
        }
    ),
    "kbgp": frozenset({"help", "nodaemon", "proxy-protocol", "tls-ca-file"}),
}

#: In what a flag does more than it did.
BETTER: Mapping[str, Mapping[str, str]] = {
    "kproxy": {
        "api_token": "never in a log, a page or JSON; a systemd credential works as well",
        "fg": "there is no guarding process; systemd is one",
        "healthcheck": "the same port has pages, JSON and metrics besides the text",
        "host": "several addresses, separated by commas, and IPv6",
        "logstash": "costs log lines at most when it stands still, never time",
        "max": "what goes over is thinned without bias, and the page states the error",
        "rcvbuf_size": "the log says what the kernel granted, and how to raise it",
        "sample_rate": "the device's page shows where each rate comes from",
        "syslog": "costs log lines at most when it stands still, never time",
    },
    "kbgp": {
        "enable-md5-support": "needs two capabilities, not root; the log says which key was wrong",
        "listen": "several addresses, by commas or several flags",
        "metrics-port": "has a page and Prometheus metrics besides the JSON",
    },
}


def page() -> str:
    """Make the page."""
    parts = [
        ".. Made by ``make docs-flags`` from the tables in kproxy_tw/commands; edit those.",
        "",
        *_heading("Flags of the original, one by one", "="),
        "*same*: means what it meant. *better*: the same, and more. *not yet*: accepted, with a warning at the start.",
        "*obsolete*: accepted, with a warning, and without effect for good.",
        "",
        "``chfagent`` has the flags of kproxy; those that its document describes (``-api_email``, ``-api_token``,",
        "``-host``, ``-port``, ``-region``) are among them.",
        "",
    ]
    for command, _sentence, flags in COMMANDS:
        if command in OWN:
            known = [flag for flag in flags if flag.name not in OWN[command]]
            parts += [*_heading(command, "-"), *_table(known, BETTER[command]), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def verdict(flag: Flag, better: Mapping[str, str]) -> str:
    """Say in a word what became of a flag."""
    if flag.state is not State.WORKS:
        return flag.state.value
    return "better" if flag.name in better else "same"


def _table(flags: Iterable[Flag], better: Mapping[str, str]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 24 12 64", ""]
    lines += ["   * - Flag", "     - Now", "     - What it does"]
    for flag in sorted(flags, key=lambda flag: flag.key.lower()):
        more = f"; {better[flag.name]}" if verdict(flag, better) == "better" else ""
        lines += [f"   * - ``-{flag.name}``", f"     - {verdict(flag, better)}", f"     - {flag.help}{more}"]
    return lines


def _heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[0] if arguments else "docs/upgrade-flags.rst").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
