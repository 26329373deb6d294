"""The flags of kbgp: the documented ones, and a few of our own."""

from __future__ import annotations

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.flags_shared import HELP, LOG_LEVELS, NODAEMON

WORKS = State.WORKS

KBGP_FLAGS: tuple[Flag, ...] = (
    Flag("email", "string", "user at the API", None, WORKS, metavar="EMAIL", environment="KENTIK_API_EMAIL"),
    Flag(
        "token",
        "string",
        "token of that user; better given by the environment",
        None,
        WORKS,
        metavar="TOKEN",
        environment="KENTIK_API_TOKEN",
        secret=True,
    ),
    Flag(
        "region",
        "string",
        "region of the backend: us (or iad1), eu (or fra1), or another one's name",
        None,
        WORKS,
        metavar="NAME",
        environment="KENTIK_REGION",
    ),
    Flag(
        "target",
        "string",
        "where sessions are relayed to, whatever the region",
        "grpc.api.kentik.com:443",
        WORKS,
        metavar="HOST:PORT",
    ),
    Flag("site-id", "int", "only devices of this site", None, WORKS, metavar="ID", environment="KENTIK_SITE", low=0),
    Flag(
        "insecure",
        "bool",
        "reach a target on this machine without TLS; said twice, any target",
        None,
        WORKS,
        gather="count",
    ),
    Flag("tls-ca-file", "string", "authorities to trust (PEM), in place of the system's", None, WORKS, metavar="FILE"),
    Flag("multi", "int", "sessions that share one gRPC connection", 10, WORKS, metavar="N", low=1, high=1000),
    Flag(
        "listen",
        "string",
        "addresses to take BGP sessions on, by commas or several flags; without it 0.0.0.0:179 and [::]:179",
        None,
        WORKS,
        metavar="HOST:PORT,...",
        gather="list",
    ),
    Flag(
        "proxy-protocol",
        "string",
        "networks of proxies whose connections begin with a PROXY protocol header (v1, v2)",
        None,
        WORKS,
        metavar="NETWORK,...",
        gather="list",
    ),
    Flag(
        "enable-md5-support",
        "bool",
        "accept sessions with TCP MD5 signatures; needs CAP_NET_RAW to see connection attempts, not root",
        None,
        WORKS,
        environment="KENTIK_ENABLE_MD5",
    ),
    Flag(
        "md5-listen-interface",
        "string",
        "network interface to watch for connection attempts; without it any",
        None,
        WORKS,
        metavar="NAME",
    ),
    Flag("metrics-addr", "string", "address of the status port", "127.0.0.1", WORKS, metavar="ADDRESS"),
    Flag("metrics-port", "string", "status port", "20920", WORKS, metavar="PORT"),
    Flag(
        "metrics-export-url",
        "string",
        "where metrics are exported to; the default follows region and target, empty: nowhere",
        "https://grpc.api.kentik.com/agents/v202204/metrics",
        WORKS,
        metavar="URL",
    ),
    Flag("log-level", "string", "least level that is logged", "info", WORKS, choices=LOG_LEVELS),
    Flag(
        "log-export-url",
        "string",
        "where logs are exported to; the default follows region and target, empty: nowhere",
        "https://grpc.api.kentik.com/agents/v202204/logs",
        WORKS,
        metavar="URL",
    ),
    Flag("disable-log-export", "bool", "export no logs", None, WORKS),
    Flag("human-logs", "bool", "log for people instead of machines", None, WORKS),
    Flag("version", "bool", "print the version and exit", None, WORKS),
    HELP,
    NODAEMON,
)
