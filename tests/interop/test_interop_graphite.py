"""``-metrics graphite`` against a real carbon-cache, read back from its files."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair
from tests.interop import peers
from tests.interop.test_interop_process import CREDENTIALS, send_flows
from tests.interop.test_interop_spool import kcollect, until

CARBON = shutil.which("carbon-cache")

CONFIG = """[cache]
STORAGE_DIR = {0}
CONF_DIR = {0}
LOG_DIR = {0}
PID_DIR = {0}
LOCAL_DATA_DIR = {0}/whisper
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {1}
ENABLE_UDP_LISTENER = False
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_PORT = 0
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = 10000
ENABLE_LOGROTATION = False
"""


def last_value(file: Path) -> float:
    """The newest point of a whisper file: a header of 16 bytes, 12 an archive, then points of 12 bytes (its manual)."""
    data = file.read_bytes()
    _method, _most, _factor, archives = struct.unpack_from(">2LfL", data)
    assert archives == 1
    offset, _seconds, points = struct.unpack_from(">3L", data, 16)
    found = [struct.unpack_from(">Ld", data, offset + 12 * point) for point in range(points)]
    newest: float = max(found)[1]
    return newest


@pytest.mark.skipif(CARBON is None, reason="graphite-carbon is not installed")
def test_carbon_has_what_we_count(tmp_path: Path) -> None:
    """The flows of a device are in its file within 20 seconds, counted as kcollect counts them."""
    storage = tmp_path / "carbon"
    storage.mkdir()
    carbon_port, flow_port, collector_port = free_port(), free_port_pair(), free_port()
    (storage / "carbon.conf").write_text(CONFIG.format(storage, carbon_port))
    (storage / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 1s:10m\n")
    flags = [
        f"--config={storage}/carbon.conf",
        f"--pidfile={storage}/pid",
        f"--logdir={storage}",
        "--nodaemon",
        "start",
    ]
    with (
        (tmp_path / "carbon.log").open("wb") as log,
        subprocess.Popen([str(CARBON), *flags], stdout=log, stderr=log) as carbon,
        kcollect(tmp_path, collector_port) as collector,
    ):
        try:
            collector.wait_until_ready(collector_port)
            flags = [f"-port={flow_port}", f"-api=http://127.0.0.1:{collector_port}/api/internal", "-host=127.0.0.1"]
            flags += [f"-state_dir={tmp_path / 'state'}", f"-metrics=graphite:127.0.0.1:{carbon_port}"]
            proxy = Daemon(["kproxy", *flags], log=tmp_path / "kproxy.log", environment=CREDENTIALS)
            with proxy:
                proxy.wait_until_ready(flow_port + 1)
                sent = send_flows(flow_port, 20)
                peers.settled_ledger(flow_port + 1, sent)
                pattern = "whisper/metrics/proxy_Total/*/*/*/count.wsp"
                until(lambda: list(storage.glob(pattern)), "carbon has no file of ours")
                (file,) = storage.glob(pattern)
                until(lambda: last_value(file) == sent, "carbon has another count")
                (forwarded,) = storage.glob("whisper/metrics/proxy_DownsampleFPS/*/*/*/count.wsp")
                until(lambda: last_value(forwarded) == sent, "carbon has another count")
                assert proxy.stop() == 0
        finally:
            carbon.terminate()
            time.sleep(0.2)
            carbon.kill()
