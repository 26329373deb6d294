"""Secrets that were typed as arguments, or stand in the environment, are not where the system shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.commands.commandline import secrets
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS
from kproxy_tw.commands.process_list import in_arguments, in_environment
from kproxy_tw.testing.processes import Daemon, free_port_pair
from tests.commands.processes import environment

CANARY = "C4NARY"
TYPED = ("-api_token", f"{CANARY}-one", "--api_token", f"{CANARY}-two", f'-snmp_v3={{"UserName": "{CANARY}=x"}}')


def covered(shown: bytes, *spans: tuple[int, int]) -> bytes:
    """What stays of ``shown``."""
    for start, end in spans:
        shown = shown[:start] + b"*" * (end - start) + shown[end:]
    return shown


def test_a_secret_is_covered_as_an_argument_or_behind_its_flag() -> None:
    """Whatever the number of dashes; what only contains it is another word."""
    shown = b"kproxy\0-token\0abc\0--token=abc\0-file=abcd\0abcd\0-x=y=abc\0\0"
    assert covered(shown, *in_arguments(shown, [b"abc", b""])) == (
        b"kproxy\0-token\0***\0--token=***\0-file=abcd\0abcd\0-x=y=abc\0\0"
    )


def test_user_and_password_of_a_url_are_covered() -> None:
    """Host and path stay; an ``@`` in the path belongs to no user."""
    shown = b"-sink=https://me:pw@192.0.2.1/x\0-other=http://192.0.2.1/a@b\0udp://k@[::1]:9\0"
    assert covered(shown, *in_arguments(shown, [])) == (
        b"-sink=https://*****@192.0.2.1/x\0-other=http://192.0.2.1/a@b\0udp://*@[::1]:9\0"
    )


def test_variables_are_covered_by_name() -> None:
    """Empty ones, those of a longer name, and what is no variable at all stay; a proxy's user does not."""
    shown = b"TOKEN=a=b\0TOKENS=abc\0EMPTY=\0TOKEN\0HTTPS_PROXY=http://me:pw@proxy:3128\0"
    assert covered(shown, *in_environment(shown, [b"TOKEN", b"EMPTY"])) == (
        b"TOKEN=***\0TOKENS=abc\0EMPTY=\0TOKEN\0HTTPS_PROXY=http://*****@proxy:3128\0"
    )


def test_a_secret_that_a_later_one_replaces_is_known() -> None:
    """The last wins, and the first was typed nevertheless."""
    assert secrets(["-port=9995", *TYPED], KPROXY_FLAGS) == {
        f"{CANARY}-one",
        f"{CANARY}-two",
        f'{{"UserName": "{CANARY}=x"}}',
    }


@pytest.mark.parametrize("form", [("kproxy",), ("twistd", "-n", "--pidfile=", "kproxy")], ids=["script", "twistd -n"])
def test_a_daemon_shows_none(form: tuple[str, ...], tmp_path: Path) -> None:
    """Neither ``cmdline`` nor ``environ``; it still knows them, and warns."""
    port = free_port_pair()
    flags = ("-host=127.0.0.1", f"-port={port}", "-api=http://127.0.0.1:9/", f"-state_dir={tmp_path}", "-api_email=x")
    proxy = f"http://me:{CANARY}@127.0.0.1:9"
    variables = environment(KPROXY_SNMP_COMMUNITY=f"{CANARY}-three", PLAIN="plain", HTTP_PROXY=proxy)
    command = [*form, *flags, *TYPED, f"-local_proxy={proxy}"]
    with Daemon(command, log=tmp_path / "log", environment=variables) as daemon:
        daemon.wait_until_ready(port + 1, "/")
        shown, outside = (Path(f"/proc/{daemon.process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
        assert CANARY.encode() not in shown + outside
        assert f"-port={port}".encode() in shown
        assert b"-api_token\0**********\0" in shown
        assert b"KPROXY_SNMP_COMMUNITY=************\0" in outside
        assert b"PLAIN=plain\0" in outside
        assert daemon.stop() == 0
    said = (tmp_path / "log").read_text()
    assert "-api_token: the process list showed it for a moment to everybody on this machine" in said
    assert "KENTIK_API_TOKEN" in said
    assert CANARY not in said
