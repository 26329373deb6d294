"""The systemd units, as systemd itself judges them, without running them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import source

SYSTEMD = source.ROOT / "packaging/systemd"
SERVICES = ("kproxy", "kbgp", "kcollect")
MOST_EXPOSURE = 2.0

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copy the units; a program that is there stands for those that only an installation has."""
    for path in SYSTEMD.iterdir():
        text = re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", path.read_text())
        # Manual pages are looked for as well.
        (tmp_path / path.name).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
    return tmp_path


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_nothing_wrong(units: Path, name: str) -> None:
    """No unknown option, no value that is ignored; the socket unit comes along with its service."""
    ended = analyze("verify", "--recursive-errors=no", units / f"{name}.service")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_is_low(name: str) -> None:
    """systemd's own rating: 9.6 is a unit that takes nothing away. kbgp's has what signed sessions need."""
    ended = analyze("security", "--offline=true", SYSTEMD / f"{name}.service")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", ended.stdout)
    assert found, ended.stderr
    assert float(found[1]) <= MOST_EXPOSURE


def test_socket_unit_has_the_documented_ports() -> None:
    """Flow on 9995, health one higher on loopback."""
    lines = (SYSTEMD / "kproxy.socket").read_text().splitlines()
    assert {"ListenDatagram=9995", "ListenStream=127.0.0.1:9996"} <= set(lines)
