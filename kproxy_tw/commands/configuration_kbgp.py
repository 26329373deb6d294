"""From kbgp's command line to the configuration objects of its services."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kproxy_tw.addresses import configured_networks
from kproxy_tw.bgp.assembly import ExportConfig, KbgpConfig
from kproxy_tw.bgp.config import EdgeConfig, ListenAddress
from kproxy_tw.bgp.md5.config import ANY_INTERFACE, Md5Config
from kproxy_tw.bgp.status import KbgpSettings
from kproxy_tw.bgp.target import DEFAULT_TARGET, target
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.bgp.webproxy import web_proxy
from kproxy_tw.errors import ConfigError
from kproxy_tw.export.lines import WaitingLines
from kproxy_tw.status import shown_address
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.regions import is_loopback, region_domain
from kproxy_tw.web.kbgp.service import StatusPortConfig

if TYPE_CHECKING:
    from kproxy_tw.commands.options import CommandOptions

MAX_PORT = 65535
MAX_LISTENERS = 64
DEFAULT_LISTEN = EdgeConfig().listen

_FLAGS = {"api_email": "email", "api_token": "token"}


def kbgp_config(options: CommandOptions, environ: Mapping[str, str], log_lines: WaitingLines) -> KbgpConfig:
    """What ``kbgp`` needs to run. :raises ConfigError: something is missing or cannot work; names the flag."""
    insecure = int(options["insecure"] or 0)
    where = target(region_domain(options["region"] or ""), options["target"], insecure)
    listen = listen_addresses(options["listen"])
    md5 = bool(options["enable_md5_support"])
    logs = ExportConfig() if options["disable_log_export"] else _export(options, "log-export-url", where, environ)
    metrics = _export(options, "metrics-export-url", where, environ)
    settings = _settings(options, where, listen, {"log_export_url": logs.url, "metrics_export_url": metrics.url})
    return KbgpConfig(
        credentials=_credentials(options),
        settings=settings,
        backend=BackendConfig(
            target=where,
            insecure=bool(insecure),
            multi=options["multi"],
            ca_file=options["tls_ca_file"] or "",
            proxy=web_proxy(environ, where, insecure=bool(insecure)),
        ),
        edge=EdgeConfig(listen=listen, proxies=configured_networks("proxy-protocol", options["proxy_protocol"])),
        md5=_md5(options, listen) if md5 else None,
        web=StatusPortConfig(interface=options["metrics_addr"], port=_port("metrics-port", options["metrics_port"])),
        logs=logs,
        metrics=metrics,
        log_lines=log_lines,
    )


def listen_addresses(text: str | None) -> tuple[ListenAddress, ...]:
    """Read ``--listen``.

    :param text: addresses with ports, separated by commas; ``:179`` is all addresses, ``None`` the default.
    :raises ConfigError: one of them is none, or is there twice.
    """
    if text is None:
        return DEFAULT_LISTEN
    found: list[ListenAddress] = []
    for part in text.split(","):
        found.extend(_listen(part.strip()))
    if len(set(found)) < len(found):
        raise ConfigError("listen", "names an address twice")
    if len(found) > MAX_LISTENERS:
        raise ConfigError("listen", f"names more than {MAX_LISTENERS} addresses")
    return tuple(found)


def _listen(text: str) -> list[ListenAddress]:
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        raise ConfigError("listen", f"{text[:60]!r} must look like 192.0.2.1:179 or [2001:db8::1]:179")
    number = _port("listen", port)
    if not host:
        return [ListenAddress("0.0.0.0", number), ListenAddress("::", number)]  # noqa: S104
    plain = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ip_address(plain)
    except ValueError:
        raise ConfigError("listen", f"{plain[:60]!r} is no IP address; give an address of this machine") from None
    return [ListenAddress(plain, number)]


def _port(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or int(text) > MAX_PORT:
        raise ConfigError(flag, f"{text[:20]!r} is no port; it must be a number from 0 to {MAX_PORT}")
    return int(text)


def _credentials(options: CommandOptions) -> Credentials:
    for flag in ("email", "token"):
        if not options[flag]:
            raise ConfigError(flag, f"is missing; give --{flag} or set KENTIK_API_{flag.upper()}")
    try:
        return Credentials(options["email"], options["token"])
    except ConfigError as problem:
        raise ConfigError(_FLAGS[problem.flag], problem.problem) from None


def _settings(
    options: CommandOptions, where: str, listen: tuple[ListenAddress, ...], exports: Mapping[str, str]
) -> KbgpSettings:
    """What page and JSON show; of what was derived, what came out of it."""
    listeners = tuple(shown_address(address.host, address.port) for address in listen)
    return KbgpSettings(
        listeners=listeners,
        md5_enabled=bool(options["enable_md5_support"]),
        md5_interface=options["md5_listen_interface"] or ANY_INTERFACE,
        target=where,
        email=options["email"] or "",
        site_id=options["site_id"] or 0,
        shown={**options.effective(), "target": where, "listen": ", ".join(listeners), **exports},
    )


def _md5(options: CommandOptions, listen: tuple[ListenAddress, ...]) -> Md5Config:
    ports = tuple(sorted({address.port for address in listen}))
    return Md5Config(interface=options["md5_listen_interface"] or ANY_INTERFACE, ports=ports)


def _export(options: CommandOptions, flag: str, where: str, environ: Mapping[str, str]) -> ExportConfig:
    """Where to export; without a word about it, beside the target, if that is one of the public service's."""
    url: str = options[flag.replace("-", "_")]
    if options.origin(flag) == "default":
        if options["target"] != DEFAULT_TARGET:
            return ExportConfig()
        url = urlsplit(url)._replace(netloc=where.removesuffix(":443")).geturl()
    if not url:
        return ExportConfig()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise ConfigError(flag, f"is no URL: {problem}") from None
    if parts.scheme not in ("https", "http") or not host or "@" in parts.netloc or not url.isprintable():
        raise ConfigError(flag, "must look like https://host/path, without user name and password")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(flag, f"plain http would show the token to the network; use https://{parts.netloc}")
    secure = parts.scheme == "https"
    place = shown_address(host, port or (443 if secure else 80))
    return ExportConfig(url=url, proxy=web_proxy(environ, place, insecure=not secure))
