"""The flags of kcollect; all of them are our own."""

from __future__ import annotations

from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.flags_shared import (
    HELP,
    LOG_LEVELS,
    NODAEMON,
    state_directory,
    state_directory_text,
)

WORKS = State.WORKS

KCOLLECT_FLAGS: tuple[Flag, ...] = (
    Flag(
        "listen", "string", "address of the API, the intake and the page", "127.0.0.1:20080", WORKS, metavar="HOST:PORT"
    ),
    Flag(
        "grpc_listen",
        "string",
        "address of the gRPC target for kbgp; empty for none",
        "127.0.0.1:20443",
        WORKS,
        metavar="HOST:PORT",
    ),
    Flag(
        "bgp_daemon",
        "string",
        "BGP daemon that gets the sessions which kbgp relays",
        "127.0.0.1:179",
        WORKS,
        metavar="HOST:PORT",
    ),
    Flag(
        "bgp_sources",
        "string",
        "the daemon sees each router as a neighbor of its own in this network",
        "127.64.0.0/16",
        WORKS,
        metavar="NETWORK",
    ),
    Flag(
        "email",
        "string",
        "user that clients must name",
        None,
        WORKS,
        metavar="EMAIL",
        environment="KCOLLECT_EMAIL",
        default_text="any on loopback, else required",
    ),
    Flag(
        "token",
        "string",
        "token that clients must show",
        None,
        WORKS,
        metavar="TOKEN",
        environment="KCOLLECT_TOKEN",
        secret=True,
        default_text="any on loopback, else required",
    ),
    Flag(
        "devices",
        "string",
        "JSON file of the devices to serve; read again when it changes",
        None,
        WORKS,
        metavar="FILE",
    ),
    Flag(
        "auto_register",
        "bool",
        "create a device for every address that is asked for (demonstration, tests)",
        None,
        WORKS,
    ),
    Flag(
        "data",
        "string",
        "folder of the store",
        None,
        WORKS,
        metavar="DIR",
        compute=state_directory("kcollect"),
        default_text=state_directory_text("kcollect"),
    ),
    Flag("tls_cert_file", "string", "certificate to serve HTTPS and gRPC with (PEM)", None, WORKS, metavar="FILE"),
    Flag("tls_key_file", "string", "key of that certificate (PEM)", None, WORKS, metavar="FILE"),
    Flag("log_level", "string", "least level that is logged", "info", WORKS, choices=LOG_LEVELS),
    Flag("v", "bool", "print the version and exit", None, WORKS, aliases=("version",)),
    HELP,
    NODAEMON,
)
