"""Version 3 with the user-based security model (RFC 3412, RFC 3414): one session with one agent's engine. Pure.

An engine is discovered by its answer to an empty question. Its clock (boots and time) is taken from what it says,
believed once a digest proves it, and followed from then on.
"""

from __future__ import annotations

import hmac

import attrs
from pyasn1.codec.ber import encoder

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp import ber
from kproxy_tw.snmp.keys import KeyRing, LocalizedKeys
from kproxy_tw.snmp.message import WIRE_VERSIONS, Answer, Kind, Request, read_pdu, request_pdu
from kproxy_tw.snmp.reading import V3State
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SecurityLevel, V3Credentials, Version

WINDOW_SECONDS = 150
"""How far an engine's clock may be off (RFC 3414, 2.2.3)."""

MAX_ENGINE_ID = 32
MAX_MESSAGE = 65_507
USM = 3

AUTH_FLAG, PRIV_FLAG, REPORTABLE_FLAG = 1, 2, 4
_FLAGS = {
    SecurityLevel.NO_AUTH_NO_PRIV: 0,
    SecurityLevel.AUTH_NO_PRIV: AUTH_FLAG,
    SecurityLevel.AUTH_PRIV: AUTH_FLAG | PRIV_FLAG,
}

_USM_STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)
UNSUPPORTED_LEVEL = ber.oid_content((*_USM_STATS, 1, 0))
NOT_IN_TIME_WINDOW = ber.oid_content((*_USM_STATS, 2, 0))
UNKNOWN_USER = ber.oid_content((*_USM_STATS, 3, 0))
UNKNOWN_ENGINE = ber.oid_content((*_USM_STATS, 4, 0))
WRONG_DIGEST = ber.oid_content((*_USM_STATS, 5, 0))
DECRYPTION_ERROR = ber.oid_content((*_USM_STATS, 6, 0))
UNAVAILABLE_CONTEXT = ber.oid_content((1, 3, 6, 1, 6, 3, 12, 1, 4, 0))
UNKNOWN_CONTEXT = ber.oid_content((1, 3, 6, 1, 6, 3, 12, 1, 5, 0))
"""What reports are about (RFC 3414, 5; RFC 3413, 4.2)."""

NOBODY = V3Credentials(user="")


@attrs.frozen
class AgentClock:
    """What is known of an engine's clock.

    :ivar boots, time: as it said, ``time`` in seconds.
    :ivar at: when, in seconds of our clock.
    """

    boots: int = 0
    time: int = 0
    at: float = 0.0

    def time_now(self, now: float) -> int:
        """What its clock must show now."""
        return min(self.time + int(now - self.at), 0x7FFFFFFF) if self.boots or self.time else 0


@attrs.frozen
class _Parameters:
    """The security parameters of a message, and where its digest starts."""

    engine_id: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    salt: bytes
    digest_at: int


@attrs.define(eq=False)
class UsmSecurity:
    """A session.

    :ivar engine_id: empty until it is discovered.
    """

    user: V3Credentials
    ring: KeyRing = attrs.field(repr=False)
    engine_id: bytes = b""
    clock: AgentClock = attrs.Factory(AgentClock)
    _keys: LocalizedKeys | None = attrs.field(default=None, init=False, repr=False)

    def discovered(self, engine_id: bytes) -> None:
        """Another engine than so far, with another clock."""
        if engine_id != self.engine_id:
            self.engine_id, self._keys, self.clock = engine_id, None, AgentClock()

    def state(self, now: float) -> V3State | None:
        """For people; ``None`` until the engine is known."""
        if not self.engine_id:
            return None
        return V3State(
            engine_id=self.engine_id.hex(),
            engine_boots=self.clock.boots,
            engine_time=self.clock.time_now(now),
            user=self.user.user,
            auth=self.user.auth,
            priv=self.user.priv,
            level=self.user.level,
            context_name=self.user.context_name,
        )

    def encode(self, request: Request, now: float) -> bytes:
        """The datagram of a request; one that asks for the engine while that is not known."""
        if not self.engine_id:
            return self._message(attrs.evolve(request, kind=Kind.GET, names=()), NOBODY, None, 0, 0)
        return self._message(request, self.user, self._own_keys(), self.clock.boots, self.clock.time_now(now))

    def encode_clock_question(self, request: Request) -> bytes:
        """A request without privacy and outside of every time window: an agent with our key proves it by its report."""
        without = attrs.evolve(self.user, priv=PrivProtocol.NONE)
        return self._message(request, without, self._own_keys(), 0, 0)

    def _own_keys(self) -> LocalizedKeys:
        if self._keys is None:
            self._keys = self.ring.keys(self.user, self.engine_id)
        return self._keys

    def _message(
        self, request: Request, user: V3Credentials, keys: LocalizedKeys | None, boots: int, time: int
    ) -> bytes:
        """RFC 3412, 6; RFC 3414, 2.4 and 3.1."""
        data, salt = self._scoped(request), b""
        if keys is not None and user.level is SecurityLevel.AUTH_PRIV:
            encrypted, salt = keys.encrypt(data, boots, time)
            data = ber.tlv(ber.OCTETS, encrypted)
        digest_length = 0 if keys is None else keys.digest_length
        flags = bytes((_FLAGS[user.level] | REPORTABLE_FLAG,))
        header = (
            ber.integer_tlv(request.request_id)
            + ber.integer_tlv(MAX_MESSAGE)
            + ber.tlv(ber.OCTETS, flags)
            + ber.integer_tlv(USM)
        )
        salt_tlv = ber.tlv(ber.OCTETS, salt)
        parameters = (
            ber.tlv(ber.OCTETS, self.engine_id)
            + ber.integer_tlv(boots)
            + ber.integer_tlv(time)
            + ber.tlv(ber.OCTETS, user.user.encode())
            + ber.tlv(ber.OCTETS, bytes(digest_length))
            + salt_tlv
        )
        message = ber.tlv(
            ber.SEQUENCE,
            ber.integer_tlv(WIRE_VERSIONS[Version.V3])
            + ber.tlv(ber.SEQUENCE, header)
            + ber.tlv(ber.OCTETS, ber.tlv(ber.SEQUENCE, parameters))
            + data,
        )
        if keys is None or not digest_length:
            return message
        end = len(message) - len(data) - len(salt_tlv)
        return message[: end - digest_length] + keys.digest(message) + message[end:]

    def _scoped(self, request: Request) -> bytes:
        context = bytes.fromhex(self.user.context_engine_id) or self.engine_id
        return ber.tlv(
            ber.SEQUENCE,
            ber.tlv(ber.OCTETS, context)
            + ber.tlv(ber.OCTETS, self.user.context_name.encode())
            + encoder.encode(request_pdu(request, Version.V3)),
        )

    def decode(self, datagram: bytes, now: float) -> Answer:
        """The answer in a datagram; an authentic one sets the clock.

        A report without digest is taken as well, as agents cannot sign what is about the digest itself; a response is
        taken only with the protection that the request had.

        :raises MalformedInput: it is no answer to this session, or none that its keys can prove.
        """
        end = len(datagram)
        start, stop = ber.expect(datagram, 0, end, ber.SEQUENCE)
        version, at = ber.integer(datagram, start, stop)
        if version != WIRE_VERSIONS[Version.V3]:
            raise MalformedInput(f"version {version} instead of 3")
        message_id, flags, at = _header(datagram, at, stop)
        parameters, at = _parameters(datagram, at, stop)
        authentic = self._authentic(datagram, flags, parameters)
        answer = self._pdu(datagram, at, stop, flags, parameters)
        if authentic:
            self._follow(parameters, now, believe=report_name(answer) == NOT_IN_TIME_WINDOW)
        if answer.kind is Kind.REPORT:
            self._believe(answer, parameters, now)
        elif flags & (AUTH_FLAG | PRIV_FLAG) != _FLAGS[self.user.level]:
            raise MalformedInput("a response without the protection of its request")
        elif parameters.engine_id != self.engine_id or parameters.user != self.user.user.encode():
            raise MalformedInput("a response of another engine or user")
        return attrs.evolve(answer, request_id=message_id, authentic=authentic)

    def _authentic(self, datagram: bytes, flags: int, parameters: _Parameters) -> bool:
        if not flags & AUTH_FLAG:
            return False
        if self.user.auth is AuthProtocol.NONE or parameters.engine_id != self.engine_id:
            raise MalformedInput("a digest that no key of ours fits")
        keys = self._own_keys()
        if len(parameters.digest) != keys.digest_length:
            raise MalformedInput(f"a digest of {len(parameters.digest)} bytes")
        at, behind = parameters.digest_at, parameters.digest_at + keys.digest_length
        unsigned = datagram[:at] + bytes(keys.digest_length) + datagram[behind:]
        if not hmac.compare_digest(keys.digest(unsigned), parameters.digest):
            raise MalformedInput("a wrong digest")
        return True

    def _follow(self, parameters: _Parameters, now: float, *, believe: bool) -> None:
        """RFC 3414, 3.2, 7b: forward only, so that an old message cannot set the clock back.

        What the engine itself says of a wrong clock holds in any case; so a wrong first guess does no harm.
        """
        newer = (parameters.boots, parameters.time) > (self.clock.boots, self.clock.time)
        if newer or believe:
            self.clock = AgentClock(parameters.boots, parameters.time, now)

    def _believe(self, answer: Answer, parameters: _Parameters, now: float) -> None:
        """A report about an unknown engine names the right one. Its clock is a first guess."""
        if report_name(answer) != UNKNOWN_ENGINE or not 1 <= len(parameters.engine_id) <= MAX_ENGINE_ID:
            return
        self.discovered(parameters.engine_id)
        if self.clock == AgentClock():
            self.clock = AgentClock(parameters.boots, parameters.time, now)

    def _pdu(self, datagram: bytes, at: int, end: int, flags: int, parameters: _Parameters) -> Answer:
        data = datagram
        if flags & PRIV_FLAG:
            if self.user.priv is PrivProtocol.NONE or not flags & AUTH_FLAG:
                raise MalformedInput("encrypted, and no key of ours fits")
            encrypted, _behind = ber.octets(datagram, at, end)
            data = self._own_keys().decrypt(encrypted, parameters.boots, parameters.time, parameters.salt)
            at, end = 0, len(data)
        start, stop = ber.expect(data, at, end, ber.SEQUENCE)
        _engine, at = ber.octets(data, start, stop)
        _context, at = ber.octets(data, at, stop)
        return read_pdu(data, at, stop)


def _header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Message id, flags, and where the next element begins."""
    start, stop = ber.expect(data, at, end, ber.SEQUENCE)
    message_id, at = ber.integer(data, start, stop)
    _max_size, at = ber.integer(data, at, stop)
    flags, at = ber.octets(data, at, stop)
    model, at = ber.integer(data, at, stop)
    if len(flags) != 1 or model != USM:
        raise MalformedInput("not the user-based security model")
    return message_id, flags[0], stop


def _parameters(data: bytes, at: int, end: int) -> tuple[_Parameters, int]:
    """The security parameters, and where the next element begins."""
    start, behind = ber.expect(data, at, end, ber.OCTETS)
    start, stop = ber.expect(data, start, behind, ber.SEQUENCE)
    engine_id, at = ber.octets(data, start, stop)
    boots, at = ber.integer(data, at, stop)
    time, at = ber.integer(data, at, stop)
    user, at = ber.octets(data, at, stop)
    digest, at = ber.octets(data, at, stop)
    digest_at = at - len(digest)
    salt, at = ber.octets(data, at, stop)
    if boots < 0 or time < 0:
        raise MalformedInput("a clock below zero")
    return _Parameters(engine_id, boots, time, user, digest, salt, digest_at), behind


def report_name(answer: Answer) -> bytes:
    """What a report is about: the name of its first variable."""
    return answer.variables[0][0] if answer.kind is Kind.REPORT and answer.variables else b""
