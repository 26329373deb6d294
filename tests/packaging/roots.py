"""A Debian root to install packages into, made once by debootstrap and kept as a tarball in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests import source
from tests.packaging.units import in_root

SUITE = "bookworm"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kproxy-tw"
#: What the packages depend on, and no minimal root has.
NEEDED = ("ca-certificates", "libstdc++6", "python3", "systemd", "zlib1g")
PACKAGES = ("kproxy-tw-common", "kproxy", "kbgp", "kcollect")
BUILD_SECONDS = 1500


def tarball(suite: str) -> Path:
    """Make the tarball if it is not there."""
    path = CACHE / f"{suite}-systemd.tar"
    if not path.exists():
        folder = CACHE / f"{suite}.{os.getpid()}"
        include = f"--include={','.join(NEEDED)}"
        command = ["debootstrap", "--variant=minbase", include, suite, str(folder), "http://deb.debian.org/debian"]
        run(*command)
        run("tar", "cf", f"{path}.{os.getpid()}", "-C", str(folder), ".")
        os.replace(f"{path}.{os.getpid()}", path)
        shutil.rmtree(folder)
    return path


def make_root(folder: Path, suite: str = SUITE) -> Path:
    """Unpack a fresh root."""
    folder.mkdir(parents=True)
    run("tar", "xf", str(tarball(suite)), "-C", str(folder))
    return folder


def build(folder: Path, *root: Path) -> Path:
    """Build the packages into a folder; quickly, so they are larger than those that are released.

    :param root: the tarball of another release than that of this machine.
    """
    run(str(source.ROOT / "packaging/build_deb"), str(folder), *map(str, root), DEB_BUILD_OPTIONS="quick")
    return folder


def package(folder: Path, name: str) -> Path:
    """Find the file of a package."""
    (found,) = folder.glob(f"{name}_*.deb")
    return found


def renumbered(folder: Path, into: Path, version: str) -> Path:
    """Make packages of another version from built ones: the same content under an older number."""
    into.mkdir()
    for name in PACKAGES:
        tree = into / name
        run("dpkg-deb", "-R", str(package(folder, name)), str(tree))
        control = tree / "DEBIAN/control"
        text = control.read_text()
        current = next(line.split()[1] for line in text.splitlines() if line.startswith("Version:"))
        control.write_text(
            text.replace(f"Version: {current}", f"Version: {version}").replace(f"(= {current})", f"(= {version})")
        )
        run("dpkg-deb", "-Znone", "-b", str(tree), str(into / f"{name}_{version}_all.deb"))
        shutil.rmtree(tree)
    return into


def install(root: Path, folder: Path) -> None:
    """Install the packages of a folder into a root."""
    place = root / "tmp/packages"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in PACKAGES:
        shutil.copy(package(folder, name), place)
    in_root(root, "sh", "-c", "dpkg -i /tmp/packages/*.deb")
    shutil.rmtree(place)


def run(*command: str, **extra: str) -> str:
    """Run a program to its end; what it printed."""
    ended = subprocess.run(
        command, env={**os.environ, **extra}, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout
