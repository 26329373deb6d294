"""For how long certificates are valid, read from real handshakes."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.logger import capturedLogs

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.testing.certificates import Authority
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.expiry import DAY, OWN, CertificateExpiry
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy
from tests.upstream.loopback import OK, Serve


@pytest.mark.parametrize(
    ("days", "status", "warning", "words"),
    [
        (30, "ok", False, "the certificate of api.example.com expires in 30 days"),
        (14.1, "ok", False, "in 14 days"),
        (13.9, "ok", True, "in 14 days; renew it"),
        (-2, "failing", False, "expired 2 days ago; renew it"),
    ],
)
def test_a_warning_comes_two_weeks_before(days: float, status: str, warning: bool, words: str) -> None:
    """The certificate that ends first counts; expired ones fail."""
    expiry = CertificateExpiry(lambda: 1e9)
    assert expiry.check().status == "ok"
    with capturedLogs() as events:
        for _handshake in range(3):
            expiry.note("api.example.com", 1e9 + days * DAY)
            expiry.note("flow.example.com", 1e9 + 400 * DAY)
    check = expiry.check()
    assert (check.status, check.warning) == (status, warning)
    assert words in check.detail
    assert len(events) == (days < 14)
    assert check.seconds == (pytest.approx(2 * DAY) if status == "failing" else None)


@ensureDeferred
async def test_both_sides_certificates_are_known_after_a_request(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    """The server's is valid for another 10 days, ours for 100; both are read from what is in use."""
    from twisted.internet import reactor

    own = authority.issue(["agent"], last_day=100)
    files = {name: tmp_path / name for name in ("ca", "cert", "key")}
    for name, content in (("ca", authority.certificate), ("cert", own.certificate), ("key", own.key)):
        files[name].write_bytes(content)
    expiry = CertificateExpiry(time.time)
    tls = TlsPolicy(
        TlsConfig(ca_file=str(files["ca"]), cert_file=str(files["cert"]), key_file=str(files["key"])), expiry
    )
    session = HttpsSession(reactor=reactor, tls=tls, credentials=Credentials("a@b", "t"), user_agent="kproxy/1")
    server = serve(lambda peer: peer.send(OK), authority.issue(["localhost"], last_day=10))
    assert (await session.request("GET", server.url("localhost", "https"))).status == 200
    left = {name: (not_after - time.time()) / DAY for name, not_after in expiry.all().items()}
    assert left == {OWN: pytest.approx(100, abs=0.01), "localhost": pytest.approx(10, abs=0.01)}
    assert expiry.check().warning
    assert "localhost expires in 10 days" in expiry.check().detail
    await session.close()
