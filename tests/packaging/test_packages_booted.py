"""The packages on a Debian system that systemd runs: installed by the lines of docs/install.rst, started, sandboxed,
upgraded while flow comes, killed, removed. What the tests do is what a person would do."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kproxy_tw.testing.processes import get, get_json
from tests import source
from tests.interop.bgp_daemons import TERMINATOR_PORT, Bird, Session, bird_router, bird_terminator
from tests.interop.namespaces import Namespace
from tests.long import LONG
from tests.packaging import roots, router
from tests.packaging.booted import Booted, need_systemd
from tests.packaging.units import eventually

TOOLS = ("debootstrap", "dh_virtualenv", "dpkg-buildpackage", "nsenter", "unshare")
SUITES = (roots.SUITE, "trixie")
NAMES = re.compile("kproxy|kbgp|kcollect|kentik")

FLOW, HEALTH, COLLECTOR, BGP_STATUS = 9995, 9996, 20080, 20920
NET_BIND_SERVICE, NET_RAW = 1 << 10, 1 << 13
"""``linux/capability.h``."""

START_SECONDS = 150.0
FILTERED = 2
"""``SECCOMP_MODE_FILTER``."""

SERVICES = ("kproxy", "kcollect", "kbgp")
#: A system call that the filter does not allow ends the daemon: nothing is refused that it then does without. The
#: exceptions are mbind (NumPy's OpenBLAS, which spreads memory over processors) and setfsuid (readline, before it opens
#: a file that it does not get either).
STRICT = "[Service]\nSystemCallErrorNumber=kill\nSystemCallFilter=mbind setfsuid\n"
TOKEN, KEY = "canary-token", "canary-md5-key"
#: Stands for the person at the editor.
EDITOR = f"""#!/bin/sh
sed -i -e 's/XXX_FILL_ME_IN/{TOKEN}/' -e 's/foo@example.com/you@example.net/' "$1"
"""

pytestmark = [
    LONG,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


class Machine(Booted):
    """A system with packages in ``/root/dist/deb``, where ``make deb`` would have put them."""

    def __init__(self, root: Path, space: Namespace, packages: Path) -> None:
        super().__init__(root, space)
        self.bring(packages, "dist/deb")
        editor = root / "usr/bin/editor"
        editor.write_text(EDITOR)
        editor.chmod(0o755)

        for unit in SERVICES:
            folder = root / f"etc/systemd/system/{unit}.service.d"
            folder.mkdir()
            (folder / "strict.conf").write_text(STRICT)
        # Nobody is there to say yes.
        (root / "etc/apt/apt.conf.d/90yes").write_text('APT::Get::Assume-Yes "true";\n')

    def shell(self, lines: str) -> str:
        """Run lines as a person would type them in ``/root``."""
        return self.run("sh", "-euc", f"cd /root\n{lines}")

    def bring(self, packages: Path, place: str) -> None:
        """Put the packages of a folder below ``/root``."""
        folder = self.root / "root" / place
        folder.mkdir(parents=True)
        for name in roots.PACKAGES:
            shutil.copy(roots.package(packages, name), folder)

    def wait_running(self, unit: str) -> None:
        """Wait until a unit has reported that it is ready. :raises AssertionError: with what it says instead."""
        try:
            eventually(lambda: self.show(unit, "SubState") == "running", f"{unit} runs", START_SECONDS)
        except AssertionError as late:
            status = self.run("systemctl", "status", unit, check=False)
            raise AssertionError(f"{late}\n{status}\n{self.journal(unit)[-4000:]}") from None

    def ask(self, port: int, path: str) -> Any:
        """GET a JSON document inside; ``None`` while nobody answers."""
        with self.space.entered():
            try:
                return get_json(port, path)
            except (OSError, RuntimeError):
                return None

    def stored(self) -> int:
        """Count what the collector has."""
        totals = self.ask(COLLECTOR, "/totals") or {"Devices": []}
        return sum(int(row["Flows"]) for row in totals["Devices"])

    def ledger(self) -> Any:
        """Ask kproxy what became of the router's flow."""
        devices = (self.ask(HEALTH, "/admin/devices") or {"Devices": []})["Devices"]
        return next((device["Ledger"] for device in devices), None)

    def router(self) -> router.Router:
        """Make a router beside kproxy."""
        with self.space.entered():
            return router.Router(FLOW)


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """Name the Debian release."""
    return str(request.param)


@pytest.fixture(scope="module")
def packages(suite: str, debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the packages of the release."""
    return debs if suite == roots.SUITE else roots.build(tmp_path_factory.mktemp(suite), roots.tarball(suite))


@pytest.fixture(scope="module")
def machine(suite: str, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a fresh system. The tests below go on one after the other on it."""
    need_systemd()
    root = roots.make_root(tmp_path_factory.mktemp("machine") / suite, suite)
    with Namespace("host") as space, Machine(root, space, packages) as machine:
        yield machine
    shutil.rmtree(root)


def documented(heading: str) -> list[str]:
    """Give the lines of the first block of commands below a heading of docs/install.rst, without what they explain."""
    _before, _heading, text = (source.ROOT / "docs/install.rst").read_text().partition(f"\n{heading}\n")
    block = re.search(r"::\n\n((?:    .*\n|\n)+)", text)
    assert block
    return [line.partition("  #")[0].strip() for line in block[1].splitlines() if line.strip()]


def test_packages_of_another_release_say_so(machine: Machine, suite: str, debs: Path) -> None:
    """Those of Debian 12 do not install on 13, and the reason is in apt's answer."""
    if suite == roots.SUITE:
        pytest.skip("the packages are this release's own")
    machine.bring(debs, "other")
    said = machine.run("sh", "-c", "apt install /root/other/*.deb", check=False)
    assert "kproxy-tw-common : Depends: python3 (< 3.12~) but 3.13" in said
    assert not (machine.root / "usr/bin/kproxy").exists()


def test_installed_by_the_documented_lines(machine: Machine) -> None:
    """Before the settings are filled in, the status says what to do; after the last line the daemon runs."""
    make, install, *fill = documented("Debian and Ubuntu")
    assert (make, install.split()[:2]) == ("make deb", ["apt", "install"])
    machine.shell(f"{install}; apt install ./dist/deb/kcollect_*.deb")
    machine.run("systemctl", "start", "kproxy", check=False)
    eventually(lambda: machine.show("kproxy", "ExecMainStatus") == "78", "kproxy says that its settings are missing")
    status = machine.run("systemctl", "status", "kproxy", check=False)
    assert "kentik.env is missing: copy /etc/default/kentik.env.sample there" in status
    machine.run("systemctl", "stop", "kproxy.socket", "kproxy")
    machine.run("systemctl", "reset-failed")

    assert fill.pop() == "systemctl enable --now kproxy"
    machine.shell("\n".join(fill))
    backend = f"KPROXY_OPTIONS=-host=0.0.0.0 -max=1000000 -api=http://127.0.0.1:{COLLECTOR}/api/internal\n"
    with (machine.root / "etc/default/kentik.env").open("a") as settings:
        settings.write(backend)
    _collector(machine)
    machine.run("systemctl", "enable", "--now", "kproxy")
    assert get_in(machine, HEALTH, "/healthz") == http.client.OK


def _collector(machine: Machine) -> None:
    device = {"id": "7", "company_id": "1", "device_name": "edge1", "device_sample_rate": "1"}
    peer = {"device_bgp_type": "device", "device_bgp_neighbor_ip": "10.1.0.2", "device_bgp_password": KEY}
    devices = {"devices": [{**device, **peer, "sending_ips": [router.ADDRESS]}]}
    (machine.root / "etc/kcollect").mkdir()
    (machine.root / "etc/kcollect/devices.json").write_text(json.dumps(devices))
    options = f"-devices=/etc/kcollect/devices.json -bgp_daemon=127.0.0.1:{TERMINATOR_PORT}"
    settings = f"KCOLLECT_OPTIONS={options}\nKCOLLECT_EMAIL=you@example.net\nKCOLLECT_TOKEN={TOKEN}\n"
    (machine.root / "etc/default/kcollect.env").write_text(settings)
    machine.run("systemctl", "enable", "--now", "kcollect")


def get_in(machine: Machine, port: int, path: str) -> int:
    """GET inside; the status."""
    with machine.space.entered():
        return get(port, path)[0]


def test_flow_comes_through_kills_and_an_upgrade(machine: Machine, packages: Path, tmp_path: Path) -> None:
    """Both are killed, then a newer version is installed, all while flow comes. The kernel keeps what comes meanwhile:
    no datagram is missing, and what kproxy had not delivered comes from its disk."""
    sample = machine.root / "etc/default/kentik.env.sample"
    sample.write_text(changed := f"# changed\n{sample.read_text()}")
    newer = roots.renumbered(packages, tmp_path / "newer", f"{version(packages)}.1")
    machine.bring(newer, "newer")
    with machine.router() as sending:
        eventually(lambda: machine.stored() > 0, "flows in kcollect")
        before = machine.show("kproxy", "MainPID")
        machine.shell("apt install ./newer/kproxy*.deb ./newer/kcollect_*.deb")
        machine.wait_running("kproxy")
        assert machine.show("kproxy", "MainPID") != before
        assert sample.read_text() == changed
        machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "kcollect")
        eventually(lambda: machine.show("kcollect", "NRestarts") != "0", "systemd starts kcollect again")
        machine.wait_running("kcollect")
    eventually(lambda: machine.ledger() is not None and not machine.ledger()["RecordsInFlight"], "nothing under way")
    ledger = machine.ledger()
    assert (ledger["KernelDrops"], ledger["SequenceGaps"], sum(ledger["RecordsDropped"].values())) == (0, 0, 0)
    expected = sending.flows - ledger["RecordsSampledOut"]
    eventually(lambda: machine.stored() >= expected, f"{expected} flows of {sending.flows}; {ledger}")
    assert machine.stored() == expected
    assert TOKEN not in machine.journal("kproxy")


def version(packages: Path) -> str:
    """Read the version of built packages."""
    return roots.package(packages, "kproxy").name.split("_")[1]


def test_watchdog_and_reload(machine: Machine) -> None:
    """A kproxy that hangs is ended and started again; certificates are read again without a restart."""
    before = machine.show("kproxy", "MainPID")
    machine.run("systemctl", "reload", "kproxy")
    assert machine.show("kproxy", "MainPID") == before
    (machine.root / "etc/systemd/system/kproxy.service.d/short.conf").write_text("[Service]\nWatchdogSec=4\n")
    machine.shell("systemctl daemon-reload; systemctl restart kproxy")
    restarts = machine.show("kproxy", "NRestarts")
    machine.run("systemctl", "kill", "--signal=STOP", "--kill-whom=main", "kproxy")
    eventually(lambda: machine.show("kproxy", "NRestarts") != restarts, "the watchdog has noticed")
    machine.wait_running("kproxy")


def test_signed_session_through_the_units(machine: Machine, tmp_path: Path) -> None:
    """A router with an MD5 key peers with kbgp on port 179; its routes come out of kcollect's BGP daemon.

    kbgp's token comes from systemd's credential store.
    """
    machine.shell("apt install ./newer/kbgp_*.deb")
    settings = "KENTIK_API_EMAIL=you@example.net\nKENTIK_ENABLE_MD5=true\n"
    options = "KBGP_OPTIONS=--target 127.0.0.1:20443 --insecure\n"
    (machine.root / "etc/default/kbgp.env").write_text(settings + options)
    (machine.root / "etc/credstore").mkdir(mode=0o700, exist_ok=True)
    (machine.root / "etc/credstore/kentik.token").write_text(f"{TOKEN}\n")
    session = Session(local="10.1.0.2", neighbor="10.1.0.1", routes=("20.1.1.0/24", "20.1.2.0/24"), key=KEY)
    with Namespace("r1") as space:
        machine.space.link(space, "1")
        with (
            Bird(machine.space, tmp_path, "terminator", "10.99.0.2", bird_terminator()) as terminator,
            Bird(space, tmp_path, "bird1", session.local, bird_router(1, [session])) as bird,
        ):
            machine.run("systemctl", "enable", "--now", "kbgp")
            eventually(partial(bird.established, session.neighbor), f"Established\n{machine.journal('kbgp')}")
            eventually(lambda: terminator.routes() == set(session.routes), "the routes")
            assert machine.ask(BGP_STATUS, "/admin/sessions")["NumSessions"] == 1
            sandboxed(machine)
            assert undocumented(machine) == set()
    assert KEY not in machine.journal("kbgp") + machine.journal("kcollect")


def undocumented(machine: Machine) -> set[str]:
    """Name the metrics of the three daemons that docs/metrics.rst does not have."""
    page = (source.ROOT / "docs/metrics.rst").read_text()
    names: set[str] = set()
    for port in (HEALTH, COLLECTOR, BGP_STATUS):
        with machine.space.entered():
            text = get(port, "/metrics")[1].decode()
        names.update(re.findall(r"^# TYPE (k\w+) ", text, re.MULTILINE))
    return {name for name in names if not name.endswith("_created") and f"``{name}" not in page}


def sandboxed(machine: Machine) -> None:
    """Every process of the three units is under the system call filter, cannot gain rights, and has few."""
    most = {"kproxy": 0, "kcollect": 0, "kbgp": NET_BIND_SERVICE}
    for unit, capabilities in most.items():
        for process in machine.processes(unit):
            status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
            assert int(status["Seccomp"]) == FILTERED
            assert status["NoNewPrivs"] == "1"
            assert int(status["CapEff"], 16) & ~capabilities == 0
            assert "0" not in status["Uid"].split()


def test_purged_while_running(machine: Machine) -> None:
    """Purging stops the services and leaves nothing with our names, in no folder, and no user."""
    machine.run("apt", "purge", *roots.PACKAGES)
    for name in ("kproxy.socket", "kproxy", "kbgp", "kcollect"):
        assert machine.show(name, "ActiveState") in ("inactive", "failed")
    assert get_refused(machine)
    shutil.rmtree(machine.root / "etc/kcollect")  # these are the tests' own
    (machine.root / "etc/credstore/kentik.token").unlink()
    for unit in SERVICES:
        shutil.rmtree(machine.root / f"etc/systemd/system/{unit}.service.d")
    left = [
        path for place in ("etc", "usr", "var") for path in (machine.root / place).rglob("*") if NAMES.search(path.name)
    ]
    assert left == []
    assert not NAMES.search((machine.root / "etc/passwd").read_text())


def get_refused(machine: Machine) -> bool:
    """Whether nobody listens on the health port any more."""
    with machine.space.entered():
        try:
            get(HEALTH, "/healthz")
        except ConnectionRefusedError:
            return True
    return False
