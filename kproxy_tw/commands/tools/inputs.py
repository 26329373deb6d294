"""The files that the tools read, as datagrams in their order, and what was passed over in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from kproxy_tw.capture.datagrams import Datagram, datagram
from kproxy_tw.capture.files import packets
from kproxy_tw.capture.plausible import is_flow
from kproxy_tw.errors import KproxyError, MalformedInput

PACKET_FILES = (".pcap", ".pcapng", ".cap", ".gz")
DATAGRAM_FILES = (".dat",)
MAX_DATAGRAM = 65_535
MAX_FILES = 10_000
ROLE = re.compile(r"[_-](opt)?(tpl|templ|data|example).*", re.IGNORECASE)
"""What collections of .dat files put behind an exporter's name."""


class BadFile(KproxyError):
    """A file cannot be used; ``str()`` says which and why."""


class Inputs:
    """Captured datagrams, as often as they are asked for.

    The ``.dat`` files that are named are one exporter's; those of a folder are told apart by the beginning of their
    names (``router_tpl256.dat`` and ``router_data256.dat`` belong together).

    :param names: files and folders.
    :param port: only datagrams to this port; ``None`` for all that look like flow.
    :ivar passed_over: packets that were no flow datagrams, by reason.
    :raises BadFile: there is no such file, or a folder has none.
    """

    def __init__(self, names: Sequence[Path], port: int | None) -> None:
        expanded = [(name, _expanded(name)) for name in names]
        self._files = [file for _name, files in expanded for file in files]
        self._of_folders = {file for name, files in expanded for file in files if name.is_dir()}
        self._port = port
        self.passed_over: Counter[str] = Counter()
        self.damaged: list[str] = []

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self._files)

    def datagrams(self) -> Iterator[Datagram]:
        """Every flow datagram. A file that is damaged is read up to there, one of a folder that is no capture is left
        out; then ``damaged`` tells.

        :raises BadFile: a file that was named cannot be read, or is none of ours.
        """
        self.passed_over.clear()
        self.damaged.clear()
        for file in self._files:
            try:
                yield from self._of_file(file)
            except OSError as problem:
                self._unusable(file, f"cannot read {file}: {problem.strerror}")
            except BadFile as problem:
                self._unusable(file, str(problem))

    def _unusable(self, file: Path, why: str) -> None:
        if file not in self._of_folders:
            raise BadFile(why)
        self.damaged.append(f"{why}; left out")

    def _of_file(self, file: Path) -> Iterator[Datagram]:
        if file.suffix in DATAGRAM_FILES:
            data = file.read_bytes()[: MAX_DATAGRAM + 1]
            if not 0 < len(data) <= MAX_DATAGRAM:
                raise BadFile(f"{file} has {'no bytes' if not data else 'more bytes than a datagram can have'}")
            source = ROLE.sub("", file.stem) if file in self._of_folders else ""
            yield Datagram(0, source, 0, "", self._port or 0, data)
            return
        count = 0
        with file.open("rb") as opened:
            try:
                for packet in packets(opened):
                    count += 1
                    found = self._wanted(datagram(packet))
                    if found is not None:
                        yield found
            except MalformedInput as problem:
                if not count:
                    raise BadFile(f"{file}: {problem}") from None
                self.damaged.append(f"{file}: {problem}; the {count} packets before that were read")

    def _wanted(self, found: Datagram | str) -> Datagram | None:
        if isinstance(found, str):
            self.passed_over[found] += 1
        elif self._port is not None and found.destination_port != self._port:
            self.passed_over["to another port"] += 1
        elif self._port is None and not is_flow(found.payload):
            self.passed_over["UDP, but no flow protocol that we know"] += 1
        else:
            return found
        return None


def _expanded(name: Path) -> list[Path]:
    if name.is_dir():
        suffixes = (*PACKET_FILES, *DATAGRAM_FILES)
        found = [file for file in sorted(name.rglob("*")) if file.suffix in suffixes and file.is_file()]
        if not found:
            raise BadFile(f"{name}: the folder has no {', '.join(suffixes)} file")
        return sorted(found[:MAX_FILES], key=lambda file: ("tpl" not in file.name, str(file)))
    if not name.exists():
        raise BadFile(f"{name}: no such file")
    return [name]
