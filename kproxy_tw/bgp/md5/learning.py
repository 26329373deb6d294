"""From SYNs, replies and accepted connections to the right keys on the listeners, and to words about wrong ones."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from kproxy_tw.bgp.admission import NoRoom
from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.keys import HeldKey, host, network_of, plain_address, shown
from kproxy_tw.bgp.md5.questions import Questions
from kproxy_tw.bgp.md5.ring import KeyRing
from kproxy_tw.bgp.md5.store import is_signed
from kproxy_tw.bgp.md5.syn import Syn
from kproxy_tw.bgp.md5.verdict import EXPLANATIONS, Verdict, judge
from kproxy_tw.errors import KproxyError, MalformedInput, StoreError

BLOCKED = " (the backend does not know this router, or blocks it)"

NO_ANSWER, NO_ROOM, BAD_REPLY = "no answer", "no room", "bad reply"


class KeySource(Protocol):
    """The part of the backend that keys come from (``bgp.interfaces.Backend`` has it); bounds its own questions."""

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Ask about one router.

        :raises KproxyError: no answer.
        :raises NoRoom: too many ask.
        """

    def forget(self, device_ip: str) -> None:
        """Ask anew next time."""

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Call back with each reply that nobody asked for."""


class Audience(Protocol):
    """Who hears of what is found; nobody is told a key."""

    def seen(self, router: str, verdict: Verdict) -> None:
        """A SYN was judged."""

    def seen_again(self, router: str) -> None:
        """One more SYN that gets the same verdict as the one before."""

    def wrong(self, router: str, matter: str, text: str) -> None:
        """Something keeps a router from connecting; the same ``matter`` comes again and again."""

    def changed(self, network: str, what: str) -> None:
        """A key was set, replaced or removed."""


class Learner:
    """Everything here happens in the reactor's thread; nothing blocks.

    :param spawn: runs a coroutine in the background.
    :param seconds: a monotonic clock.
    :param zone: interface index to name, for link-local routers.
    """

    def __init__(
        self,
        *,
        backend: KeySource,
        ring: KeyRing,
        audience: Audience,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        seconds: Callable[[], float],
        zone: Callable[[int], str] = socket.if_indextoname,
    ) -> None:
        self._backend = backend
        self._ring = ring
        self._audience = audience
        self._spawn = spawn
        self._seconds = seconds
        self._zone = zone
        self.questions = Questions()

    def syn(self, syn: Syn) -> None:
        """Take one SYN that was seen; the router repeats it after a second, and finds its key by then."""
        held = self._ring.find(syn.source)
        verdict = judge(syn, held.key if held is not None else b"")
        if verdict is Verdict.UNSIGNED:
            return
        if verdict is Verdict.SIGNED and held is not None:
            held.used = self._seconds()
        elif verdict is not Verdict.OTHER_AUTHENTICATION:
            self._ask(syn, held)
            return
        self._tell(syn, verdict)

    def pushed(self, parameters: Parameters) -> None:
        """Obey a reply that nobody asked for: a new, changed or withdrawn key. Running sessions go on."""
        if parameters.blocked:
            return
        try:
            self._obey(parameters)
        except MalformedInput as problem:
            self._audience.wrong(parameters.device_ip, BAD_REPLY, str(problem))
        except StoreError as problem:
            self._audience.wrong(parameters.device_ip, NO_ROOM, str(problem))

    def refusal(self, sock: socket.socket, device_ip: str, parameters: Parameters) -> str:
        """Why an accepted connection must not go on, empty when it may. The listeners' key is brought up to date.

        A router that connected unsigned before its key stood on the listener would otherwise get past the key.

        :param sock: of the accepted connection.
        :param device_ip: the router, as in ``Connection``.
        :param parameters: what the backend says of it.
        """
        held = self._ring.find(plain_address(device_ip))
        key = parameters.tcp_md5
        if not key:
            self.pushed(parameters)
            return ""
        try:
            signed = is_signed(sock, host(plain_address(device_ip)), held.key if held is not None else key)
        except OSError:
            return "the connection has ended"
        verdict = Verdict.SIGNED if signed else Verdict.NO_KEY
        if signed and held is not None and held.key != key:
            verdict = Verdict.WRONG_KEY
        self.pushed(parameters)
        self._tell_router(device_ip, verdict)
        return EXPLANATIONS.get(verdict, "")

    def _ask(self, syn: Syn, held: HeldKey | None) -> None:
        if self.questions.begin(syn.source, self._seconds()):
            self._spawn(self._learn(syn, held))
        else:  # the last verdict stands: only the backend's answer tells a wrong key from an unexpected one
            self._audience.seen_again(self._name(syn))

    async def _learn(self, syn: Syn, held: HeldKey | None) -> None:
        router, answered = self._name(syn), False
        try:
            if held is not None:
                self._backend.forget(router)
            parameters = await self._backend.parameters(
                device_ip=router,
                device_port=syn.source_port,
                proxy_ip=str(syn.destination),
                proxy_port=syn.destination_port,
            )
            answered = True
            self._conclude(syn, parameters)
        except (KproxyError, NoRoom) as problem:
            self._audience.wrong(router, NO_ANSWER, f"its TCP-MD5 key is not known: {problem}")
        finally:
            self.questions.done(syn.source, self._seconds(), answered=answered)

    def _conclude(self, syn: Syn, parameters: Parameters) -> None:
        """Install a key only when the SYN proves that the router has it, or when one is in force already."""
        verdict = judge(syn, parameters.tcp_md5)
        if verdict is not Verdict.WRONG_KEY:
            self.pushed(parameters)
        self._tell(syn, verdict, BLOCKED if parameters.blocked else "")

    def _obey(self, parameters: Parameters) -> None:
        address, key = plain_address(parameters.device_ip), parameters.tcp_md5
        if not key:
            if self._ring.remove_host(address):
                self._audience.changed(str(address), "removed")
            return
        network, held = network_of(parameters), self._ring.find(address)
        if held is not None and held.key == key:
            return
        self._ring.install(network, key, self._seconds())
        self._audience.changed(shown(network), "set" if held is None or held.network != network else "replaced")

    def _name(self, syn: Syn) -> str:
        if not syn.source.is_link_local or syn.source.version == 4:
            return str(syn.source)
        try:
            return f"{syn.source}%{self._zone(syn.interface)}"
        except OSError:
            return str(syn.source)

    def _tell(self, syn: Syn, verdict: Verdict, more: str = "") -> None:
        self._tell_router(self._name(syn), verdict, more)

    def _tell_router(self, router: str, verdict: Verdict, more: str = "") -> None:
        self._audience.seen(router, verdict)
        if verdict in EXPLANATIONS:
            self._audience.wrong(router, verdict.value, EXPLANATIONS[verdict] + more)
