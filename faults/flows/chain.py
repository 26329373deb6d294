"""The chain under test: numbered exporters, kproxy, a gate, kcollect, all in a network namespace of their own.

kproxy gets its UDP socket from outside, as from systemd, so that what is sent while it is away waits in the kernel.
A watch asks ``/admin/status`` all the time: the books must be balanced whenever they are looked at.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from faults.flows.gate import Gate
from faults.flows.numbered import NumberedExporter, address_of
from faults.flows.oracle import durable_until, judge
from faults.flows.reading import Crash, Reading
from faults.table import Outcome
from kproxy_tw.deliver.spool.tallyfile import FILE_NAME
from kproxy_tw.testing.processes import Daemon, get_json
from tests.interop.namespaces import Namespace, need_namespaces

FLOW_PORT, HEALTH_PORT, COLLECTOR_PORT, GATE_PORT = 9995, 9996, 20080, 20081
RECEIVE_BUFFER = 32 << 20
SO_RCVBUFFORCE = 33
LIVENESS_SECONDS = 120.0
"""After the end of a fault, new flow must have arrived within this time, and nothing may wait any more."""

START_SECONDS = 120.0
"""Of a daemon on a machine where others do faults, too."""

WATCH_SECONDS = 0.2
CALM_SECONDS = 2.0
"""Without a datagram, for more than a tick: then all that was sent is in the books."""

CREDENTIALS = {"KENTIK_API_EMAIL": "faults@example.com", "KENTIK_API_TOKEN": "canary-faults"}

SOCKET_SHIM = """
import os, sys
number = int(sys.argv[1])
if number != 3:
    os.dup2(number, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="flow")
os.execv(sys.argv[2], sys.argv[2:])
"""


@attrs.define
class Watch:
    """Looks at kproxy's books for as long as the chain is there.

    :ivar looks: how often it saw them.
    :ivar problems: what was wrong with them.
    :ivar totals: the last it saw of each run.
    :ivar slowest: seconds of the slowest answer.
    """

    looks: int = 0
    problems: list[str] = attrs.field(factory=list)
    totals: dict[str, Mapping[str, Any]] = attrs.field(factory=dict)
    slowest: float = 0.0
    _over: threading.Event = attrs.field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> Mapping[str, Any] | None:
        """What ``/admin/status`` says, which is checked; ``None`` when nobody answers."""
        began = time.monotonic()
        try:
            shown: Mapping[str, Any] = get_json(HEALTH_PORT, "/admin/status")
        except (OSError, RuntimeError, ValueError, http.client.HTTPException):
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.looks += 1
        books = shown["Totals"]
        self.totals[shown["InstanceID"]] = books
        if not balanced(books):
            self.problems.append(f"the books are not balanced: {books}")
        return shown

    def dropped(self) -> Counter[str]:
        """Flows dropped or thinned out, by reason, of all runs."""
        counted: Counter[str] = Counter()
        for books in self.totals.values():
            counted.update(books["RecordsDropped"])
            counted["thinned"] += books["RecordsSampledOut"]
        return counted

    def acknowledged(self) -> range | None:
        """How many messages the store must have. ``None``: there were several runs, and the last words of each unheard.

        A message that was given up may have been stored, and only the answer was lost.
        """
        if len(self.totals) != 1:
            return None
        (books,) = self.totals.values()
        sent: int = books["MessagesSent"]
        return range(sent, sent + books["DeadLetters"] + sum(books["MessagesDropped"].values()) + 1)

    def _run(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            self.look()


def balanced(books: Mapping[str, Any]) -> bool:
    """Whether each record received, and each message made, has one fate or is in flight."""
    fates = books["RecordsForwarded"] + books["RecordsSampledOut"] + sum(books["RecordsDropped"].values())
    ends = books["MessagesSent"] + books["MessagesSplit"] + books["DeadLetters"]
    ends += sum(books["MessagesDropped"].values())
    return bool(
        books["RecordsReceived"] == fates + books["RecordsInFlight"]
        and books["MessagesCreated"] == ends + books["MessagesInFlight"]
        and min(books["RecordsInFlight"], books["MessagesInFlight"]) >= 0
    )


@attrs.define
class Chain:
    """A running chain; see the module."""

    directory: Path
    space: Namespace
    flags: Sequence[str]
    devices: int
    gate: Gate | None
    socket: socket.socket
    exporters: list[NumberedExporter]
    reading: Reading
    watch: Watch = attrs.field(factory=Watch)
    crashes: list[Crash] = attrs.field(factory=list)
    unheard: int = 0
    unheard_reason: str = "unheard"
    kproxy: Daemon | None = None
    kcollect: Daemon | None = None
    _started: float = 0.0
    _starts: Iterator[int] = attrs.field(factory=lambda: iter(range(1, 10_000)))

    @property
    def state(self) -> Path:
        """kproxy's state directory."""
        return self.directory / "state"

    @property
    def data(self) -> Path:
        """kcollect's store."""
        return self.directory / "data"

    def start_kcollect(
        self, *flags: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        """Start it, and wait until it is ready."""
        command = [*prefix, _program("kcollect"), f"-listen=127.0.0.1:{COLLECTOR_PORT}", f"-data={self.data}"]
        command += [f"-devices={self.directory / 'devices.json'}", *flags]
        self.kcollect = Daemon(command, log=self._log("kcollect"), environment=environment)
        self.kcollect.__enter__()
        if "-tls_cert_file" in " ".join(flags):
            self.wait(lambda: _connects(COLLECTOR_PORT), "kcollect does not listen")
        else:
            self.kcollect.wait_until_ready(COLLECTOR_PORT, seconds=START_SECONDS)

    def start_kproxy(
        self,
        *flags: str,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        mortal: bool = False,
    ) -> None:
        """Start it, and wait until it answers, though perhaps not until it is ready: the backend may be away.

        :param mortal: it may die meanwhile.
        """
        number = self.socket.fileno()
        shim = [*prefix, sys.executable, "-c", SOCKET_SHIM, str(number), _program("kproxy")]
        self._started = time.monotonic()
        self.kproxy = Daemon(
            [*shim, *self.kproxy_flags(), *flags],
            log=self._log("kproxy"),
            environment=CREDENTIALS | dict(environment or {}),
            passed=[number],
        )
        self.kproxy.__enter__()
        try:
            self.kproxy.wait_until_ready(HEALTH_PORT, "/admin/status", START_SECONDS)
        except RuntimeError:
            if not mortal:
                raise

    def stop_kproxy(self) -> float:
        """SIGTERM, which must be obeyed. :return: the seconds it took."""
        assert self.kproxy is not None
        self.watch.look()
        began = time.monotonic()
        code = self.kproxy.stop()
        assert code == 0, f"kproxy ended with {code}"
        return time.monotonic() - began

    def kproxy_flags(self) -> list[str]:
        """What kproxy is told in this chain."""
        backend = COLLECTOR_PORT if self.gate is None else self.gate.port
        return [
            "-host=127.0.0.1",
            f"-port={FLOW_PORT}",
            "-max=60000",
            f"-api=http://127.0.0.1:{backend}/api/internal",
            f"-state_dir={self.state}",
            *self.flags,
        ]

    def put_away(self) -> None:
        """Stop kproxy in order if it has not died."""
        assert self.kproxy is not None
        if self.kproxy.process.poll() is None:
            self.stop_kproxy()

    def start_over(self) -> None:
        """Stop kproxy in order and start it without whatever was done to it before."""
        self.stop_kproxy()
        self.start_kproxy()

    def kill_kproxy(self) -> None:
        """SIGKILL, now."""
        assert self.kproxy is not None
        self.kproxy.process.kill()
        self.kproxy.process.wait()
        self._crashed()

    def kproxy_died(self, seconds: float = 60.0) -> bool:
        """Wait for it to die by itself. :return: whether it did."""
        assert self.kproxy is not None
        end = time.monotonic() + seconds
        while self.kproxy.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if self.kproxy.process.poll() is None:
            return False
        self._crashed()
        return True

    def _crashed(self) -> None:
        """What it had read in its last time may be lost; what it had not read waits in the kernel for the next."""
        self.crashes.append(self.reading.crash(durable_until(self.state / "spool" / FILE_NAME, self._started)))

    def kill_kcollect(self) -> None:
        """SIGKILL, now."""
        assert self.kcollect is not None
        self.kcollect.process.kill()
        self.kcollect.process.wait()

    def status(self) -> Mapping[str, Any]:
        """kproxy's status now. :raises RuntimeError: it does not answer."""
        shown = self.watch.look()
        if shown is None:
            raise RuntimeError("kproxy does not answer")
        return shown

    def on_disk(self) -> int:
        """Messages in the spool."""
        return int(self.status()["Spool"]["Messages"])

    def devices_file(self, devices: Sequence[Mapping[str, object]] | None = None) -> None:
        """Tell kcollect what devices there are: one for each exporter if not told otherwise."""
        listed = [device(place) for place in range(self.devices)] if devices is None else devices
        path = self.directory / "devices.json"
        path.with_suffix(".part").write_text(json.dumps({"devices": listed}))
        path.with_suffix(".part").rename(path)

    def load(self, flows_per_second: int = 600) -> None:
        """All exporters together send at that rate from now on."""
        for exporter in self.exporters:
            exporter.start(max(30, flows_per_second // len(self.exporters)))

    def quiet(self) -> None:
        """No exporter sends any more."""
        for exporter in self.exporters:
            exporter.stop()

    def wait(self, condition: Callable[[], bool], problem: str, seconds: float = 60.0) -> float:
        """Wait for something. :return: the seconds it took. :raises AssertionError: it did not come."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with suppress(OSError, RuntimeError):
                if condition():
                    return time.monotonic() - began
            time.sleep(0.1)
        raise AssertionError(f"{problem} ({seconds:.0f} s)")

    def settle(self, seconds: float = LIVENESS_SECONDS) -> float:
        """Liveness: new flow arrives, and nothing waits any more. :return: the seconds it took."""
        self.quiet()
        self.wait(lambda: self.watch.look() is not None, "kproxy does not answer", seconds)
        before = self._forwarded()
        for exporter in self.exporters:
            exporter.send()
        received, since = -1, 0.0

        def over() -> bool:
            nonlocal received, since
            books = self.status()["Totals"]
            if books["DatagramsReceived"] != received:
                received, since = books["DatagramsReceived"], time.monotonic()
            waiting = books["RecordsInFlight"] or books["MessagesInFlight"] or books["RecordsForwarded"] <= before
            # One exporter's may be through while another's are in the socket's buffer yet.
            return not waiting and time.monotonic() - since > CALM_SECONDS

        try:
            return self.wait(over, "flow does not arrive, or something still waits", seconds)
        except AssertionError as problem:
            shown = self.watch.look() or {}
            raise AssertionError(f"{problem}: {shown.get('Upstream')} {shown.get('Spool')}") from None

    def end(self) -> Outcome:
        """Stop everything in order and let the oracle judge."""
        assert self.kcollect is not None
        self.stop_kproxy()
        self.watch.stop()
        assert self.kcollect.stop() == 0, "kcollect did not stop in order"
        self._check()
        counted = self.watch.dropped()
        sent = [each for exporter in self.exporters for each in exporter.sent]
        acknowledged = None if self.crashes else self.watch.acknowledged()
        outcome = judge(self.data, sent, self.crashes, counted, self.unheard, acknowledged)
        lost = {self.unheard_reason if reason == "unheard" else reason: n for reason, n in outcome.lost.items()}
        return attrs.evolve(outcome, lost=lost)

    def _check(self) -> None:
        assert self.watch.looks, "the books were never seen"
        assert not self.watch.problems, self.watch.problems[0]
        for log in sorted(self.directory.glob("*.log")):
            text = log.read_text(errors="replace")
            assert "Traceback (most recent" not in text, f"{log.name}: {text[text.index('Traceback') - 200 :][:600]}"
            assert CREDENTIALS["KENTIK_API_TOKEN"] not in text, f"the token is in {log.name}"

    def _forwarded(self) -> int:
        return int(self.status()["Totals"]["RecordsForwarded"])

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}-{next(self._starts)}.log"


def device(place: int, **changes: object) -> dict[str, object]:
    """The device of an exporter as the API has it."""
    told: dict[str, object] = {
        "id": str(101 + place),
        "company_id": "1",
        "device_name": f"device_{place}",
        "device_type": "router",
        "sending_ips": [address_of(place)],
        "max_flow_rate": 1_000_000,
        "plan": {},
    }
    return told | changes


@contextmanager
def chain(
    directory: Path,
    *flags: str,
    devices: int = 2,
    gated: bool = False,
    started: bool = True,
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Chain]:
    """A chain in a namespace of its own, which the calling thread is in for as long.

    :param flags: more of kproxy's.
    :param gated: whether a gate stands between the daemons.
    :param started: whether both daemons run already.
    :param environment, prefix: of kproxy's first start.
    """
    need_namespaces()
    with Namespace("flows") as space, space.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        flow.bind(("127.0.0.1", FLOW_PORT))
        gate = Gate(GATE_PORT, COLLECTOR_PORT) if gated else None
        exporters = [NumberedExporter(FLOW_PORT, place) for place in range(devices)]
        made = Chain(directory, space, flags, devices, gate, flow, exporters, Reading(flow, exporters))
        try:
            made.devices_file()
            made.reading.start()
            if gate is not None:
                gate.open()
            if started:
                made.start_kcollect()
                made.start_kproxy(environment=environment, prefix=prefix)
                made.kproxy.wait_until_ready(HEALTH_PORT)  # type: ignore[union-attr]
            made.watch.start()
            yield made
        finally:
            _tear_down(made)


def _tear_down(made: Chain) -> None:
    for exporter in made.exporters:
        exporter.close()
    made.watch.stop()
    made.reading.stop()
    if made.gate is not None:
        made.gate.close()
    for daemon in (made.kproxy, made.kcollect):
        if daemon is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 1.0):
        return True


def resident(process: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
