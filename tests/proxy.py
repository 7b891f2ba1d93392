"""A TCP relay in front of the broker, which a test can close, cut and mute."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from deploy.ports import Port


class Relay:
    """Relays bytes between its own port and a target; refuses connections while closed.

    With a `tls` context it terminates TLS. `delay_s` delays the bytes in both directions, as a
    distant or busy target would.
    """

    def __init__(
        self, target: int, tls: ssl.SSLContext | None = None, delay_s: float = 0.0
    ) -> None:
        self._target = target
        self._delay_s = delay_s
        self._tls = tls
        self._port = Port.any_free()
        self.port = self._port.number
        self._listener: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._passing = threading.Event()
        self._passing.set()
        self._frozen: list[threading.Event] = []

    def open(self) -> None:
        """Start to accept connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def mute(self) -> None:
        """Keep connections open and relay nothing, so that both ends see a silent peer."""
        self._passing.clear()

    def unmute(self) -> None:
        """Relay again, including the bytes held back."""
        for each in (self._passing, *self._frozen):
            each.set()

    def freeze(self) -> None:
        """Relay nothing on the open connections any more, and still relay on new ones."""
        frozen, self._passing = self._passing, threading.Event()
        self._passing.set()
        frozen.clear()
        self._frozen.append(frozen)

    def cut(self) -> None:
        """Close every connection, and still accept new ones."""
        pairs, self._pairs = self._pairs, []
        for ends in pairs:
            for end in ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def close(self) -> None:
        """Refuse connections and close the open ones."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.unmute()
        self.cut()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                if self._tls is not None:
                    near = self._tls.wrap_socket(near, server_side=True)
                far = socket.create_connection(("127.0.0.1", self._target))
            except ssl.SSLError:
                continue
            except OSError:
                return
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        passing = self._passing
        try:
            while data := source.recv(65536):
                passing.wait()
                time.sleep(self._delay_s)
                sink.sendall(data)
        except OSError:
            return
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._port.release()


@contextmanager
def relay(target: int, tls: ssl.SSLContext | None = None, delay_s: float = 0.0) -> Iterator[Relay]:
    """Open a relay to a port."""
    with Relay(target, tls, delay_s) as passing:
        passing.open()
        yield passing
