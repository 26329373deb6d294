"""The flags of kbgp, as documented."""

from __future__ import annotations

from kproxy_tw.commands.flags import Flag
from kproxy_tw.commands.flags_shared import HELP, LOG_LEVELS, NODAEMON

KBGP_FLAGS: tuple[Flag, ...] = (
    Flag("email", "string", "user at the API", metavar="EMAIL", environment="KENTIK_API_EMAIL"),
    Flag(
        "token",
        "string",
        "token of that user; better given by the environment",
        metavar="TOKEN",
        environment="KENTIK_API_TOKEN",
        secret=True,
    ),
    Flag("region", "string", "region of the backend", environment="KENTIK_REGION"),
    Flag(
        "target",
        "string",
        "where sessions are relayed to, whatever the region",
        "grpc.api.kentik.com:443",
        metavar="HOST:PORT",
    ),
    Flag("site-id", "int", "only devices of this site", environment="KENTIK_SITE"),
    Flag("insecure", "bool", "reach the target without TLS"),
    Flag("multi", "int", "sessions that share one gRPC connection", 10),
    Flag("listen", "string", "addresses to take BGP sessions on", metavar="HOST:PORT,..."),
    Flag(
        "enable-md5-support",
        "bool",
        "accept sessions with TCP MD5 signatures (needs root)",
        environment="KENTIK_ENABLE_MD5",
    ),
    Flag("md5-listen-interface", "string", "network interface to watch for connection attempts", metavar="NAME"),
    Flag("metrics-addr", "string", "address of the status port", "127.0.0.1", metavar="ADDRESS"),
    Flag("metrics-port", "string", "status port", "20920", metavar="PORT"),
    Flag(
        "metrics-export-url",
        "string",
        "where metrics are exported to",
        "https://grpc.api.kentik.com/agents/v202204/metrics",
        metavar="URL",
    ),
    Flag("log-level", "string", "least level that is logged", "info", choices=LOG_LEVELS),
    Flag(
        "log-export-url",
        "string",
        "where logs are exported to",
        "https://grpc.api.kentik.com/agents/v202204/logs",
        metavar="URL",
    ),
    Flag("disable-log-export", "bool", "export no logs"),
    Flag("human-logs", "bool", "log for people instead of machines"),
    Flag("version", "bool", "print the version and exit"),
    HELP,
    NODAEMON,
)
