"""Capabilities of a process that this test gives exactly what it is to have. Needs root to do so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from kproxy_tw.bgp.md5.capabilities import NET_RAW, CapabilitySets

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="NOT TESTED: needs root and setpriv"
)

PROGRAM = """
import json, subprocess
from kproxy_tw.bgp.md5 import capabilities as c
grep = ["grep", "CapEff", "/proc/self/status"]
child = lambda: int(subprocess.run(grep, capture_output=True, text=True).stdout.split()[1], 16)
out = {"capture": c.capture_problem()}
if not out["capture"]:
    c.lay_down(c.NET_RAW)
    out["kept"] = [c.capability_sets().effective, c.capability_sets().permitted]
    out["plain"] = child()
    with c.lent_to_children(c.NET_RAW):
        out["lent"] = child()
    out["after"] = child()
print(json.dumps(out))
"""


def run(*capabilities: str) -> dict[str, object]:
    """What PROGRAM finds as nobody with these capabilities."""
    given = ",".join(f"+{name}" for name in capabilities)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps=-all,{given}".rstrip(",")]
    command += [f"--ambient-caps=-all,{given}".rstrip(","), f"--bounding-set=-all,{given}".rstrip(",")]
    paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM], env=paths, capture_output=True, text=True, check=True, timeout=30
    )
    found: dict[str, object] = json.loads(ended.stdout)
    return found


def test_two_capabilities_are_enough() -> None:
    """Nobody with both: nothing to complain of; CAP_NET_RAW is laid down, and lent to a child alone."""
    found = run("net_bind_service", "net_raw")
    bind, raw = 1 << 10, 1 << 13  # linux/capability.h
    assert found["capture"] == ""
    assert found["kept"] == [bind, bind | raw]
    assert (found["plain"], found["lent"], found["after"]) == (bind, bind | raw, bind)


def test_none_is_named() -> None:
    """The message names the capability, and says that no root is needed."""
    message = str(run()["capture"])
    assert "CAP_NET_RAW" in message
    assert "not root" in message


def test_bits() -> None:
    """One capability changes, the others stay, in all 64 places."""
    sets = CapabilitySets(1 << 40, 1 << 40 | 1 << NET_RAW, 0)
    changed = sets.with_only(NET_RAW, effective=True, inheritable=True)
    assert (changed.effective, changed.permitted, changed.inheritable) == (1 << 40 | 1 << 13, sets.permitted, 1 << 13)
    assert changed.with_only(NET_RAW, effective=False, inheritable=False) == sets
