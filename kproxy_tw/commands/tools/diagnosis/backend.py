"""Checks of the way to the backend: names, TLS, credentials, and the clock by the answers' date."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.threads import deferToThread

from kproxy_tw import __version__
from kproxy_tw.assembly import KproxyConfig
from kproxy_tw.commands.tools.diagnosis.finding import Finding
from kproxy_tw.commands.tools.diagnosis.names import addresses
from kproxy_tw.devices.client import ApiRefused, DeviceApi
from kproxy_tw.devices.device import Device
from kproxy_tw.errors import MalformedInput, UpstreamError
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.expiry import DAY, WARN_DAYS, CertificateExpiry
from kproxy_tw.upstream.offset import MOST_SECONDS, ClockOffset
from kproxy_tw.upstream.tls import TlsPolicy

NAME_SECONDS = 10.0
ANSWER_SECONDS = 15.0

CLOSE_SECONDS = 5.0
"""A clock that is further off is worth a word: answers say whole seconds, and take some time."""


class BackendChecks:
    """Looks at the backend of a configuration, as kproxy itself would.

    :ivar devices: of the account; ``None`` until the API has given them.
    :raises ConfigError: a certificate file cannot be used.
    """

    def __init__(self, config: KproxyConfig, reactor: Any) -> None:
        self.devices: Sequence[Device] | None = None
        self._config = config
        self._reactor = reactor
        self._offset = ClockOffset(time.time)
        self._expiry = CertificateExpiry(time.time)
        self._tls = TlsPolicy(config.tls, self._expiry)

    async def findings(self) -> AsyncIterator[Finding]:
        """One after the other, as they are made."""
        named = True
        for host, port in self._hosts():
            finding = await self._name(host, port)
            named = named and finding.level == "ok"
            yield finding
        if not named:
            for name in ("api", "credentials", "flow", "clock"):
                yield Finding(name, "skip", "not looked at, because a name was not found")
            return
        async for finding in self._api():
            yield finding
        yield await self._flow()
        yield self._clock()

    def _hosts(self) -> list[tuple[str, int]]:
        """Whose name has to be known here: the hosts', or that of the proxy before them."""
        found: dict[tuple[str, int], None] = {}
        for url in (self._config.endpoints.api, self._config.endpoints.flow):
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
            proxy = self._config.proxies.route(host, port)
            found[(host, port) if proxy is None else (proxy.host, proxy.port)] = None
        return list(found)

    async def _name(self, host: str, port: int) -> Finding:
        if isIPAddress(host) or isIPv6Address(host):
            return Finding("dns", "ok", f"{host} needs no name server")
        began = time.monotonic()
        looking: Deferred[list[str]] = deferToThread(partial(addresses, host, port))
        try:
            found = await looking.addTimeout(NAME_SECONDS, self._reactor)
        except OSError as problem:
            return Finding(
                "dns", "fail", f"{host}: {problem.strerror}", "check /etc/resolv.conf, -region, -api and -flow_url"
            )
        except DeferredTimeout:
            return Finding("dns", "fail", f"{host}: no answer within {NAME_SECONDS:g} s", "check /etc/resolv.conf")
        took = 1000 * (time.monotonic() - began)
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return Finding("dns", "ok", f"{host} is {', '.join(found[:3])}{more} ({took:.0f} ms)")

    def _session(self) -> HttpsSession:
        return HttpsSession(
            reactor=self._reactor,
            tls=self._tls,
            credentials=self._config.credentials,
            user_agent=f"kproxy/{__version__}",
            proxies=self._config.proxies,
            offset=self._offset,
        )

    async def _api(self) -> AsyncIterator[Finding]:
        session, url = self._session(), self._config.endpoints.api
        api = DeviceApi(session, url, offload=deferToThread)
        try:
            listed = await api.all_devices()
        except (UpstreamError, MalformedInput) as problem:
            if isinstance(problem, ApiRefused) and problem.credentials:
                yield self._reached("api", url, problem.status)
                yield Finding("credentials", "fail", str(problem))
            else:
                answered = isinstance(problem, ApiRefused | MalformedInput)
                yield Finding("api", "fail", str(problem), "" if answered else self._way_out())
                yield Finding("credentials", "skip", "not looked at, because the API gave no devices")
        else:
            self.devices = listed.devices
            yield self._reached("api", url, 200)
            yield Finding("credentials", "ok", f"taken for {self._config.credentials.email}")
            yield _devices(len(listed.devices))
        finally:
            await session.close()

    async def _flow(self) -> Finding:
        """Reached is what answers at all: there is nothing to send."""
        session, url = self._session(), self._config.endpoints.flow
        try:
            answer = await session.request("GET", url, seconds=ANSWER_SECONDS)
        except UpstreamError as problem:
            return Finding("flow", "fail", str(problem), self._way_out())
        else:
            return self._reached("flow", url, answer.status)
        finally:
            await session.close()

    def _reached(self, name: str, url: str, status: int) -> Finding:
        expires = self._expiry.all().get(urlsplit(url).hostname or "")
        if expires is None:
            return Finding(name, "ok", f"{url} answers (HTTP {status}, plain text on this machine)")
        days = int((expires - time.time()) // DAY)
        shown = f"{url} answers (HTTP {status}), certificate verified, {days} days left"
        if days < WARN_DAYS:
            return Finding(name, "warn", shown, "whoever runs it should renew its certificate")
        return Finding(name, "ok", shown)

    def _way_out(self) -> str:
        proxies = self._config.proxies
        if proxies.proxy is not None:
            return f"it is reached through the proxy {proxies.proxy} ({proxies.origin}): may that go there?"
        return "may this machine go there? A proxy is named with -local_proxy or HTTPS_PROXY"

    def _clock(self) -> Finding:
        off = self._offset.known()
        if off is None:
            return Finding("clock", "skip", "not known: no answer to compare with")
        side = "ahead of" if off > 0 else "behind"
        shown = f"{abs(off):.1f} s {side} the backend's"
        if abs(off) > MOST_SECONDS:
            return Finding(
                "clock", "fail", shown, "it must be right to within a minute: install chrony, or another NTP client"
            )
        if abs(off) > CLOSE_SECONDS:
            return Finding("clock", "warn", shown, "run an NTP client")
        return Finding("clock", "ok", shown)


def _devices(count: int) -> Finding:
    if not count:
        return Finding(
            "devices", "warn", "the account has none", "create one with the addresses that the routers send from"
        )
    return Finding("devices", "ok", f"{count} in the account")
