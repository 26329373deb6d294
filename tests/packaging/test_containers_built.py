"""The containers, built from their Dockerfiles by podman and run by the documented lines.

No registry is asked: what stands for the image they build on is Debian's Python in a root that debootstrap made.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kproxy_tw import __version__
from kproxy_tw.testing.processes import get_json
from tests import source
from tests.interop.namespaces import NAMES as NETWORKS
from tests.interop.namespaces import Namespace, need_namespaces
from tests.long import LONG
from tests.packaging import roots, router
from tests.packaging.units import eventually

BASE = "docker.io/library/python:3.11-slim-bookworm"
#: Python where the official image has it; pip and apt trust whom this machine trusts.
BASE_STEPS = """
FROM localhost/debian
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip python3-venv \\
    && for name in python python3 python3.11; do ln -s /usr/bin/python3.11 "/usr/local/bin/$name"; done
"""
NAMES = ("kproxy", "kbgp", "kcollect")
SECONDS = 600
FLOW, COLLECTOR, BGP, BGP_STATUS = 9995, 20080, 179, 20920
CREDENTIALS = {"KENTIK_API_EMAIL": "you@example.net", "KENTIK_API_TOKEN": "canary-token"}
#: As packaging/containers/docker-compose.yml has it.
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")

pytestmark = [
    LONG,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(None in (shutil.which("podman"), shutil.which("runc")), reason="needs podman and runc"),
]
LIMIT = 4096
"""Open files, and processes, of a container: less than any machine allows."""


class Engine:
    """podman, with storage of its own, in a network of its own."""

    def __init__(self, folder: Path, space: Namespace) -> None:
        self.space = space
        self._options = [f"--root={folder}/root", f"--runroot={folder}/run", "--cgroup-manager=cgroupfs"]
        # crun, the other one, refuses machines with both kinds of control groups.
        self._options += ["--runtime=runc"]
        self._options += ["--events-backend=file", f"--tmpdir={folder}/files"]

    def run(self, *arguments: str | Path, inside: bool = False) -> str:
        """Run podman; what it printed.

        :param inside: the host whose network ``--net=host`` gives is ours, not the machine.
        """
        words = ["podman", *self._options, *map(str, arguments)]
        ended = subprocess.run(
            ["nsenter", f"--net={NETWORKS / self.space.name}", *words] if inside else words,
            env=os.environ | CREDENTIALS,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{words}\n{ended.stdout[-4000:]}\n{ended.stderr[-8000:]}"
        return ended.stdout

    def start(self, name: str, options: Sequence[str] = (), flags: Sequence[str] = ()) -> None:
        """Do what the head of the Dockerfile says, with more options and flags."""
        variables = ("-e", "KENTIK_API_EMAIL", "-e", "KENTIK_API_TOKEN")
        volume = () if name == "kbgp" else ("-v", f"{name}:/var/lib/{name}")
        # Without systemd podman has no timer (the tests ask for the health themselves); in a container, no right to
        # raise limits, as its defaults do.
        host = ("--name", name, "-d", "--net=host", "--health-interval=disable")
        limits = [f"--ulimit={kind}={LIMIT}:{LIMIT}" for kind in ("nofile", "nproc")]
        self.run("run", *host, *limits, *variables, *volume, *options, f"kproxy_tw/{name}", *flags, inside=True)

    def is_healthy(self, name: str) -> bool:
        """Ask a container by its own ``HEALTHCHECK``."""
        try:
            self.run("healthcheck", "run", name, inside=True)
        except AssertionError:
            return False
        return True

    def stop(self, name: str) -> int:
        """Stop a container; its exit status."""
        self.run("stop", "--time=60", name, inside=True)
        (found,) = json.loads(self.run("inspect", name))
        return int(found["State"]["ExitCode"])

    def ask(self, port: int, path: str) -> Any:
        """GET a JSON document; ``None`` while nobody answers."""
        with self.space.entered():
            try:
                return get_json(port, path)
            except (OSError, RuntimeError):
                return None

    def stored(self) -> int:
        """Count what the collector has."""
        totals = self.ask(COLLECTOR, "/totals") or {"Devices": []}
        return sum(int(row["Flows"]) for row in totals["Devices"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Build all three."""
    need_namespaces()
    folder = tmp_path_factory.mktemp("engine")
    (folder / "base").mkdir()
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "base")
    (folder / "base/Dockerfile").write_text(BASE_STEPS)
    with Namespace("containers") as space:
        made = Engine(folder, space)
        try:
            made.run("import", roots.tarball(roots.SUITE), "localhost/debian")
            made.run("build", "--net=host", "-t", BASE, folder / "base")
            for name in NAMES:
                dockerfile = source.ROOT / f"packaging/containers/{name}.Dockerfile"
                options = ("--net=host", "--pull=never", "--format=docker", "-f", dockerfile, "-t", f"kproxy_tw/{name}")
                made.run("build", *options, source.ROOT)
            yield made
        finally:
            made.run("rm", "--all", "--force", inside=True)
            made.run("rmi", "--all", "--force")
            made.run("volume", "rm", "--all", "--force")


def test_flow_reaches_the_collector(engine: Engine) -> None:
    """With a file system that is read-only and no capability, as the compose file has them."""
    engine.start("kcollect", HARDENED, ["-auto_register"])
    eventually(partial(engine.is_healthy, "kcollect"), "kcollect is well")
    engine.start("kproxy", HARDENED, [f"-api=http://127.0.0.1:{COLLECTOR}/api/internal"])
    eventually(partial(engine.is_healthy, "kproxy"), "kproxy is well")
    with engine.space.entered():
        sending = router.Router(FLOW)
    with sending:
        eventually(lambda: engine.stored() > 0, "flows in kcollect")
    eventually(lambda: engine.stored() == sending.flows, f"{sending.flows} flows in kcollect")
    for name in ("kproxy", "kcollect"):
        assert engine.run("exec", name, "id", "-u", inside=True) == "990\n"
        assert CREDENTIALS["KENTIK_API_TOKEN"] not in engine.run("logs", name)
    assert engine.stop("kproxy") == 0


def test_kbgp_takes_signed_sessions_without_root(engine: Engine) -> None:
    """On port 179, by the capabilities of its interpreter's file; what docker grants by itself podman is told."""
    flags = ["--target=127.0.0.1:20443", "--insecure"]
    engine.start("kbgp", ["--cap-add=NET_RAW", "-e", "KENTIK_ENABLE_MD5=true"], flags)
    eventually(partial(engine.is_healthy, "kbgp"), "kbgp is well")
    assert engine.ask(BGP_STATUS, "/admin/status")["Config"]["MD5Enabled"] is True
    with engine.space.entered(), socket.create_connection(("127.0.0.1", BGP), timeout=10):
        pass
    assert engine.run("exec", "kbgp", "id", "-u", inside=True) == "990\n"
    assert "CAP_NET_RAW" not in engine.run("logs", "kbgp")
    assert [engine.stop(name) for name in ("kbgp", "kcollect")] == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_labels(engine: Engine, name: str) -> None:
    """The image says what it is, and of which version."""
    (image,) = json.loads(engine.run("inspect", f"kproxy_tw/{name}"))
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == name
    assert labels["org.opencontainers.image.version"] == __version__
