"""The package as it is installed: from a wheel, an sdist, editable, and not at all (a checkout on the path).

One virtual environment, empty at first, goes through these ways; the dependencies come with the wheel, which is built
from the sdist.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from kproxy_tw import __version__
from tests import source

WAYS = ("wheel", "sdist", "editable", "checkout")
ARCHIVES = ("wheel", "sdist")
SECONDS = 300
SMOKE = source.ROOT / "debian/tests/smoke"
NOT_SOURCE = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", "dropin.cache")

#: Prints the package's folder, then how many templates and static files it finds.
LOOK = (
    "import kproxy_tw, kproxy_tw.web.assets as a; print(kproxy_tw.__path__[0]); "
    "print(*(sum(f.is_file() for f in d.rglob('*')) for d in (a.templates(), a.static_folder())))"
)


@attrs.frozen
class Installed:
    """What one way of installing looks like from outside."""

    twistd_help: str
    kproxy_version: str
    kbgp_version: str
    kcollect_version: str
    place: str
    assets: str
    smoke: str = ""


def run(*arguments: str | Path, folder: Path, **extra: str) -> str:
    """Run a program outside the checkout; give its stdout, fail with its stderr."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ended = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=folder,
        env={**clean, **extra},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{arguments}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def look(programs: Path, folder: Path, *, scripts: bool, **extra: str) -> Installed:
    """Find out what twistd and the scripts of an environment know."""
    twistd = programs / "twistd"
    kproxy, kbgp, kcollect = (
        run(*([programs / name] if scripts else [twistd, name]), "--version", folder=folder, **extra)
        for name in ("kproxy", "kbgp", "kcollect")
    )
    place, assets = run(programs / "python", "-c", LOOK, folder=folder, **extra).splitlines()
    return Installed(run(twistd, "--help", folder=folder, **extra), kproxy, kbgp, kcollect, place, assets)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the sources, so that building leaves nothing in them."""
    copy = tmp_path_factory.mktemp("source") / "kproxy-tw"
    return Path(shutil.copytree(source.ROOT, copy, ignore=shutil.ignore_patterns(*NOT_SOURCE)))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the archive of the sources."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", folder, folder=checkout)
    (built,) = folder.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, sdist, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


def smoke(programs: Path, folder: Path) -> str:
    """Let flows go from a router's socket through kproxy into kcollect."""
    return run(sys.executable, SMOKE, programs, folder=folder)


@pytest.fixture(scope="module")
def installed(
    checkout: Path, sdist: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Installed]:
    """Install in each way, and look."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    pip = (programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    found = {}
    for way, archive in (("wheel", wheel), ("sdist", sdist)):
        run(*pip, "install", archive, folder=folder)
        run(*pip, "check", folder=folder)
        found[way] = attrs.evolve(look(programs, folder, scripts=True), smoke=smoke(programs, folder))
        run(*pip, "uninstall", "--yes", "kproxy-tw", folder=folder)
    run(*pip, "install", "--no-deps", "--editable", checkout, folder=folder)
    found["editable"] = look(programs, folder, scripts=True)
    run(*pip, "uninstall", "--yes", "kproxy-tw", folder=folder)
    found["checkout"] = look(programs, folder, scripts=False, PYTHONPATH=str(checkout))
    return found


@pytest.mark.parametrize("way", ARCHIVES)
def test_flows_arrive(installed: Mapping[str, Installed], way: str) -> None:
    """What is installed from an archive takes flow, sends it on, and stores it."""
    assert "30 flows of 30 arrived" in installed[way].smoke


@pytest.mark.parametrize("way", WAYS)
def test_twistd_finds_the_commands(installed: Mapping[str, Installed], way: str) -> None:
    """twistd --help lists kproxy, kbgp and kcollect however the package got there."""
    listed = {line.split()[0] for line in installed[way].twistd_help.splitlines() if line.startswith("    ")}
    assert {"kproxy", "kbgp", "kcollect"} <= listed


@pytest.mark.parametrize("way", WAYS)
def test_commands_run(installed: Mapping[str, Installed], way: str) -> None:
    """All commands start and tell their version: as scripts where they are installed, else through twistd."""
    assert installed[way].kproxy_version == f"kproxy {__version__}\n"
    assert installed[way].kbgp_version == f"kbgp {__version__}\n"
    assert installed[way].kcollect_version == f"kcollect {__version__}\n"


@pytest.mark.parametrize("way", WAYS)
def test_templates_and_static_are_found(installed: Mapping[str, Installed], checkout: Path, way: str) -> None:
    """The running package sees every template and static file, and it is the one meant."""
    there = [sum(path.is_file() for path in (checkout / name).rglob("*")) for name in ("templates", "static")]
    assert min(there) > 0
    assert installed[way].assets.split() == [str(count) for count in there]
    assert Path(installed[way].place).is_relative_to(checkout) == (way not in ARCHIVES)


def versioned(*folders: str) -> set[str]:
    """List the files that the repository has, or is about to have, in some folders."""
    if not (source.ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list to compare the wheel with")
    return set(
        run("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders, folder=source.ROOT).splitlines()
    )


def test_wheel_has_templates_and_static(wheel: Path) -> None:
    """The wheel carries exactly the versioned templates and static files, mapped into the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix("kproxy_tw/web/") for name in archive.namelist()}
    assert {name for name in names if name.startswith(("templates/", "static/"))} == versioned("templates", "static")


def test_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    """All modules, the marker of types and the plugin are there; tests, bench and caches are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in versioned("kproxy_tw") if name.endswith(".py")} <= names
    assert {"kproxy_tw/py.typed", "twisted/plugins/kproxy_tw_plugins.py"} <= names
    assert "twisted/plugins/__init__.py" not in names
    assert {name.split("/")[0] for name in names} == {"kproxy_tw", "twisted", f"kproxy_tw-{__version__}.dist-info"}
    assert not [name for name in names if name.endswith((".pyc", "dropin.cache"))]
