"""The line between the engine and the registry: a TCP relay that can be slow, stuck, or cut."""

import contextlib
import socket
import struct
import threading
import time


class Line:
    """Listens on a loopback port and passes everything to another; what comes back can be held up.

    The limits count the bytes that flow from the registry to the engine, over all connections.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.passed_bytes = 0
        self._left: int | None = None
        self._rate: float | None = None
        self._stuck = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """After so many bytes more, every connection is reset and none is taken, until `mend`."""
        with self._lock:
            self._left = count

    def throttle(self, bytes_per_s: float) -> None:
        """Lets through no more than so many bytes in a second."""
        self._rate = bytes_per_s

    def stick(self) -> None:
        """Keeps connections open and lets nothing through, until `mend`."""
        self._stuck = True

    def mend(self) -> None:
        """Makes it a good line again."""
        with self._lock:
            self._left = None
        self._rate = None
        self._stuck = False

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                engine, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(engine,), daemon=True).start()

    def _serve(self, engine: socket.socket) -> None:
        try:
            if self._left == 0:
                raise ConnectionError("cut")
            registry = socket.create_connection(self._target, timeout=10)
            registry.settimeout(None)
        except OSError:
            _reset(engine)
            return
        threading.Thread(target=self._upstream, args=(engine, registry), daemon=True).start()
        self._downstream(registry, engine)

    def _upstream(self, engine: socket.socket, registry: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := engine.recv(65536):
                registry.sendall(chunk)
        with contextlib.suppress(OSError):
            registry.shutdown(socket.SHUT_RDWR)

    def _downstream(self, registry: socket.socket, engine: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := registry.recv(16384):
                allowed = self._allow(len(chunk))
                engine.sendall(chunk[:allowed])
                if allowed < len(chunk):
                    _reset(engine)
                    break
        registry.close()
        with contextlib.suppress(OSError):
            engine.shutdown(socket.SHUT_RDWR)
        engine.close()

    def _allow(self, count: int) -> int:
        while self._stuck:
            time.sleep(0.05)
        if rate := self._rate:
            time.sleep(count / rate)
        with self._lock:
            if self._left is not None:
                count = min(count, self._left)
                self._left -= count
            self.passed_bytes += count
        return count


def _reset(connection: socket.socket) -> None:
    """Closes a connection abruptly, as a line that breaks does."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)  # close alone waits for the other thread's recv
    connection.close()
