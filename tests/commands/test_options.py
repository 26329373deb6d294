"""``Options``: values, where they come from, what is shown of them, and what is warned about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kproxy_tw import __version__
from kproxy_tw.commands import kcollect, kproxy
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.reactors import asyncio_reactor


def parsed(*arguments: str, environment: Mapping[str, str] | None = None) -> kproxy.Options:
    """Parse arguments of kproxy with an environment of their own."""
    options = kproxy.Options(environment or {})
    options.parseOptions(list(arguments))
    return options


def test_defaults() -> None:
    """Without any argument the documented defaults hold, and unset flags are None or False."""
    options = parsed()
    assert (options["host"], options["port"], options["max"]) == ("127.0.0.1", 9995, 4000)
    assert options["api_email"] is None
    assert options["stdout"] is False
    assert options["realtime"] is True
    assert options.origin("port") == "default"


def test_precedence() -> None:
    """The command line wins over the environment, that over the default; the origin tells which it was."""
    environment = {"KENTIK_API_EMAIL": "e@example.com", "KENTIK_API_TOKEN": "from-environment", "KENTIK_SITE": "12"}
    options = parsed("-api-token=from-flag", environment=environment)
    assert options["api_token"] == "from-flag"
    assert options["api_email"] == "e@example.com"
    assert options["site_id"] == 12
    assert [options.origin(name) for name in ("api-token", "api_email", "region")] == [
        "flag",
        "environment",
        "default",
    ]


def test_an_empty_variable_is_none() -> None:
    """A variable that is set to nothing counts as not set."""
    assert parsed(environment={"KENTIK_API_TOKEN": ""})["api_token"] is None


def test_a_bad_variable(capfd: pytest.CaptureFixture[str]) -> None:
    """A variable that cannot be used is bad configuration and is named."""
    with pytest.raises(SystemExit) as caught:
        parsed(environment={"KENTIK_SITE": "here"})
    assert caught.value.code == 78
    assert "KENTIK_SITE must be a whole number" in capfd.readouterr().err


def test_effective_masks_secrets() -> None:
    """What pages show has no secret and no user information of a URL, and leaves unset flags out."""
    options = parsed(
        "-api_token=canary-1",
        "-snmp_community=canary-2",
        "-snmp_v3=canary-3",
        "-local_proxy=http://user:canary-4@proxy:3128",
        "-api_pass=canary-5",
    )
    shown = options.effective()
    assert "canary" not in repr(shown)
    assert shown["api_token"] == "***"
    assert shown["local_proxy"] == "http://***@proxy:3128"
    assert shown["port"] == 9995
    assert "api_email" not in shown
    assert "stdout" not in shown


def test_warnings_name_flag_and_state() -> None:
    """A flag without effect that was given is named with the reason; the same flag at its default is not."""
    lines = parsed("-host=::", "-tag_update=5", "-geo_small", "-port=9995").warnings()
    assert lines == [
        "-geo_small is not implemented yet and has no effect",
        "-tag_update is obsolete and has no effect",
    ]


def test_warning_about_a_variable() -> None:
    """A variable for a flag that does nothing yet is warned about by its own name."""
    (line,) = parsed("-host=::", environment={"KENTIK_SITE": "3"}).warnings()
    assert line == "KENTIK_SITE is not implemented yet and has no effect"


def test_a_secret_on_the_command_line_is_warned_about() -> None:
    """Everybody on the machine can read it there; what the environment gives is nobody's business."""
    (line,) = parsed("-host=::", "-snmp_community=C4NARY").warnings()
    assert line.endswith("better set KPROXY_SNMP_COMMUNITY")
    assert "C4NARY" not in line
    assert parsed("-host=::", environment={"KPROXY_SNMP_COMMUNITY": "C4NARY"}).warnings() == []


def test_missing_host() -> None:
    """Without -host, one line says that no router can reach us, with an example."""
    (line,) = parsed().warnings()
    assert "127.0.0.1" in line
    assert "-host=0.0.0.0" in line


def test_type(capfd: pytest.CaptureFixture[str]) -> None:
    """A client type that is not there yet is bad configuration; the proxy is fine."""
    parsed("-type=proxy")
    with pytest.raises(SystemExit) as caught:
        parsed("-type=kflow")
    assert caught.value.code == 78
    assert capfd.readouterr().err == "kproxy: -type: kflow is not implemented yet; only proxy and snmp_check are\n"


def test_unknown_flag(capfd: pytest.CaptureFixture[str]) -> None:
    """A bad command line is status 2 and one line on stderr."""
    with pytest.raises(SystemExit) as caught:
        parsed("-hots=::")
    assert caught.value.code == 2
    output = capfd.readouterr()
    assert output.err == "kproxy: unknown flag -hots, did you mean -host?; -h lists all flags\n"
    assert output.out == ""


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (kproxy.Options, ["-v"]),
        (kproxy.Options, ["--version"]),
        (kproxy.Options, ["-version", "-type=kflow"]),
        (kcollect.Options, ["--version"]),
    ],
)
def test_version(options: type[CommandOptions], arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """The version is printed, whatever else is given, with status 0."""
    with pytest.raises(SystemExit) as caught:
        options({}).parseOptions(arguments)
    assert caught.value.code == 0
    assert capfd.readouterr().out == f"{options.command} {__version__}\n"


@pytest.mark.parametrize(("uid", "place"), [(0, "/var/lib/kcollect"), (1000, "~/.local/state/kcollect")])
def test_data_folder(uid: int, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root keeps the store in the system's place, an ordinary user at home."""
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert kcollect.Options({})["data"] == str(Path(place).expanduser())


def test_reactor_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reactor's clock does not follow a wall clock that is set."""
    reactor = asyncio_reactor()
    before = reactor.seconds()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert 0 <= reactor.seconds() - before < 60


def test_a_cap_beyond_one_message_is_told() -> None:
    """A message a second holds 65,536 flows; a larger -max says what is in force instead."""
    (line,) = parsed("-host=::", "-max=100000").warnings()
    assert "65536 is in force" in line
    assert parsed("-host=::", "-max=65536").warnings() == []
