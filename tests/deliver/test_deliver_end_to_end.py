"""One message over real TLS, from submit to acknowledgement, and an outage in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from pytest_twisted import ensureDeferred

from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.service import DeliveryService
from kproxy_tw.devices.device import Device
from kproxy_tw.ledger import Ledger
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.offload import inline
from kproxy_tw.upstream.client import HttpsSession
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.upstream.tls import TlsConfig, TlsPolicy


class Intake(Resource):
    """Takes POSTs with the statuses it was told, then with 200."""

    isLeaf = True

    def __init__(self, statuses: list[int]) -> None:
        super().__init__()
        self.statuses = statuses
        self.posts: list[tuple[dict[bytes, list[bytes]], dict[str, str], bytes]] = []

    def render_POST(self, request: Request) -> bytes:
        """Keep the request."""
        headers = {name: request.getHeader(name) or "" for name in ("x-ch-auth-email", "content-encoding")}
        arguments: dict[bytes, list[bytes]] = request.args or {}
        self.posts.append((arguments, headers, request.content.read() if request.content else b""))
        request.setResponseCode(self.statuses.pop(0) if self.statuses else 200)
        return b"GOOD"


def listen(intake: Intake, authority: Authority) -> Any:
    """Serve ``intake`` over TLS on a free port, under the name localhost."""
    from twisted.internet import reactor

    issued = authority.issue(["localhost"])
    options: dict[str, Any] = {
        "certificate": load_pem_x509_certificate(issued.certificate),
        "privateKey": load_pem_private_key(issued.key, password=None),
    }
    net: Any = reactor
    return net.listenSSL(0, Site(intake), CertificateOptions(**options), interface="127.0.0.1")


def service(port: Any, authority: Authority, directory: Path) -> DeliveryService:
    """The real thing, with its real sessions."""
    from twisted.internet import reactor

    trusted = directory / "ca.pem"
    trusted.write_bytes(authority.certificate)
    tls, credentials = TlsPolicy(TlsConfig(ca_file=str(trusted))), Credentials("me@example.com", "canary")

    def session() -> HttpsSession:
        return HttpsSession(reactor=reactor, tls=tls, credentials=credentials, user_agent="kproxy/1")

    return DeliveryService(
        reactor=reactor,
        new_sessions=lambda: DeviceSessions(flow=session(), snmp=session(), further=session),
        url=f"https://localhost:{port.getHost().port}/chf",
        config=DeliverConfig(backoff_seconds=0.05),
        offload=inline,
    )


async def until(ledger: Ledger, forwarded: int) -> None:
    """Wait, five seconds at most, until so many records are forwarded."""
    from twisted.internet import reactor

    for _ in range(100):
        if ledger.records_forwarded >= forwarded:
            return
        await deferLater(reactor, 0.05)
    raise AssertionError(f"only {ledger.records_forwarded} records were forwarded")


@ensureDeferred
async def test_message_arrives_once_over_verified_tls_after_a_failure(tmp_path: Path) -> None:
    """503 first, then 200: the body that arrives is the body submitted, the books close, and the stop is clean."""
    authority, intake, ledger = Authority(), Intake([503]), Ledger()
    port = listen(intake, authority)
    delivery = service(port, authority, tmp_path)
    delivery.startService()
    body = bytes(range(256)) * 2000
    ledger.receive(1000)
    delivery.sender(Device(device_id=7, company_id=1, name="edge 1"), ledger).submit(Message(body, 1000, 0.0))
    await until(ledger, 1000)
    await stop(delivery, port)
    assert [post[2] for post in intake.posts] == [body, body]
    arguments, headers, _body = intake.posts[-1]
    assert arguments == {b"sid": [b"0"], b"sender_id": [b"1:edge 1:7"]}
    assert headers == {"x-ch-auth-email": "me@example.com", "content-encoding": "gzip"}
    assert (ledger.balanced(), ledger.messages_sent, ledger.messages_retried) == (True, 1, 1)
    assert ledger.bytes_sent == len(body)


@ensureDeferred
async def test_stop_against_an_untrusted_backend_ends_in_time_and_counts(tmp_path: Path) -> None:
    """A backend with a stranger's certificate gets nothing, and the stop tells what is lost."""
    intake, ledger = Intake([]), Ledger()
    port = listen(intake, Authority("stranger"))
    delivery = service(port, Authority(), tmp_path)
    delivery.startService()
    ledger.receive(5)
    sender = delivery.sender(Device(device_id=7, company_id=1, name="edge"), ledger)
    sender.submit(Message(b"x", 5, 0.0))
    await sender.drain(0.5)
    assert "its authority is not trusted here" in sender.standing.status().last_error
    assert (intake.posts, ledger.records_dropped["shutdown"], ledger.balanced()) == ([], 5, True)
    await stop(delivery, port)


async def stop(delivery: DeliveryService, port: Any) -> None:
    """Stop both sides."""
    await delivery.stopService()
    await port.stopListening()
