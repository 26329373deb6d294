"""The gRPC service ``kentik.ktbgp.v202203beta2.ProxyService``: who calls, with which right, and what is answered."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any, Generic, NoReturn, TypeVar

from twisted.logger import Logger

import grpc

from kproxy_tw.bgp.metadata import Caller, Counts, Metadata, Opening, Pairs, caller_of, gathered, opening_of
from kproxy_tw.bgp.proto.ktbgp_pb2 import ControlRequest, ControlResponse, DataRequest, DataResponse
from kproxy_tw.bgp.proto.ktbgp_pb2_grpc import ProxyServiceServicer
from kproxy_tw.collector.bgp_target.carriage import KILL
from kproxy_tw.collector.bgp_target.cease import Cease, cease
from kproxy_tw.collector.bgp_target.headers import data_headers, response_headers
from kproxy_tw.collector.bgp_target.session import Outcome
from kproxy_tw.collector.bgp_target.stream import StreamBroken
from kproxy_tw.collector.bgp_target.switchboard import Switchboard
from kproxy_tw.collector.bgp_target.tenants import OverLimit, Tenant
from kproxy_tw.collector.credentials import Credentials
from kproxy_tw.errors import MalformedInput

HALF_CLOSE_SECONDS = 0.1
"""gRPC tells the end of what a client sends before it tells that the client is gone: wait so long for the second."""

WARNING_SECONDS = 60.0

Request = TypeVar("Request", ControlRequest, DataRequest)
Response = TypeVar("Response", ControlResponse, DataResponse)


class GrpcStream(Generic[Request, Response]):
    """A stream on top of gRPC's context.

    :param shared: response headers.
    """

    def __init__(self, context: Any, shared: Pairs, session_id: str = "") -> None:
        self._context = context
        self._shared = shared
        self._session_id = session_id

    async def open(self, counts: Counts) -> None:
        """Send the initial metadata of a Data stream."""
        await self._do(self._context.send_initial_metadata(data_headers(self._shared, self._session_id, counts)))

    async def read(self) -> Request | None:
        """The next message; ``None`` when the client has half-closed."""
        try:  # for each message: no coroutine more than needed
            message = await self._context.read()
        except grpc.aio.BaseError as problem:
            raise StreamBroken(str(problem)) from None
        if message is not grpc.aio.EOF:
            return message  # type: ignore[no-any-return]
        await asyncio.sleep(HALF_CLOSE_SECONDS)
        if self._context.cancelled():
            raise StreamBroken("cancelled")
        return None

    async def write(self, response: Response) -> None:
        """Send a message."""
        await self._do(self._context.write(response))

    async def _do(self, operation: Any) -> Any:
        try:
            return await operation
        except grpc.aio.BaseError as problem:
            raise StreamBroken(str(problem)) from None


class ProxyService(ProxyServiceServicer):
    """The service.

    :param credentials: what is demanded.
    :param tls: whether clients come over TLS.
    :param reactor: provides the time.
    """

    log = Logger()

    def __init__(self, *, switchboard: Switchboard, credentials: Credentials, tls: bool, reactor: Any) -> None:
        self._switchboard = switchboard
        self._credentials = credentials
        self._tls = tls
        self._reactor = reactor
        self._next_warning = float("-inf")

    async def Control(self, _requests: Any, context: Any) -> None:  # noqa: N802 - the service's name for it
        """Answer questions about routers for as long as the agent likes."""
        caller, _ = await self._caller(context)
        tenant = await self._tenant(context, caller)
        stream: GrpcStream[ControlRequest, ControlResponse] = GrpcStream(context, ())
        await context.send_initial_metadata(self._headers(tenant))
        try:
            await self._switchboard.serve_control(caller, tenant, stream)
        except OverLimit as problem:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(problem))
        except StreamBroken:
            return

    async def Data(self, _requests: Any, context: Any) -> None:  # noqa: N802 - the service's name for it
        """Carry one session, a new one or one whose last stream broke."""
        caller, metadata = await self._caller(context)
        tenant = await self._tenant(context, caller)
        try:
            opening = opening_of(metadata)
            tenant.opened(self._reactor.seconds())
        except MalformedInput as problem:
            await self._abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(problem))
        except OverLimit as problem:
            await self._abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(problem))
        headers = self._headers(tenant)
        stream: GrpcStream[DataRequest, DataResponse]
        stream = GrpcStream(context, headers, opening.connection.session_id)
        try:
            outcome = await self._carry(stream, opening, tenant)
        except StreamBroken:
            outcome = Outcome.BROKEN
        if outcome is Outcome.BROKEN and not context.cancelled():
            await context.abort(grpc.StatusCode.ABORTED, "another stream carries this session")

    async def _carry(self, stream: GrpcStream[DataRequest, DataResponse], opening: Opening, tenant: Tenant) -> Outcome:
        try:
            session = self._switchboard.session(opening, tenant)
        except OverLimit as problem:
            self._warn("{email}: {problem}", email=tenant.name, problem=str(problem))
            await stream.open(Counts())
            await stream.write(DataResponse(data=[cease(Cease.OUT_OF_RESOURCES)]))
            return Outcome.OVER
        if session is None:
            await stream.open(Counts())
            await stream.write(KILL)
            return Outcome.OVER
        try:
            return await session.carry(stream, opening.counts)
        except Exception:
            self.log.failure("a BGP session met an error of kcollect")
            raise

    async def _caller(self, context: Any) -> tuple[Caller, Metadata]:
        """Who calls, if the credentials are right; ends the call otherwise."""
        metadata = gathered(context.invocation_metadata())
        try:
            caller = caller_of(metadata)
        except MalformedInput as problem:
            await self._abort(context, grpc.StatusCode.UNAUTHENTICATED, str(problem))
        if not self._credentials.match(caller.email.encode(), caller.token.encode()):
            self._warn("an agent names itself {email} and shows a wrong email or token", email=caller.email[:100])
            await self._abort(context, grpc.StatusCode.UNAUTHENTICATED, "the email or the token is wrong")
        return caller, metadata

    async def _tenant(self, context: Any, caller: Caller) -> Tenant:
        try:
            return self._switchboard.tenants.get(caller.email)
        except OverLimit as problem:
            await self._abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(problem))

    async def _abort(self, context: Any, code: grpc.StatusCode, details: str) -> NoReturn:
        await context.abort(code, details)
        raise AssertionError("abort() has raised")

    def _headers(self, tenant: Tenant) -> Pairs:
        return response_headers(
            wall=time.time(),
            request_id=str(uuid.uuid4()),
            tenant=tenant,
            now=self._reactor.seconds(),
            tls=self._tls,
        )

    def _warn(self, text: str, **fields: object) -> None:
        now = self._reactor.seconds()
        if now >= self._next_warning:
            self._next_warning = now + WARNING_SECONDS
            self.log.warn(text, **fields)
