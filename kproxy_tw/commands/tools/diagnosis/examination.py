"""All checks in their order, printed as they are made."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from kproxy_tw.commands.configuration import kproxy_config
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.tools.diagnosis.agents import AgentChecks
from kproxy_tw.commands.tools.diagnosis.backend import BackendChecks
from kproxy_tw.commands.tools.diagnosis.finding import Finding
from kproxy_tw.commands.tools.diagnosis.machine import machine_findings
from kproxy_tw.sample.overrides.service import read_rate_file
from kproxy_tw.snmp.inputs.service import read_snmp_file


class Report:
    """Prints findings as they are made, and counts them."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.counts = dict.fromkeys(("ok", "warn", "fail", "skip"), 0)

    def add(self, finding: Finding) -> None:
        """Print one."""
        self.counts[finding.level] += 1
        line = json.dumps(finding.document()) if self._as_json else finding.line(color=self._color)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Say how many there were of each kind."""
        if not self._as_json:
            words = {"ok": "fine", "warn": "could be better", "fail": "to be mended", "skip": "not looked at"}
            parts = [f"{count} {words[level]}" for level, count in self.counts.items() if count]
            sys.stdout.write(f"\n{', '.join(parts)}\n")


def examine(options: CommandOptions, report: Report, reactor: Any) -> None:
    """Make every check; runs the reactor until the last is made.

    :raises ConfigError: the configuration cannot work.
    """
    config = kproxy_config(options)
    checks = BackendChecks(config, reactor)
    read_rate_file(config.sample.rate_file)
    agents = AgentChecks(config.snmp, read_snmp_file(config.snmp.file))
    broken: list[Failure] = []

    async def look() -> None:
        report.add(Finding("configuration", "ok", "can work"))
        for warning in options.warnings():
            report.add(Finding("configuration", "warn", warning))
        for finding in machine_findings(config):
            report.add(finding)
        async for finding in checks.findings():
            report.add(finding)
        async for finding in agents.findings(checks.devices):
            report.add(finding)

    def begin() -> None:
        done = Deferred.fromCoroutine(look())
        done.addErrback(broken.append).addCallback(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    for failure in broken:
        failure.raiseException()
