"""JSON documents and metrics: keys, types, and figures that add up."""

from __future__ import annotations

import json
import math
from collections import Counter

import attrs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kproxy_tw.ledger import Ledger
from kproxy_tw.status import CapStatus, Check, UnregisteredStatus
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device, sample_ledger, sample_template
from kproxy_tw.web import documents
from kproxy_tw.web.encoding import Document, encode
from kproxy_tw.web.metrics import LABELED_DEVICES, exposition
from kproxy_tw.web.snapshot import take

LEDGER_KEYS = {
    "DatagramsReceived": int,
    "RecordsReceived": int,
    "RecordsForwarded": int,
    "RecordsSampledOut": int,
    "RecordsDropped": dict,
    "RecordsInFlight": int,
    "DatagramsDropped": dict,
    "KernelDrops": int,
    "SequenceGaps": int,
    "SequenceSeen": int,
    "MessagesSent": int,
    "BytesSent": int,
    "MessagesRetried": int,
    "MessagesSplit": int,
    "DeadLetters": int,
    "MessagesCreated": int,
    "MessagesInFlight": int,
    "MessagesDropped": dict,
}


def types(document: dict[str, object]) -> dict[str, type]:
    """The type of each value after a round trip through JSON."""
    return {key: type(value) for key, value in json.loads(encode(document)).items()}


def test_device_keys() -> None:
    """A device has every documented key with its type."""
    found = types(documents.device(sample_device(templates=(sample_template(),))))
    expected = {
        "DeviceID": int,
        "DeviceName": str,
        "CompanyID": int,
        "FlowTypes": list,
        "In1": int,
        "Out1": int,
        "In15": int,
        "Out15": int,
        "LastSeen": str,
        "Sources": list,
        "ChannelHighwater": dict,
        "MaxFPS": int,
        "SampleRate": dict,
        "Ledger": dict,
        "Templates": list,
    }
    assert expected.items() <= found.items()


def test_ledger_keys() -> None:
    """A ledger has every documented key, and the identity holds in what is shown."""
    ledger = documents.device_summary(sample_device(ledger=sample_ledger(received=900, sampled_out=100, dropped=7)))
    shown = json.loads(encode(ledger))["Ledger"]
    assert {key: type(value) for key, value in shown.items()} == LEDGER_KEYS
    fates = shown["RecordsForwarded"] + shown["RecordsSampledOut"] + sum(shown["RecordsDropped"].values())
    assert shown["RecordsReceived"] == fates + shown["RecordsInFlight"] == 900


def test_unregistered_keys() -> None:
    """The list counts both kinds and an unregistered source has its documented keys."""
    source = UnregisteredStatus(
        source="203.0.113.9", port=2055, first_seen=NOW - 5, last_seen=NOW, datagrams=3, flow_type="sflow"
    )
    document = documents.devices([sample_device()], [source])
    assert (document["NumConnected"], document["NumUnregistered"]) == (1, 1)
    assert document["Unregistered"] == [
        {
            "Source": "203.0.113.9",
            "Port": 2055,
            "FirstSeen": "2026-09-21T14:13:15.000Z",
            "LastSeen": "2026-09-21T14:13:20.000Z",
            "Datagrams": 3,
            "FlowType": "sflow",
        }
    ]


def test_status_keys() -> None:
    """The process has every documented key with its type."""
    document = documents.status(sample_daemon())
    found = types(document)
    expected = {
        "InstanceID": str,
        "Version": str,
        "StartTime": str,
        "UptimeMs": int,
        "Config": dict,
        "Upstream": list,
        "Spool": dict,
        "Totals": dict,
    }
    assert expected.items() <= found.items()
    upstream = json.loads(encode(document))["Upstream"][0]
    assert set(upstream) == {"URL", "Connected", "LastStatus", "LastError", "RetryInMs"}
    assert document["UptimeMs"] == 7_345_000


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "ok"),
        (["ok", "initializing"], "initializing"),
        (["old_result", "initializing"], "old_result"),
        (["timeout", "old_result"], "timeout"),
        (["failing", "ok", "timeout"], "failing"),
        (["surprising"], "failing"),
    ],
)
def test_health_is_the_worst_check(statuses: list[str], expected: str) -> None:
    """One word for all checks: the worst of them."""
    checks = [Check(name="x", status=status, detail="") for status in statuses]
    document = documents.health(checks, NOW)
    assert (document["status"], document["timestamp"]) == (expected, "2026-09-21T14:13:20.000Z")


def test_encoding() -> None:
    """Compact and ASCII by default, indented when asked for, never closing a script element."""
    document: Document = {"a": "</script>ü\u202e", "b": [1, 2]}
    compact, pretty = encode(document), encode(document, pretty=True)
    assert compact == b'{"a":"\\u003c/script>\\u00fc\\u202e","b":[1,2]}\n'
    assert pretty.count(b"\n") == 7
    assert json.loads(compact) == json.loads(pretty) == document


def test_no_cap_is_null() -> None:
    """JSON has no infinity."""
    assert documents.device_summary(sample_device(max_fps=math.inf))["MaxFPS"] is None
    assert documents.device_summary(sample_device(sample_rate=2.5))["SampleRate"] == {
        "Effective": 2.5,
        "Origin": "sampler",
    }


def samples(status: FixedStatus) -> Counter[tuple[str, ...]]:
    """Every sample of the exposition by name and label values."""
    families = text_string_to_metric_families(exposition(take(status)).decode())
    return Counter(
        {
            (sample.name, *sample.labels.values()): int(sample.value)
            for family in families
            for sample in family.samples
            if not math.isnan(sample.value)
        }
    )


def test_metrics() -> None:
    """The documented names and labels, read by Prometheus' own parser, with the right values."""
    ledger = sample_ledger(received=900, sampled_out=100, dropped=7, in_flight=3)
    for _message in range(7):
        ledger.create_message()
    ledger.drop_messages("spool_full", 3, 0)
    ledger.drop_messages("shutdown", 1, 0)
    total = Ledger.total([ledger])
    total.receive(50)
    total.drop("unregistered", 50)
    found = samples(FixedStatus(daemon_status=sample_daemon(totals=total), device_list=[sample_device(ledger=ledger)]))
    name = "edge_fra1_r1"
    assert found["kproxy_datagrams_received_total", name] == 45
    assert found["kproxy_records_total", name, "forwarded", ""] == 790
    assert found["kproxy_records_total", name, "sampled_out", ""] == 100
    assert found["kproxy_records_total", name, "dropped", "no_template"] == 7
    assert found["kproxy_records_total", "(other)", "dropped", "unregistered"] == 50
    assert found["kproxy_records_in_flight", name] == 3
    assert ("kproxy_kernel_drops_total", "192.0.2.1:9995") in found
    assert ("kproxy_sequence_gaps_total", name) in found
    assert found["kproxy_messages_created_total", name] == 8
    assert found["kproxy_messages_total", name, "sent"] == 1
    assert found["kproxy_messages_total", name, "dropped"] == 4
    assert found["kproxy_messages_dropped_total", name, "spool_full"] == 3
    assert found["kproxy_messages_dropped_total", name, "shutdown"] == 1
    assert found["kproxy_messages_in_flight", name] == 3
    ends = sum(found["kproxy_messages_total", name, outcome] for outcome in ("sent", "split", "dead_letter", "dropped"))
    assert found["kproxy_messages_created_total", name] == ends + found["kproxy_messages_in_flight", name]
    assert found["kproxy_spool_bytes",] == 48_213
    assert found["kproxy_crash_gap_records",] == 17
    assert found["kproxy_spool_quarantined",] == 1
    assert found["kproxy_info", "1.0.0"] == 1


def test_metrics_of_many_devices_are_bounded() -> None:
    """Devices beyond the bound are summed under one label, and nothing is lost from the sum."""
    devices = [
        sample_device(device_name=f"r{n}", ledger=Ledger(records_received=2)) for n in range(LABELED_DEVICES + 5)
    ]
    total = Ledger.total(device.ledger for device in devices)
    found = samples(FixedStatus(daemon_status=sample_daemon(totals=total), device_list=devices))
    received = {key: value for key, value in found.items() if key[0] == "kproxy_records_received_total"}
    assert len(received) == LABELED_DEVICES + 1
    assert found["kproxy_records_received_total", "(other)"] == 10
    assert sum(received.values()) == total.records_received


def test_hostile_label() -> None:
    """A device's name cannot end its label or its line."""
    device = sample_device(device_name='a"} 1\nkproxy_forged_total 99\\')
    found = samples(FixedStatus(daemon_status=sample_daemon(), device_list=[device]))
    assert not [key for key in found if key[0] == "kproxy_forged_total"]
    assert ("kproxy_datagrams_received_total", 'a"} 1\\x0akproxy_forged_total 99\\') in found


def test_snapshot_does_not_move() -> None:
    """What is being rendered in a thread does not change while the daemon goes on counting."""
    device = sample_device()
    status = FixedStatus(daemon_status=sample_daemon(totals=device.ledger), device_list=[device])
    before = take(status)
    copies = attrs.asdict(before.devices[0].ledger), attrs.asdict(before.daemon.totals)
    device.ledger.receive(5)
    device.ledger.drop("encode", 5)
    assert copies == (attrs.asdict(before.devices[0].ledger), attrs.asdict(before.daemon.totals))


def test_what_the_cap_did() -> None:
    """Rate, share of the plan and expected errors as numbers; no limit is null."""
    cap = CapStatus(plan_fps=250.5, seen=1000, kept=100, seen_per_kept=10.0, octets_error=0.031, packets_error=0.02)
    assert documents.device_summary(sample_device(cap=cap))["Cap"] == {
        "Seconds": 60,
        "PlanFPS": 250.5,
        "Seen": 1000,
        "Kept": 100,
        "SeenPerKept": 10,
        "ExpectedError": {"Bytes": 0.031, "Packets": 0.02},
    }
    unlimited = documents.device_summary(sample_device())["Cap"]
    assert isinstance(unlimited, dict)
    assert unlimited["PlanFPS"] is None


def test_metrics_name_the_shard() -> None:
    """A device that is split has the shard's number behind its name; the sum over devices is still the total."""
    device, ledger = sample_device(), sample_ledger(received=5000)
    status = FixedStatus(daemon_status=sample_daemon(shard="3", totals=ledger), device_list=[device])
    devices = {label for labels in samples(status) for label in labels if "#" in label}
    assert devices == {"edge_fra1_r1#3"}
