"""``python -m bench.snmp_agents COUNT INTERFACES``: simulated agents on loopback, which note when polls begin.

Prints their ports as JSON; when standard input ends, prints for each agent the times at which polls began, in seconds
of the monotonic clock.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from kproxy_tw.snmp.message import Kind
from kproxy_tw.testing.snmp_agent import Question, SimulatedAgent
from kproxy_tw.testing.snmp_devices import device


class NotingAgent(SimulatedAgent):
    """A poll begins with a GET of the system group."""

    def __init__(self, number: int, interfaces: int) -> None:
        super().__init__(device(f"polled {number}", interfaces))
        self.begun: list[float] = []

    def replies(self, question: Question) -> Any:
        """Note, and answer."""
        if question.kind == Kind.GET:
            self.begun.append(time.monotonic())
        return super().replies(question)


def main(count: int, interfaces: int) -> None:
    """Answer until standard input ends."""
    from twisted.internet import reactor as installed
    from twisted.internet.protocol import Protocol
    from twisted.internet.stdio import StandardIO

    reactor: Any = installed
    agents = [NotingAgent(number, interfaces) for number in range(count)]
    ports = [
        reactor.listenUDP(0, agent, interface="127.0.0.1", maxPacketSize=65_535).getHost().port for agent in agents
    ]

    class UntilEnd(Protocol):
        """Ends the process with its input."""

        def connectionMade(self) -> None:
            """Say where the agents are."""
            self.write(ports)

        def connectionLost(self, reason: object = None) -> None:
            """Say what they saw."""
            sys.stdout.write(json.dumps([agent.begun for agent in agents]) + "\n")
            sys.stdout.flush()
            reactor.stop()

        def write(self, value: object) -> None:
            """A line of JSON."""
            transport: Any = self.transport
            transport.write(json.dumps(value).encode() + b"\n")

    StandardIO(UntilEnd())
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
