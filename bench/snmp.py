"""What polling costs: each client reads the interfaces of a real snmpd with 748 of them, in one run.

Needs root, for a network namespace with 374 pairs of virtual interfaces, and the packages snmpd and snmp.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAMESPACE = "kproxy-bench-snmp"
PAIRS = 374
ADDRESS, PORT = "127.0.0.1", 16161
COMMUNITY = "bench"
USER = ("bench", "authentication", "encryption")
RUNS = 3
START_SECONDS = 10.0

IF_TABLE, IF_X_TABLE = "1.3.6.1.2.1.2.2", "1.3.6.1.2.1.31.1.1"
HEAD = f"{'client':<28}{'variables':>10}{'CPU us/variable':>17}{'wall s':>9}"


def report() -> Iterator[str]:
    """The table, line by line."""
    yield f"SNMP: one walk of the interfaces of snmpd ({2 * PAIRS} of them), the best of {RUNS}"
    lacking = [program for program in ("snmpd", "snmpbulkwalk", "ip") if _program(program) is None]
    if lacking or os.geteuid() != 0:
        yield f"left out: needs root, and {', '.join(lacking) or 'nothing else'}"
        return
    yield HEAD
    with _agent():
        for library in ("pysnmp", "gufo-snmp"):
            for version in ("2c", "3"):
                yield _row(f"{library} v{version}", [_ours(library, version) for _run in range(RUNS)])
        for version in ("2c", "3"):
            yield _row(f"snmpbulkwalk v{version}", [_bulkwalk(version) for _run in range(RUNS)])


Figures = tuple[int, float, float]
"""Variables, CPU seconds, wall seconds."""


def _row(name: str, runs: list[Figures]) -> str:
    variables, cpu, wall = min(runs, key=lambda run: run[1])
    return f"{name:<28}{variables:>10,}{cpu / variables * 1e6:>17.1f}{wall:>9.2f}"


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _inside(*command: str) -> list[str]:
    return ["ip", "netns", "exec", NAMESPACE, *command]


@contextmanager
def _agent() -> Iterator[None]:
    """An snmpd in a namespace of its own."""
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    try:
        links = "".join(f"link add v{number}a type veth peer name v{number}b\n" for number in range(PAIRS))
        subprocess.run(_inside("ip", "-batch", "-"), input=links + "link set lo up\n", text=True, check=True)
        with tempfile.TemporaryDirectory() as folder:
            yield from _running(Path(folder))
    finally:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


def _running(folder: Path) -> Iterator[None]:
    name, auth, priv = USER
    (folder / "snmpd.conf").write_text(
        f"agentaddress udp:{ADDRESS}:{PORT}\nrocommunity {COMMUNITY}\n"
        f"createUser {name} SHA {auth} AES {priv}\nrouser {name} priv\n",
        encoding="ascii",
    )
    command = [_program("snmpd") or "snmpd", "-f", "-C", "-c", str(folder / "snmpd.conf"), "-Lf", str(folder / "log")]
    environment = {**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": str(folder)}
    process = subprocess.Popen(_inside(*command), env=environment)
    try:
        _wait()
        yield
    finally:
        process.terminate()
        process.wait()


def _wait() -> None:
    """Until it answers."""
    ask = _inside("snmpget", "-v2c", "-c", COMMUNITY, "-r0", "-t1", f"{ADDRESS}:{PORT}", "1.3.6.1.2.1.1.3.0")
    end = time.monotonic() + START_SECONDS
    while subprocess.run(ask, capture_output=True, check=False).returncode != 0:
        if time.monotonic() > end:
            raise RuntimeError("snmpd does not answer")


def _ours(library: str, version: str) -> Figures:
    done = subprocess.run(
        _inside(sys.executable, "-m", "bench.snmp_walk", library, version), capture_output=True, text=True, check=True
    )
    variables, cpu, wall = done.stdout.split()
    return int(variables), float(cpu), float(wall)


def _bulkwalk(version: str) -> Figures:
    name, auth, priv = USER
    who = (
        ["-v2c", "-c", COMMUNITY]
        if version == "2c"
        else ["-v3", "-l", "authPriv", "-u", name, "-a", "SHA", "-A", auth, "-x", "AES", "-X", priv]
    )
    variables, begun, before = 0, time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for table in (IF_TABLE, IF_X_TABLE):
        command = _inside("snmpbulkwalk", *who, "-Cr50", "-On", f"{ADDRESS}:{PORT}", table)
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "MIBS": ""})
        variables += done.stdout.count(b"\n")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return variables, cpu, time.monotonic() - begun
