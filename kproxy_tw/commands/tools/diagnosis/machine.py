"""Checks of this machine: receive buffer, ports, permissions, disk. They block, shortly, and leave nothing behind."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kproxy_tw.assembly import KproxyConfig
from kproxy_tw.commands.tools.client import NoAnswer, StatusPort
from kproxy_tw.commands.tools.diagnosis.finding import Finding
from kproxy_tw.listen.service import enlarge_receive_buffer
from kproxy_tw.status import shown_address
from kproxy_tw.web.text import si_number

LEAST_FREE = 256 << 20
"""Bytes that should be free on the disk, beside the spool."""

SHORT_SECONDS = 2.0
"""For a kproxy that runs here to answer."""

_PORT_ADVICE = {
    errno.EADDRINUSE: "another program has it (ss -lunpt shows which): stop that, or give another -port",
    errno.EACCES: "ports below 1024 need the capability CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address; give one of its own, or 0.0.0.0",
}


def machine_findings(config: KproxyConfig) -> Iterator[Finding]:
    """Look at everything that needs no network."""
    yield state_directory(config.state_dir)
    yield disk(config.state_dir, 0 if config.spool is None else config.spool.max_bytes)
    yield receive_buffer(config.listen.receive_buffer)
    yield from ports(config)


def state_directory(folder: Path) -> Finding:
    """Whether files can be written where templates, devices and the spool are kept."""
    there = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"doctor")
            os.fsync(file.fileno())
    except OSError as problem:
        return Finding(
            "permissions",
            "fail",
            f"{there} cannot be written by user {os.geteuid()}: {problem.strerror}",
            f"chown it to the user that kproxy runs as, or give another -state_dir than {folder}",
        )
    made = "" if there == folder else f" (it will be made in {there})"
    return Finding("permissions", "ok", f"{folder} can be written{made}")


def disk(folder: Path, spool_bytes: int) -> Finding:
    """Whether the spool can have what it is allowed."""
    try:
        free = shutil.disk_usage(existing(folder)).free
        used = sum(file.stat().st_size for file in (folder / "spool").rglob("*") if file.is_file())
    except OSError as problem:
        return Finding("disk", "fail", f"{folder} cannot be looked at: {problem.strerror}", "mend the file system")
    needed = max(0, spool_bytes - used) + LEAST_FREE
    shown = f"{si_number(free, 'B')} free for {folder}, the spool may take {si_number(spool_bytes, 'B')}"
    if free < LEAST_FREE:
        return Finding("disk", "fail", shown, "free some space, or what waits for the backend will be lost")
    if free < needed:
        return Finding(
            "disk", "warn", shown, f"free some space, or lower -spool_max_bytes to {max(0, free - LEAST_FREE)}"
        )
    return Finding("disk", "ok", shown)


def receive_buffer(asked: int) -> Finding:
    """What the kernel grants a socket that wants a large receive buffer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        granted = enlarge_receive_buffer(sock, asked)
    shown = f"{si_number(granted, 'B')} of {si_number(asked, 'B')} granted"
    if granted >= asked:
        return Finding("receive buffer", "ok", shown)
    return Finding(
        "receive buffer",
        "warn",
        f"{shown}; bursts may be lost",
        f"as root: sysctl -w net.core.rmem_max={asked}, and the same in /etc/sysctl.d/ to keep it",
    )


def ports(config: KproxyConfig) -> Iterator[Finding]:
    """Whether the ports are free, or a kproxy has them that runs already."""
    running = running_kproxy(StatusPort.at(f"http://{shown_address(config.web.interface, config.web.port)}"))
    wanted = [(socket.SOCK_DGRAM, host, config.listen.port) for host in config.listen.hosts]
    wanted += [(socket.SOCK_STREAM, config.web.interface, config.web.port)]
    wanted += [(socket.SOCK_STREAM, *address) for address in (*config.streams.tcp, *config.streams.tls)]
    for kind, host, port in wanted:
        yield port_finding(kind, host, port, running=running)


def port_finding(kind: socket.SocketKind, host: str, port: int, *, running: bool) -> Finding:
    """Whether one port can be bound."""
    shown = f"{'udp' if kind is socket.SOCK_DGRAM else 'tcp'} {shown_address(host, port)}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as sock:
            if kind is socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE and running:
            return Finding("port", "ok", f"{shown} is in use by the kproxy that runs here")
        advice = _PORT_ADVICE.get(problem.errno or 0, "give another address or port")
        return Finding("port", "fail", f"{shown} cannot be had: {problem.strerror}", advice)
    except OverflowError:
        return Finding("port", "fail", f"{shown} cannot be had: there is no such port", "give a smaller -port")
    return Finding("port", "ok", f"{shown} is free")


def running_kproxy(port: StatusPort) -> bool:
    """Whether a kproxy answers at the health port."""
    try:
        return "checks" in port.document("/hc", SHORT_SECONDS)
    except (NoAnswer, TypeError):
        return False


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    return next((place for place in (folder, *folder.absolute().parents) if place.is_dir()), Path("/"))
