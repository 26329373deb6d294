"""Start, stop and what keeps kcollect from starting."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.collector.listener.service import tls_options
from kproxy_tw.errors import ConfigError, StoreError
from kproxy_tw.testing.certificates import Authority
from tests.collector.chf_bodies import flow, gzipped
from tests.collector.running import Answer, Running, device_file


@ensureDeferred
async def test_construction_opens_nothing(tmp_path: Path) -> None:
    """Neither files nor ports before the start; a stop without a start is harmless."""
    running = Running(tmp_path / "data")
    assert (running.service.port, list(tmp_path.iterdir())) == (0, [])
    await running.service.stopService()


@ensureDeferred
async def test_restart_keeps_the_data(tmp_path: Path) -> None:
    """Totals and flows are the same after a restart."""
    running = Running(tmp_path, auto_register=True)
    running.service.startService()
    await running.request("GET", "/api/internal/device/192.0.2.1")
    await running.post_flows(gzipped([flow(inBytes=5)]), "1:x:1001")
    before = [(await running.get(path)).json for path in ("/totals", "/flows")]
    await running.service.stopService()
    again = Running(tmp_path, auto_register=True)
    again.service.startService()
    after = [(await again.get(path)).json for path in ("/totals", "/flows")]
    await again.service.stopService()
    assert before == after
    assert before[0]["Devices"][0]["InBytes"] == 5


@ensureDeferred
async def test_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    """Every POST under way at the stop is answered, and what was answered 200 is stored."""
    running = Running(tmp_path, auto_register=True)
    running.service.startService()
    await running.request("GET", "/api/internal/device/192.0.2.1")
    body = gzipped([flow()] * 2000)
    posts = [Deferred.fromCoroutine(running.post_flows(body, "1:x:1001")) for _ in range(10)]
    await Deferred.fromCoroutine(running.get("/readyz"))
    stopped = running.service.stopService()
    answers: list[Answer] = await gatherResults(posts)
    await stopped
    stored = [answer.status for answer in answers].count(200)
    assert {answer.status for answer in answers} <= {200, 503}
    again = Running(tmp_path)
    again.service.startService()
    devices = (await again.get("/totals")).json["Devices"]
    await again.service.stopService()
    assert sum(device["Messages"] for device in devices) == stored


@ensureDeferred
async def test_port_in_use(collector: Running, tmp_path: Path) -> None:
    """The error of the port comes out, and the store is closed again."""
    other = Running(tmp_path / "other")
    object.__setattr__(other.config, "port", collector.service.port)
    with pytest.raises(CannotListenError):
        other.service.startService()
    retry = Running(tmp_path / "other")
    retry.service.startService()
    await retry.service.stopService()


@ensureDeferred
async def test_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """A file in the way is a StoreError, before anything listens."""
    (tmp_path / "data").write_text("")
    running = Running(tmp_path / "data")
    with pytest.raises(StoreError):
        running.service.startService()
    assert running.service.port == 0


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"host": "0.0.0.0"}, "token"),  # noqa: S104
        ({"email": "a"}, "token"),
        ({"devices_file": Path("missing.json")}, "devices"),
        ({"tls_cert_file": Path("missing.pem")}, "tls_cert_file"),
        ({"tls_cert_file": Path("missing.pem"), "tls_key_file": Path("missing.pem")}, "tls_cert_file"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, object], flag: str) -> None:
    """The error names the flag."""
    running = Running(tmp_path / "data", **settings)
    with pytest.raises(ConfigError) as caught:
        running.service.startService()
    assert caught.value.flag == flag


def test_bad_device_file_is_named(tmp_path: Path) -> None:
    """The error says which file and device."""
    devices = device_file(tmp_path, [{"id": 1, "company_id": 1, "device_name": "a", "sending_ips": ["x"]}])
    with pytest.raises(ConfigError, match=r"devices\.json: device 1 \(a\)"):
        Running(tmp_path / "data", devices_file=devices).service.startService()


@ensureDeferred
async def test_https(tmp_path: Path) -> None:
    """With a certificate it speaks TLS 1.2 or newer, and a client that trusts the authority is satisfied."""
    authority = Authority()
    certificate, key = authority.issue(["127.0.0.1"]).write(tmp_path, "server")
    running = Running(tmp_path / "d", tls_cert_file=certificate, tls_key_file=key)
    running.service.startService()

    def ask() -> tuple[int, bytes]:
        trust = ssl.create_default_context(cadata=authority.certificate.decode())
        url = f"https://127.0.0.1:{running.service.port}/healthz"
        with urllib.request.urlopen(url, context=trust, timeout=10) as answer:
            return answer.status, answer.read()

    assert await deferToThread(ask) == (200, b"ok\n")
    await running.service.stopService()


def test_certificate_that_is_none(tmp_path: Path) -> None:
    """Files of other content are named in one line."""
    (tmp_path / "x.pem").write_text("nothing")
    config = Running(tmp_path, tls_cert_file=tmp_path / "x.pem", tls_key_file=tmp_path / "x.pem").config
    with pytest.raises(ConfigError, match=r"x\.pem"):
        tls_options(config)
