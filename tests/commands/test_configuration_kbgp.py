"""From kbgp's flags and environment to its configuration."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kproxy_tw.bgp.assembly import KbgpConfig
from kproxy_tw.bgp.config import ListenAddress
from kproxy_tw.commands.commandline import parse
from kproxy_tw.commands.configuration_kbgp import kbgp_config, listen_addresses
from kproxy_tw.commands.flags_kbgp import KBGP_FLAGS
from kproxy_tw.commands.kbgp import Options
from kproxy_tw.errors import ConfigError
from kproxy_tw.export.lines import WaitingLines

CREDENTIALS = {"KENTIK_API_EMAIL": "ops@example.com", "KENTIK_API_TOKEN": "canary-7"}


def configured(*arguments: str, environment: dict[str, str] | None = None) -> KbgpConfig:
    """What kbgp would run with."""
    environ = {**CREDENTIALS, **(environment or {})}
    options = Options(environ)
    options.parseOptions(list(arguments))
    return kbgp_config(options, environ, WaitingLines())


def refused(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Why it would not."""
    with pytest.raises(ConfigError) as caught:
        configured(*arguments, environment=environment)
    return str(caught.value)


def test_defaults() -> None:
    """Those of the documentation."""
    config = configured()
    assert config.settings.listeners == ("0.0.0.0:179", "[::]:179")
    assert (config.backend.target, config.backend.insecure, config.backend.multi) == (
        "grpc.api.kentik.com:443",
        False,
        10,
    )
    assert (config.web.interface, config.web.port) == ("127.0.0.1", 20920)
    assert (config.md5, config.settings.md5_enabled, config.settings.md5_interface) == (None, False, "any")
    assert config.logs.url == "https://grpc.api.kentik.com/agents/v202204/logs"
    assert config.metrics.url == "https://grpc.api.kentik.com/agents/v202204/metrics"
    assert (config.settings.email, config.settings.site_id) == ("ops@example.com", 0)


def test_environment() -> None:
    """Every documented variable."""
    config = configured(
        environment={"KENTIK_REGION": "fra1", "KENTIK_SITE": "7", "KENTIK_ENABLE_MD5": "true"},
    )
    assert config.backend.target == "grpc.api.kentik.eu:443"
    assert (config.settings.site_id, config.settings.md5_enabled) == (7, True)
    assert config.md5 is not None
    assert (config.md5.interface, config.md5.ports) == ("any", (179,))


@pytest.mark.parametrize(
    ("region", "target"),
    [
        ("us", "grpc.api.kentik.com:443"),
        ("iad1", "grpc.api.kentik.com:443"),
        ("eu", "grpc.api.kentik.eu:443"),
        ("our1", "grpc.api.our1.kentik.com:443"),
    ],
)
def test_regions(region: str, target: str) -> None:
    """The host follows the region; so do the exports."""
    config = configured("--region", region)
    host = target.removesuffix(":443")
    assert (config.backend.target, config.logs.url) == (target, f"https://{host}/agents/v202204/logs")


def test_several_listen_flags() -> None:
    """By flags and by commas."""
    config = configured("--listen", "192.0.2.1:179", "--listen=[2001:db8::1]:1179,[fe80::1%eth0]:179")
    assert config.edge.listen == (
        ListenAddress("192.0.2.1", 179),
        ListenAddress("2001:db8::1", 1179),
        ListenAddress("fe80::1%eth0", 179),
    )
    assert config.settings.listeners == ("192.0.2.1:179", "[2001:db8::1]:1179", "[fe80::1%eth0]:179")


def test_listen_on_everything() -> None:
    """A port alone means all addresses of both families."""
    assert listen_addresses(":1179") == (ListenAddress("0.0.0.0", 1179), ListenAddress("::", 1179))  # noqa: S104


@pytest.mark.parametrize(
    "text", ["", "192.0.2.1", "192.0.2.1:", "2001:db8::1:179", "router:179", "192.0.2.1:65536", "192.0.2.1:1 ,x", ":-1"]
)
def test_bad_listen(text: str) -> None:
    """One line that names the flag."""
    assert refused("--listen", text).startswith("-listen: ")


def test_the_same_address_twice() -> None:
    """It could only be bound once."""
    assert "twice" in refused("--listen", "127.0.0.1:179", "--listen", "127.0.0.1:179")


@pytest.mark.parametrize(("arguments", "fine"), [(["--insecure"], False), (["--insecure", "--insecure"], True)])
def test_insecure_must_be_said_twice_for_other_machines(arguments: Sequence[str], fine: bool) -> None:
    """Once is enough for this machine only."""
    assert configured("--target", "127.0.0.1:20443", *arguments).backend.insecure
    if fine:
        assert configured("--target", "192.0.2.1:443", *arguments).backend.insecure
    else:
        assert "twice" in refused("--target", "192.0.2.1:443", *arguments)


def test_repeated_flags() -> None:
    """A list grows, a count counts, everything else is as it was said last."""
    arguments = ["--insecure", "--listen=a:1", "--multi=3", "--insecure", "--listen", "b:2", "--multi", "4"]
    assert parse(arguments, KBGP_FLAGS) == {"insecure": 2, "listen": "a:1,b:2", "multi": 4}
    assert parse(["--insecure", "--insecure=false"], KBGP_FLAGS)["insecure"] == 0


@pytest.mark.parametrize("flag", ["email", "token"])
def test_missing_credentials(flag: str) -> None:
    """Both spellings are named."""
    text = refused(environment={f"KENTIK_API_{flag.upper()}": ""})
    assert text == f"-{flag}: is missing; give --{flag} or set KENTIK_API_{flag.upper()}"


def test_credentials_that_cannot_be_sent() -> None:
    """Named by kbgp's own flag, and not repeated."""
    text = refused("--token", "canary line")
    assert text.startswith("-token: ")
    assert "canary" not in text


def test_nothing_is_exported_beside_an_own_target() -> None:
    """A target of one's own has nobody who takes exports, unless one is named."""
    own = ("--target", "127.0.0.1:20443", "--insecure")
    assert (configured(*own).logs.url, configured(*own).metrics.url) == ("", "")
    named = configured(*own, "--log-export-url", "http://127.0.0.1:9/logs")
    assert (named.logs.url, named.metrics.url) == ("http://127.0.0.1:9/logs", "")


def test_exports_switched_off() -> None:
    """By the documented flag, or by an empty URL."""
    config = configured("--disable-log-export", "--metrics-export-url", "")
    assert (config.logs.url, config.metrics.url) == ("", "")


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/logs", "ftp://x/", "https://user:pw@x/", "logs", "https://[::1/", "https://x\n/"]
)
def test_bad_export_urls(url: str) -> None:
    """The token does not cross the network in clear, and no password is taken."""
    text = refused("--log-export-url", url)
    assert text.startswith("-log-export-url: ")
    assert "pw" not in text


def test_exports_go_through_the_web_proxy() -> None:
    """As the sessions do; the credentials of the proxy show in no repr."""
    config = configured(environment={"HTTPS_PROXY": "http://user:canary-pw@192.0.2.8:3128"})
    assert config.logs.proxy == "http://user:canary-pw@192.0.2.8:3128"
    assert "canary-pw" not in repr(config)
    assert configured(environment={"HTTPS_PROXY": "http://192.0.2.8:3128", "NO_PROXY": "kentik.com"}).logs.proxy == ""


@pytest.mark.parametrize(
    ("flag", "value"), [("--metrics-port", "x"), ("--metrics-port", "70000"), ("--proxy-protocol", "10.0.0.1/8")]
)
def test_other_bad_values(flag: str, value: str) -> None:
    """One line each."""
    assert refused(flag, value).startswith(f"-{flag[2:]}: ")


def test_effective_settings_show_no_token() -> None:
    """Page and log get it masked."""
    shown = {setting.name: setting.value for setting in configured().settings.all}
    assert shown["token"] == "***"
    assert "canary" not in repr(shown)
