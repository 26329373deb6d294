"""The RPM packages: built by rpmbuild, installed into a root of their own, verified, run, erased."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import source
from tests.long import LONG
from tests.packaging import roots
from tests.packaging.units import in_root

TOOLS = ("debootstrap", "dh_virtualenv", "rpmbuild")
SERVICES = ("kproxy", "kbgp", "kcollect")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


@pytest.fixture(scope="module", params=["the environment of the Debian packages", pytest.param("its own", marks=LONG)])
def rpms(request: pytest.FixtureRequest, debs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the packages; the virtual environment is made anew, or that of the Debian packages, which saves time."""
    folder = tmp_path_factory.mktemp("rpms")
    environment = []
    if request.param != "its own":
        tree = tmp_path_factory.mktemp("tree")
        roots.run("dpkg-deb", "-x", str(roots.package(debs, "kproxy-tw-common")), str(tree))
        environment = [str(tree / "usr/lib/kproxy-tw")]
    roots.run(str(source.ROOT / "packaging/build_rpm"), str(folder / "rpm"), *environment)
    return folder / "rpm"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Give a root without our packages."""
    folder = roots.make_root(tmp_path / "root")
    yield folder
    shutil.rmtree(folder)


def test_rpms_in_a_root(rpms: Path, root: Path) -> None:
    """They install, scriptlets and all, verify, let flow through, and go without a trace but for users and state."""
    rpm = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm"]
    files = sorted(str(path) for path in rpms.glob("*.rpm"))
    assert len(files) == len(roots.PACKAGES)
    said = roots.run(*rpm, "--install", "--nodeps", "--ignorearch", *files)
    assert said == ""
    assert "python3.11" in roots.run(*rpm, "--query", "--requires", "kproxy-tw-common").split()
    for name in SERVICES:
        assert re.search(rf"^{name}:x:\d+:\d+:.*:/sbin/nologin$", (root / "etc/passwd").read_text(), re.MULTILINE)
    assert list((root / "usr/lib/kproxy-tw").rglob("twisted/plugins/dropin.cache"))
    # What the scriptlets make besides (bytecode, plugin cache) is no file of the packages: every one is as it was.
    assert roots.run(*rpm, "--verify", "--nodeps", *roots.PACKAGES) == ""
    shutil.copy(source.ROOT / "debian/tests/smoke", root / "root/smoke")
    assert "30 flows of 30 arrived" in in_root(root, "/root/smoke")
    roots.run(*rpm, "--erase", "--nodeps", *roots.PACKAGES)
    assert not (root / "usr/lib/kproxy-tw").exists()
