"""TLS towards the backend, against real servers with good and bad certificates, and the files it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.ssl import Certificate, TLSVersion, trustRootFromCertificates

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from pytest_twisted import ensureDeferred

from kproxy_tw.errors import ConfigError, UpstreamError
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.upstream.tls import MAX_HOSTS, TlsConfig, TlsPolicy
from tests.upstream.loopback import OK, NewSession, Peer, Serve


def ok(peer: Peer) -> None:
    """Answer 200."""
    peer.send(OK)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@ensureDeferred
async def test_right_certificate_is_taken_by_name_and_by_address(
    host: str, serve: Serve, new_session: NewSession, authority: Authority
) -> None:
    """A certificate for the name or the IP address in the URL is good, and TLS 1.3 is what both sides speak."""
    server, session = serve(ok, authority.issue([host])), new_session()
    assert (await session.request("GET", server.url(host, "https"))).status == 200
    transport: Any = server.peers[0].transport
    assert transport.getHandle().get_protocol_version_name() == "TLSv1.3"
    await session.close()


@pytest.mark.parametrize(
    ("hosts", "days", "trusted", "text"),
    [
        (["example.com"], (-1, 30), True, "for another name"),
        (["127.0.0.2"], (-1, 30), True, "for another name"),
        (["127.0.0.1"], (-1, 30), False, "authority is not trusted here; .*-tls_ca_file"),
        (["127.0.0.1"], (-30, -1), True, "has expired"),
        (["127.0.0.1"], (2, 30), True, "for a later time"),
    ],
)
@ensureDeferred
async def test_wrong_certificate_is_refused_with_the_reason(
    hosts: Sequence[str],
    days: tuple[int, int],
    trusted: bool,
    text: str,
    serve: Serve,
    new_session: NewSession,
    authority: Authority,
) -> None:
    """No request reaches a server that cannot prove who it is, and the error says what is wrong with it."""
    signer = authority if trusted else Authority("another")
    server = serve(ok, signer.issue(hosts, first_day=days[0], last_day=days[1]))
    session = new_session()
    with pytest.raises(UpstreamError, match=rf"certificate of 127\.0\.0\.1:\d+ was refused: .*{text}"):
        await session.request("GET", server.url(scheme="https"), seconds=5)
    assert server.requests == []
    await session.close()


@ensureDeferred
async def test_platform_authorities_do_not_trust_a_stranger(serve: Serve, new_session: NewSession) -> None:
    """Without -tls_ca_file the platform decides, and it does not know the test's authority."""
    server, session = serve(ok, Authority().issue(["127.0.0.1"])), new_session(ca_file="")
    with pytest.raises(UpstreamError, match="not trusted here"):
        await session.request("GET", server.url(scheme="https"), seconds=5)
    await session.close()


@ensureDeferred
async def test_old_tls_is_refused(serve: Serve, new_session: NewSession, authority: Authority) -> None:
    """A server that speaks TLS 1.1 at most gets no request."""
    server = serve(
        ok,
        authority.issue(["127.0.0.1"]),
        insecurelyLowerMinimumTo=TLSVersion.TLSv1_0,
        lowerMaximumSecurityTo=TLSVersion.TLSv1_1,
    )
    session = new_session()
    with pytest.raises(UpstreamError, match=r"no TLS connection to .* version 1\.2 at least"):
        await session.request("GET", server.url(scheme="https"), seconds=5)
    assert server.requests == []
    await session.close()


@ensureDeferred
async def test_own_certificate_is_shown_to_a_server_that_asks(
    serve: Serve, new_session: NewSession, authority: Authority, tmp_path: Path
) -> None:
    """A server that demands a client certificate serves the session that has one, and no other."""
    ours = authority.issue(["kproxy.example.com"])
    cert_file, key_file = ours.write(tmp_path, "own")
    trust = trustRootFromCertificates([Certificate.loadPEM(authority.certificate)])
    server = serve(ok, authority.issue(["127.0.0.1"]), trustRoot=trust)
    session = new_session(cert_file=str(cert_file), key_file=str(key_file))
    assert (await session.request("GET", server.url(scheme="https"), seconds=5)).status == 200
    await session.close()
    with pytest.raises(UpstreamError):
        await new_session().request("GET", server.url(scheme="https"), seconds=5)
    assert len(server.requests) == 1


def test_contexts_are_kept_per_host_and_bounded() -> None:
    """The authorities are loaded once for a host, and a flood of host names does not stay in memory."""
    policy = TlsPolicy(TlsConfig())
    first = policy.creatorForNetloc(b"a.example.com", 443)
    assert policy.creatorForNetloc(b"a.example.com", 8443) is first
    for number in range(MAX_HOSTS):
        policy.creatorForNetloc(f"{number}.example.com".encode(), 443)
    assert policy.creatorForNetloc(b"a.example.com", 443) is not first


def encrypted_key(path: Path) -> Path:
    """Write a private key with a pass phrase."""
    key = generate_private_key(SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    return path


def test_unusable_files_name_their_flag(authority: Authority, tmp_path: Path) -> None:
    """Each wrong file stops the start with its flag and what to do about it."""
    certificate, key = map(str, authority.issue(["a"]).write(tmp_path, "a"))
    _other, other_key = map(str, authority.issue(["b"]).write(tmp_path, "b"))
    junk = tmp_path / "junk"
    junk.write_text("no certificate")
    locked = str(encrypted_key(tmp_path / "locked.key"))
    cases = [
        (TlsConfig(ca_file=str(tmp_path / "none")), "-tls_ca_file: cannot read .*none: No such file"),
        (TlsConfig(ca_file=str(junk)), "-tls_ca_file: .*junk holds no readable PEM certificate"),
        (TlsConfig(cert_file=certificate), "-tls_key_file: is missing"),
        (TlsConfig(key_file=key), "-tls_cert_file: is missing"),
        (TlsConfig(cert_file=certificate, key_file=str(junk)), "-tls_key_file: .*no readable PEM private key"),
        (TlsConfig(cert_file=certificate, key_file=other_key), "-tls_key_file: is not the key"),
        (TlsConfig(cert_file=certificate, key_file=locked), "-tls_key_file: .*has a pass phrase"),
    ]
    for config, text in cases:
        with pytest.raises(ConfigError, match=text):
            TlsPolicy(config)
