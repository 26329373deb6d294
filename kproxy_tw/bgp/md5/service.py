"""TCP-MD5 at work: the capturing child, the keys that its SYNs lead to, and what log and page say of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.capabilities import NET_RAW, capture_problem, lay_down, lent_to_children
from kproxy_tw.bgp.md5.complaints import Complaints
from kproxy_tw.bgp.md5.config import Md5Config
from kproxy_tw.bgp.md5.keys import shown
from kproxy_tw.bgp.md5.learning import KeySource, Learner
from kproxy_tw.bgp.md5.netstat import NETSTAT, Md5Counters, parse_netstat
from kproxy_tw.bgp.md5.peers import Md5Status, Peers
from kproxy_tw.bgp.md5.protocol import CaptureProtocol
from kproxy_tw.bgp.md5.record import Record
from kproxy_tw.bgp.md5.ring import KeyRing
from kproxy_tw.bgp.md5.store import KernelKeys, Listeners, kernel_has_tcp_ao, md5_problem
from kproxy_tw.bgp.md5.supervision import Child, Supervision, capture_command, capture_environment
from kproxy_tw.bgp.md5.verdict import Verdict

CHILD_FILES = {0: "w", 1: "r", 2: "r"}

CAPTURE = "capture"
"""What complaints about the child are filed under."""


class Md5Service(Service):
    """Starts after the listeners, stops before them. Without capture it goes on with keys that the backend sends.

    :param backend: where keys come from; it bounds how many questions a second go out.
    :param listeners: the listening sockets, asked for at each change of a key.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        backend: KeySource,
        config: Md5Config,
        listeners: Listeners,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._reactor = reactor
        self._backend = backend
        self._config = config
        self._wall = wall
        self._ring = KeyRing(KernelKeys(listeners))
        self._peers = Peers()
        self._complaints = Complaints(reactor.seconds())
        self._problem = ""
        self._tcp_ao = False
        self._learner = Learner(
            backend=backend, ring=self._ring, audience=self, spawn=self._spawn, seconds=reactor.seconds
        )
        self._capture = Supervision(
            reactor=reactor,
            interface=config.interface,
            launch=self._launch,
            syn=self._learner.syn,
            trouble=self._capture_lost,
        )

    def startService(self) -> None:
        """Look what kernel and privileges allow, say what they do not, and begin to watch."""
        super().startService()
        self._tcp_ao = kernel_has_tcp_ao()
        if self._tcp_ao:
            self.log.info("TCP-AO: this kernel has it; kbgp does not use it, the backend has keys for TCP-MD5 only")
        else:
            self.log.info("TCP-AO: this kernel does not have it")
        self._problem = md5_problem() or capture_problem()
        self._backend.on_pushed(self._learner.pushed)
        if self._problem:
            self.log.error("TCP-MD5: {problem}", problem=self._problem)
            return
        lay_down(NET_RAW)
        self._capture.start()
        self.log.info(
            "TCP-MD5: watching interface {interface} for signed connection attempts to port {ports}",
            interface=self._config.interface,
            ports=", ".join(map(str, self._config.ports)),
        )

    def stopService(self) -> Deferred[None]:
        """Fires when the child is gone."""
        super().stopService()
        gone: Deferred[None] = Deferred()
        self._capture.stop(lambda: gone.callback(None))
        return gone

    def refusal(self, sock: socket, device_ip: str, parameters: Parameters) -> str:
        """Why an accepted connection must not go on, empty when it may; see :meth:`Learner.refusal`."""
        return self._learner.refusal(sock, device_ip, parameters)

    def status(self) -> Md5Status:
        """TCP-MD5 now, for page, JSON and metrics."""
        counts = self._capture.counts
        return Md5Status(
            interface=self._config.interface,
            capturing=self._capture.ready,
            pid=self._capture.pid,
            restarts=self._capture.restarts,
            networks=tuple(map(shown, self._ring.networks())),
            waiting=self._learner.questions.pending,
            syns=counts.syns,
            shed=counts.shed + self._learner.questions.shed,
            malformed=counts.malformed,
            kernel_drops=counts.kernel_drops,
            problem="" if self._capture.ready else self._problem,
            tcp_ao=self._tcp_ao,
            peers=self._peers.listed(),
            kernel=kernel_counters(),
        )

    def seen(self, router: str, verdict: Verdict) -> None:
        """A router's SYN was judged."""
        self._peers.note(router, verdict, self._wall())
        if verdict is Verdict.SIGNED:
            self._complaints.settle(router)

    def seen_again(self, router: str) -> None:
        """A router tries again, and nothing has changed."""
        self._peers.again(router, self._wall())

    def wrong(self, router: str, matter: str, text: str) -> None:
        """A router cannot connect: log it, unless it was said lately."""
        if self._complaints.due(router, matter, self._reactor.seconds()):
            count = self._complaints.take_left_out()
            more = f" ({count} lines like this were left out before)" if count else ""
            self.log.warn("TCP-MD5 of {router}: {text}{more}", router=router, text=text, more=more)

    def changed(self, network: str, what: str) -> None:
        """A key was set, replaced or removed."""
        self.log.info("TCP-MD5 key of {network} {what}", network=network, what=what)

    def _capture_lost(self, reason: str) -> None:
        self._problem = f"connection attempts are not watched: {reason}"
        if self._complaints.due(CAPTURE, reason, self._reactor.seconds()):
            self.log.error("TCP-MD5: {problem}; tried again", problem=self._problem)

    def _launch(self, *, record: Callable[[Record], None], ended: Callable[[str], None]) -> Child:
        child = CaptureProtocol(record=record, ended=ended)
        command = capture_command(self._config.interface, self._config.ports)
        with lent_to_children(NET_RAW):
            self._reactor.spawnProcess(child, command[0], command, env=capture_environment(), childFDs=CHILD_FILES)
        return child

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(
            lambda failure: self.log.failure("learning a TCP-MD5 key met a bug; please report this", failure)
        )


def kernel_counters() -> Md5Counters | None:
    """Segments that the kernel dropped for their signature; ``None`` where it does not tell."""
    with suppress(OSError):
        return parse_netstat(Path(NETSTAT).read_text(encoding="ascii"))
    return None
