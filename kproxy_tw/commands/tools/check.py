"""``kproxy check``: whether the configuration can work, without starting anything.

Every file that is named is read, every part is made, and nothing is opened, bound or sent.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kproxy_tw.commands.exits import Exit, fail_start
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.commands.tools.daemon_flags import daemon_options
from kproxy_tw.errors import ConfigError
from kproxy_tw.web.text import safe_text


def main(command: str, arguments: Sequence[str]) -> Exit:
    """Run it.

    :raises SystemExit: the configuration cannot work (78), or the command line is bad (2); the line is written.
    """
    description = f"Say whether {command} could start with these flags and this environment; start nothing."
    options = daemon_options(command, "check", description, arguments)
    try:
        _BUILDERS[command](options, asyncio_reactor())
    except ConfigError as problem:
        fail_start(f"{command} check", Exit.BAD_CONFIGURATION, str(problem))
    for name, value in options.effective().items():
        if (origin := options.origin(name)) != "default":
            sys.stdout.write(f"  {name} = {safe_text(value)}  ({origin})\n")
    for warning in options.warnings():
        sys.stdout.write(f"! {safe_text(warning)}\n")
    sys.stdout.write(f"{command}: the configuration is good\n")
    return Exit.OK


def _kproxy(options: CommandOptions, reactor: Any) -> None:
    from kproxy_tw.assembly import KproxyAssembly
    from kproxy_tw.commands.configuration import kproxy_config

    KproxyAssembly(kproxy_config(options), reactor)


def _kbgp(options: CommandOptions, reactor: Any) -> None:
    from kproxy_tw.bgp.assembly import KbgpAssembly
    from kproxy_tw.commands.configuration_kbgp import kbgp_config
    from kproxy_tw.export.lines import WaitingLines

    KbgpAssembly(kbgp_config(options, os.environ, WaitingLines()), reactor)


def _kcollect(options: CommandOptions, _reactor: Any) -> None:
    from kproxy_tw.collector.credentials import Credentials
    from kproxy_tw.collector.device_file.service import read_devices
    from kproxy_tw.collector.listener.service import tls_options
    from kproxy_tw.commands.configuration import kcollect_config

    config = kcollect_config(options)
    Credentials.for_listener(config.host, config.email, config.token)
    tls_options(config)
    read_devices(config.devices_file)


_BUILDERS: Mapping[str, Callable[[CommandOptions, Any], None]] = {
    "kproxy": _kproxy,
    "kbgp": _kbgp,
    "kcollect": _kcollect,
}
