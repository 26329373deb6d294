"""From ``Options`` to a running service, for all daemons alike.

Whatever goes wrong on the way ends in one line on stderr and the right exit status, in the foreground and as a daemon.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from twisted.application.service import IService, MultiService
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger, LogPublisher
from twisted.python.failure import Failure

from kproxy_tw.commands.background import StartReport, leave_shell_behind
from kproxy_tw.commands.destinations import logstash_target
from kproxy_tw.commands.exits import Exit, fail_start, failure_line
from kproxy_tw.commands.logs import BookObserver, LogChoice, chosen_sink, log_observer
from kproxy_tw.commands.notify import Notifier
from kproxy_tw.commands.open_files import raise_open_files
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.commands.signals import StopOnSignal
from kproxy_tw.commands.writers import LogWriters
from kproxy_tw.errors import ConfigError, KproxyError
from kproxy_tw.logbook import LogBook
from kproxy_tw.redaction import Redaction
from kproxy_tw.status import shown_address

log = Logger()

_LISTEN_HINTS = {
    errno.EACCES: "ports below 1024 need the capability CAP_NET_BIND_SERVICE, not root; with systemd:"
    " AmbientCapabilities=CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
    errno.EINVAL: "a link-local address needs its interface, as in fe80::1%eth0",
}

COLLECTION_THRESHOLDS = (10_000, 10, 100)
"""For Python's cycle collector. Every errand that Twisted gives to a thread and every name that it looks up leaves
a cycle, some 500 objects a second beside polled devices: they go by the ten thousand, in 2 to 5 ms. What has lived for
longer, interfaces of devices and relayed sessions, is hardly ever in a cycle, and looking through all of it holds
everything up for 20 to 60 ms beside 200 polled devices: that happens hours apart. (At Python's own thresholds the
collector took a fifth of the receive path's time.)"""

#: A stop that takes longer is given up.
STOP_SECONDS = 10.0


def command_service(
    options: CommandOptions,
    build: Callable[[Any], IService],
    *,
    writers: LogWriters | None = None,
    also_log_to: ILogObserver | None = None,
    book: LogBook | None = None,
) -> CommandService:
    """Build the service of one daemon, as ``makeService`` returns it.

    :param build: makes the daemon's service from the reactor; a :exc:`ConfigError` that it raises ends the process
        with status 78, any other :exc:`KproxyError` or ``OSError`` with status 1.
    :param writers: write the log, if ``build`` wants to know of them.
    :param also_log_to: sees what the log shows.
    :param book: sees it, too, and says at which level the log is kept.
    :raises SystemExit: the daemon cannot start; the line is written.
    """
    raise_open_files()
    reactor = asyncio_reactor()
    try:
        logstash_target(options.get("logstash"))
        service = build(reactor)
    except (KproxyError, OSError) as problem:
        fail_start(options.command, status_of(problem), str(problem))
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    report = None if options.foreground() else leave_shell_behind()
    return CommandService(
        service,
        options=options,
        reactor=reactor,
        report=report,
        writers=writers or LogWriters(),
        also_log_to=also_log_to,
        book=book or log_book(options),
    )


def log_book(options: CommandOptions, secrets: Iterable[object] = ()) -> LogBook:
    """Make the book of the log at the level of the command line. :param secrets: are not to be in it."""
    return LogBook(options["log_level"], Redaction(str(secret) for secret in secrets if secret).clean)


def status_of(problem: Exception) -> Exit:
    """Tell which exit status a failed start has."""
    return Exit.BAD_CONFIGURATION if isinstance(problem, ConfigError) else Exit.FAILED


def explanation(problem: Exception) -> str:
    """Say in one line what went wrong and, where it can be known, what to do."""
    if isinstance(problem, CannotListenError):
        reason = getattr(problem.socketError, "strerror", None) or str(problem.socketError)
        hint = _LISTEN_HINTS.get(getattr(problem.socketError, "errno", 0), "is another instance running?")
        if isinstance(problem.socketError, socket.gaierror):
            hint = "give an address of this machine, such as 127.0.0.1"
        return f"cannot listen on {shown_address(problem.interface or '*', problem.port or 0)}: {reason}; {hint}"
    if isinstance(problem, KproxyError | OSError):
        return str(problem)
    return f"cannot start, this is a bug, see the log: {type(problem).__name__}: {problem}"


class CommandService(MultiService):
    """The root of a daemon: its service, signals, log, and what becomes of a failed start.

    :param service: the daemon itself.
    :param options: its command line.
    :param reactor: the process's reactor.
    :param report: where a background daemon reports its start; ``None`` in the foreground.
    :param writers: write the log.
    :param also_log_to: sees what the log shows.
    :param book: sees it, too, and says at which level the log is kept.
    """

    def __init__(
        self,
        service: IService,
        *,
        options: CommandOptions,
        reactor: Any,
        report: StartReport | None,
        writers: LogWriters,
        book: LogBook,
        also_log_to: ILogObserver | None = None,
    ) -> None:
        super().__init__()
        self._options = options
        self._reactor = reactor
        self._report = report
        self._writers = writers
        self._also_log_to = also_log_to
        self._book = book
        StopOnSignal(reactor).setServiceParent(self)
        service.setServiceParent(self)
        Notifier(reactor=reactor, environment=os.environ, pid=os.getpid()).setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, and choose where it logs to."""
        super().setServiceParent(parent)
        options = self._options
        choice = LogChoice(
            command=options.command,
            stdout=bool(options.get("stdout")),
            syslog=bool(options.get("syslog")),
            logstash=logstash_target(options.get("logstash")),
        )
        sink = chosen_sink(
            options.twistd(), choice, writers=self._writers, reactor=self._reactor, text=options.event_text()
        )
        others = [] if self._also_log_to is None else [self._also_log_to]
        sink = LogPublisher(sink, BookObserver(self._book), *others)
        parent.setComponent(ILogObserver, log_observer(lambda: self._book.level, sink, self._reactor.seconds))

    def privilegedStartService(self) -> None:
        """Start what needs privileges.

        :raises SystemExit: that failed; the line is written.
        """
        self._guarded(super().privilegedStartService)

    def startService(self) -> None:
        """Start all children, and warn about flags that do nothing.

        :raises SystemExit: a child failed to start; the line is written.
        """
        for warning in self._options.warnings():
            log.warn("{warning}", warning=warning)
        self._guarded(super().startService)
        self._reactor.callWhenRunning(self._writers.start)
        if self._report is not None:
            self._reactor.callWhenRunning(self._report.started)

    def stopService(self) -> Deferred[Any]:
        """Stop all children; fires when they are down, or when they took too long."""
        stopped: Deferred[Any] = super().stopService()
        stopped.addTimeout(STOP_SECONDS, self._reactor)
        stopped.addErrback(self._eb_stop)
        return stopped

    def _eb_stop(self, failure: Failure) -> None:
        failure.trap(DeferredTimeout)
        log.error("not stopped after {seconds} s, leaving anyway", seconds=STOP_SECONDS)

    def _guarded(self, start: Callable[[], object]) -> None:
        try:
            start()
        except Exception as problem:
            if not isinstance(problem, KproxyError | OSError | CannotListenError):
                log.failure("start failed")
            self._fail(status_of(problem), explanation(problem))

    def _fail(self, status: Exit, message: str) -> NoReturn:
        """Say why the start failed, and end the process."""
        if self._report is not None:
            log.error("{message}", message=message)
            self._report.failed(status, failure_line(self._options.command, message))
            self._release_twistd()
        self._remove_pid_file()
        fail_start(self._options.command, status, message)

    def _release_twistd(self) -> None:
        """Let twistd's own waiting process go; it would wait for ever for a daemon that ended without a word."""
        pipe = self._options.twistd().get("statusPipe")
        if pipe is not None:
            os.write(pipe, b"1 failed")

    def _remove_pid_file(self) -> None:
        """Take twistd's pid file away, which it leaves behind when a start ends the process."""
        path = self._options.twistd().get("pidfile")
        if path and os.path.exists(str(path)):
            os.unlink(str(path))
