"""What the manual pages say beyond the flag tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Pairs = Sequence[tuple[str, str]]

DESCRIPTIONS: Mapping[str, Sequence[str]] = {
    "kproxy": (
        "kproxy takes flow (NetFlow v5 and v9, IPFIX, sFlow) from routers over UDP, keeps each under its cap of flows "
        "per second, and sends it encrypted to the backend as kflow. What the backend does not take is kept on disk "
        "and sent when it is back.",
        "It needs the e-mail address and the token of an API user, and an address that routers can reach:",
        " KENTIK_API_EMAIL=you@example.com KENTIK_API_TOKEN=... kproxy -host=0.0.0.0",
        "The health port, TCP, one above -port on the address of -healthcheck, has a page, JSON, metrics for "
        "Prometheus and the text report of the original. It stays in the foreground; "
        "systemctl enable --now kproxy runs it as a service.",
    ),
    "kbgp": (
        "kbgp takes BGP sessions from routers and relays their bytes over gRPC to the backend; it keeps no routes. "
        "When the path to the backend breaks, sessions stay, and nothing is lost, doubled or changed.",
        " KENTIK_API_EMAIL=you@example.com KENTIK_API_TOKEN=... kbgp --human-logs",
        "Port 179 needs the capability CAP_NET_BIND_SERVICE, TCP MD5 signatures need CAP_NET_RAW as well; root is not "
        "needed. The status port has a page, JSON and metrics for Prometheus.",
    ),
    "kcollect": (
        "kcollect is the receiving side for people without an account elsewhere: it answers the device API, stores "
        "flow in DuckDB before it acknowledges it, and hands BGP sessions that kbgp relays to a BGP daemon.",
        " kcollect -data /var/lib/kcollect -devices /etc/kcollect/devices.json",
        "The devices file is JSON with the devices by name, id and the addresses they send from; it is read again when "
        "it changes.",
    ),
}

_ENV = "settings of the service; see kentik.env(5)"

FILES: Mapping[str, Pairs] = {
    "kproxy": (
        ("/etc/default/kentik.env", f"{_ENV}. /etc/default/kentik.env.sample is what to begin with."),
        ("/etc/credstore/kentik.token", "The token alone, readable by root only; then it stays out of kentik.env."),
        ("/var/lib/kproxy", "State of the service: spool, templates, devices (-state_dir)."),
    ),
    "kbgp": (
        ("/etc/default/kbgp.env", f"{_ENV}. /etc/default/kbgp.env.sample is what to begin with."),
        ("/etc/credstore/kentik.token", "The token alone, readable by root only; then it stays out of kbgp.env."),
    ),
    "kcollect": (
        ("/etc/default/kcollect.env", "KCOLLECT_OPTIONS, the flags of the service. kcollect.env.sample shows it."),
        ("/var/lib/kcollect", "The store of the service (-data)."),
    ),
}

SIGNALS: Pairs = (("SIGTERM, SIGINT", "Deliver or store what waits, and end with status 0; at most 10 seconds."),)

EXIT_STATUS: Pairs = (
    ("0", "Stopped, and all that was taken is delivered or on disk."),
    ("1", "Something went wrong at run time: a port in use, a disk that is not there."),
    ("2", "The command line is bad."),
    ("69", "A service that was to be tested cannot be reached."),
    ("78", "The configuration is bad: credentials, a certificate, a file. The last line on stderr names the flag."),
)

ENV_FILE: Sequence[str] = (
    "The services read their settings from these files, lines of NAME=value, without the word export. They come as "
    "kentik.env.sample and kbgp.env.sample: copy each to the name without .sample, fill it in, and let only root read "
    "it:",
    " cp /etc/default/kentik.env.sample /etc/default/kentik.env\n chmod 600 /etc/default/kentik.env",
    "Two lines have to be filled in: KENTIK_API_EMAIL and KENTIK_API_TOKEN. The token may stand by itself in "
    "/etc/credstore/kentik.token instead: systemd then hands it to the service as the credential KENTIK_API_TOKEN, and "
    "no environment shows it. It wins over the variable.",
    "Changes are in force after systemctl restart kproxy (or kbgp).",
)

ENV_FILE_VARIABLES: Pairs = (
    (
        "KPROXY_OPTIONS",
        "Flags of the kproxy service, separated by blanks; -host=0.0.0.0 unless set. Where flow is taken is the matter "
        "of kproxy.socket: systemctl edit kproxy.socket.",
    ),
    ("KBGP_OPTIONS", "Flags of the kbgp service, separated by blanks."),
    ("HTTPS_PROXY, HTTP_PROXY", "Reach the backend through this proxy, http://user:password@host:port."),
    ("NO_PROXY", "Hosts that are reached directly, separated by commas."),
)

SEE_ALSO = ("kproxy(8)", "kbgp(8)", "kcollect(8)", "kentik.env(5)", "twistd(1)", "systemctl(1)")
