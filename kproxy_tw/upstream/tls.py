"""TLS towards the backend: verified by name, version 1.2 at least, nothing to switch that off.

Certificates are read from disk when the policy is made, so that a wrong file stops the start, and on :meth:`reload`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from OpenSSL import SSL, crypto

from kproxy_tw.errors import ConfigError
from kproxy_tw.upstream.expiry import OWN, CertificateExpiry

MAX_PEM_BYTES = 4 << 20
MAX_HOSTS = 16
"""Contexts that are kept: loading the platform's authorities takes about 10 ms, too long for each connection."""

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey
"""The kinds of key that TLS can use."""

_ALERTS = {
    42: "it is not valid; is it for a later time? Compare the clocks",
    43: "its kind is not supported",
    44: "it was revoked",
    45: "it has expired, or the clock of this machine is wrong",
    46: "verification failed",
    48: "its authority is not trusted here; name the authority's file with -tls_ca_file",
}
"""Why we refused a certificate, by the alert that OpenSSL sends for it (RFC 8446 section 6.2)."""


@attrs.frozen(kw_only=True)
class TlsConfig:
    """Files in PEM form; an empty name is one not given.

    :ivar ca_file: authorities to trust, in place of the platform's (``-tls_ca_file``).
    :ivar cert_file: our certificate, if the server asks for one, and those between it and its authority.
    :ivar key_file: the certificate's private key, without pass phrase.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@attrs.frozen
class OwnCertificate:
    """A certificate, those between it and its authority, and its key."""

    certificate: x509.Certificate
    chain: list[x509.Certificate]
    key: PrivateKey = attrs.field(repr=False)


@implementer(IOpenSSLClientConnectionCreator)
class _NotingCreator:
    """Creates connections by another creator; notes the alert with which each one refused its server, and until when
    the certificate is valid that it took."""

    def __init__(
        self,
        inner: IOpenSSLClientConnectionCreator,
        sent: WeakKeyDictionary[SSL.Connection, int],
        taken: Callable[[float], None],
    ) -> None:
        self._inner = inner
        self._sent = sent
        self._taken = taken

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: N802
        connection = self._inner.clientConnectionForTLS(tlsProtocol)
        connection.set_info_callback(self._note)
        return connection

    def _note(self, connection: SSL.Connection, where: int, code: int) -> None:
        if where & SSL.SSL_CB_WRITE_ALERT == SSL.SSL_CB_WRITE_ALERT:
            self._sent[connection] = code & 0xFF
        elif where & SSL.SSL_CB_HANDSHAKE_DONE:
            certificate = connection.get_peer_certificate(as_cryptography=True)
            if certificate is not None:
                self._taken(certificate.not_valid_after_utc.timestamp())


@implementer(IPolicyForHTTPS)
class TlsPolicy:
    """Makes the client side of each TLS connection; one policy serves every session of the process.

    :param expiry: is told of the certificates in use.
    :raises ConfigError: a file cannot be read, or holds something else than it should; names the flag.
    """

    def __init__(self, config: TlsConfig, expiry: CertificateExpiry | None = None) -> None:
        self._config = config
        self._expiry = expiry or CertificateExpiry(time.time)
        self._trust, self._own = self._read()
        self._alerts_sent: WeakKeyDictionary[SSL.Connection, int] = WeakKeyDictionary()
        self._creators: dict[str, IOpenSSLClientConnectionCreator] = {}

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """Verify that the server's certificate is for ``hostname``, a DNS name or an IP address."""
        name = hostname.decode("ascii")
        if name not in self._creators:
            if len(self._creators) >= MAX_HOSTS:
                self._creators.clear()
            self._creators[name] = self._creator(name)
        return self._creators[name]

    def reload(self) -> None:
        """Read the files again; connections that are made from now on use them.

        :raises ConfigError: one cannot be used; then all stays as it was.
        """
        self._trust, self._own = self._read()
        self._creators.clear()

    def reason_refused(self, connection: SSL.Connection) -> str:
        """Why ``connection`` did not take the server's certificate, in words; empty if that is not known."""
        return _ALERTS.get(self._alerts_sent.get(connection, -1), "")

    def _read(self) -> tuple[Any, OwnCertificate | None]:
        trust, own = _read_files(self._config)
        if own is not None:
            self._expiry.note(OWN, own.certificate.not_valid_after_utc.timestamp())
        return trust, own

    def _creator(self, hostname: str) -> IOpenSSLClientConnectionCreator:
        options: dict[str, object] = {"raiseMinimumTo": TLSVersion.TLSv1_2}
        if self._own is not None:
            options |= {
                "certificate": self._own.certificate,
                "privateKey": self._own.key,
                "extraCertChain": self._own.chain,
            }
        inner = optionsForClientTLS(hostname, trustRoot=self._trust, extraCertificateOptions=options)
        return _NotingCreator(inner, self._alerts_sent, partial(self._expiry.note, hostname))


def _read_files(config: TlsConfig) -> tuple[Any, OwnCertificate | None]:
    return _authorities(config.ca_file) if config.ca_file else platformTrust(), own_certificate(config)


def _read(flag: str, name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_PEM_BYTES + 1)
    except OSError as error:
        raise ConfigError(flag, f"cannot read {name}: {error.strerror}") from error
    if len(data) > MAX_PEM_BYTES:
        raise ConfigError(flag, f"{name} is larger than {MAX_PEM_BYTES >> 20} MiB; is it the right file?")
    return data


def certificates(flag: str, name: str) -> list[x509.Certificate]:
    """The certificates in a PEM file. :raises ConfigError: it has none that can be read; names ``flag``."""
    try:
        return x509.load_pem_x509_certificates(_read(flag, name))
    except ValueError:
        raise ConfigError(flag, f"{name} holds no readable PEM certificate") from None


def _authorities(name: str) -> Any:
    found = certificates("tls_ca_file", name)
    return trustRootFromCertificates([Certificate(crypto.X509.from_cryptography(one)) for one in found])


def own_certificate(config: TlsConfig) -> OwnCertificate | None:
    """Certificate, chain and key that ``config`` names. :raises ConfigError: a file is missing or cannot be used."""
    if not config.cert_file and not config.key_file:
        return None
    if not config.key_file:
        raise ConfigError("tls_key_file", "is missing; -tls_cert_file needs its private key")
    if not config.cert_file:
        raise ConfigError("tls_cert_file", "is missing; -tls_key_file needs its certificate")
    leaf, *chain = certificates("tls_cert_file", config.cert_file)
    key = _private_key(config.key_file)
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ConfigError("tls_key_file", f"is not the key of the certificate in {config.cert_file}")
    return OwnCertificate(leaf, chain, key)


def _private_key(name: str) -> PrivateKey:
    try:
        key = load_pem_private_key(_read("tls_key_file", name), password=None)
    except TypeError:
        raise ConfigError("tls_key_file", f"{name} has a pass phrase; give a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("tls_key_file", f"{name} holds no readable PEM private key") from None
    if not isinstance(key, PrivateKey):
        raise ConfigError("tls_key_file", f"{name}: TLS cannot use this kind of key")
    return key
