"""Net-SNMP's agent as a process of its own, for the interop tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials

ADDRESS = "127.0.0.1"
START_SECONDS = 15.0


def program(name: str) -> str | None:
    """Where a program is; daemons are not on everybody's path."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def create_user(user: V3Credentials) -> str:
    """The lines of ``snmpd.conf`` that let a user read; it spells protocols as we do."""
    words = ["createUser", user.user]
    level = "noauth"
    if user.auth is not AuthProtocol.NONE:
        words += [user.auth, user.auth_pass_phrase]
        level = "auth"
    if user.priv is not PrivProtocol.NONE:
        words += [user.priv, user.priv_pass_phrase]
        level = "priv"
    return " ".join(words) + f"\nrouser {user.user} {level}\n"


class Snmpd:
    """A running snmpd; use it as a context manager.

    :param folder: for its configuration, its state and its log.
    :param lines: further lines of ``snmpd.conf``.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        community: str = "public",
        users: tuple[V3Credentials, ...] = (),
        lines: str = "",
    ) -> None:
        self.port = port
        self._folder = folder
        self._community = community
        self._configuration = (
            f"agentaddress udp:{ADDRESS}:{port}\nrocommunity {community}\n"
            + "".join(map(create_user, users))
            + f"sysName simulated\nsysLocation rack 7\n{lines}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _environment(self) -> Mapping[str, str]:
        state = self._folder / "state"
        return {**os.environ, "MIBS": "", "SNMPCONFPATH": f"{self._folder}:{state}", "SNMP_PERSISTENT_DIR": str(state)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers. :raises RuntimeError: it does not."""
        configuration = self._folder / "snmpd.conf"
        configuration.write_text(self._configuration, encoding="ascii")
        command = [program("snmpd") or "snmpd", "-f", "-Lf", str(self._folder / "log")]
        self._process = subprocess.Popen(command, env=self._environment)  # noqa: S603, our own words
        end = time.monotonic() + START_SECONDS
        while self.get("1.3.6.1.2.1.1.3.0") is None:
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"snmpd does not answer; see {self._folder / 'log'}")

    def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()  # it writes down its engine id and boots
            process.wait()

    def get(self, oid: str) -> str | None:
        """What ``snmpget`` says of it; ``None`` when there is no answer."""
        return self._ask("snmpget", oid)

    def walk(self, oid: str) -> list[str]:
        """What ``snmpwalk`` prints of it, values only."""
        return (self._ask("snmpwalk", oid) or "").splitlines()

    def _ask(self, what: str, oid: str) -> str | None:
        command = [what, "-v2c", "-c", self._community, "-r1", "-t1", "-Oqvn", f"{ADDRESS}:{self.port}", oid]
        asked = subprocess.run(command, capture_output=True, text=True, env=self._environment, check=False)  # noqa: S603
        return asked.stdout.strip() if asked.returncode == 0 else None
