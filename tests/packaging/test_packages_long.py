"""What takes minutes: lintian on the large package, piuparts, two builds compared."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.packaging import roots

TOOLS = ("debootstrap", "dh_virtualenv", "lintian", "piuparts")

pytestmark = [
    pytest.mark.skipif(
        "KPROXY_TW_LONG" not in os.environ, reason="NOT TESTED here, takes minutes: make packages-check"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


def digests(folder: Path) -> dict[str, str]:
    """Give the hash of every package."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.deb")}


def test_lintian_finds_nothing(debs: Path) -> None:
    """Warnings count; overrides have their reasons beside them."""
    files = [str(path) for path in debs.glob("*.deb")]
    assert roots.run("lintian", "--fail-on", "warning,error", "--allow-root", *files) == ""


def test_two_builds_are_equal(debs: Path, tmp_path: Path) -> None:
    """In different folders, at different times."""
    assert digests(roots.build(tmp_path / "again")) == digests(debs)


def test_piuparts(debs: Path, tmp_path: Path) -> None:
    """Installed, removed and purged, nothing is left behind and no file of others is touched."""
    root = roots.make_root(tmp_path / "root")
    files = [str(roots.package(debs, name)) for name in roots.PACKAGES]
    options = ["--existing-chroot", str(root), "--distribution", roots.SUITE, "--no-upgrade-test", "--no-eatmydata"]
    roots.run("piuparts", *options, "--mirror", "http://deb.debian.org/debian main", *files)
