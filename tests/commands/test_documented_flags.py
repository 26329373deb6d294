"""The flag tables against the public documents, as typed from them into ``documented_flags.txt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from kproxy_tw.commands.flags import Flag, State, by_spelling
from kproxy_tw.commands.flags_kbgp import KBGP_FLAGS
from kproxy_tw.commands.flags_kcollect import KCOLLECT_FLAGS
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS

TABLES: dict[str, Sequence[Flag]] = {"kproxy": KPROXY_FLAGS, "kbgp": KBGP_FLAGS}

#: Not in the documents' tables: their text names the help flag, the rest is ours.
OWN = {
    "kproxy": {"flow_url", "workers", "state_dir", "help", "nodaemon"}
    | {"spool", "spool_max_bytes", "spool_full", "spool_max_age"}
    | {"session_ports", "max_templates", "max_template_domains", "max_templates_total"}
    | {"held_max_bytes", "held_max_total_bytes", "held_seconds"}
    | {"decap", "ignore_exporter_address", "plan_fps", "sample_rate_file"}
    | {"snmp_allow", "snmp_version", "snmp_counter_seconds", "snmp_description_seconds"}
    | {"proxy_protocol", "state_peers"}
    | {"ipfix_tcp_bind", "ipfix_tls_bind", "ipfix_tls_client_ca", "ipfix_max_connections"},
    "kbgp": {"proxy-protocol", "tls-ca-file", "help", "nodaemon"},
}
#: Where the documents are not followed to the letter, and why.
OTHER_KIND = {("kbgp", "enable-md5-support"): "bool"}  # "float" is a slip: its variable takes "true"
OTHER_DEFAULT = {("kproxy", "rcvbuf_size"): str(32 * 1024 * 1024)}  # the kernel's own default loses bursts


def documented() -> list[tuple[str, str, str, str, bool]]:
    """Read command, name, type, default, and whether it is obsolete."""
    lines = Path(__file__).with_name("documented_flags.txt").read_text().splitlines()
    rows = (line.split("|") for line in lines if line and not line.startswith("#"))
    return [(command, name, kind, default, mark == "obsolete") for command, name, kind, default, mark in rows]


def literal(flag: Flag) -> str:
    """Write a default as the documents do."""
    if flag.default is None:
        return flag.default_text
    return str(flag.default).lower() if isinstance(flag.default, bool) else str(flag.default)


@pytest.mark.parametrize(("command", "count"), [("kproxy", 111), ("kbgp", 18)])
def test_names(command: str, count: int) -> None:
    """Each documented flag is there under its documented name, and nothing else but what is listed as ours."""
    names = [row[1] for row in documented() if row[0] == command]
    assert len(names) == count
    assert sorted(flag.name for flag in TABLES[command]) == sorted([*names, *OWN[command]])


@pytest.mark.parametrize("row", documented(), ids=lambda row: f"{row[0]}-{row[1]}")
def test_type_default_and_state(row: tuple[str, str, str, str, bool]) -> None:
    """Type, default and obsolescence are the documented ones."""
    command, name, kind, default, obsolete = row
    flag = next(flag for flag in TABLES[command] if flag.name == name)
    assert flag.kind == OTHER_KIND.get((command, name), kind)
    assert literal(flag) == OTHER_DEFAULT.get((command, name), default)
    assert (flag.state is State.OBSOLETE) == obsolete


@pytest.mark.parametrize("flags", [KPROXY_FLAGS, KBGP_FLAGS, KCOLLECT_FLAGS])
def test_tables_are_sound(flags: Sequence[Flag]) -> None:
    """Spellings are unique, each flag has one line of help, and each default passes its own check."""
    by_spelling(flags)
    for flag in flags:
        assert flag.help
        assert flag.help.isprintable()
        if flag.default is not None:
            assert flag.parse(str(flag.default)) == flag.default


def test_environment_variables() -> None:
    """The documented variables belong to the documented flags; those of SNMP keep secrets off the process list."""
    assert {flag.environment: flag.name for flag in KBGP_FLAGS if flag.environment} == {
        "KENTIK_API_EMAIL": "email",
        "KENTIK_API_TOKEN": "token",
        "KENTIK_REGION": "region",
        "KENTIK_SITE": "site-id",
        "KENTIK_ENABLE_MD5": "enable-md5-support",
    }
    assert {flag.environment: flag.name for flag in KPROXY_FLAGS if flag.environment} == {
        "KENTIK_API_EMAIL": "api_email",
        "KENTIK_API_TOKEN": "api_token",
        "KENTIK_REGION": "region",
        "KENTIK_SITE": "site_id",
        "KPROXY_SNMP_COMMUNITY": "snmp_community",
        "KPROXY_SNMP_V3": "snmp_v3",
    }


def test_secrets_are_marked() -> None:
    """Every flag that carries a password, token, community or key is marked as secret."""
    marked = {flag.name for flags in (*TABLES.values(), KCOLLECT_FLAGS) for flag in flags if flag.secret}
    assert marked == {"api_pass", "api_token", "token", "snmp_community", "snmp_v3", "st_v1"}
