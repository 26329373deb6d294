"""``POST /chf`` over a real connection: what is stored, and what each bad request gets."""

from __future__ import annotations

import gzip
import resource
import signal
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.collector.intake.app import deferred_from
from kproxy_tw.errors import StoreError
from tests.collector.chf_bodies import PREFIX, flow, gzipped, packed
from tests.collector.running import HEADERS, Answer, Running

MIB = 1 << 20


@ensureDeferred
async def test_flows_are_stored_and_answered(collector: Running) -> None:
    """200, and the flows are in /totals and /flows as pycapnp wrote them."""
    answer = await collector.post_flows(gzipped([flow(inBytes=10), flow(inBytes=32, deviceId=101)]))
    assert (answer.status, answer.json) == (200, {"stored": 2})
    (total,) = (await collector.get("/totals")).json["Devices"]
    assert (total["DeviceID"], total["DeviceName"], total["Flows"], total["InBytes"]) == (101, "edge", 2, 42)
    assert (total["EstimatedBytes"], total["EstimatedPackets"], total["Messages"]) == (420, 60, 1)
    assert total["LastReceived"].endswith("Z")
    newest, oldest = (await collector.get("/flows")).json
    assert (newest["inBytes"], oldest["inBytes"]) == (32, 10)
    assert (newest["ipv4SrcAddr"], newest["ipv4DstAddr"], newest["sampleRate"]) == ("10.0.0.1", "192.0.2.1", 10)
    assert (newest["deviceId"], newest["timestamp"]) == (101, 1_767_225_600)


@ensureDeferred
async def test_rare_fields_arrive(collector: Running) -> None:
    """IPv6, MACs, texts and custom columns of an independent encoder come out right."""
    fields = {
        "ipv6SrcAddr": bytes.fromhex("20010db8000000000000000000000001"),
        "srcEthMac": 0x0A0B0C0D0E0F,
        "flowTags": "a,b",
        "custom": [(7, "uint32Val", 70), (8, "strVal", "text")],
        "sampleRate": 5,
        "sampleAdj": False,
        "ipv4SrcAddr": 0,
        "ipv4DstAddr": 0,
    }
    assert (await collector.post_flows(gzipped([flow(**fields)]))).status == 200
    (found,) = (await collector.get("/flows")).json
    assert (found["ipv6SrcAddr"], found["srcEthMac"], found["flowTags"]) == ("2001:db8::1", "0a:0b:0c:0d:0e:0f", "a,b")
    assert found["custom"] == [{"id": 7, "value": 70}, {"id": 8, "value": "text"}]
    assert found["sampleRate"] == 5
    assert "ipv4SrcAddr" not in found


@pytest.mark.parametrize("sender", ["1:edge:101", "1%3Aedge%3A101", "1%3Asome.other%3Aname%3A101"])
@ensureDeferred
async def test_sender_spellings(collector: Running, sender: str) -> None:
    """Colons encoded or bare; the name is not relied upon."""
    assert (await collector.post_flows(gzipped([flow()]), sender)).status == 200


@ensureDeferred
async def test_body_without_gzip_and_without_prefix(collector: Running) -> None:
    """Both are sent by some clients."""
    for body, encoding in ((PREFIX + packed([flow()]), ""), (packed([flow()]), ""), (packed([flow()]), "identity")):
        assert (await collector.post_flows(body, encoding=encoding)).status == 200


@ensureDeferred
async def test_message_without_flows(collector: Running) -> None:
    """An empty list is stored as a message."""
    assert (await collector.post_flows(gzipped([]))).status == 200
    assert (await collector.get("/totals")).json["Devices"][0]["Messages"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"body": b""}, "gzip"),
        ({"body": b"no gzip"}, "gzip"),
        ({"body": gzip.compress(b"x" * 500)}, ""),
        ({"body": gzipped([flow()])[:-9]}, "gzip"),
        ({"encoding": "br"}, "Content-Encoding"),
        ({"sid": "5"}, "sid"),
        ({"sender": "1:edge"}, "sender_id"),
        ({"sender": "1:edge:999"}, "known device"),
        ({"sender": "2:edge:101"}, "known device"),
        ({"sender": "1:edge:101&sender_id=1:edge:102"}, "2 times"),
        ({"sender": "%ff:edge:101"}, "UTF-8"),
        ({"body": gzipped([flow(deviceId=102)])}, "flows of device 102"),
        ({"body": gzipped([flow(inBytes=2**64 - 1, sampleRate=2**32 - 1)] * 3)}, "more traffic"),
    ],
)
@ensureDeferred
async def test_bad_requests(collector: Running, options: dict[str, Any], words: str) -> None:
    """400 with the reason; nothing is stored, and the next good body is taken."""
    answer = await collector.post_flows(**{"body": gzipped([flow()])} | options)
    assert answer.status == 400
    assert words in answer.json["error"]
    assert (await collector.get("/totals")).json == {"Devices": []}
    assert (await collector.post_flows(gzipped([flow()]))).status == 200


@ensureDeferred
async def test_missing_query(collector: Running) -> None:
    """Without sid and sender_id nothing is known about the sender."""
    for query in ("", "?sid=0", "?sender_id=1:edge:101"):
        assert (await collector.request("POST", f"/chf{query}", gzipped([flow()]))).status == 400


@ensureDeferred
async def test_bombs(collector: Running) -> None:
    """What inflates beyond 64 MiB is too large, however small it came in; one of 100 layers of zeros too."""
    bomb = gzip.compress(bytes(65 * MIB), 9)
    assert len(bomb) < MIB // 10
    answer = await collector.post_flows(bomb)
    assert (answer.status, "more than" in answer.json["error"]) == (413, True)
    packed_zeros = gzip.compress(PREFIX + b"\0\xff" * (4 * MIB), 1)
    assert (await collector.post_flows(packed_zeros)).status in (400, 413)
    assert (await collector.post_flows(gzipped([flow()]))).status == 200


@ensureDeferred
async def test_body_too_large(collector: Running) -> None:
    """More than 32 MiB are refused while they arrive."""
    assert (await collector.post_flows(bytes(32 * MIB + 1))).status == 413
    assert (await collector.post_flows(gzipped([flow()]))).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CH-Auth-Email": HEADERS["X-CH-Auth-Email"]},
        HEADERS | {"X-CH-Auth-API-Token": "wrong"},
        HEADERS | {"X-CH-Auth-Email": "wrong"},
    ],
)
@ensureDeferred
async def test_wrong_credentials(collector: Running, headers: dict[str, str]) -> None:
    """401 on every address of agents, with no hint at what is right."""
    for method, path in (
        ("POST", "/chf?sid=0&sender_id=1:edge:101"),
        ("POST", "/tsdb"),
        ("POST", "/dns"),
        ("GET", "/api/internal/devices"),
        ("GET", "/api/internal/device/101"),
        ("POST", "/api/internal/device/"),
        ("PUT", "/api/internal/company/1/device/101/tags/snmp"),
    ):
        answer = await collector.request(method, path, b"{}" if method != "GET" else None, headers)
        assert (answer.status, HEADERS["X-CH-Auth-API-Token"].encode() in answer.body) == (401, False)


@ensureDeferred
async def test_fifty_at_once(collector: Running) -> None:
    """Each is answered 200, all flows are there, and they shared commits."""
    bodies = [gzipped([flow(inBytes=number)] * 20) for number in range(50)]
    answers: list[Answer] = await gatherResults(
        [Deferred.fromCoroutine(collector.post_flows(body, f"1:x:{101 + i % 2}")) for i, body in enumerate(bodies)]
    )
    assert {answer.status for answer in answers} == {200}
    totals = (await collector.get("/totals")).json["Devices"]
    assert [total["Messages"] for total in totals] == [25, 25]
    assert [total["InBytes"] for total in totals] == [20 * sum(range(0, 50, 2)), 20 * sum(range(1, 50, 2))]
    assert len((await collector.get("/flows?limit=10000")).json) == 1000
    metrics = (await collector.get("/metrics")).body.decode()
    assert 'kcollect_posts_total{path="/chf",status="200"} 50.0' in metrics
    commits = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("kcollect_commits "))
    assert 1 <= commits <= 50


@ensureDeferred
async def test_a_message_of_which_a_half_is_stored_is_only_taken_in_halves(collector: Running) -> None:
    """413 makes its sender split it again; the half that is there already is answered 200 and not stored twice."""
    name = "0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11:101:1"
    whole, halves = [flow(inBytes=10), flow(inBytes=32)], (flow(inBytes=10), flow(inBytes=32))
    statuses = []
    for part, flows in ((":1", halves[:1]), ("", whole), (":1", halves[:1]), (":2", halves[1:]), ("", whole)):
        answer = await collector.post_flows(gzipped(list(flows)), headers={"X-Kproxy-Batch": name + part})
        statuses.append(answer.status)
    assert statuses == [200, 413, 200, 200, 200]
    (total,) = (await collector.get("/totals")).json["Devices"]
    assert (total["Flows"], total["InBytes"]) == (2, 42)


@ensureDeferred
async def test_side_inputs(collector: Running) -> None:
    """/tsdb and /dns check and count what they get."""
    metric = b'[{"metric": "chf.x", "timestamp": 1, "value": 2, "tags": {}}]'
    assert (await collector.request("POST", "/tsdb", metric)).status == 200
    assert (await collector.request("POST", "/dns", b"\x80\x80")).status == 200
    for path, bad in (("/tsdb", b"{}"), ("/dns", b""), ("/dns", b"\xc1"), ("/tsdb", zlib.compress(b"x"))):
        assert (await collector.request("POST", path, bad)).status == 400
    metrics = (await collector.get("/metrics")).body.decode()
    assert "kcollect_tsdb_values_total 1.0" in metrics
    (latest,) = (await collector.get("/tsdb")).json
    assert latest == {"metric": "chf.x", "timestamp": 1, "value": 2, "tags": {}}
    assert "kcollect_dns_answers_total 2.0" in metrics


@ensureDeferred
async def test_full_disk(collector: Running) -> None:
    """503 with Retry-After while nothing can be stored, /readyz says why; with room again all is well by itself."""
    stored = 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (128 << 10, hard))
        while (answer := await collector.post_flows(gzipped([flow(inBytes=1)] * 50))).status == 200:
            stored += 50
            assert stored < 50_000
        ready = await collector.get("/readyz")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert (answer.status, answer.headers.get("retry-after")) == (503, "2")
    assert (ready.status, "cannot be written" in ready.body.decode()) == (503, True)
    assert (await collector.post_flows(gzipped([flow(inBytes=1)]))).status == 200
    assert (await collector.get("/readyz")).status == 200
    assert (await collector.get("/totals")).json["Devices"][0]["InBytes"] == stored + 1


@ensureDeferred
async def test_waiting_for_a_thread() -> None:
    """Results and errors of another thread's future arrive in the reactor; who stops waiting takes the work back."""
    from twisted.internet import reactor

    done, failed, pending = Future[int](), Future[int](), Future[int]()
    waiting = [deferred_from(future, reactor) for future in (done, failed, pending)]
    Thread(target=done.set_result, args=[5]).start()
    Thread(target=failed.set_exception, args=[StoreError("full")]).start()
    assert await waiting[0] == 5
    with pytest.raises(StoreError):
        await waiting[1]
    waiting[2].cancel()
    with pytest.raises(CancelledError):
        await waiting[2]
    assert pending.cancelled()


@ensureDeferred
async def test_clients_that_go_away(collector: Running, failures: list[LogEvent]) -> None:
    """Closing the connection at any moment is no error here, and the next client is served."""
    body = gzipped([flow()] * 2000)
    head = "\r\n".join(
        [
            "POST /chf?sid=0&sender_id=1:x:101 HTTP/1.1",
            f"Host: 127.0.0.1:{collector.service.port}",
            *(f"{name}: {value}" for name, value in HEADERS.items()),
            f"Content-Length: {len(body)}\r\nContent-Encoding: gzip\r\n\r\n",
        ]
    ).encode()
    for pause in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
        await deferToThread(hang_up, collector.service.port, (head + body)[: None if pause else len(head) + 50], pause)
    assert (await collector.post_flows(body)).status == 200
    assert failures == []


def hang_up(port: int, content: bytes, pause: float) -> None:
    """Send something and reset the connection after a moment."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(content)
        time.sleep(pause)


@pytest.fixture
def failures() -> Iterator[list[LogEvent]]:
    """Everything that is logged as a failure or worse than a warning meanwhile."""
    found: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event or event["log_level"] in (LogLevel.error, LogLevel.critical):
            found.append(event)

    observer: Any = observe  # a plain function fits, the interface says so only at run time
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)
