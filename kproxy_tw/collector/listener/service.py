"""kcollect's port: limits, allowed hosts, TLS."""

from __future__ import annotations

import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.logger import Logger
from twisted.web.resource import IResource

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import SSL

from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.collector.intake.app import MAX_BODY
from kproxy_tw.errors import ConfigError
from kproxy_tw.web.site import GuardedSite, HostPolicy, SiteLimits, build_site

CONNECTIONS = 512
IDLE_SECONDS = 90.0
"""Agents keep their connection and send once a second; SNMP sessions are quiet for longer."""

REQUEST_SECONDS = 60.0


def tls_options(config: CollectorConfig, *protocols: bytes) -> CertificateOptions | None:
    """TLS from version 1.2 on with the configured certificate chain; ``None`` without one.

    :param protocols: to be negotiated (ALPN, RFC 7301); a site names its own.
    :raises ConfigError: only one of the files is given, or one cannot be used.
    """
    if config.tls_cert_file is None and config.tls_key_file is None:
        return None
    if config.tls_cert_file is None or config.tls_key_file is None:
        raise ConfigError("tls_cert_file", "-tls_cert_file and -tls_key_file belong together; give both or none")
    try:
        chain: list[Any] = [*load_pem_x509_certificates(config.tls_cert_file.read_bytes())]
        key: Any = load_pem_private_key(config.tls_key_file.read_bytes(), password=None)
        options = CertificateOptions(
            privateKey=key,
            certificate=chain[0],
            extraCertChain=chain[1:],
            raiseMinimumTo=TLSVersion.TLSv1_2,
            acceptableProtocols=list(protocols) or None,
        )
        options.getContext()
    except OSError as error:
        raise ConfigError("tls_cert_file", f"{error.filename} cannot be read: {error.strerror}") from None
    except (SSL.Error, UnsupportedAlgorithm, ValueError, TypeError):
        raise ConfigError(
            "tls_cert_file",
            f"{config.tls_cert_file} and {config.tls_key_file} must be a certificate chain and its key,"
            " in PEM and without a pass phrase",
        ) from None
    return options


def site_limits(config: CollectorConfig) -> SiteLimits:
    """What the site takes: bodies up to the intake's bound, under the machine's and the listed names."""
    return SiteLimits(
        methods=frozenset({b"GET", b"HEAD", b"POST", b"PUT"}),
        max_body=MAX_BODY,
        connections=CONNECTIONS,
        idle_seconds=IDLE_SECONDS,
        request_seconds=REQUEST_SECONDS,
        keep_alive=True,
        hosts=HostPolicy(config.host, (*config.server_names, socket.gethostname())),
    )


class CollectorListener(Service):
    """Listens; a stop keeps the connections so that answers under way still arrive.

    :param config: where, and with which certificate.
    :param resource: what is served.
    :param reactor: listens and provides the time.
    """

    log = Logger()

    def __init__(self, *, config: CollectorConfig, resource: IResource, reactor: Any) -> None:
        self._config = config
        self._resource = resource
        self._reactor = reactor
        self._site: GuardedSite | None = None
        self._listening: IListeningPort | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        address: Any = self._listening.getHost() if self._listening else None
        return int(address.port) if address else 0

    def startService(self) -> None:
        """Listen.

        :raises ConfigError: the certificate cannot be used.
        :raises twisted.internet.error.CannotListenError: the port is in use or not ours to bind.
        """
        config, reactor = self._config, self._reactor
        tls = tls_options(config)
        self._site = build_site(self._resource, site_limits(config), reactor)
        if tls is None:
            self._listening = reactor.listenTCP(config.port, self._site, interface=config.host)
        else:
            self._listening = reactor.listenSSL(config.port, self._site, tls, interface=config.host)
        super().startService()
        scheme = "http" if tls is None else "https"
        self.log.info("kcollect listens on {scheme}://{host}:{port}/", scheme=scheme, host=config.host, port=self.port)

    def stopService(self) -> Deferred[None]:
        """Stop listening; fires when the port is free."""
        super().stopService()
        listening, self._listening = self._listening, None
        stopped: Deferred[None] | None = listening.stopListening() if listening else None
        return stopped or succeed(None)

    def close_connections(self) -> None:
        """Cut every connection."""
        if self._site is not None:
            self._site.close_connections()
