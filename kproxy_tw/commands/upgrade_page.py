"""The page ``docs/upgrade-flags.rst``: what became of every flag of Kentik's kproxy, chfagent and kbgp.

``python -m kproxy_tw.commands.upgrade_page docs/upgrade-flags.rst`` writes it. Whether a flag works comes from the flag
tables; what is better than it was stands here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.reference import COMMANDS

_KPROXY = """
active_listen active_max_speed active_protocol active_servers alert_fwd api api_email api_pass
api_token base_port bgp_config_file bgp_neighbor_asn bgp_neighbor_ip bgp_neighbor_ip6 bgp_proxy
bgp_proxy6 bootstrap_devices client_id cloud_map custom_cols device_stat device_stat_ssl_url
device_subtype device_type dns dnstagd dump exit_low_traffic extensible_cols fg force_bgp
forked_pprof_host geo geo_small healthcheck host hostname http http_udr
interface_metadata_comparison just_active leader_id listen local_proxy log_level logstash mask_file
max max_big max_http_send metrics my_network num_http_send pcap_flow_period pcap_transmit_period
port proxy-http proxy-http-allow proxy_host proxy_pcap proxy_snmp rateLimit rcvbuf_size realtime
region remap_file rpki_bind rpki_cache rpki_local_cache sampleInterval sample_metric sample_rate
servers sflow_agent_address sflow_drop_egress shard_num site_id sleep snmp snmp_community snmp_file
snmp_ip snmp_low snmp_max snmp_max_cycle snmp_max_repetitions snmp_retries snmp_timeout_seconds
snmp_v3 sql_proxy_listen st_dialout_listener st_tcp_bind st_udp_bind st_v1 stdout syslog syslog_conf
tag_update tag_url tee_kproxy test_snmp tls_ca_file tls_cert_file tls_key_file total_shards type
update_on_restart use_asn_from_flow use_ue_from_flow v verbose
"""

_KBGP = """
disable-log-export email enable-md5-support human-logs insecure listen log-export-url log-level
md5-listen-interface metrics-addr metrics-export-url metrics-port multi region site-id target token
version
"""

#: The flags that the public documents of the original list.
ORIGINAL: Mapping[str, frozenset[str]] = {
    "kproxy": frozenset(_KPROXY.split()),
    "kbgp": frozenset(_KBGP.split()),
}

#: In what a flag does more than it did.
BETTER: Mapping[str, Mapping[str, str]] = {
    "kproxy": {
        "api_token": "never in a log, a page or JSON; a systemd credential works as well",
        "fg": "there is no guarding process; systemd is one",
        "healthcheck": "the same port has pages, JSON and metrics besides the text",
        "host": "several addresses, separated by commas, and IPv6",
        "logstash": "costs log lines at most when it stands still, never time",
        "max": "what goes over is thinned without bias, and the page states the error",
        "rcvbuf_size": "the log says what the kernel granted, and how to raise it",
        "sample_rate": "the device's page shows where each rate comes from",
        "syslog": "costs log lines at most when it stands still, never time",
    },
    "kbgp": {
        "enable-md5-support": "needs two capabilities, not root; the log says which key was wrong",
        "listen": "several addresses, by commas or several flags",
        "metrics-port": "has a page and Prometheus metrics besides the JSON",
    },
}


def page() -> str:
    """Make the page."""
    parts = [
        ".. Made by ``make docs-flags`` from the tables in kproxy_tw/commands; edit those.",
        "",
        *_heading("Flags of the original, one by one", "="),
        "*same*: means what it meant. *better*: the same, and more. *not yet*: accepted, with a warning at the start.",
        "*obsolete*: accepted, with a warning, and without effect for good.",
        "",
        "``chfagent`` has the flags of kproxy; those that its document describes (``-api_email``, ``-api_token``,",
        "``-host``, ``-port``, ``-region``) are among them.",
        "",
    ]
    for command, _sentence, flags in COMMANDS:
        if command in ORIGINAL:
            known = [flag for flag in flags if flag.name in ORIGINAL[command]]
            parts += [*_heading(command, "-"), *_table(known, BETTER[command]), ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def verdict(flag: Flag, better: Mapping[str, str]) -> str:
    """Say in a word what became of a flag."""
    if flag.state is not State.WORKS:
        return str(flag.state.value)
    return "better" if flag.name in better else "same"


def _table(flags: Iterable[Flag], better: Mapping[str, str]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 24 12 64", ""]
    lines += ["   * - Flag", "     - Now", "     - What it does"]
    for flag in sorted(flags, key=lambda flag: flag.key.lower()):
        more = f"; {better[flag.name]}" if verdict(flag, better) == "better" else ""
        lines += [f"   * - ``-{flag.name}``", f"     - {verdict(flag, better)}", f"     - {flag.help}{more}"]
    return lines


def _heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def main(arguments: Sequence[str]) -> None:
    """Write the page to the file that is named."""
    Path(arguments[0] if arguments else "docs/upgrade-flags.rst").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
