"""The Debian packages in a Debian root: installed, run, upgraded under load, removed, purged.

systemd is not there; what it does for the services is done by ``units``.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kproxy_tw.testing.processes import free_port, free_port_pair, get, get_json
from tests import source
from tests.packaging import roots, router
from tests.packaging.units import Unit, eventually, in_root, socket_unit

NAMES = re.compile("kproxy|kbgp|kcollect|kentik")
SMALL = ("kproxy", "kbgp", "kcollect")
TOOLS = ("debootstrap", "dh_virtualenv", "dpkg-buildpackage", "lintian", "setpriv")
PREVIOUS = "0.0.1"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


@pytest.fixture(scope="module")
def root(debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a root with the previous version of the packages."""
    folder = roots.make_root(tmp_path_factory.mktemp("root") / "debian")
    roots.install(folder, roots.renumbered(debs, tmp_path_factory.mktemp("older") / "debs", PREVIOUS))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Chain:
    """kcollect and kproxy as services of a root, on free ports."""

    def __init__(self, root: Path, log: Path) -> None:
        self.root, self.log = root, log
        self.flow_port, self.collector_port = free_port_pair(), free_port()
        device = {"id": "7", "company_id": "1", "device_name": "edge1", "device_sample_rate": "1"}
        devices = {"devices": [{**device, "sending_ips": [router.ADDRESS]}]}
        (root / "etc/kcollect").mkdir(exist_ok=True)
        (root / "etc/kcollect/devices.json").write_text(json.dumps(devices))
        self._configure()
        self.sockets = socket_unit(root, "kproxy", {9995: self.flow_port, 9996: self.flow_port + 1})
        self.kcollect, self.kproxy = Unit(root, "kcollect"), Unit(root, "kproxy")

    def _configure(self) -> None:
        """Do what the documents tell: copy the sample and fill in its two lines."""
        folder = self.root / "etc/default"
        text = (folder / "kentik.env.sample").read_text()
        text = text.replace("XXX_FILL_ME_IN", "secret-token").replace("foo@example.com", "you@example.net")
        api = f"KPROXY_OPTIONS=-host=0.0.0.0 -max=1000000 -api=http://127.0.0.1:{self.collector_port}/api/internal\n"
        (folder / "kentik.env").write_text(text + api)
        options = f"-listen=127.0.0.1:{self.collector_port} -devices=/etc/kcollect/devices.json"
        (folder / "kcollect.env").write_text(f"KCOLLECT_OPTIONS={options}\n")

    def kill(self) -> None:
        """End both, however the test went."""
        self.kproxy.kill()
        self.kcollect.kill()

    def start(self) -> None:
        """Start both."""
        self.kcollect.start([], self.log)
        self.kproxy.start(self.sockets, self.log)

    def stored(self) -> int:
        """Count what the collector has."""
        return sum(int(row["Flows"]) for row in get_json(self.collector_port, "/totals")["Devices"])

    def device(self) -> Any:
        """Ask kproxy about its one device."""
        return get_json(self.flow_port + 1, "/admin/devices")["Devices"][0]

    def stop(self) -> None:
        """Stop both, gently, and let the sockets go."""
        assert [self.kproxy.stop(), self.kcollect.stop()] == [0, 0]
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def chain(root: Path, tmp_path: Path) -> Iterator[Chain]:
    """Give the two services, not started yet."""
    made = Chain(root, tmp_path / "log")
    yield made
    made.kill()


def test_lintian_finds_nothing_in_the_small_packages(debs: Path) -> None:
    """The large one takes minutes: make packages-check."""
    files = [str(roots.package(debs, name)) for name in SMALL]
    assert roots.run("lintian", "--fail-on", "warning,error", "--allow-root", *files) == ""


@pytest.mark.parametrize("name", SMALL)
def test_an_upgrade_stops_nothing_before_the_files_are_there(debs: Path, tmp_path: Path, name: str) -> None:
    """debhelper's default is to stop services and sockets first; then nobody would keep the datagrams meanwhile."""
    roots.run("dpkg-deb", "-e", str(roots.package(debs, name)), str(tmp_path / "scripts"))
    assert not (tmp_path / "scripts/preinst").exists()
    assert "deb-systemd-invoke restart" in (tmp_path / "scripts/postinst").read_text()


def test_unfilled_settings_say_what_to_do(root: Path, tmp_path: Path) -> None:
    """No file, then the sample as it is: one line each, and the status after which systemd does not try again."""
    log = tmp_path / "log"
    environment = root / "etc/default/kentik.env"
    for prepare, wanted in (
        (lambda: environment.unlink(missing_ok=True), "kentik.env is missing: copy /etc/default/kentik.env.sample"),
        (lambda: shutil.copy(f"{environment}.sample", environment), "kentik.env still has the sample's values"),
    ):
        prepare()
        unit = Unit(root, "kproxy")
        unit.start([], log, ready=False)
        assert unit.process is not None
        assert unit.process.wait(timeout=60) == 78
        assert wanted in log.read_text()
    assert "78" in unit.service["RestartPreventExitStatus"][0].split()
    environment.unlink()


@pytest.mark.skipif("KPROXY_TW_LONG" not in os.environ, reason="NOT TESTED here, takes minutes: make packages-check")
def test_flow_arrives_and_an_upgrade_under_load_loses_none(root: Path, debs: Path, chain: Chain) -> None:
    """The whole chain from the packages; while flow comes, the new version is installed and the service restarted."""
    log = chain.log
    chain.start()
    with router.Router(chain.flow_port) as sending:
        eventually(lambda: chain.stored() > 0, f"flows in kcollect\n{log.read_text()}")
        assert get(chain.flow_port + 1, "/healthz")[0] == http.client.OK
        chain.kproxy.wait_notified("WATCHDOG=1")
        roots.install(root, debs)
        assert PREVIOUS not in in_root(root, "dpkg-query", "-W", "-f", "${Version}\n", *roots.PACKAGES)
        assert (root / "etc/default/kentik.env").exists()
        assert chain.kproxy.stop() == 0
        time.sleep(1)  # flow goes on to come while nobody reads
        chain.kproxy.start(chain.sockets, log)
        time.sleep(1)

    eventually(lambda: _settled(chain), "nothing under way")
    ledger = chain.device()["Ledger"]
    assert (ledger["KernelDrops"], ledger["SequenceGaps"]) == (0, 0)
    assert sum(ledger["RecordsDropped"].values()) == 0
    # What waited in the kernel comes all at once: the cap may thin it, and says so.
    expected = sending.flows - ledger["RecordsSampledOut"]
    eventually(lambda: chain.stored() >= expected, f"{expected} flows in kcollect, of {sending.flows}; {ledger}")
    assert chain.stored() == expected
    chain.stop()
    assert "secret-token" not in log.read_text()


def _settled(chain: Chain) -> bool:
    ledger = chain.device()["Ledger"]
    return bool(ledger["RecordsReceived"]) and not ledger["RecordsInFlight"]


def test_the_autopkgtest_passes(root: Path) -> None:
    """What ``debian/tests`` has for the distribution's own testers."""
    shutil.copy(source.ROOT / "debian/tests/smoke", root / "tmp/smoke")
    assert "30 flows of 30 arrived" in in_root(root, "/tmp/smoke")  # noqa: S108 (in the root, which is ours)


def test_kbgp_listens_on_its_privileged_port_without_root(root: Path, tmp_path: Path) -> None:
    """The unit's capabilities suffice for port 179, signed sessions included."""
    environment = root / "etc/default/kbgp.env"
    web = free_port()
    options = f"KBGP_OPTIONS=--listen 127.0.0.1:179 --target 127.0.0.1:9 --insecure --metrics-port {web}"
    environment.write_text(
        f"KENTIK_API_EMAIL=you@example.net\nKENTIK_API_TOKEN=secret-token\nKENTIK_ENABLE_MD5=true\n{options}\n"
    )
    unit, log = Unit(root, "kbgp"), tmp_path / "log"
    try:
        unit.start([], log)
        assert get_json(web, "/admin/status")["Config"]["MD5Enabled"] is True
        with socket.create_connection(("127.0.0.1", 179), timeout=10):
            pass
        assert unit.stop() == 0
    finally:
        unit.kill()
    text = log.read_text()
    assert "CAP_NET_RAW" not in text, text
    environment.unlink()


def test_removed_and_purged(root: Path) -> None:
    """Removal keeps settings and state; purging leaves nothing with our names, in no folder."""
    common, *others = roots.PACKAGES
    in_root(root, "dpkg", "--remove", *others, common)
    assert not (root / "usr/lib/kproxy-tw").exists()
    assert (root / "etc/default/kentik.env.sample").exists()
    assert (root / "var/lib/kproxy").exists()
    in_root(root, "dpkg", "--purge", *others, common)
    shutil.rmtree(root / "etc/kcollect", ignore_errors=True)  # of the upgrade test, where that was run
    left = [path for place in ("etc", "usr", "var") for path in (root / place).rglob("*") if NAMES.search(path.name)]
    assert left == []
    users = (root / "etc/passwd").read_text()
    assert not NAMES.search(users)
