"""Two kproxys behind a balancer: what a template teaches one of them, the other one knows, too."""

from __future__ import annotations

import struct
import time
from pathlib import Path

from kproxy_tw.testing.processes import free_port_pair, get_json
from tests.decode.netflow_bytes import a_set, number, template, v9, v9_options
from tests.interop import peers

FIELDS = [(8, 4), (12, 4), (2, 4), (1, 4), (48, 2)]
FLOWS = 50


def test_templates_reach_only_one_of_two(tmp_path: Path) -> None:
    """All templates and options go to the first kproxy, all flows to the second: none is lost, the rate is right."""
    first, second = free_port_pair(), free_port_pair()
    (tmp_path / "second").mkdir()
    now = int(time.time())
    taught = v9(
        a_set(0, template(256, *FIELDS)),
        a_set(1, v9_options(300, [(1, 4)], [(48, 2), (50, 4)])),
        a_set(300, struct.pack("!IHI", 1, 7, 100)),
        seconds=now,
    )
    flow = number(0x0A000001, 4) + number(0x0A000002, 4) + number(2, 4) + number(1000, 4) + number(7, 2)
    flows = [v9(a_set(256, flow), seconds=now) for _flow in range(FLOWS)]
    with (
        peers.our_chain(tmp_path, f"-state_peers=127.0.0.1:{second + 1}", flow_port=first),
        peers.our_chain(tmp_path / "second", f"-state_peers=127.0.0.1:{first + 1}", flow_port=second) as (
            port,
            collector,
        ),
    ):
        peers.send([taught], first)
        peers.send(flows, port)
        peers.wait_until(lambda: get_json(port + 1, "/admin/status")["Totals"]["RecordsForwarded"] == FLOWS)
        assert peers.stored_totals(collector) == peers.Totals(FLOWS, 2 * FLOWS, 1000 * FLOWS)
        (device,) = get_json(port + 1, "/admin/devices")["Devices"]
        assert device["SampleRate"] == {"Effective": 100, "Origin": "sampler"}
        assert sum(device["Ledger"]["RecordsDropped"].values()) == 0
        events = get_json(port + 1, f"/admin/devices/{device['DeviceID']}")["Events"]
        assert "state_shared" in {event["Kind"] for event in events}
