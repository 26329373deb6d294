"""RefreshService: keeps the registry as the API has it, and asks the API for addresses that are not in it.

Two parts: :class:`ListRefresh` fetches the whole list, at the start and every 20 minutes, with the last good list
from disk until the API has answered; :class:`AddressQuestions` asks for single addresses.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import gmtime, strftime, time

from twisted.application.service import MultiService, Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.backoff import Uniform, full_jitter
from kproxy_tw.devices.client import ApiRefused, DeviceApi
from kproxy_tw.devices.config import DevicesConfig
from kproxy_tw.devices.parse import DeviceList
from kproxy_tw.devices.questions import Questions
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.roster import Answered, Changed, Roster
from kproxy_tw.devices.sources import Sources
from kproxy_tw.devices.store import DeviceStore
from kproxy_tw.errors import MalformedInput, StoreError, UpstreamError
from kproxy_tw.status import Check, EndpointStatus

MAX_NAMED = 5
"""Skipped devices and conflicts that the log names one by one; the others are only counted."""

PATIENCE_SECONDS = 60.0
"""A first list that has not come after this time is a failure."""

LAPSE_SECONDS = 1.0
"""How often held datagrams are looked through for those that have waited too long."""


def _least_wait(problem: Exception) -> float:
    return problem.wait_seconds if isinstance(problem, ApiRefused) else 0.0


class ListRefresh(Service):
    """Fetches the device list again and again, for as long as the service runs.

    :param listed: is told the changes that each list brought, after the registry has them.
    :ivar last_success: seconds since 1970 of the last list from the API, 0 before the first.
    :ivar last_error: why the last fetch failed; empty after a good one.
    :ivar first_list: fires when there is a list, from the last run or the API, or the API has failed to give one.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: IReactorTime,
        api: DeviceApi,
        store: DeviceStore,
        roster: Roster,
        config: DevicesConfig,
        wall: Callable[[], float],
        uniform: Uniform,
        listed: Callable[[Changes], None],
    ) -> None:
        self._reactor = reactor
        self._api = api
        self._store = store
        self._roster = roster
        self._config = config
        self._wall = wall
        self._uniform = uniform
        self._listed = listed
        self._work: Deferred[None] | None = None
        self._failures = 0
        self._saved_list = False
        self._good_at = self._next_at = 0.0
        self._alarm = False
        self.first_list: Deferred[None] = Deferred()
        self.last_success = 0.0
        self.last_error = ""

    def startService(self) -> None:
        """Load the last good list and fetch the present one."""
        super().startService()
        self._good_at = self._reactor.seconds()
        self._work = Deferred.fromCoroutine(self._run())
        self._work.addErrback(self._ended)

    def stopService(self) -> Deferred[None] | None:
        """Give up the fetch or the wait that is under way."""
        super().stopService()
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
        return work

    def retry_seconds(self) -> float:
        """Seconds until the next fetch after a failed one; 0 after a good one."""
        return max(0.0, self._next_at - self._reactor.seconds()) if self._failures else 0.0

    def check(self) -> Check:
        """Whether the list is good and fresh enough."""
        age = self._reactor.seconds() - self._good_at
        have_list = self._saved_list or self.last_success > 0
        if self._alarm or age > (2 * self._config.refresh_seconds if have_list else PATIENCE_SECONDS):
            detail = self.last_error or "the API has not answered yet"
            return Check(name="devices", status="failing", detail=detail, seconds=age)
        if not have_list:
            return Check(name="devices", status="initializing", detail=self.last_error or "waiting for the first list")
        return Check(name="devices", status="ok", detail=self._detail())

    def _detail(self) -> str:
        moment = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(self.last_success)) if self.last_success else "an earlier run"
        trouble = f"; since then: {self.last_error}" if self.last_error else ""
        return f"{len(self._roster.registry)} devices, list from {moment}{trouble}"

    async def _run(self) -> None:
        await self._load()
        while self.running:
            seconds = await self._fetch()
            self._settled()
            if not self.running:
                return
            self._next_at = self._reactor.seconds() + seconds
            await deferLater(self._reactor, seconds)

    def _ended(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self.last_error = "stopped by an error in this program: see the log, and restart it"
            self._alarm = True
            self.log.failure("the device list is no longer refreshed", failure)

    async def _load(self) -> None:
        try:
            saved = await self._store.load()
        except StoreError as problem:
            self.log.warn("no device list from the last run: {problem}", problem=str(problem))
            return
        if saved is not None:
            self._saved_list = True
            self._take(saved)
            self.log.info("{count} devices from the last run", count=len(saved.devices))
            self._settled()

    def _settled(self) -> None:
        if not self.first_list.called:
            self.first_list.callback(None)

    async def _fetch(self) -> float:
        self._roster.listing()
        try:
            answer = await self._api.all_devices()
        except (UpstreamError, MalformedInput) as problem:
            return self._failed(problem)
        self._failures, self.last_error, self._alarm = 0, "", False
        self._good_at, self.last_success = self._reactor.seconds(), self._wall()
        self._take(answer)
        await self._save()
        return self._config.refresh_seconds

    def _failed(self, problem: Exception) -> float:
        self._failures += 1
        self.last_error = str(problem)
        self._alarm = isinstance(problem, ApiRefused) and problem.credentials
        config = self._config
        wait = full_jitter(self._failures, config.retry_first_seconds, config.retry_max_seconds, self._uniform)
        wait = max(wait, _least_wait(problem))
        self.log.warn(
            "no device list: {problem}; the {count} known devices stay, next try in {wait:.0f} s",
            problem=self.last_error,
            count=len(self._roster.registry),
            wait=wait,
        )
        return wait

    def _take(self, answer: DeviceList) -> None:
        changes = self._roster.listed(answer)
        self._report(answer, changes)
        self._listed(changes)

    def _report(self, answer: DeviceList, changes: Changes) -> None:
        if changes:
            self.log.info(
                "devices: {added} added, {removed} removed, {changed} changed",
                added=len(changes.added),
                removed=len(changes.removed),
                changed=len(changes.changed),
            )
        for skipped in answer.skipped[:MAX_NAMED]:
            self.log.warn("a device of the API cannot be used: {problem}", problem=skipped.problem)
        if len(answer.skipped) > MAX_NAMED:
            self.log.warn("{count} devices of the API cannot be used", count=len(answer.skipped))
        for conflict in changes.conflicts[:MAX_NAMED]:
            self.log.warn(
                "{address} is a sending address of both {kept} and {refused}; {kept} has it",
                address=conflict.address,
                kept=conflict.kept.name,
                refused=conflict.refused.name,
            )

    async def _save(self) -> None:
        try:
            await self._store.save(self._roster.registry.devices())
        except StoreError as problem:
            self.log.warn("the device list is not kept for the next start: {problem}", problem=str(problem))


class AddressQuestions(Service):
    """Asks the API for addresses, one question each, a few at a time."""

    log = Logger()

    def __init__(
        self,
        *,
        reactor: IReactorTime,
        api: DeviceApi,
        roster: Roster,
        config: DevicesConfig,
        uniform: Uniform,
    ) -> None:
        self._reactor = reactor
        self._api = api
        self._roster = roster
        self._questions = Questions(in_flight=config.questions_in_flight, uniform=uniform)
        self._under_way: set[Deferred[None]] = set()
        self._timer: IDelayedCall | None = None
        self._lapses = LoopingCall(self._lapse)
        self._lapses.clock = reactor

    def startService(self) -> None:
        """Look after held datagrams, and ask what was queued meanwhile."""
        super().startService()
        self._lapses.start(LAPSE_SECONDS, now=False).addErrback(self._lapses_ended)
        self._go_on()

    def stopService(self) -> Deferred[list[tuple[bool, None]]]:
        """Give up every question."""
        super().stopService()
        if self._lapses.running:
            self._lapses.stop()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        under_way = list(self._under_way)
        for question in under_way:
            question.cancel()
        return DeferredList(under_way)

    def ask(self, address: str) -> None:
        """Queue a question for ``address``."""
        if self._questions.add(address):
            self._go_on()
        else:
            self._roster.refused(address, self._reactor.seconds())

    def withdraw(self, changes: Changes) -> None:
        """Do not ask for addresses that are known from a list now."""
        for address in changes.addresses:
            self._questions.withdraw(address)

    def _lapse(self) -> None:
        self._roster.lapse(self._reactor.seconds())

    def _lapses_ended(self, failure: Failure) -> None:
        self.log.failure("held datagrams are no longer given up in time", failure)

    def _go_on(self) -> None:
        while self.running and (address := self._questions.begin(self._reactor.seconds())) is not None:
            question = Deferred.fromCoroutine(self._ask(address))
            self._under_way.add(question)
            question.addErrback(self._broken, address)
            question.addBoth(self._done, question)
        self._schedule()

    def _schedule(self) -> None:
        wait = self._questions.wait(self._reactor.seconds()) if self.running else None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None if wait is None else self._reactor.callLater(wait, self._go_on)

    async def _ask(self, address: str) -> None:
        try:
            device = await self._api.device(address)
        except (UpstreamError, MalformedInput) as problem:
            self._unanswered(address, problem)
            return
        self._questions.answered(address)
        if device is not None and address not in device.sending_addresses:
            self.log.warn(
                "the API says that {address} is {name}, but it is none of its sending addresses",
                address=address,
                name=device.name,
            )
            device = None
        if device is None:
            self._roster.refused(address, self._reactor.seconds())
            return
        self._roster.learned(address, device)

    def _unanswered(self, address: str, problem: Exception) -> None:
        now = self._reactor.seconds()
        given_up = self._questions.failed(address, now, _least_wait(problem))
        self.log.warn(
            "the API was asked whose address {address} is: {problem}; {next_step}",
            address=address,
            problem=str(problem),
            next_step="given up for a while" if given_up else "it is asked again",
        )
        if given_up:
            self._roster.refused(address, now)

    def _broken(self, failure: Failure, address: str) -> None:
        if failure.check(CancelledError) is None:
            self.log.failure("the question for {address} broke", failure, address=address)
            self._questions.answered(address)
            self._roster.sources.refused(address, self._reactor.seconds())

    def _done(self, _result: object, question: Deferred[None]) -> None:
        self._under_way.discard(question)
        self._go_on()


class RefreshService(MultiService):
    """The registry's link to the API; start it with the proxy, stop it with the proxy.

    :param changed: is told what each list or answer changed; look up ``Changes.addresses`` again then.
    :param answered: is told the device of an address that was asked for, or ``None``; it has to take from
        ``sources`` what is held for the address, and to count it as unregistered in the second case.
    :param wall: seconds since 1970.
    :param uniform: draws the jitter.
    """

    def __init__(
        self,
        *,
        reactor: IReactorTime,
        api: DeviceApi,
        store: DeviceStore,
        registry: Registry,
        sources: Sources,
        config: DevicesConfig,
        changed: Changed,
        answered: Answered,
        wall: Callable[[], float] = time,
        uniform: Uniform = random.uniform,
    ) -> None:
        super().__init__()
        roster = Roster(registry=registry, sources=sources, changed=changed, answered=answered)
        self._api = api
        self._questions = AddressQuestions(reactor=reactor, api=api, roster=roster, config=config, uniform=uniform)
        self._list = ListRefresh(
            reactor=reactor,
            api=api,
            store=store,
            roster=roster,
            config=config,
            wall=wall,
            uniform=uniform,
            listed=self._questions.withdraw,
        )
        self._list.setServiceParent(self)
        self._questions.setServiceParent(self)

    def ask(self, address: str) -> None:
        """Ask the API for an address for which ``Sources.arrived`` said ``Verdict.ASK``.

        ``changed`` and ``answered`` may be called before this returns.
        """
        self._questions.ask(address)

    @property
    def first_list(self) -> Deferred[None]:
        """See :class:`ListRefresh`."""
        return self._list.first_list

    def check(self) -> Check:
        """The line of ``/hc``: ``initializing`` until there is a list, ``failing`` when it is too old or refused."""
        return self._list.check()

    def endpoint(self) -> EndpointStatus:
        """The device API as an upstream."""
        return EndpointStatus(
            url=self._api.base_url,
            connected=self._list.last_success > 0 and not self._list.last_error,
            last_status=self._api.last_status,
            last_error=self._list.last_error,
            retry_in_ms=round(self._list.retry_seconds() * 1000),
        )

    @property
    def last_success(self) -> float:
        """Seconds since 1970 of the last list from the API, 0 before the first."""
        return self._list.last_success
