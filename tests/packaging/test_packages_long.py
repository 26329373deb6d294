"""What takes minutes: lintian on the large package, piuparts, two builds compared, the RPM packages."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests import source
from tests.packaging import roots

TOOLS = ("debootstrap", "dh_virtualenv", "lintian", "piuparts", "rpmbuild")

pytestmark = [
    pytest.mark.skipif(
        "KPROXY_TW_LONG" not in os.environ, reason="NOT TESTED here, takes minutes: make packages-check"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the RPM packages."""
    folder = tmp_path_factory.mktemp("rpms")
    roots.run(str(source.ROOT / "packaging/build_rpm"), str(folder))
    return folder


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


def test_rpms_in_a_root(rpms: Path, tmp_path: Path) -> None:
    """They install into a root of their own, scriptlets and all, verify, run, and go without a trace."""
    root = roots.make_root(tmp_path / "root")
    rpm = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm"]
    files = sorted(str(path) for path in rpms.glob("*.rpm"))
    assert len(files) == len(roots.PACKAGES)
    roots.run(*rpm, "--install", "--nodeps", "--ignorearch", *files)
    assert "python3.11" in roots.run(*rpm, "--query", "--requires", "kproxy-tw-common").split()
    assert "kproxy:" in (root / "etc/passwd").read_text()
    # What the scriptlets make besides (bytecode, plugin cache) is no file of the packages: every one is as it was.
    assert roots.run(*rpm, "--verify", "--nodeps", *roots.PACKAGES) == ""
    assert roots.run("chroot", str(root), "/usr/bin/kproxy", "-version").startswith("kproxy ")
    roots.run(*rpm, "--erase", "--nodeps", *roots.PACKAGES)
    assert not (root / "usr/lib/kproxy-tw").exists()
