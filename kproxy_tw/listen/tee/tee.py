"""Tee: every datagram goes to further collectors too, before we take it ourselves, whoever sent it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from twisted.logger import Logger

import attrs

from kproxy_tw.listen.protocol import DatagramReceiver
from kproxy_tw.listen.proxied import Arrived
from kproxy_tw.listen.proxyheader import Source
from kproxy_tw.listen.tee.config import EXPORTER, HEADER, TeeTarget
from kproxy_tw.listen.tee.senders import ExporterSender, OwnSender, Sender
from kproxy_tw.status import TeeStatus, shown_address

LOG_SECONDS = 60.0
"""One line about a target that does not take its copies in this time."""

AS_WHOSE = {
    EXPORTER: "the exporter's",
    HEADER: "ours, the exporter's in a PROXY header",
    "": "ours",
}


@attrs.define(eq=False)
class Branch:
    """One target, how copies get there, and what became of them.

    :ivar whose: the address that copies come from, in words.
    :ivar sender: ``None`` while there is no way to the target.
    :ivar problem: the last one, in words.
    """

    target: TeeTarget
    whose: str = attrs.field(
        default=attrs.Factory(lambda self: AS_WHOSE.get(self.target.source, self.target.source), takes_self=True)
    )
    sender: Sender | None = None
    sent: int = 0
    lost: int = 0
    problem: str = ""
    quiet_until: float = 0.0

    @property
    def name(self) -> str:
        """The target's address."""
        return shown_address(self.target.host, self.target.port)

    def copy(self, data: bytes, exporter: Source) -> bool:
        """Send a copy, and count it. A target gets nothing back that came from it. :return: whether that worked."""
        if exporter[0] == self.target.host:
            return True
        if self.sender is None:
            self.lost += 1
            return True
        try:
            self.sender.send(data, exporter)
        except OSError as error:
            self.lost += 1
            self.problem = error.strerror or str(error)
            return False
        self.sent += 1
        return True

    def close(self) -> None:
        """Close the sockets."""
        if self.sender is not None:
            self.sender.close()
            self.sender = None


class Tee:
    """Hands datagrams on to ``receiver``, and sends a copy of each to every target.

    A target that cannot be reached costs nothing but its copies, which are counted.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, targets: Sequence[TeeTarget], receiver: DatagramReceiver) -> None:
        self._reactor = reactor
        self._receiver = receiver
        self._branches = [Branch(target) for target in targets]

    def __call__(self, arrived: Iterable[Arrived]) -> None:
        """Take what a socket was read of in one step, in the order of arrival."""
        self._receiver(self._copied(arrived))

    def open(self) -> None:
        """Open the sockets."""
        for branch in self._branches:
            try:
                branch.sender = self._sender(branch)
            except OSError as error:
                branch.problem = error.strerror or str(error)
                self.log.error("no copies to {target}: {problem}", target=branch.name, problem=branch.problem)
            else:
                self.log.info(
                    "every datagram goes to {target}, too; its source is {whose}",
                    target=branch.name,
                    whose=branch.whose,
                )

    def close(self) -> None:
        """Close them."""
        for branch in self._branches:
            branch.close()

    def status(self) -> tuple[TeeStatus, ...]:
        """One value per target."""
        return tuple(
            TeeStatus(
                target=branch.name,
                source=branch.whose,
                sent=branch.sent,
                lost=branch.lost,
                problem=branch.problem,
            )
            for branch in self._branches
        )

    def _sender(self, branch: Branch) -> Sender:
        target = branch.target
        if target.source == HEADER:
            return OwnSender(target, with_header=True)
        if target.source != EXPORTER:
            return OwnSender(target, target.source)
        try:
            return ExporterSender(target)
        except PermissionError:
            branch.whose = "ours; the exporter's needs CAP_NET_RAW"
            return OwnSender(target)

    def _copied(self, arrived: Iterable[Arrived]) -> Iterator[Arrived]:
        for data, exporter in arrived:
            for branch in self._branches:
                if not branch.copy(data, exporter):
                    self._tell(branch)
            yield data, exporter

    def _tell(self, branch: Branch) -> None:
        now = self._reactor.seconds()
        if now >= branch.quiet_until:
            branch.quiet_until = now + LOG_SECONDS
            self.log.warn(
                "a copy to {target} is lost: {problem}; {lost} so far",
                target=branch.name,
                problem=branch.problem,
                lost=branch.lost,
            )
