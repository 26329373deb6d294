"""Fixtures around the loopback servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from kproxy_tw.testing.certificates import Authority, Issued
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy
from tests.upstream.loopback import TOKEN, NewSession, Peer, Serve, Server


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers on free loopback ports: ``serve(answer, certificate=None, **tls_options)``."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    servers: list[Server] = []

    def start(answer: Callable[[Peer], None], certificate: Issued | None = None, **options: Any) -> Server:
        server = Server(answer)
        factory: Any = Factory.forProtocol(lambda: Peer(server))
        if certificate is None:
            server.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            options["certificate"] = load_pem_x509_certificate(certificate.certificate)
            options["privateKey"] = load_pem_private_key(certificate.key, password=None)
            tls = CertificateOptions(**options)
            server.port = reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.port.stopListening()
        for peer in server.peers:
            if not peer.closed:
                peer.reset()


@pytest.fixture(scope="session")
def authority() -> Authority:
    """An authority that the sessions of the ``session`` fixture trust."""
    return Authority()


@pytest.fixture
def new_session(authority: Authority, tmp_path: Path) -> NewSession:
    """Make sessions that trust ``authority``: ``new_session(**tls_files)``."""
    from twisted.internet import reactor

    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.certificate)

    def make(**files: str) -> HttpsSession:
        return HttpsSession(
            reactor=reactor,
            tls=TlsPolicy(TlsConfig(**{"ca_file": str(trusted)} | files)),
            credentials=Credentials("me@example.com", TOKEN),
            user_agent="kproxy/9.9",
        )

    return make
