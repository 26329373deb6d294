"""``kproxy -test_snmp`` and ``-type=snmp_check``: poll once, say what came and what precisely failed, and end."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from kproxy_tw.commands.configuration_snmp import checked_entry, snmp_config
from kproxy_tw.commands.exits import Exit, fail_start
from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.errors import ConfigError, MalformedInput
from kproxy_tw.snmp.check.text import progress_line, report, succeeded
from kproxy_tw.snmp.config import SnmpConfig
from kproxy_tw.snmp.inputs.service import read_snmp_file
from kproxy_tw.snmp.inputs.targets import made_target, targets, targets_of_file
from kproxy_tw.snmp.settings import SnmpTarget
from kproxy_tw.snmp.status import Progress

if TYPE_CHECKING:
    from kproxy_tw.commands.options import CommandOptions

API_SECONDS = 60.0


class Terminal:
    """Where progress and reports go: reports to standard output, progress to standard error."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._shown = ""

    def progress(self, name: str, progress: Progress) -> None:
        """Tell how far it has come: on one line of a terminal that changes, else a line for each stage."""
        line = progress_line(name, progress)
        if self._moving:
            sys.stderr.write(f"\r{line:<78}")
        elif progress.stage != self._shown:
            sys.stderr.write(line + "\n")
        self._shown = progress.stage
        sys.stderr.flush()

    def report(self, text: str) -> None:
        """Show what came."""
        if self._moving and self._shown:
            sys.stderr.write("\r" + " " * 78 + "\r")
            sys.stderr.flush()
        self._shown = ""
        sys.stdout.write(text)
        sys.stdout.flush()


def run_check(options: CommandOptions) -> int:
    """Poll what the options name. :return: the exit status. :raises ConfigError: they name nothing that works."""
    config = snmp_config(options)
    entry = checked_entry(options, config)
    reactor = asyncio_reactor()
    outcome: list[int | Failure] = []

    def start() -> None:
        work = Deferred.fromCoroutine(_check(reactor, options, config, None if entry is None else made(entry)))
        work.addBoth(outcome.append)
        work.addBoth(lambda _none: reactor.stop())

    def made(entry: Any) -> Sequence[SnmpTarget]:
        try:
            return [made_target(entry, config)]
        except MalformedInput as problem:
            raise ConfigError("snmp_ip", str(problem).removeprefix("not polled: ")) from None

    if entry is not None:
        made(entry)  # a bad address is told before anything starts
    reactor.callWhenRunning(start)
    reactor.run()
    result = outcome[0] if outcome else Exit.FAILED
    if isinstance(result, Failure):
        result.raiseException()
    return int(result)


async def _check(reactor: Any, options: CommandOptions, config: SnmpConfig, only: Sequence[SnmpTarget] | None) -> int:
    from kproxy_tw.snmp.service import PollerService

    terminal = Terminal()
    found, problems = (only, {}) if only is not None else await _configured(reactor, options, config)
    for device_id, problem in problems.items():
        terminal.report(f"device {device_id}: {problem}\n")
    poller = PollerService(
        reactor=reactor, schedule=config.schedule, state_dir=Path(options["state_dir"]), listener=lambda _reading: None
    )
    poller.startService()
    good = not problems
    try:
        for target in found:
            name = target.address if not target.device_id else f"device {target.device_id}, {target.address}"
            reading = await poller.poll_now(target, partial(terminal.progress, name))
            terminal.report((f"Device {target.device_id}\n" if target.device_id else "") + report(target, reading))
            good = good and succeeded(reading)
    finally:
        await poller.stopService()
    return Exit.OK if good else Exit.UNAVAILABLE


async def _configured(
    reactor: Any, options: CommandOptions, config: SnmpConfig
) -> tuple[Sequence[SnmpTarget], Mapping[int, str]]:
    """What the file names, or else the API. :raises ConfigError: neither names anything."""
    entries = read_snmp_file(config.file)
    if config.file is not None:
        if not entries:
            raise ConfigError("snmp_file", f"{config.file} names no device")
        of_file = targets_of_file(entries, config)
        return of_file.polled, of_file.problems
    devices = await _devices_of_api(reactor, options)
    chosen = [device for device in devices if not config.bootstrap or device.device_id in config.bootstrap]
    result = targets(chosen, {}, config)
    if not result.polled and not result.problems:
        raise ConfigError(
            "test_snmp", "no device has SNMP settings: give -snmp_ip, or -snmp_file, or set them in the API"
        )
    return result.polled, result.problems


async def _devices_of_api(reactor: Any, options: CommandOptions) -> Sequence[Any]:
    from kproxy_tw.commands.configuration import kproxy_config
    from kproxy_tw.devices.client import DeviceApi
    from kproxy_tw.upstream.client import HttpsSession
    from kproxy_tw.upstream.tls import TlsPolicy

    config = kproxy_config(options)
    session = HttpsSession(
        reactor=reactor,
        tls=TlsPolicy(config.tls),
        credentials=config.credentials,
        user_agent="kproxy",
        proxies=config.proxies,
    )
    offload = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    try:
        answer = await DeviceApi(session, config.endpoints.api, offload=offload).all_devices()
    finally:
        await session.close()
    return answer.devices


def check_and_leave(options: CommandOptions) -> None:
    """Run the check in place of the daemon. :raises SystemExit: always."""
    from kproxy_tw.commands.startup import status_of
    from kproxy_tw.errors import KproxyError

    os.environ.pop("NOTIFY_SOCKET", None)
    try:
        status = run_check(options)
    except (KproxyError, OSError) as problem:
        fail_start(options.command, status_of(problem), str(problem))
    raise SystemExit(int(status))
