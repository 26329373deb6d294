"""Questions about routers that wait for the control stream's answer: shared, bounded, each with a time limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

import attrs

from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.errors import BackendUnavailable

MAX_WAITING = 1024
"""Askers in all."""


@attrs.define
class _Question:
    request: ktbgp_pb2.ControlRequest
    waiting: list[Deferred[Parameters]] = attrs.field(factory=list)


class Questions:
    """Open questions by router address.

    :param seconds: how long an asker waits.
    :param why: says what is wrong with the control stream; empty if nothing.
    """

    def __init__(self, *, reactor: Any, seconds: float, why: Callable[[], str]) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._why = why
        self._open: dict[str, _Question] = {}

    def requests(self) -> list[ktbgp_pb2.ControlRequest]:
        """What is to be asked again on a new stream."""
        return [question.request for question in self._open.values()]

    def is_open(self, device_ip: str) -> bool:
        """Whether an answer about this address is waited for."""
        return device_ip in self._open

    async def wait(self, device_ip: str, request: ktbgp_pb2.ControlRequest) -> Parameters:
        """Wait for the answer about an address, with all others who ask.

        :raises BackendUnavailable: none came in time, or too many wait.
        """
        if sum(len(question.waiting) for question in self._open.values()) >= MAX_WAITING:
            raise BackendUnavailable(f"{MAX_WAITING} questions wait for the control stream already")
        question = self._open.setdefault(device_ip, _Question(request))
        outcome = Deferred[Parameters]()
        question.waiting.append(outcome)
        timer = self._reactor.callLater(self._seconds, self._fail, outcome, device_ip)
        try:
            return await outcome
        finally:
            if timer.active():
                timer.cancel()
            self._leave(device_ip, question, outcome)

    def answer(self, parameters: Parameters) -> bool:
        """Give everybody who asked the answer; false if nobody did."""
        question = self._open.pop(parameters.device_ip, None)
        if question is None:
            return False
        for outcome in question.waiting:
            outcome.callback(parameters)
        return True

    def fail_all(self, reason: str) -> None:
        """Nobody will answer any more."""
        questions, self._open = list(self._open.values()), {}
        for question in questions:
            for outcome in question.waiting:
                outcome.errback(Failure(BackendUnavailable(reason)))

    def _fail(self, outcome: Deferred[Parameters], device_ip: str) -> None:
        why = self._why() or "the control stream is up, and silent"
        text = f"no answer about {device_ip} within {self._seconds:g} s: {why}"
        outcome.errback(Failure(BackendUnavailable(text)))

    def _leave(self, device_ip: str, question: _Question, outcome: Deferred[Parameters]) -> None:
        question.waiting = [other for other in question.waiting if other is not outcome]
        if not question.waiting and self._open.get(device_ip) is question:
            del self._open[device_ip]
