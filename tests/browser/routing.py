"""BGP on both sides of kbgp."""

from __future__ import annotations

import socket
import threading

from tests.bgp.bgp_messages import KEEPALIVE, message, open_message, update

CEASE_SHUTDOWN = bytes([6, 2])
"""NOTIFICATION Cease, Administrative Shutdown (RFC 9003); a length and a text follow."""


class Routers:
    """BGP on both sides of kbgp: routers in front, and the daemon behind kcollect that answers them."""

    def __init__(self) -> None:
        self._daemon = socket.create_server(("127.0.0.1", 0))
        self.daemon_port = int(self._daemon.getsockname()[1])
        self.port = 0
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._answer, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        self._stopped.set()
        for one in (*self._open, self._daemon):
            one.close()

    def connect(self, address: str) -> socket.socket:
        """A router at ``address`` opens a session and keeps it alive."""
        router = socket.create_connection(("127.0.0.1", self.port), source_address=(address, 0))
        self._open.append(router)
        router.sendall(open_message(system=65010, hold=90, router_id="10.1.0.1"))
        threading.Thread(target=self._keep_alive, args=(router,), daemon=True).start()
        return router

    def shut_down(self, router: socket.socket, text: str) -> None:
        """The router ends its session, and says why."""
        told = text.encode()
        router.sendall(message(3, CEASE_SHUTDOWN + bytes([len(told)]) + told))
        router.close()

    def _keep_alive(self, router: socket.socket) -> None:
        try:
            while not self._stopped.wait(0.5):
                router.sendall(KEEPALIVE + update(60))
        except OSError:
            return

    def _answer(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _peer = self._daemon.accept()
                connection.sendall(open_message(system=65000, router_id="10.0.0.1") + KEEPALIVE)
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=_swallow, args=(connection,), daemon=True).start()


def _swallow(connection: socket.socket) -> None:
    try:
        while connection.recv(65536):
            pass
    except OSError:
        return
    connection.close()
