"""Where a daemon's status port is, by its flags."""

from __future__ import annotations

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.tools.client import StatusPort
from kproxy_tw.errors import ConfigError
from kproxy_tw.status import shown_address

URL = Flag(
    "url",
    "string",
    "the daemon's status port",
    None,
    State.WORKS,
    metavar="URL",
    default_text="what the daemon's flags say",
)

_ALL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask a daemon that listens there


def status_port(options: CommandOptions) -> StatusPort:
    """The port of the daemon that has these flags. :raises ConfigError: ``-url`` is no URL, or a flag is bad."""
    if options["url"]:
        return StatusPort.at(options["url"])
    if options.command == "kproxy":
        return _at(options["healthcheck"], options["port"] + 1)
    if options.command == "kbgp":
        return _at(options["metrics_addr"], options["metrics_port"])
    host, _colon, port = options["listen"].rpartition(":")
    return _at(host, port, options["tls_cert_file"] or "")


def _at(host: str, port: object, certificate: str = "") -> StatusPort:
    plain = host.removeprefix("[").removesuffix("]")
    if not str(port).isdecimal():
        raise ConfigError("url", "cannot be told from the flags, because the port is no number")
    address = shown_address(_ALL.get(plain, plain), int(str(port)))
    return StatusPort.at(f"{'https' if certificate else 'http'}://{address}", certificate)
