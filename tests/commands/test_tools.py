"""``kproxy decode``, ``fields`` and ``replay`` as people run them."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.capture.rewrite import TimeRewriter
from kproxy_tw.testing.exporters import TEMPLATED_RECORD, IpfixExporter, NetFlow5Exporter, NetFlow9Exporter
from kproxy_tw.testing.traffic import make_flows
from tests.captures import write_pcap
from tests.decode.netflow_bytes import a_set, template, v9

NOW = 1_790_000_000
FLOWS = make_flows(10, np.random.default_rng(2))


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kproxy with these arguments."""
    command = [str(Path(sys.executable).parent / "kproxy"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Data in front of its template, NetFlow v5, an unknown element, and something that is no flow."""
    exporter = NetFlow9Exporter(NOW)
    first, second = (exporter.datagram(FLOWS, NOW) for _datagram in range(2))
    unknown = v9(a_set(0, template(300, (8, 4), (12, 4), (40999, 2))), a_set(300, bytes(range(1, 11))), source=9)
    path = tmp_path / "flow.pcap"
    write_pcap(path, [second, first, NetFlow5Exporter(NOW).datagram(FLOWS, NOW), unknown, b"no flow"], 2055)
    return path


def test_decode_tells_for_each_datagram_what_was_understood(capture: Path) -> None:
    """As JSON, one object a line; the figures are those that went in."""
    ended = tool("decode", "--json", str(capture))
    shown = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(each["FlowType"], each["Records"]) for each in shown] == [
        ("netflow9", 10),
        ("netflow9", 10),
        ("netflow5", 10),
        ("netflow9", 1),
    ]
    assert [flow["in_bytes"] for flow in shown[2]["Flows"]] == FLOWS["bytes"].tolist()
    assert shown[1]["Templates"] == [300]
    assert shown[1]["Flows"][0]["elements"]["sourceIPv4Address"] == shown[1]["Flows"][0]["ipv4_src_addr"]
    assert "0/40999" in shown[3]["NotUnderstood"][0]
    assert "1 packets: UDP, but no flow protocol that we know" in ended.stderr
    assert ended.returncode == 0


def test_decode_counts_as_understood_only_what_was(tmp_path: Path) -> None:
    """Records without template and a refused template are problems alone; with nothing understood the status is 1."""
    files = tmp_path / "orphan.dat", tmp_path / "refused.dat"
    files[0].write_bytes(v9(a_set(300, bytes(range(1, 11)))))
    files[1].write_bytes(v9(a_set(0, template(256, (8, 0)))))
    ended = tool("decode", *map(str, files))
    assert "understood: " not in ended.stdout.replace("not understood: ", "")
    assert "no template for it in the file" in ended.stdout
    assert "template 256 of domain 1: a record would have no bytes" in ended.stdout
    assert (ended.returncode, ended.stderr) == (1, "2 datagrams, 0 of them understood\n")


def test_decode_shows_a_table(capture: Path) -> None:
    """A line a flow with addresses, and one a datagram with where it stands."""
    ended = tool("decode", str(capture))
    assert ended.stdout.count("#") == 4
    assert "#4 1970-01-01T00:00:03.000Z from 192.0.2.1:50000: netflow9" in ended.stdout
    for flow in FLOWS:
        source = socket.inet_ntoa(struct.pack("!I", int(flow["src"])))
        assert f"{source}:{flow['sport']}" in ended.stdout


def test_fields_lists_unknown_elements_with_an_example(capture: Path) -> None:
    """The two bytes that stood in the record."""
    ended = tool("fields", "--json", "--unknown", str(capture))
    (found,) = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (found["PEN"], found["ID"], found["Length"], found["Name"], found["Example"]) == (0, 40999, 2, None, "090a")
    assert "sourceIPv4Address" in tool("fields", str(capture)).stdout


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """Stands where kproxy would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(2)
        yield sock


def test_replay_sends_the_same_datagrams(capture: Path, receiver: socket.socket) -> None:
    """Bytes and order; what is no flow stays away."""
    ended = tool("replay", str(capture), "--to", f"127.0.0.1:{receiver.getsockname()[1]}", "--speed", "max")
    got = [receiver.recv(65535) for _datagram in range(4)]
    assert (ended.returncode, ended.stderr) == (
        0,
        f"4 of 4 datagrams of 1 exporters sent to 127.0.0.1:{receiver.getsockname()[1]}\n",
    )
    assert [struct.unpack_from("!H", data)[0] for data in got] == [9, 9, 5, 9]
    assert got[2] == NetFlow5Exporter(NOW).datagram(FLOWS, NOW)


def test_replay_keeps_distances_in_time(capture: Path, receiver: socket.socket) -> None:
    """Captured a second apart, sent ten times as fast."""
    began = time.monotonic()
    assert (
        tool("replay", str(capture), "--to", f"127.0.0.1:{receiver.getsockname()[1]}", "--speed", "10x").returncode == 0
    )
    assert 0.3 < time.monotonic() - began < 5


def test_times_can_be_moved_to_now() -> None:
    """Export time and absolute flow times move by the same; times that count from the start stay."""
    data = IpfixExporter(NOW).datagram(FLOWS, NOW)
    moved = TimeRewriter().rewrite(data, NOW + 1000)
    size = len(FLOWS) * TEMPLATED_RECORD.itemsize
    start = len(data) - size - -size % 4  # the set is padded
    before, after = (np.frombuffer(each[start : start + size], TEMPLATED_RECORD) for each in (data, moved))
    assert struct.unpack_from("!I", moved, 4) == (NOW + 1000,)
    for name in TEMPLATED_RECORD.names or ():
        assert (after[name] - before[name] == (1000 if name in ("first", "last") else 0)).all()
    v5 = NetFlow5Exporter(NOW).datagram(FLOWS, NOW)
    assert TimeRewriter().rewrite(v5, NOW + 5) == v5[:8] + struct.pack("!I", NOW + 5) + v5[12:]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("decode",), 2, "required: FILE"),
        (("decode", "--nonsense", "x"), 2, "unrecognized arguments"),
        (("decode", "/no/such/file"), 1, "/no/such/file: no such file"),
        (("decode", __file__), 1, "no capture file"),
        (("replay", "x.pcap", "--speed", "fast"), 2, "must be max or a number"),
        (("replay", "x.pcap", "--to", "nowhere"), 2, "must look like 127.0.0.1:9995"),
        (("fields", "--port", "0", "x"), 2, "must be a whole number from 1 to 65535"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], status: int, words: str) -> None:
    """With the status that says whose fault it is."""
    ended = tool(*arguments)
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, words in line, line.startswith(f"kproxy {arguments[0]}: ")) == (status, True, True)


def test_a_damaged_file_is_read_as_far_as_it_goes(capture: Path) -> None:
    """The end says so, with status 1."""
    capture.write_bytes(capture.read_bytes()[:-60])
    ended = tool("decode", "--json", str(capture))
    assert (ended.returncode, len(ended.stdout.splitlines())) == (1, 3)
    assert "the file ends in the middle of packet" in ended.stderr


def test_a_folder_is_read_whatever_stands_in_it(capture: Path) -> None:
    """A file that is no capture is left out and told; the captures are shown."""
    (capture.parent / "aaa.pcap").write_bytes(b"not a capture")
    (capture.parent / "empty.dat").touch()
    ended = tool("decode", "--json", str(capture.parent))
    assert (ended.returncode, len(ended.stdout.splitlines())) == (1, 4)
    assert "aaa.pcap" in ended.stderr
    assert "empty.dat has no bytes; left out" in ended.stderr
