"""What all sessions to the backend share: trust, credentials, the way there, and what their answers tell besides."""

from __future__ import annotations

import time
from typing import Any

from kproxy_tw import __version__
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.expiry import CertificateExpiry
from kproxy_tw.upstream.latency import Latencies
from kproxy_tw.upstream.offset import ClockOffset
from kproxy_tw.upstream.proxies import Proxies
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy


class Upstream:
    """Makes the sessions of one daemon.

    :ivar offset: how far this machine's clock is from the backend's.
    :ivar latencies: how long the hosts take to answer.
    :ivar expiry: until when the certificates are valid.
    :raises ConfigError: a file that ``tls`` names cannot be used.
    """

    def __init__(self, reactor: Any, *, tls: TlsConfig, credentials: Credentials, proxies: Proxies) -> None:
        self._reactor = reactor
        self._credentials = credentials
        self._proxies = proxies
        self.offset = ClockOffset(time.time)
        self.latencies = Latencies()
        self.expiry = CertificateExpiry(time.time)
        self.tls = TlsPolicy(tls, self.expiry)

    def session(self) -> HttpsSession:
        """Make one more; it connects when it is used."""
        return HttpsSession(
            reactor=self._reactor,
            tls=self.tls,
            credentials=self._credentials,
            user_agent=f"kproxy/{__version__}",
            proxies=self._proxies,
            offset=self.offset,
            latencies=self.latencies,
        )
