"""Polling a real snmpd: every version, every protocol, and what is said when something is wrong."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted

from kproxy_tw.snmp.agents import GUFO, Agents
from kproxy_tw.snmp.polling.device import DevicePoller
from kproxy_tw.snmp.reading import ErrorKind, Reading
from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SecurityLevel, V3Credentials, Version
from kproxy_tw.snmp.store import AgentStore
from kproxy_tw.testing.processes import free_port
from kproxy_tw.testing.snmpd import Snmpd, program
from tests.snmp.polling import COUNTERS, LIBRARIES, poll, target

AUTH, PRIV = "authpass-canary", "privpass-canary"

AUTHS = [auth for auth in AuthProtocol if auth is not AuthProtocol.NONE]
PRIVS = [priv for priv in PrivProtocol if priv is not PrivProtocol.NONE]

LOWER_UP = "1.3.6.1.2.1.2.2.1.2"


def user(auth: AuthProtocol, priv: PrivProtocol, name: str = "") -> V3Credentials:
    """A user with these protocols."""
    return V3Credentials(
        user=name or f"{auth.value}{priv.value}".replace("-", ""),
        auth=auth,
        auth_pass_phrase="" if auth is AuthProtocol.NONE else AUTH,
        priv=priv,
        priv_pass_phrase="" if priv is PrivProtocol.NONE else PRIV,
    )


USERS = (
    user(AuthProtocol.NONE, PrivProtocol.NONE),
    user(AuthProtocol.SHA, PrivProtocol.NONE),
    *(user(auth, PrivProtocol.AES128) for auth in AUTHS),
    *(user(AuthProtocol.SHA, priv) for priv in PRIVS if priv is not PrivProtocol.AES128),
    user(AuthProtocol.MD5, PrivProtocol.AES256_REEDER),
    user(AuthProtocol.SHA512, PrivProtocol.AES256),
)


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    """One for all these tests."""
    need_snmpd()
    folder = tmp_path_factory.mktemp("snmpd")
    with Snmpd(folder, free_port(socket.SOCK_DGRAM), users=USERS) as running:
        yield running


def need_snmpd() -> None:
    """Skip, and say so."""
    missing = [name for name in ("snmpd", "snmpget", "snmpwalk") if program(name) is None]
    if missing:
        pytest.skip(f"NOT TESTED against a real agent: {', '.join(missing)} not installed (tests/debian-packages.txt)")


async def polled(snmpd: Snmpd, library: str = "", **settings: Any) -> Reading:
    """One poll."""
    asked = target(snmpd.port, **{"timeout_seconds": 2.0, **settings})
    return await poll(DevicePoller(asked, Agents(library, {}), lambda: None))


def is_whole(reading: Reading, snmpd: Snmpd) -> None:
    """It says what snmpwalk says."""
    assert reading.error is None
    assert reading.partial == ()
    assert reading.system is not None
    assert (reading.system.name, reading.system.location) == ("simulated", "rack 7")
    assert reading.system.manufacturer == "Net-SNMP"
    names = [line.strip('"') for line in snmpd.walk(LOWER_UP)]
    assert [interface.descr for interface in reading.interfaces] == names
    assert len(reading.counters) == len(names)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("version", [Version.V1, Version.V2C])
@pytest_twisted.ensureDeferred
async def test_communities(snmpd: Snmpd, version: Version, library: str) -> None:
    """Versions 1 and 2c; version 1 has no counters of 64 bits, and does without."""
    reading = await polled(snmpd, library, version=version)
    is_whole(reading, snmpd)
    loopback = reading.interfaces[0]
    assert (loopback.name, loopback.type) == ("lo", 24)
    assert {(found.address, found.prefix_length) for found in loopback.addresses} >= {("127.0.0.1", 8)}
    assert reading.counters[0].totals.in_octets is not None
    assert reading.health.memories


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("who", USERS, ids=[who.user for who in USERS])
@pytest_twisted.ensureDeferred
async def test_users(snmpd: Snmpd, who: V3Credentials, library: str) -> None:
    """Every protocol of authentication and privacy."""
    reading = await polled(snmpd, library, version=Version.V3, v3=who)
    is_whole(reading, snmpd)
    assert reading.v3 is not None
    assert reading.v3.level == who.level
    assert reading.v3.engine_boots >= 1
    assert len(reading.v3.engine_id) >= 10


async def error(snmpd: Snmpd, who: V3Credentials | None = None, **settings: Any) -> tuple[ErrorKind, str]:
    """What a poll says that brings nothing."""
    settings = {"timeout_seconds": 0.5, "retries": 1, **settings}
    if who is not None:
        settings |= {"version": Version.V3, "v3": who}
    reading = await polled(snmpd, **settings)
    assert reading.system is None
    assert reading.error is not None
    assert AUTH not in reading.error.text
    assert PRIV not in reading.error.text
    return reading.error.kind, reading.error.text


@pytest_twisted.ensureDeferred
async def test_what_is_wrong_is_said(snmpd: Snmpd) -> None:
    """Each mistake by its name; a wrong community cannot be told from silence, and that is said too."""
    right = user(AuthProtocol.SHA, PrivProtocol.AES128)
    kind, text = await error(snmpd, community="wrong")
    assert kind is ErrorKind.NO_ANSWER
    assert "agents do not answer a wrong community" in text
    wrong = attrs.evolve(right, user="nobody")
    assert await error(snmpd, wrong) == (ErrorKind.UNKNOWN_USER, "the agent knows no user nobody")
    for changed in (attrs.evolve(right, auth_pass_phrase="wrongwrong"), attrs.evolve(right, auth=AuthProtocol.MD5)):
        assert (await error(snmpd, changed))[0] is ErrorKind.WRONG_AUTH
    for changed in (attrs.evolve(right, priv_pass_phrase="wrongwrong"), attrs.evolve(right, priv=PrivProtocol.DES)):
        assert (await error(snmpd, changed))[0] is ErrorKind.WRONG_PRIV
    beyond = user(AuthProtocol.SHA, PrivProtocol.AES128, name="SHANoPriv")
    kind, text = await error(snmpd, beyond)
    assert kind is ErrorKind.UNSUPPORTED_LEVEL
    assert SecurityLevel.AUTH_PRIV in text
    below = attrs.evolve(right, priv=PrivProtocol.NONE)
    text = (await error(snmpd, below))[1]
    assert "authorization error" in text
    assert "at security level authNoPriv; it may let it with more protection" in text


def fate_of_a_datagram(address: str, port: int) -> ErrorKind:
    """What this machine's network says of one to an address where nobody is; networks differ in that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1.0)
        try:
            sender.connect((address, port))
            sender.send(b"?")
            sender.recv(1)
        except ConnectionRefusedError:
            return ErrorKind.REFUSED
        except TimeoutError:
            return ErrorKind.NO_ANSWER
        except OSError:
            return ErrorKind.NO_ROUTE
    raise AssertionError(f"{address} answers")


@pytest_twisted.ensureDeferred
async def test_nobody_there() -> None:
    """A port where nothing listens, a source address that is not ours, an address that nobody can have (RFC 1112)."""
    closed = target(free_port(socket.SOCK_DGRAM), timeout_seconds=0.2)
    nobodys = "240.0.0.1"
    for asked, kind in (
        (closed, ErrorKind.REFUSED),
        (attrs.evolve(closed, source_address="203.0.113.77"), ErrorKind.NO_ROUTE),
        (attrs.evolve(closed, address=nobodys), fate_of_a_datagram(nobodys, closed.port)),
    ):
        reading = await poll(DevicePoller(asked, Agents("", {}), lambda: None))
        assert reading.error is not None
        assert reading.error.kind in (kind, ErrorKind.NO_ANSWER), asked.address


@pytest_twisted.ensureDeferred
async def test_from_another_address(snmpd: Snmpd) -> None:
    """``-proxy_snmp``: the agent is asked from the address given."""
    reading = await polled(snmpd, GUFO, source_address="127.0.0.9")
    is_whole(reading, snmpd)


@pytest_twisted.ensureDeferred
async def test_engines_are_remembered_and_resynchronized(tmp_path: Path) -> None:
    """No discovery after a restart of ours; a restart of the agent's is noticed, and followed."""
    need_snmpd()
    who = user(AuthProtocol.SHA, PrivProtocol.AES128)
    with Snmpd(tmp_path, free_port(socket.SOCK_DGRAM), users=(who,)) as agent:
        asked = target(agent.port, version=Version.V3, v3=who, timeout_seconds=2.0)
        agents, news = Agents("", {}), []
        first = await poll(DevicePoller(asked, agents, lambda: news.append(1)), COUNTERS)
        store = AgentStore(tmp_path / "kept")
        store.save(agents.engines)
        assert news == [1]
        again = Agents("", store.load())
        second = await poll(DevicePoller(asked, again, lambda: None), COUNTERS)
        assert second.effort.requests == first.effort.requests - 1
        agent.stop()
        agent.start()
        device = DevicePoller(asked, again, lambda: news.append(2))
        third = await poll(device, COUNTERS)
        assert third.error is None
        assert third.v3 is not None
        assert second.v3 is not None
        assert third.v3.engine_boots == second.v3.engine_boots + 1
        assert third.v3.engine_id == second.v3.engine_id
        assert news == [1, 2]
        assert AUTH not in (tmp_path / "kept" / "snmp-engines.json").read_text()
