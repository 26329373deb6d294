"""The server's side of TLS for exporters: our certificate, and theirs if it is asked for."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.ssl import CertificateOptions, TLSVersion

from OpenSSL import SSL, crypto

from kproxy_tw.errors import ConfigError
from kproxy_tw.listen.ipfix.config import StreamConfig
from kproxy_tw.upstream.tls import TlsConfig, certificates, own_certificate


def server_options(config: StreamConfig) -> CertificateOptions | None:
    """TLS from version 1.2 on; ``None`` when no address for TLS is configured.

    An exporter without a certificate of one of ``client_ca_file``'s authorities is refused, if that file is given
    (RFC 7011 section 11.3: both sides should show one).

    :raises ConfigError: the certificate is missing, or a file cannot be used; names the flag.
    """
    if not config.tls:
        if config.client_ca_file:
            raise ConfigError("ipfix_tls_client_ca", "has no use without -ipfix_tls_bind")
        return None
    own = own_certificate(TlsConfig(cert_file=config.cert_file, key_file=config.key_file))
    if own is None:
        raise ConfigError("tls_cert_file", "is missing; -ipfix_tls_bind needs a certificate and -tls_key_file its key")
    options = CertificateOptions(
        privateKey=own.key,  # type: ignore[arg-type]
        certificate=own.certificate,  # type: ignore[arg-type]
        extraCertChain=own.chain,  # type: ignore[arg-type]
        caCerts=_authorities(config.client_ca_file) if config.client_ca_file else None,
        verify=bool(config.client_ca_file),
        requireCertificate=bool(config.client_ca_file),
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    try:
        options.getContext()
    except SSL.Error:
        raise ConfigError("tls_cert_file", f"TLS cannot use {Path(config.cert_file)}: is its chain complete?") from None
    return options


def _authorities(name: str) -> list[crypto.X509]:
    return [crypto.X509.from_cryptography(one) for one in certificates("ipfix_tls_client_ca", name)]
