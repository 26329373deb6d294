"""The flags of kproxy: every documented one, and some of our own.

The names, types and defaults are the documents'; ``tests/commands/documented_flags.txt`` holds them independently.
"""

from __future__ import annotations

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.flags_shared import (
    HELP,
    LOG_LEVELS,
    NODAEMON,
    state_directory,
    state_directory_text,
)

WORKS, OBSOLETE = State.WORKS, State.OBSOLETE
TYPES = ("sflow", "ipfix", "v5", "v9", "proxy", "kflow", "snmp_check")
GONE = "has no effect any more"
BGP_GONE = "has no effect any more; kbgp proxies BGP"

_BACKEND = (
    Flag("api", "string", "device API to ask", "https://api.kentik.com/api/internal", WORKS, metavar="URL"),
    Flag("api_email", "string", "user at the API", None, WORKS, metavar="EMAIL", environment="KENTIK_API_EMAIL"),
    Flag("api_pass", "string", "password at the API; use -api_token instead", secret=True),
    Flag(
        "api_token",
        "string",
        "token of that user; better given by the environment",
        None,
        WORKS,
        metavar="TOKEN",
        environment="KENTIK_API_TOKEN",
        secret=True,
    ),
    Flag("region", "string", "region of the backend: us or eu", None, WORKS, environment="KENTIK_REGION"),
    Flag(
        "flow_url",
        "string",
        "where flow is posted",
        None,
        WORKS,
        metavar="URL",
        default_text="from -region, or /chf on the host of -api",
    ),
    Flag("site_id", "int", "only devices of this site", environment="KENTIK_SITE", low=0),
    Flag("tls_ca_file", "string", "trust these authorities instead of the system's (PEM)", None, WORKS, metavar="FILE"),
    Flag(
        "tls_cert_file",
        "string",
        "certificate to present to the backend, and to exporters that use TLS (PEM)",
        None,
        WORKS,
        metavar="FILE",
    ),
    Flag("tls_key_file", "string", "key of that certificate (PEM)", None, WORKS, metavar="FILE"),
    Flag(
        "local_proxy",
        "string",
        "reach the backend through this HTTP proxy, http://[user:password@]host:port; without it the one of "
        "$HTTPS_PROXY or $HTTP_PROXY; $NO_PROXY makes exceptions",
        None,
        WORKS,
        metavar="URL",
    ),
    Flag("num_http_send", "int", "concurrent senders", 5),
    Flag("max_http_send", "int", "most requests under way", 10),
    Flag("servers", "string", "TCP targets of old backends", "tcp://127.0.0.1:9996"),
    Flag(
        "tag_url",
        "string",
        "where tags are asked for",
        "https://api.kentik.com/api/internal/company/COMPANY_ID/device/DEVICE_ID/tags",
        metavar="URL",
    ),
)

_FLOW = (
    Flag(
        "host",
        "string",
        "address to take flow on; several separated by commas, 0.0.0.0 and :: for all",
        "127.0.0.1",
        WORKS,
        metavar="ADDRESS",
    ),
    Flag("port", "int", "UDP port to take flow on; the health port is one higher", 9995, WORKS, low=1, high=65534),
    Flag(
        "max", "int", "most flows per second and device that are forwarded; the rest is thinned out", 4000, WORKS, low=1
    ),
    Flag(
        "max_big",
        "int",
        "low-resolution copies per second and device, for the backend's fast data series; 0 for none",
        30,
        WORKS,
        low=0,
        high=4000,
    ),
    Flag(
        "plan_fps",
        "string",
        "what the max_fps of a plan caps: all its devices together (shared), each of them (device), nothing (off)",
        "shared",
        WORKS,
        choices=("shared", "device", "off"),
    ),
    Flag("sampleInterval", "int", "window of the thinning in milliseconds", 15000, WORKS, low=1000, high=3600000),
    Flag(
        "sample_rate",
        "int",
        "force this sample rate for all flows; 0 takes what the device or the API says",
        0,
        WORKS,
        low=0,
    ),
    Flag("sample_metric", "int", "sample rate written into metrics", 1),
    Flag(
        "rcvbuf_size",
        "int",
        "bytes to ask for as receive buffer of the flow socket",
        32 * 2**20,
        WORKS,
        low=0,
        high=2**31 - 1,
    ),
    Flag(
        "ipfix_tcp_bind",
        "string",
        "take IPFIX over TCP on these addresses, separated by commas",
        None,
        WORKS,
        metavar="HOST:PORT",
        default_text="off",
    ),
    Flag(
        "ipfix_tls_bind",
        "string",
        "take IPFIX over TLS on these addresses; needs -tls_cert_file and -tls_key_file",
        None,
        WORKS,
        metavar="HOST:PORT",
        default_text="off",
    ),
    Flag(
        "ipfix_tls_client_ca",
        "string",
        "take IPFIX over TLS only from exporters with a certificate of these authorities (PEM)",
        None,
        WORKS,
        metavar="FILE",
        default_text="no certificate is asked for",
    ),
    Flag("ipfix_max_connections", "int", "most IPFIX connections at the same time", 512, WORKS, low=1, high=65536),
    Flag("workers", "int", "processes that take flow", 1, low=1, high=256),
    Flag(
        "sflow_agent_address",
        "bool",
        "know sFlow devices by agent address instead of sending address; whoever may send can then claim any agent",
        None,
        WORKS,
    ),
    Flag("sflow_drop_egress", "bool", "drop sFlow samples taken at the output interface", None, WORKS),
    Flag(
        "ignore_exporter_address",
        "bool",
        "records that name another registered device as their exporter (IPFIX 130, 131) stay with their sender",
        None,
        WORKS,
    ),
    Flag("decap", "bool", "of sampled packets (sFlow) in tunnels, take the inner packet as the flow", None, WORKS),
    Flag("bootstrap_devices", "string", "start these device ids without waiting for their flow", metavar="IDS"),
    Flag("tee_kproxy", "string", "copy received datagrams to this target", metavar="[SRC:]DST:PORT"),
    Flag("proxy_host", "string", "address of workers in relay mode", metavar="ADDRESS"),
    Flag("base_port", "int", "first port of workers in relay mode", 40010),
    Flag("shard_num", "int", "which shard of its devices this process is; metrics name it", None, WORKS, low=0),
    Flag(
        "total_shards",
        "int",
        "number of processes that the flow of each device is split over; every cap is divided by it",
        None,
        WORKS,
        low=1,
        high=1024,
    ),
    Flag("type", "string", "what this process is; only proxy so far", "proxy", WORKS, choices=TYPES),
    Flag("client_id", "string", "device of a client that is no proxy", "100:default:110", metavar="COMPANY:NAME:ID"),
    Flag("leader_id", "string", "device on whose behalf a client works", metavar="COMPANY:NAME:ID"),
    Flag("device_type", "string", "device type of a client"),
    Flag("device_subtype", "string", "device subtype of a client"),
    Flag("sleep", "int", "wait before starting a client, in milliseconds"),
    Flag("dump", "int", "period of sending in milliseconds", 1000),
)

_SESSIONS = (
    Flag("session_ports", "bool", "each source port of an address is an exporter of its own", None, WORKS),
    Flag("max_templates", "int", "most templates kept of one exporter", 512, WORKS, low=1, high=65280),
    Flag("max_template_domains", "int", "most observation domains kept of one exporter", 8, WORKS, low=1, high=4096),
    Flag("max_templates_total", "int", "most templates kept of all exporters", 65536, WORKS, low=1, high=2**20),
    Flag(
        "held_max_bytes",
        "int",
        "most bytes of data of one exporter that wait for their template",
        2**20,
        WORKS,
        low=0,
        high=2**30,
    ),
    Flag("held_max_total_bytes", "int", "the same of all exporters", 64 * 2**20, WORKS, low=0, high=2**34),
    Flag("held_seconds", "int", "how long data wait for their template", 300, WORKS, low=1, high=86400),
)

_ENRICHMENT = (
    Flag("dns", "string", "resolve internal flow addresses at this server", metavar="[internal:]HOST:PORT"),
    Flag("my_network", "string", "prefixes that count as internal, or netclass", metavar="CIDRS"),
    Flag("dnstagd", "string", "server of DNS tags", metavar="HOST:PORT"),
    Flag("geo", "string", "country file", "/usr/share/cloudhelix/country.csv", metavar="FILE"),
    Flag("geo_small", "bool", "use the small country file"),
    Flag("cloud_map", "string", "file of cloud ranges", metavar="FILE"),
    Flag("mask_file", "string", "file of netmasks that flow addresses are cut to", metavar="FILE"),
    Flag("remap_file", "string", "file of addresses to replace", metavar="FILE"),
    Flag("custom_cols", "string", "custom columns of this device", metavar="NAME=ID,..."),
    Flag("extensible_cols", "string", "extensible columns of this device", metavar="NAME=ID,..."),
    Flag("use_asn_from_flow", "bool", "keep the AS numbers that the device sent"),
    Flag("use_ue_from_flow", "bool", "keep the user equipment data that the device sent"),
    Flag("rpki_bind", "string", "serve RPKI to routers on this address", metavar="HOST:PORT", default_text="off"),
    Flag("rpki_cache", "string", "source of RPKI data", metavar="URL", default_text="off"),
    Flag(
        "rpki_local_cache", "string", "local copy of RPKI data", "/data/blob-storage/rpki/local.cache", metavar="FILE"
    ),
)

_SNMP = (
    Flag("snmp_community", "string", "community for all devices", secret=True),
    Flag("snmp_file", "string", "SNMP settings per device", metavar="FILE"),
    Flag("snmp_ip", "string", "address to poll", metavar="ADDRESS"),
    Flag("snmp_low", "bool", "poll rarely and without counters"),
    Flag("snmp_max", "int", "most interfaces taken in, busiest first", 750),
    Flag("snmp_max_cycle", "int", "the same after the first round", 500),
    Flag("snmp_max_repetitions", "int", "rows per bulk request", 50),
    Flag("snmp_retries", "int", "repetitions of an unanswered request"),
    Flag("snmp_timeout_seconds", "int", "time for one answer", 5),
    Flag("snmp_v3", "string", "SNMPv3 settings as JSON", secret=True, metavar="JSON"),
    Flag("test_snmp", "bool", "poll once, report and exit"),
    Flag("proxy_snmp", "string", "address to poll from", metavar="ADDRESS"),
    Flag("interface_metadata_comparison", "string", "how interface data are compared before they are sent"),
)

_TELEMETRY = (
    Flag("st_dialout_listener", "string", "take streaming telemetry: junos, ios or auto"),
    Flag("st_tcp_bind", "string", "TCP address for streaming telemetry", metavar="HOST:PORT", default_text="off"),
    Flag("st_udp_bind", "string", "UDP address for streaming telemetry", metavar="HOST:PORT", default_text="off"),
    Flag("st_v1", "string", "streaming telemetry settings as JSON", secret=True, metavar="JSON"),
    Flag("active_listen", "string", "serve active measurement on this address", metavar="HOST:PORT"),
    Flag("active_max_speed", "float", "limit of active measurement in bytes per second; 0 for none"),
    Flag("active_protocol", "string", "protocol of active measurement: udp, tcp or icmp", "tcp"),
    Flag("active_servers", "string", "measure towards these servers", metavar="HOST:PORT,..."),
    Flag("just_active", "bool", "measure only, take no flow"),
    Flag("http_udr", "string", "take metrics over HTTP on this address", metavar="HOST:PORT"),
    Flag("proxy-http", "string", "forward HTTP for other agents on this address", metavar="[HOST:]PORT"),
    Flag("proxy-http-allow", "string", "domain that may be reached that way", ".kentik.com"),
    Flag("sql_proxy_listen", "string", "SQL proxy of a client", "127.0.0.1:20017", metavar="HOST:PORT"),
)

_RUNNING = (
    Flag("healthcheck", "string", "address of the health port and the pages", "127.0.0.1", WORKS, metavar="ADDRESS"),
    Flag(
        "state_dir",
        "string",
        "folder for what must survive a restart",
        None,
        WORKS,
        metavar="DIR",
        compute=state_directory("kproxy"),
        default_text=state_directory_text("kproxy"),
    ),
    Flag("spool", "string", "keep undelivered messages on disk: on or off", "on", WORKS, choices=("on", "off")),
    Flag("spool_max_bytes", "int", "most bytes of undelivered messages on disk", 2**30, WORKS, low=1 << 20),
    Flag("log_level", "string", "least level that is logged", "info", WORKS, choices=LOG_LEVELS),
    Flag("stdout", "bool", "log to standard output (the foreground does so anyway)", None, WORKS),
    Flag("syslog", "bool", "log to syslog instead of standard output", None, WORKS),
    Flag(
        "logstash",
        "string",
        "log to this logstash as well, JSON lines over tcp:// or udp://; DISABLE for none",
        None,
        WORKS,
        metavar="[tcp://|udp://]HOST:PORT",
    ),
    Flag("metrics", "string", "where own metrics go", metavar="none|syslog|stderr|graphite:HOST:PORT"),
    Flag("fg", "bool", "stay in the foreground; the same as -n", None, WORKS),
    Flag("http", "string", "further HTTP port", "off"),
    Flag("forked_pprof_host", "string", "profiling address of workers", metavar="ADDRESS"),
    Flag("exit_low_traffic", "bool", "exit after 15 minutes without a single datagram", None, WORKS),
    Flag("update_on_restart", "bool", "update the program at start"),
    Flag("bgp_neighbor_ip", "string", "IPv4 neighbor of an embedded BGP daemon", metavar="ADDRESS"),
    Flag("bgp_neighbor_ip6", "string", "IPv6 neighbor of an embedded BGP daemon", metavar="ADDRESS"),
    Flag("bgp_config_file", "string", "settings of an embedded BGP daemon", metavar="FILE"),
    Flag("v", "bool", "print the version and exit", None, WORKS, aliases=("version",)),
    HELP,
    NODAEMON,
)

_OBSOLETE = (
    Flag("alert_fwd", "string", GONE, None, OBSOLETE),
    Flag("bgp_neighbor_asn", "int", BGP_GONE, None, OBSOLETE),
    Flag("bgp_proxy", "string", BGP_GONE, None, OBSOLETE),
    Flag("bgp_proxy6", "string", BGP_GONE, None, OBSOLETE),
    Flag("device_stat", "string", GONE, None, OBSOLETE),
    Flag("device_stat_ssl_url", "string", GONE, None, OBSOLETE),
    Flag("force_bgp", "bool", GONE, None, OBSOLETE),
    Flag("hostname", "string", GONE, None, OBSOLETE),
    Flag("listen", "string", "has no effect any more; use -host and -port", None, OBSOLETE),
    Flag("pcap_flow_period", "int", GONE, None, OBSOLETE),
    Flag("pcap_transmit_period", "int", GONE, None, OBSOLETE),
    Flag("proxy_pcap", "bool", GONE, None, OBSOLETE),
    Flag("rateLimit", "uint", "has no effect any more; use -max", 12000, OBSOLETE),
    Flag("realtime", "bool", GONE, True, OBSOLETE),
    Flag("snmp", "string", GONE, None, OBSOLETE),
    Flag("syslog_conf", "string", "has no effect any more; syslog is not taken in", None, OBSOLETE),
    Flag("tag_update", "int", GONE, 1200, OBSOLETE),
    Flag("verbose", "bool", "has no effect any more; use -log_level=debug", None, OBSOLETE),
)

KPROXY_FLAGS: tuple[Flag, ...] = (
    *_BACKEND,
    *_FLOW,
    *_SESSIONS,
    *_ENRICHMENT,
    *_SNMP,
    *_TELEMETRY,
    *_RUNNING,
    *_OBSOLETE,
)
