"""Certificates that are renewed while the daemon runs."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor as _reactor
from twisted.logger import capturedLogs

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.errors import UpstreamError
from kproxy_tw.reload.service import ReloadOnHangup
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy
from tests.upstream.loopback import OK, TOKEN, Serve


@ensureDeferred
async def test_another_authority_is_trusted_after_a_reload_and_a_bad_file_changes_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    """The same session: refused, then taken; and taken still after a file that cannot be used."""
    old, new, path = Authority("old"), Authority("new"), tmp_path / "ca.pem"
    path.write_bytes(old.certificate)
    server = serve(lambda peer: peer.send(OK), new.issue(["localhost"]))
    policy = TlsPolicy(TlsConfig(ca_file=str(path)))
    service = ReloadOnHangup(reactor=_reactor, parts={"the certificates": policy.reload})
    session = HttpsSession(
        reactor=_reactor, tls=policy, credentials=Credentials("me@example.com", TOKEN), user_agent="kproxy/1"
    )
    url = server.url("localhost", "https")
    with pytest.raises(UpstreamError, match="authority is not trusted"):
        await session.request("GET", url, seconds=5)
    path.write_bytes(new.certificate)
    service.reload_now()
    assert (await session.request("GET", url, seconds=5)).status == 200
    path.write_text("no certificate")
    with capturedLogs() as events:
        service.reload_now()
    assert [event["log_level"].name for event in events] == ["error"]
    assert (await session.request("GET", url, seconds=5)).status == 200
    await session.close()
