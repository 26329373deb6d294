"""The pages of docs/, built by Sphinx."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from kproxy_tw.ledger import DATAGRAM_DROP_REASONS, RECORD_DROP_REASONS, Ledger
from tests import source


@pytest.mark.skipif(find_spec("sphinx") is None, reason="needs sphinx")
def test_sphinx_has_no_warning(tmp_path: Path) -> None:
    """Every page is reached, every link leads somewhere, every list and table is one."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(tmp_path / "html")]
    ended = subprocess.run(command, cwd=source.ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pages = {path.stem for path in (tmp_path / "html").glob("*.html")}
    assert {path.stem for path in (source.ROOT / "docs").glob("*.rst")} <= pages


def test_every_counter_is_explained() -> None:
    """Whoever sees a number rise finds in the troubleshooting page what it means."""
    page = (source.ROOT / "docs/troubleshooting.rst").read_text()
    names = {*Ledger().as_json(), *RECORD_DROP_REASONS, *DATAGRAM_DROP_REASONS} - {"RecordsDropped", "DatagramsDropped"}
    assert {name for name in names if f"``{name}``" not in page} == set()
