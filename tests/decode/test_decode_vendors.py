"""Vendors whose captures we do not have: records in their documented templates, read as tshark reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import needs_tshark, tshark_flows
from tests.decode.netflow_bytes import NOW_NS
from tests.decode.test_decode_captures import COMPARED, shown
from tests.decode.vendor_templates import TEMPLATES, Piece, vendor_datagrams, vendor_records

CUSTOM = {
    "cisco_asa_teardown": "post_nat_src_addr=225 post_nat_dst_addr=226 post_nat_src_port=227 post_nat_dst_port=228"
    " firewall_event=233 firewall_extended_event=33002 user_name=40000 flowId=148",
    "cisco_asa_create_ipv6": "post_nat_src_addr=281 post_nat_dst_addr=282 firewall_event=233 user_name=40000",
    "cisco_asa_8_4": "post_nat_src_addr=40001 post_nat_dst_addr=40002 post_nat_src_port=40003 firewall_event=40005",
    "cisco_asr_nat": "post_nat_src_addr=225 post_nat_src_port=227 nat_event=230 ingress_vrf=234 natPoolId=283",
    "cisco_nbar": "flow_direction=61 application_id=95",
    "cisco_avc": "http_host=9.12235 clientRetransPackets=9.9268",
    "cisco_ios_xr": "forwarding_status=89 ingressVRFID=234 egress_vrf=235 samplerId=48 FLOW_DIRECTION=61",
    "palo_alto": "application_name=56701 user_name=56702 ie346=346 postNATSourceIPv4Address=225",
    "fortinet": "post_nat_src_addr=225 post_nat_dst_port=228 forwarding_status=89 flow_end_reason=136",
    "citrix_netscaler": "netscalerHttpReqUrl=5951.130 http_url=5951.130 http_host=5951.142"
    " netscalerRoundTripTime=5951.128",
    "mikrotik": "post_nat_dst_addr=226 minimumTTL=52 ie225=225",
    "nokia_nat": "aluInsideServiceId=637.91 aluNatSubString=637.93 ie637_92=637.92",
    "vmware_nsx": "tenantSourceIPv4=6876.881 tenantDestPort=6876.887",
    "vmware_nsx_dfw": "ruleId=6876.950 firewallEvent=233",
    "nprobe_v9": "application_name=57591 CLIENT_NW_LATENCY_MS=57595 HTTP_HOST=57659",
    "nprobe_ipfix": "HTTP_HOST=35632.187 HTTP_URL=35632.180",
    "procera": "application_name=15397.1 proceraServerHostname=15397.18 proceraIncomingOctets=15397.3",
    "barracuda": "barracudaFWRule=10704.4 barracudaBindIPv4Address=10704.8",
    "ixia": "application_name=3054.111 ixiaL7ApplicationId=3054.110",
    "yaf": "silkAppLabel=6871.33",
}
"""Vendor to custom columns of a device and the fields that fill them."""


def decoded(name: str, wanted: frozenset[str] = frozenset()) -> tuple[RecordSet, FlowBatch]:
    """The records of a vendor, and their flows."""
    templates = TemplateCache()
    shape, data = vendor_datagrams(name)
    walk(shape, templates, NOW_NS)
    found = walk(data, templates, NOW_NS)
    assert (templates.refused, found.malformed, found.no_template) == (0, 0, 0), templates.last_refusal
    (records,) = found.sets
    return records, records.layout.columns([records], None, wanted)


@needs_tshark
@pytest.mark.parametrize("name", TEMPLATES)
def test_values_are_those_of_tshark(name: str, tmp_path: Path) -> None:
    """The first direction's flows have the values that tshark shows, field by field."""
    records, batch = decoded(name)
    _, flows = tshark_flows(tmp_path / "vendor.pcap", vendor_datagrams(name))
    assert records.count == len(flows) == 2
    compared = 0
    for index, flow in enumerate(flows):
        wanted = {field: column for field, column in COMPARED.items() if field in flow.fields}
        if "cflow.initiator_octets" in flow.fields:
            wanted["cflow.initiator_octets"] = "in_bytes"
        ours = {field: shown(batch, column, index) for field, column in wanted.items()}
        assert ours == {field: flow.fields[field] for field in ours}
        compared += len(ours)
    assert compared >= 8


@pytest.mark.parametrize("name", CUSTOM)
def test_custom_columns(name: str) -> None:
    """A device's custom columns are filled from the fields that their names mean, with the bytes that were sent."""
    fields = dict(pair.split("=") for pair in CUSTOM[name].split())
    records, batch = decoded(name, frozenset(map(folded, fields)))
    for column, field in fields.items():
        sent = [piece for row in vendor_records(name) for piece in row]
        pieces = [piece for piece in sent if field in (f"{piece.pen}.{piece.number}", str(piece.number))]
        values = batch.custom[folded(column)][: records.count]
        assert [plain(value) for value in values] == [expected(piece, column) for piece in pieces], column


def plain(value: object) -> object:
    """A custom value without its NumPy type; an address without its family."""
    if isinstance(value, bytes):
        return value
    if getattr(value, "ndim", 0):
        packed = value.tobytes()  # type: ignore[attr-defined]
        return packed[1:5] if packed[0] == 4 else packed[1:]
    return int(value)  # type: ignore[call-overload]


def expected(piece: Piece, column: str) -> object:
    """What was sent, in the kind that the column shows."""
    if piece.number in (225, 226, 281, 282, 40001, 40002) or column.endswith(("IPv4", "IPv4Address")):
        return piece.sent
    if piece.length == 65535 or len(piece.sent) > 8:
        return piece.sent.rstrip(b"\0")
    return piece.value


def test_both_directions() -> None:
    """Firewalls and probes that count both directions give two flows for each record."""
    both = {name for name in TEMPLATES if decoded(name)[1].length == 4}
    assert both == {"cisco_asa_teardown", "cisco_avc", "yaf", "barracuda", "softflowd_bidirectional"}
