"""Asks one agent: single values, and columns of tables. The careful way, which every agent is asked in.

Each question is sent again when no answer comes in time, with less to answer where that is possible. What is no
answer to a question of ours is counted and passed over.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber, usm
from kproxy_tw.snmp.failure import AgentFailure, NoSuchName, TooBig
from kproxy_tw.snmp.message import Answer, CommunitySecurity, ErrorStatus, Kind, Request
from kproxy_tw.snmp.pace import Pace
from kproxy_tw.snmp.protocol import AgentSocket, unreachable
from kproxy_tw.snmp.reading import Effort, ErrorKind
from kproxy_tw.snmp.settings import PrivProtocol, SecurityLevel, SnmpTarget, Version
from kproxy_tw.snmp.usm import UsmSecurity
from kproxy_tw.snmp.walk import Numbers, Walk, is_value
from kproxy_tw.web.text import safe_text

MAX_IGNORED = 32
"""Datagrams that are no answer, while one is waited for; beyond it, the agent is not worth listening to."""

MAX_SYNCHRONISATIONS = 4
"""Reports about engine and clock that a question may bring, before it is given up."""

MAX_REQUEST_ID = 0x7FFFFFFF

RowsListener = Callable[[int], None]
"""Told the rows read so far."""


class AgentClient(Protocol):
    """How an agent is asked; implemented here, and by ``fast.client`` for agents that keep the rules."""

    async def get(self, names: Sequence[Numbers]) -> dict[Numbers, ber.Value]:
        """Single values; names that the agent does not know are left out. :raises AgentFailure: no usable answer."""

    async def walk(self, walk: Walk, read: RowsListener | None = None) -> None:
        """Columns of a table, as far as they can be read; what broke stands in the walk.

        :raises AgentFailure: not even one row came.
        """

    def effort(self) -> Effort:
        """What it has cost so far."""

    def close(self) -> None:
        """Close the socket."""


@attrs.define
class _Spent:
    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    ignored: int = 0
    variables: int = 0
    cpu: float = 0.0


@attrs.define(eq=False)
class _Question:
    """One question, in all the forms that it was sent in.

    :ivar make: makes its present form.
    :ivar sent: request ids; an answer to any form of it will do.
    :ivar timeouts: how often no answer came.
    :ivar reports: about engine and clock.
    :ivar ignored: why datagrams that came meanwhile were no answer.
    """

    make: Callable[[int], Request]
    sent: set[int] = attrs.field(factory=set)
    timeouts: int = 0
    reports: int = 0
    ignored: list[str] = attrs.field(factory=list)


class CarefulClient:
    """Asks over a socket of its own.

    :param pace: what is known of how much the agent takes at once; kept by the caller.
    :param clock: seconds, never going back.
    """

    def __init__(
        self,
        target: SnmpTarget,
        socket: AgentSocket,
        security: CommunitySecurity | UsmSecurity,
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._socket = socket
        self._security = security
        self._pace = pace
        self._clock = clock
        self._spent = _Spent()
        self._request_id = random.randrange(1, MAX_REQUEST_ID)  # noqa: S311, it only tells questions apart

    async def get(self, names: Sequence[Numbers]) -> dict[Numbers, ber.Value]:
        """See :class:`AgentClient`."""
        asked = tuple(names)
        while asked:
            try:
                answer = await self._ask(partial(Request, Kind.GET, names=asked))
            except NoSuchName as unknown:
                asked = _without(asked, unknown.error_index)
                continue
            except TooBig:
                if len(asked) == 1:
                    raise
                half = len(asked) // 2
                return {**await self.get(asked[:half]), **await self.get(asked[half:])}
            wanted = {ber.oid_content(name): name for name in asked}
            return {wanted[name]: value for name, value in answer.variables if name in wanted and is_value(value)}
        return {}

    async def walk(self, walk: Walk, read: RowsListener | None = None) -> None:
        """See :class:`AgentClient`."""
        while not walk.done:
            try:
                answer = await self._ask(self._successors(walk))
            except NoSuchName as unknown:
                walk.no_successor(unknown.error_index)
                continue
            except AgentFailure as failure:
                if not walk.table.rows:
                    raise
                walk.fail(failure)
                break
            begun = time.thread_time()
            walk.take(answer.variables, self._clock())
            self._spent.cpu += time.thread_time() - begun
            if read is not None:
                read(len(walk.table.rows))

    def effort(self) -> Effort:
        """See :class:`AgentClient`."""
        spent = self._spent
        return Effort(
            requests=spent.requests,
            retries=spent.retries,
            timeouts=spent.timeouts,
            ignored=spent.ignored + self._socket.overflow,
            variables=spent.variables,
            repetitions=self._pace.repetitions,
            cpu_seconds=spent.cpu,
        )

    def close(self) -> None:
        """See :class:`AgentClient`."""
        self._socket.close()

    def _successors(self, walk: Walk) -> Callable[[int], Request]:
        def make(number: int) -> Request:
            names = walk.ask(self._pace.columns)
            if self._takes_bulk:
                return Request(Kind.BULK, number, names, walk.rows_wanted(self._pace.rows(len(names))))
            return Request(Kind.NEXT, number, names)

        return make

    @property
    def _takes_bulk(self) -> bool:
        return self._pace.bulk and self._target.version is not Version.V1

    async def _ask(self, make: Callable[[int], Request]) -> Answer:
        """The answer to a question, which becomes smaller while it is not answered."""
        question = _Question(make)
        while True:
            request = self._send(question)
            try:
                answer = await self._receive(question)
                if answer.kind is Kind.RESPONSE:
                    _check(answer, self._target)
                else:
                    self._synchronise(question, answer)
                    continue
            except TimeoutError:
                self._spent.timeouts += 1
                question.timeouts += 1
                if not self._ask_again(question, request.kind):
                    raise await self._silence(question) from None
                self._spent.retries += 1
            except OSError as problem:
                question.timeouts += 1
                if question.timeouts > self._target.retries:
                    raise unreachable(problem, self._target.address, self._target.source_address) from None
                self._spent.retries += 1
                await asyncio.sleep(self._target.timeout_seconds / 10)
            except TooBig:
                if not self._less(request):
                    raise
            else:
                self._pace.answered()
                self._spent.variables += len(answer.variables)
                return answer

    def _send(self, question: _Question) -> Request:
        self._request_id = self._request_id % MAX_REQUEST_ID + 1
        begun = time.thread_time()
        request = question.make(self._request_id)
        datagram = self._security.encode(request, self._clock())
        self._spent.cpu += time.thread_time() - begun
        self._spent.requests += 1
        question.sent.add(request.request_id)
        self._socket.send(datagram)
        return request

    async def _receive(self, question: _Question) -> Answer:
        """The next answer to a question. :raises TimeoutError: in time there was none."""
        async with asyncio.timeout(self._target.timeout_seconds):
            while True:
                answer = self._decoded(question, await self._socket.receive())
                if answer is not None:
                    return answer

    def _decoded(self, question: _Question, datagram: bytes) -> Answer | None:
        begun = time.thread_time()
        try:
            answer = self._security.decode(datagram, self._clock())
            if answer.request_id in question.sent:
                return answer
            problem = "an answer to another question"
        except MalformedInput as malformed:
            problem = str(malformed)
        finally:
            self._spent.cpu += time.thread_time() - begun
        self._spent.ignored += 1
        question.ignored.append(problem)
        if len(question.ignored) > MAX_IGNORED:
            raise AgentFailure(ErrorKind.BROKEN_ANSWER, f"too many datagrams that are no answer, at last: {problem}")
        return None

    def _ask_again(self, question: _Question, kind: Kind) -> bool:
        """Once more after silence: with fewer rows; after the last retry with one row, and then without GETBULK."""
        if question.timeouts <= self._target.retries:
            if kind is Kind.BULK:
                self._pace.too_much()
            return True
        if kind is not Kind.BULK:
            return False
        return self._pace.to_one() or self._without_bulk()

    def _less(self, request: Request) -> bool:
        """Ask for fewer rows, then without GETBULK, at last for fewer columns. False when there is no less."""
        if request.kind is Kind.BULK:
            return self._pace.too_much() or self._without_bulk()
        return request.kind is Kind.NEXT and self._pace.fewer_columns(len(request.names))

    def _without_bulk(self) -> bool:
        was_bulk, self._pace.bulk = self._pace.bulk, False
        return was_bulk

    def _synchronise(self, question: _Question, report: Answer) -> None:
        """The session has learned from a report; ask again.

        :raises AgentFailure: the report is about something else.
        """
        question.reports += 1
        about = usm.report_name(report)
        if about not in (usm.UNKNOWN_ENGINE, usm.NOT_IN_TIME_WINDOW) or question.reports > MAX_SYNCHRONISATIONS:
            raise report_failure(about, self._target)

    async def _silence(self, question: _Question) -> AgentFailure:
        """What it means that no answer came."""
        if not self._pace.bulk and self._target.version is not Version.V1:
            self._pace.bulk = True  # it is not GETBULK that the agent does not answer
        if question.ignored:
            return AgentFailure(ErrorKind.BROKEN_ANSWER, f"what the agent sends is no answer: {question.ignored[-1]}")
        sent = len(question.sent)
        tries = f"no answer to {sent} request{'s' * (sent != 1)}, {self._target.timeout_seconds:g} s each"
        if self._target.version is not Version.V3:
            return AgentFailure(
                ErrorKind.NO_ANSWER,
                f"{tries}: the address, a packet filter or the community may be wrong; agents do not answer a wrong "
                "community, so these cannot be told apart",
            )
        context = ", or the context" if self._target.v3 and self._target.v3.context_name else ""
        if await self._proves_its_key():
            return AgentFailure(
                ErrorKind.WRONG_PRIV,
                "the agent knows the user and its authentication, but does not answer what is encrypted: "
                "privacy protocol or pass phrase must be wrong" + context,
            )
        return AgentFailure(ErrorKind.NO_ANSWER, f"{tries}: the address or a packet filter may be wrong")

    async def _proves_its_key(self) -> bool:
        """The agent signs a report with our key, when asked without privacy."""
        security = self._security
        user = self._target.v3
        if not isinstance(security, UsmSecurity) or not security.engine_id:
            return False
        if user is None or user.priv is PrivProtocol.NONE:
            return False
        question = _Question(lambda number: Request(Kind.GET, number, ()))
        self._request_id = self._request_id % MAX_REQUEST_ID + 1
        question.sent.add(self._request_id)
        self._socket.send(security.encode_clock_question(question.make(self._request_id)))
        self._spent.requests += 1
        try:
            return (await self._receive(question)).authentic
        except (TimeoutError, OSError, AgentFailure):
            return False


def _check(answer: Answer, target: SnmpTarget) -> None:
    """:raises AgentFailure: the agent says that it cannot answer."""
    status = answer.error_status
    if status == ErrorStatus.NONE:
        return
    if status == ErrorStatus.NO_SUCH_NAME:
        raise NoSuchName(answer.error_index)
    if status in (ErrorStatus.TOO_BIG, ErrorStatus.GEN_ERR):
        raise TooBig(status)
    if status == ErrorStatus.AUTHORIZATION:
        raise AgentFailure(ErrorKind.AGENT_ERROR, _not_allowed(target))
    raise AgentFailure(ErrorKind.AGENT_ERROR, f"the agent answers with error status {status}")


def _not_allowed(target: SnmpTarget) -> str:
    user = target.v3
    if user is None:
        return "authorization error: the agent does not let this community read this"
    who = f"authorization error: the agent does not let user {safe_text(user.user)} read this"
    if user.level is SecurityLevel.AUTH_PRIV:
        return who
    return f"{who} at security level {user.level}; it may let it with more protection (authPriv)"


def _without(names: tuple[Numbers, ...], error_index: int) -> tuple[Numbers, ...]:
    """Version 1 answers nothing when it does not know one name; without saying which, none is left."""
    if not 1 <= error_index <= len(names):
        return ()
    return names[: error_index - 1] + names[error_index:]


_REPORTS = {
    usm.UNSUPPORTED_LEVEL: (
        ErrorKind.UNSUPPORTED_LEVEL,
        "the agent does not support security level {level} for user {user}",
    ),
    usm.UNKNOWN_USER: (ErrorKind.UNKNOWN_USER, "the agent knows no user {user}"),
    usm.WRONG_DIGEST: (
        ErrorKind.WRONG_AUTH,
        "authentication protocol ({auth}) or pass phrase of user {user} is wrong",
    ),
    usm.DECRYPTION_ERROR: (ErrorKind.WRONG_PRIV, "privacy protocol ({priv}) or pass phrase of user {user} is wrong"),
    usm.UNKNOWN_CONTEXT: (ErrorKind.UNKNOWN_CONTEXT, "the agent knows no context {context!r}"),
    usm.UNAVAILABLE_CONTEXT: (ErrorKind.UNKNOWN_CONTEXT, "the agent's context {context!r} is not available"),
    usm.NOT_IN_TIME_WINDOW: (ErrorKind.AGENT_ERROR, "the agent's clock cannot be followed"),
    usm.UNKNOWN_ENGINE: (ErrorKind.AGENT_ERROR, "the agent's engine id changes with each answer"),
}


def report_failure(about: bytes, target: SnmpTarget) -> AgentFailure:
    """What a report says, for people."""
    user = target.v3 or usm.NOBODY
    kind, text = _REPORTS.get(about, (ErrorKind.AGENT_ERROR, "the agent refuses the request by a report"))
    filled = text.format(
        user=safe_text(user.user),
        level=user.level,
        auth=user.auth,
        priv=user.priv,
        context=safe_text(user.context_name),
    )
    return AgentFailure(kind, filled)
