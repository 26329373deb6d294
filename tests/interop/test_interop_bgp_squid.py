"""A real Squid that demands a password stands between kbgp and kcollect: gRPC goes through its CONNECT."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kproxy_tw.testing.processes import Daemon
from tests.interop.bgp_daemons import Session
from tests.interop.bgp_lab import BACKEND, GRPC_PORT, Lab, wait
from tests.interop.namespaces import call, executable, need_namespaces
from tests.long import LONG

PORT = 3128
USER, PASSWORD = "operator", "canary:proxy/word"
ENCODED = "canary%3Aproxy%2Fword"

CONFIGURATION = """
http_port {address}:{port}
pid_filename {directory}/squid.pid
cache_log {directory}/cache.log
access_log stdio:{directory}/access.log
coredump_dir {directory}
cache deny all
auth_param basic program {helper} {directory}/users
acl known proxy_auth REQUIRED
acl tunnels method CONNECT
http_access allow tunnels known
http_access deny all
shutdown_lifetime 1 seconds
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory for Squid, which gives up root and so cannot use pytest's."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def squid(lab: Lab, directory: Path) -> Daemon:
    """Squid on kcollect's side."""
    program = executable("squid", "/usr/sbin/squid")
    helper = executable("/usr/lib/squid/basic_ncsa_auth")
    (directory / "users").write_text(f"{USER}:{call(executable('openssl'), 'passwd', '-apr1', PASSWORD)}")
    configuration = directory / "squid.conf"
    configuration.write_text(CONFIGURATION.format(address=BACKEND, port=PORT, directory=directory, helper=helper))
    command = lab.back.prefix(program, "-N", "-f", str(configuration))
    return lab.stack.enter_context(Daemon(command, log=directory / "squid.log"))


def test_through_the_web_proxy(tmp_path: Path, directory: Path) -> None:
    """With the credentials of HTTPS_PROXY a session is Established although there is no other way; none is shown."""
    need_namespaces()
    with Lab(tmp_path) as lab:
        session = Session(local="10.1.0.2", neighbor="10.1.0.1", routes=("20.1.1.0/24",))
        lab.device(1, session.local)
        proxy = squid(lab, directory)
        rule = f"type filter hook output priority 0; tcp dport {GRPC_PORT} drop;"
        lab.agent.run("nft", f"table inet direct {{ chain output {{ {rule} }}; }}")
        lab.start_kcollect()
        lab.start_kbgp(under=["env", f"HTTPS_PROXY=http://{USER}:{ENCODED}@{BACKEND}:{PORT}"])
        wait(lab.connected, "the control stream is not up", proxy)
        bird = lab.bird(1, [session])
        wait(partial(bird.established, session.neighbor), "not Established", lab.kbgp)
        lab.kbgp.stop()  # Squid logs a tunnel when it ends
        log = directory / "access.log"
        tunnel = f"CONNECT {BACKEND}:{GRPC_PORT} {USER} "
        wait(lambda: log.exists() and log.read_text().count(tunnel) >= 2, "Squid has seen no two tunnels", proxy)
        shown = lab.log() + lab.log("kcollect")
        assert not [word for word in (PASSWORD, ENCODED) if word in shown]


@LONG
def test_a_wrong_password_of_the_web_proxy(tmp_path: Path, directory: Path) -> None:
    """The log and the status say that the proxy refuses, not that the backend is away; without the password."""
    need_namespaces()
    with Lab(tmp_path) as lab:
        squid(lab, directory)
        lab.start_kcollect()
        lab.start_kbgp(under=["env", f"HTTPS_PROXY=http://{USER}:canary-wrong@{BACKEND}:{PORT}"])
        wait(lambda: "the web proxy wants" in lab.log(), "the log does not name the proxy", lab.kbgp)
        assert "canary-wrong" not in lab.log()
        assert not lab.connected()
