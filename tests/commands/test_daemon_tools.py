"""``check``, ``healthcheck``, ``doctor`` and ``top``, as people run them, against real daemons."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from kproxy_tw.commands.tools.table import TOOLS
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.exporters import NetFlow5Exporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from kproxy_tw.testing.traffic import make_flows
from tests.commands.processes import accepts, environment
from tests.commands.terminal import Terminal

CREDENTIALS = {"KENTIK_API_EMAIL": "doctor@example.com", "KENTIK_API_TOKEN": "a-token-to-look-for"}
EVIL = "\x1b]0;owned\x07\x1b[31mevil"
"""A name that would set a terminal's title and color."""

SECONDS = 60.0


def tool(command: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return subprocess.run(
        [str(Path(sys.executable).parent / command), *arguments],
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@attrs.frozen
class Running:
    """A kproxy with its collector, and the flags of the first."""

    flags: list[str]
    health: int
    collector: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """kcollect and kproxy, and a device that has sent flow. Its name is hostile; the API gives it as it is."""
    folder = tmp_path_factory.mktemp("daemons")
    collector, flow = free_port(), free_port_pair()
    devices = folder / "devices.json"
    device = {"id": 1, "company_id": 1, "device_name": "edge", "sending_ips": ["127.0.0.1"]}
    devices.write_text(json.dumps({"devices": [device]}))
    flags = [f"-port={flow}", f"-api=http://127.0.0.1:{collector}/api/internal", f"-state_dir={folder / 'state'}"]
    store = [f"-listen=127.0.0.1:{collector}", f"-data={folder / 'data'}", f"-devices={devices}"]
    with Daemon(["kcollect", *store], log=folder / "kcollect.log") as daemon:
        daemon.wait_until_ready(collector)
        proxy = Daemon(
            ["kproxy", "-host=127.0.0.1", *flags], log=folder / "kproxy.log", environment=environment(**CREDENTIALS)
        )
        with proxy:
            proxy.wait_until_ready(flow + 1)
            send(flow)
            wait_for_flow(flow + 1)
            yield Running(flags, flow + 1, collector)


def send(port: int) -> None:
    """Thirty flows."""
    datagram = NetFlow5Exporter(time.time()).datagram(make_flows(30, np.random.default_rng(1)), time.time())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.sendto(datagram, ("127.0.0.1", port))


def wait_for_flow(port: int) -> None:
    """Until the backend has what was sent."""
    until = time.monotonic() + SECONDS
    while not get_json(port, "/admin/status")["Totals"]["RecordsForwarded"]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_every_tool_is_in_the_help() -> None:
    """``-h`` of each command names what may stand in the place of its flags."""
    for command, names in TOOLS.items():
        shown = tool(command, "-h").stdout
        for name in names:
            assert f"{command} {name} " in shown


@pytest.mark.parametrize(
    ("command", "arguments", "status", "said"),
    [
        ("kproxy", [], 78, "kproxy check: -api_email: is missing"),
        (
            "kproxy",
            ["-api_email=a@b", "-api_token=t", "-tls_ca_file=/nowhere"],
            78,
            "-tls_ca_file: cannot read /nowhere",
        ),
        ("kproxy", ["-prot=1"], 2, "unknown flag -prot, did you mean -port?"),
        ("kbgp", ["--email=a@b", "--token=t", "--listen=router:1790"], 78, "-listen"),
        ("kcollect", ["-listen=0.0.0.0:0"], 78, "-token: -email and -token are required"),
        ("kcollect", ["-devices=/nowhere"], 78, "-devices: /nowhere cannot be read"),
    ],
)
def test_check_refuses(command: str, arguments: list[str], status: int, said: str) -> None:
    """What a start would refuse, in one line and with the same status."""
    ended = tool(command, "check", *arguments)
    assert (ended.returncode, ended.stderr.count("\n")) == (status, 1)
    assert said in ended.stderr


def test_check_starts_nothing(tmp_path: Path) -> None:
    """It says what is set and from where, hides secrets, warns, and opens neither files nor ports."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] - 1
        flags = [f"-port={port}", "-tag_update=1", f"-state_dir={tmp_path / 'state'}"]
        ended = tool("kproxy", "check", *flags, **CREDENTIALS)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"port = {port}  (flag)" in ended.stdout
    assert "api_email = doctor@example.com  (environment)" in ended.stdout
    assert "api_token = ***  (environment)" in ended.stdout
    assert "! -tag_update is obsolete and has no effect" in ended.stdout
    assert ended.stdout.endswith("kproxy: the configuration is good\n")
    assert list(tmp_path.iterdir()) == []


def test_healthcheck_of_running_daemons(running: Running) -> None:
    """By the daemon's own flags, or by an address."""
    for command, arguments in (
        ("kproxy", running.flags),
        ("kproxy", ["--ready", f"--url=http://127.0.0.1:{running.health}/"]),
        ("kcollect", [f"-listen=0.0.0.0:{running.collector}"]),
    ):
        ended = tool(command, "healthcheck", *arguments)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("command", ["kproxy", "kbgp", "kcollect"])
def test_healthcheck_of_nobody(command: str) -> None:
    """1, and a line with the address that was asked."""
    port = free_port()
    ended = tool(command, "healthcheck", f"-url=127.0.0.1:{port}")
    assert ended.returncode == 1
    assert f"nobody listens at http://127.0.0.1:{port}" in ended.stderr


def test_healthcheck_of_a_daemon_that_cannot_work(tmp_path: Path) -> None:
    """A kproxy whose backend is away is not ready; the line says why."""
    flow = free_port_pair()
    flags = [f"-port={flow}", f"-api=http://127.0.0.1:{free_port()}/api/internal", f"-state_dir={tmp_path}"]
    daemon = Daemon(["kproxy", "-host=127.0.0.1", *flags], log=tmp_path / "log", environment=environment(**CREDENTIALS))
    with daemon:
        daemon.wait_until_ready(flow + 1, "/metrics")
        ended = tool("kproxy", "healthcheck", "--ready", *flags)
    assert ended.returncode == 1
    assert ended.stderr.startswith("kproxy: ")
    assert "nobody listens" not in ended.stderr


def certificate(authority: Authority, folder: Path, host: str, days: int = 30) -> list[str]:
    """Flags of a certificate for ``host`` and its key."""
    pem, key = authority.issue([host], last_day=days).write(folder, host)
    return [f"-tls_cert_file={pem}", f"-tls_key_file={key}"]


def test_healthcheck_over_tls(tmp_path: Path) -> None:
    """The daemon's own certificate is what is trusted, whatever name it is for; another one is not."""
    authority, port = Authority(), free_port()
    files, others = (certificate(authority, tmp_path, host) for host in ("one.example.com", "other.example.com"))
    listen = f"-listen=127.0.0.1:{port}"
    with Daemon(["kcollect", listen, f"-data={tmp_path / 'data'}", *files], log=tmp_path / "log") as daemon:
        wait_for_tls(daemon, port)
        assert tool("kcollect", "healthcheck", listen, *files).stdout == "ok\n"
        refused = tool("kcollect", "healthcheck", listen, *others)
    assert refused.returncode == 1
    assert "no TLS" in refused.stderr


def wait_for_tls(daemon: Daemon, port: int) -> None:
    """Until somebody listens."""
    until = time.monotonic() + SECONDS
    while not accepts(port):
        assert daemon.process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)


def findings(ended: subprocess.CompletedProcess[str]) -> dict[str, list[tuple[str, str, str]]]:
    """What the doctor found, by name: level, detail, advice."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in ended.stdout.splitlines():
        one = json.loads(line)
        found.setdefault(one["Name"], []).append((one["Level"], one["Detail"], one["Advice"]))
    return found


def test_doctor_beside_a_running_kproxy(running: Running) -> None:
    """Its ports are in use by itself, which is fine; the backend takes the credentials; the clocks agree."""
    ended = tool("kproxy", "doctor", "-host=127.0.0.1", *running.flags, "--json", **CREDENTIALS)
    found = findings(ended)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all("kproxy that runs here" in detail for _level, detail, _advice in found["port"])
    assert [found[name][0][0] for name in ("permissions", "disk", "api", "credentials", "flow", "clock")] == ["ok"] * 6
    assert found["devices"][0][1] == "1 in the account"
    assert CREDENTIALS["KENTIK_API_TOKEN"] not in ended.stdout


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    """A port in use, a folder that is none, a backend that is away: each a line with what to do; status 1."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        flags = ["-host=127.0.0.1", f"-port={port}", f"-api=http://127.0.0.1:{free_port()}/api/internal"]
        ended = tool("kproxy", "doctor", *flags, f"-state_dir={tmp_path}", "--json", **CREDENTIALS)
        shown = tool("kproxy", "doctor", *flags, "-rcvbuf_size=2147483000", f"-state_dir={tmp_path}", **CREDENTIALS)
    found = findings(ended)
    assert ended.returncode == 1
    assert found["port"][0][0] == "fail"
    assert f"udp 127.0.0.1:{port} cannot be had: Address already in use" in found["port"][0][1]
    assert "-port" in found["port"][0][2]
    assert found["api"][0][0] == "fail"
    assert "refused the connection" in found["api"][0][1]
    assert found["credentials"][0][0] == found["clock"][0][0] == "skip"
    assert re.search(r"^! receive buffer .*sysctl -w net\.core\.rmem_max=2147483000", shown.stdout, re.MULTILINE)
    assert re.search(r"\d fine, .*to be mended, \d not looked at\n$", shown.stdout)
    assert shown.returncode == 1


def test_doctor_tells_how_long_a_certificate_lasts(tmp_path: Path) -> None:
    """Verified by name, and soon over: worth a word; without the authority it is refused, and the reason is said."""
    authority, port = Authority(), free_port()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    files = certificate(authority, tmp_path, "localhost", days=5)
    command = ["kcollect", f"-listen=127.0.0.1:{port}", f"-data={tmp_path / 'data'}", *files]
    flags = [f"-port={free_port_pair()}", f"-api=https://localhost:{port}", f"-state_dir={tmp_path}", "--json"]
    with Daemon(command, log=tmp_path / "log") as daemon:
        wait_for_tls(daemon, port)
        found = findings(tool("kproxy", "doctor", *flags, f"-tls_ca_file={tmp_path / 'ca.pem'}", **CREDENTIALS))
        refused = findings(tool("kproxy", "doctor", *flags, **CREDENTIALS))
    assert found["dns"][0][0] == "ok"
    assert found["api"][0][0] == "warn"
    assert "certificate verified, 4 days left" in found["api"][0][1]
    assert refused["api"][0][0] == "fail"
    assert "authority is not trusted" in refused["api"][0][1]


def test_doctor_names_refused_credentials(tmp_path: Path) -> None:
    """A backend that wants others."""
    port = free_port()
    listen = [f"-listen=127.0.0.1:{port}", f"-data={tmp_path / 'data'}", "-email=a@example.com", "-token=other"]
    with Daemon(["kcollect", *listen], log=tmp_path / "log") as daemon:
        daemon.wait_until_ready(port)
        api = f"-api=http://127.0.0.1:{port}/api/internal"
        flags = [f"-port={free_port_pair()}", api, f"-state_dir={tmp_path}", "--json"]
        found = findings(tool("kproxy", "doctor", *flags, **CREDENTIALS))
    level, detail, _advice = found["credentials"][0]
    assert level == "fail"
    assert "KENTIK_API_TOKEN" in detail
    assert found["api"][0][0] == "ok"


def test_top_once(running: Running) -> None:
    """The page's own table and, as JSON, its own document."""
    shown = tool("kproxy", "top", "--once", *running.flags)
    (row,) = [line for line in shown.stdout.splitlines() if line.startswith("edge ")]
    assert "netflow5" in row
    assert shown.returncode == 0
    document = json.loads(tool("kproxy", "top", "--once", "--json", *running.flags).stdout)
    assert [device["DeviceName"] for device in document["Devices"]] == ["edge"]
    assert document["Totals"]["RecordsReceived"] == 30


def test_top_of_nobody() -> None:
    """One line, and 1."""
    for command in ("kproxy", "kbgp"):
        ended = tool(command, "top", "--once", f"--url=127.0.0.1:{free_port()}")
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)


@pytest.fixture
def terminal(running: Running) -> Iterator[Terminal]:
    """``kproxy top`` in a terminal."""
    kproxy = Path(sys.executable).parent / "kproxy"
    opened = Terminal(f"kproxy-{os.getpid()}", f"{kproxy} top --interval 0.3 --url http://127.0.0.1:{running.health}")
    yield opened
    opened.close()


def test_top_in_a_terminal(running: Running, terminal: Terminal) -> None:
    """The table comes, its figures move, a filter leaves rows out, a key ends it."""
    terminal.wait(r"(?s)✓.*edge .*netflow5")
    terminal.wait(r"received 0/s")
    send(running.health - 1)
    terminal.wait(r"received [1-9]\d*/s")
    terminal.keys("/")
    terminal.wait("rows with this text")
    terminal.keys("nothing")
    terminal.wait(r"0 of 1 row")
    terminal.keys("Escape")
    terminal.wait(r"edge ")
    terminal.keys("q")
    assert terminal.gone()


def test_top_shows_hostile_strings_harmless() -> None:
    """Escape sequences, markup and direction marks become visible text; odd documents are no bug."""
    from kproxy_tw.commands.tools.board.document import Layout, board, lines
    from kproxy_tw.web.pages.kproxy import DEVICE_COLUMNS

    layout = Layout("Devices", [column for column in DEVICE_COLUMNS if not column.hidden])
    document: Any = {
        "Verdict": {"Level": EVIL, "Sentence": EVIL, "Points": [{"Text": EVIL}, EVIL, None]},
        "Devices": [
            {"DeviceName": EVIL, "In1": EVIL, "LastSeen": EVIL, "Traffic": [EVIL], "CapUse": [1], "Sources": {EVIL: 1}},
            {"DeviceName": "\u202e[bold]x[/]", "Traffic": [0, 1, 2], "In1": 2**70},
            None,
            "text",
        ],
    }
    text = "\n".join(lines(board(document, layout, now=0.0, before=document, elapsed=1.0)))
    assert "\\x1b" in text
    assert text.replace("\n", "").isprintable()
    odd_ones: tuple[Any, ...] = (None, [], 1, {"Devices": 1}, {"Verdict": [], "Devices": [[]]}, {"Totals": "x"})
    for odd in odd_ones:
        assert lines(board(odd, layout, now=0.0, before=odd, elapsed=1.0))
