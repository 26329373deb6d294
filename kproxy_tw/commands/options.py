"""``Options`` of all commands: twistd's interface in front of the flag tables."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from twisted.python import usage

from kproxy_tw import __version__
from kproxy_tw.commands.commandline import BadCommandLine, parse, secrets
from kproxy_tw.commands.exits import Exit, fail_start
from kproxy_tw.commands.flags import Flag, State, Value, normal
from kproxy_tw.commands.logs import EventText, event_text
from kproxy_tw.commands.process_list import hide
from kproxy_tw.commands.reactors import OtherReactor, asyncio_reactor
from kproxy_tw.commands.reference import help_text
from kproxy_tw.commands.service_credentials import service_credential
from kproxy_tw.errors import ConfigError
from kproxy_tw.status import SettingStatus

Origin = Literal["flag", "environment", "default"]

MASK = "***"
_ABOUT = frozenset({"help", "v", "version"})
"""Flags that ask for a text and set nothing."""

_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")


class CommandOptions(usage.Options):
    """A command line made from a flag table; values are under their names with underscores.

    :cvar command: name of the command.
    :cvar flags: its flag table.
    """

    command: ClassVar[str]
    flags: ClassVar[Sequence[Flag]]

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Start with the defaults.

        :param environment: the process's own when ``None``.
        """
        super().__init__()
        self.environment: Mapping[str, str] = os.environ if environment is None else environment
        self._table = {flag.key: flag for flag in self.flags}
        self._origins: dict[str, Origin] = dict.fromkeys(self._table, "default")
        self._hidden = False
        self.update({key: flag.initial() for key, flag in self._table.items()})

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take the command line in; twistd calls this with what stands behind the command's name.

        :raises SystemExit: help or version was asked for (0), the command line is bad (2), the configuration
            cannot work (78); the text is written.
        """
        try:
            arguments = sys.argv[1:] if options is None else options
            given = parse(arguments, self.flags)
            self._hidden = hide(secrets(arguments, self.flags), self._secret_variables())
            self._print_and_leave(given)
            asyncio_reactor()
            self._take_environment()
            self._take(given, "flag")
            self.postOptions()
        except BadCommandLine as problem:
            fail_start(self.command, Exit.BAD_COMMAND_LINE, str(problem))
        except (ConfigError, OtherReactor) as problem:
            fail_start(self.command, Exit.BAD_CONFIGURATION, str(problem))

    def postOptions(self) -> None:
        """Settle between foreground and daemon, and look for another instance.

        :raises ConfigError: the choice contradicts itself.
        """
        if self.parent is not None and (self["nodaemon"] or self.get("fg")):
            self.parent["nodaemon"] = True
        if self.get("stdout") and not self.foreground():
            raise ConfigError("stdout", "a daemon has no standard output; add -n, or leave -stdout out")
        self._check_pid_file()

    def origin(self, name: str) -> Origin:
        """Tell where the value of a flag comes from.

        :raises KeyError: no such flag.
        """
        return self._origins[normal(name)]

    def effective(self) -> dict[str, Value]:
        """Give the settings, for people to see: what was given, and the defaults in force; secrets are ``***``."""
        return {
            key: _shown(flag, self[key])
            for key, flag in self._table.items()
            if self._origins[key] != "default" or (flag.state is State.WORKS and self[key] not in (None, False))
        }

    def settings(self) -> tuple[SettingStatus, ...]:
        """Give every setting that works and where its value comes from, for people to see; secrets are ``***``."""
        return tuple(
            SettingStatus(
                name=flag.name,
                value=None if self[key] in (None, "") else _shown(flag, self[key]),
                origin=self._origins[key],
                default=None if flag.secret else flag.default_text or flag.initial(),
                help=flag.help,
            )
            for key, flag in self._table.items()
            if flag.state is State.WORKS and key not in _ABOUT
        )

    def warnings(self) -> list[str]:
        """Give one line for each flag that was given and does nothing, or shows a secret."""
        shows = "showed it for a moment" if self._hidden else "shows it"
        lines = [
            f"-{flag.name}: the process list {shows} to everybody on this machine; better set {flag.environment}"
            for key, flag in self._table.items()
            if flag.secret and flag.environment and self._origins[key] == "flag"
        ]
        for key, flag in self._table.items():
            if self._origins[key] == "default" or flag.state is State.WORKS:
                continue
            name = flag.environment if self._origins[key] == "environment" else f"-{flag.name}"
            state = "is obsolete" if flag.state is State.OBSOLETE else "is not implemented yet"
            lines.append(f"{name} {state} and has no effect")
        return lines

    def twistd(self) -> Mapping[str, Any]:
        """Give twistd's own options; empty when twistd is not there."""
        return {} if self.parent is None else self.parent

    def foreground(self) -> bool:
        """Tell whether the process stays in the foreground."""
        return self.parent is None or bool(self.parent.get("nodaemon") or self.parent.get("debug"))

    def event_text(self) -> EventText:
        """Give what makes a line of the log."""
        return event_text

    def __str__(self) -> str:
        return help_text(self.command, self.flags)

    def _print_and_leave(self, given: Mapping[str, Value]) -> None:
        if given.get("help"):
            print(self)
        elif given.get("v") or given.get("version"):
            print(f"{self.command} {__version__}")
        else:
            return
        raise SystemExit(Exit.OK.value)

    def _secret_variables(self) -> list[str]:
        return [flag.environment for flag in self.flags if flag.secret and flag.environment]

    def _take(self, values: Mapping[str, Value], origin: Origin) -> None:
        self.update(values)
        self._origins.update(dict.fromkeys(values, origin))

    def _take_environment(self) -> None:
        for key, flag in self._table.items():
            text = self._outside(flag) if flag.environment else ""
            if not text:
                continue
            try:
                self._take({key: flag.parse(text)}, "environment")
            except ValueError as problem:
                raise ConfigError(flag.name, f"its environment variable {flag.environment} {problem}") from None

    def _outside(self, flag: Flag) -> str:
        """What stands in the environment for a flag; of a secret, what systemd keeps for the service comes first."""
        kept = service_credential(flag.environment, self.environment) if flag.secret else ""
        return kept or self.environment.get(flag.environment, "")

    def _check_pid_file(self) -> None:
        """Say in one line what twistd would say in five: another daemon holds the pid file."""
        path = str(self.twistd().get("pidfile") or "")
        if not path or not os.path.exists(path):
            return
        with open(path) as file:
            text = file.read(32).strip()
        if text.isdecimal() and _is_alive(int(text)):
            fail_start(
                self.command,
                Exit.FAILED,
                f"process {text} of {path} is running; stop it, or give twistd another --pidfile (or --pidfile=)",
            )


def _shown(flag: Flag, value: Value) -> Value:
    if flag.secret:
        return MASK
    return _USERINFO.sub(f"{MASK}@", value) if isinstance(value, str) else value


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
