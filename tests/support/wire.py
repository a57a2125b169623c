"""A wire between two programs that a test can hold or cut: plain TCP, whatever runs over it."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class Wire:
    """Pass connections on to a port on loopback, until told otherwise.

    `hold` keeps the answers back, `release` lets them go; `cut` ends all connections, and what was held
    is lost. Requests always pass.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self.held = threading.Event()
        """Set while an answer waits."""
        self._ends: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # close() alone would leave accept() waiting, and with it the port open.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        self.cut()

    def hold(self) -> None:
        """Keep all answers back."""
        self.held.clear()
        self._open.clear()

    def release(self) -> None:
        """Let the answers go."""
        self._open.set()

    def cut(self) -> None:
        """End all connections; new ones pass."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._ends.append(near)
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends.append(far)
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
                threading.Thread(
                    target=self._pass, args=(far, near), kwargs={"answers": True}, daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, *, answers: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if answers and not self._open.is_set():
                    self.held.set()
                    self._open.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
