"""Both ends of kbgp's gRPC service in plain grpcio, without a line of kproxy_tw: what another program would be.

``python plain_grpc.py agent HOST:PORT LISTEN_IP:PORT`` takes one router after the other and relays it to a backend.
``python plain_grpc.py backend LISTEN_IP:PORT DAEMON_IP:PORT SOURCES`` is a backend that lets everybody in; towards the
daemon each session comes from an address that begins with ``SOURCES``.
Messages and service are compiled from the ``.proto`` when this starts. Each line printed is a JSON object.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from grpc_tools import protoc

PROTO = Path(__file__).parents[2] / "kproxy_tw" / "bgp" / "proto" / "ktbgp.proto"
SERVICE = "/kentik.ktbgp.v202203beta2.ProxyService/"
AUTH = (("x-ch-auth-email", "agent@example.com"), ("x-ch-auth-token", "s3cret-token"))
BLOCK, KEEPALIVE, KILL = 1, 2, 1


def compiled() -> Any:
    """The messages of the service, compiled from its ``.proto``."""
    folder = tempfile.mkdtemp()
    (Path(folder) / "plain.proto").write_text(PROTO.read_text())
    if protoc.main(["protoc", f"-I{folder}", f"--python_out={folder}", "plain.proto"]):
        raise SystemExit("protoc failed")
    sys.path.insert(0, folder)
    import plain_pb2  # type: ignore[import-not-found]  # made a moment ago

    return plain_pb2


def say(**fields: object) -> None:
    """Print one line for the test."""
    print(json.dumps(fields), flush=True)


def address(text: str) -> tuple[str, int]:
    """Split ``host:port``."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def items(waiting: queue.Queue[Any]) -> Iterator[Any]:
    """What is put into a queue, until ``None``."""
    return iter(waiting.get, None)


class Agent:
    """Asks about each router, and relays it."""

    def __init__(self, target: str) -> None:
        self.pb = compiled()
        channel = grpc.insecure_channel(target)
        self._control = channel.stream_stream(
            SERVICE + "Control", self.pb.ControlRequest.SerializeToString, self.pb.ControlResponse.FromString
        )
        self._data = channel.stream_stream(
            SERVICE + "Data", self.pb.DataRequest.SerializeToString, self.pb.DataResponse.FromString
        )
        self._questions: queue.Queue[Any] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self._about = (*AUTH, ("version", "plain"), ("instance", str(uuid.uuid4())))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for reply in self._control(items(self._questions), metadata=self._about):
            action = int(reply.action)
            say(event="control", action=action, ttl=reply.ttl_seconds, device=reply.device_name, ip=reply.device_ip)
            self._answers.put(reply)

    def ask(self, router: tuple[str, int], here: tuple[str, int]) -> Any:
        """What the backend says of a router."""
        self._questions.put(
            self.pb.ControlRequest(
                proto="BGP", device_ip=router[0], device_port=router[1], proxy_ip=here[0], proxy_port=here[1]
            )
        )
        return self._answers.get(timeout=10)

    def heartbeat(self) -> None:
        """Send one."""
        self._questions.put(self.pb.ControlRequest(action=KEEPALIVE))
        self._answers.get(timeout=10)

    def relay(self, router: socket.socket) -> None:
        """Relay one router until it or the backend ends."""
        peer, here = router.getpeername()[:2], router.getsockname()[:2]
        reply = self.ask(peer, here)
        if reply.action == BLOCK:
            router.close()
            return
        upward: queue.Queue[Any] = queue.Queue(64)
        pins = tuple((pair.key, value) for pair in reply.metadata for value in pair.val)
        metadata = (
            *self._about,
            ("proto", "BGP"),
            ("device-ip", peer[0]),
            ("device-port", str(peer[1])),
            ("proxy-ip", here[0]),
            ("proxy-port", str(here[1])),
            ("session-id", str(uuid.uuid4())),
            ("counter-up", "0"),
            ("counter-down", "0"),
            *pins,
        )
        call = self._data(items(upward), metadata=metadata)
        threading.Thread(target=self._send, args=(router, upward), daemon=True).start()
        say(event="opened", headers=dict(call.initial_metadata()))
        self._receive(router, call)

    def _send(self, router: socket.socket, upward: queue.Queue[Any]) -> None:
        try:
            while data := router.recv(65536):
                upward.put(self.pb.DataRequest(data=[data]))
        except OSError:
            pass
        upward.put(None)

    def _receive(self, router: socket.socket, call: Any) -> None:
        killed = False
        try:
            for response in call:
                killed = killed or response.action == KILL
                router.sendall(b"".join(response.data))
            say(event="closed", killed=killed, status=call.code().name)
        except (grpc.RpcError, OSError) as problem:
            say(event="broken", problem=str(problem)[:200])
        router.close()


def run_agent(target: str, listen: str) -> None:
    """Take routers until killed."""
    agent = Agent(target)
    family = socket.AF_INET6 if "[" in listen else socket.AF_INET
    listening = socket.create_server(address(listen), family=family)
    agent.heartbeat()
    say(event="listening", port=listening.getsockname()[1])
    while True:
        router, _ = listening.accept()
        threading.Thread(target=agent.relay, args=(router,), daemon=True).start()


class Backend:
    """Lets every router in and relays it to the daemon; no resume."""

    def __init__(self, daemon: tuple[str, int], sources: str) -> None:
        self.pb = compiled()
        self._daemon = daemon
        self._sources = (f"{sources}{number}" for number in range(1, 255))

    def control(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """Answer questions and heartbeats."""
        say(event="control", metadata=dict(context.invocation_metadata()))
        for request in requests:
            if request.action == KEEPALIVE:
                say(event="heartbeat")
                yield self.pb.ControlResponse(action=KEEPALIVE)
                continue
            say(event="question", ip=request.device_ip, port=request.device_port)
            yield self.pb.ControlResponse(
                proto="BGP",
                device_ip=request.device_ip,
                device_port=request.device_port,
                proxy_ip=request.proxy_ip,
                proxy_port=request.proxy_port,
                ttl_seconds=300,
                company_id=1,
                device_id=7,
                device_name="plain",
                metadata=[self.pb.KeyVal(key="backend-pin", val=["42b0e9c9"])],
            )

    def data(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        """Relay one session."""
        say(event="data", metadata=dict(context.invocation_metadata()))
        context.send_initial_metadata((("counter-up", "0"), ("counter-down", "0")))
        daemon = socket.create_connection(self._daemon, 5, (next(self._sources), 0))
        daemon.settimeout(None)
        threading.Thread(target=self._send, args=(requests, daemon), daemon=True).start()
        total = 0
        try:
            while data := daemon.recv(65536):
                total += len(data)
                yield self.pb.DataResponse(data=[data])
        except OSError:
            pass
        say(event="ended", bytes_down=total)

    def _send(self, requests: Iterator[Any], daemon: socket.socket) -> None:
        total = 0
        try:
            for request in requests:
                data = b"".join(request.data)
                total += len(data)
                daemon.sendall(data)
            daemon.shutdown(socket.SHUT_WR)
        except (grpc.RpcError, OSError):
            daemon.close()
        say(event="router_ended", bytes_up=total)


def run_backend(listen: str, daemon: str, sources: str) -> None:
    """Serve until killed."""
    backend = Backend(address(daemon), sources)
    pb = backend.pb
    server = grpc.server(ThreadPoolExecutor(64))
    handlers = {
        "Control": grpc.stream_stream_rpc_method_handler(
            backend.control, pb.ControlRequest.FromString, pb.ControlResponse.SerializeToString
        ),
        "Data": grpc.stream_stream_rpc_method_handler(
            backend.data, pb.DataRequest.FromString, pb.DataResponse.SerializeToString
        ),
    }
    service = SERVICE.strip("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port(listen)
    server.start()
    say(event="listening", port=port)
    server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] == "agent":
        run_agent(*sys.argv[2:])
    else:
        run_backend(*sys.argv[2:])
