"""Asks a daemon's status port. Blocks; for tools without a reactor."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

import attrs

from kproxy_tw.errors import ConfigError, KproxyError

MAX_ANSWER = 32 << 20
"""Bytes of an answer that are read."""

SECONDS = 5.0


class NoAnswer(KproxyError):
    """The status port gave no usable answer; ``str()`` says why, and what to do."""


@attrs.frozen
class StatusPort:
    """A daemon's status port.

    :ivar certificate: file of the certificate that it must show; empty for one that the system trusts.
    """

    host: str
    port: int
    tls: bool = False
    certificate: str = ""

    @classmethod
    def at(cls, url: str, certificate: str = "") -> StatusPort:
        """The port of a URL; its path does not count. :raises ConfigError: it is none."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError("url", "must look like http://127.0.0.1:9996")
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls, certificate)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def get(self, path: str, seconds: float = SECONDS) -> tuple[int, bytes]:
        """Status and body of a page. :raises NoAnswer: there was none, or it is too large."""
        connection = self._connection(seconds)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER + 1)
        except ConnectionRefusedError:
            raise NoAnswer(f"nobody listens at {self}; is the daemon running, and are its flags given?") from None
        except ssl.SSLError as problem:
            raise NoAnswer(f"no TLS with {self}: {problem.reason or problem}") from None
        except (OSError, http.client.HTTPException) as problem:
            raise NoAnswer(f"{self} does not answer: {problem or type(problem).__name__}") from None
        finally:
            connection.close()
        if len(body) > MAX_ANSWER:
            raise NoAnswer(f"{self}{path} answers with more than {MAX_ANSWER} bytes")
        return answer.status, body

    def document(self, path: str, seconds: float = SECONDS) -> Any:
        """A JSON document, whatever its status. :raises NoAnswer: there was none."""
        status, body = self.get(path, seconds)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NoAnswer(f"{self}{path} answers no JSON (HTTP {status}); is it the daemon's status port?") from None

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        context = ssl.create_default_context()
        if self.certificate:
            try:
                context.load_verify_locations(self.certificate)
            except (OSError, ssl.SSLError) as problem:
                raise NoAnswer(f"{self.certificate} cannot be read as a certificate: {problem}") from None
            # The daemon's own certificate is what is trusted, whatever name it is for and whoever signed it.
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=context)
