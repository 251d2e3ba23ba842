"""A service manager that hears what a process tells it, at a path or at an abstract address."""

import queue
import socket
import threading

__all__ = ["ServiceManager"]

MESSAGE_BYTES_MAX = 65_536
WAIT_S = 60


class ServiceManager:
    """Hears from construction to ``close``. ``messages`` are all of them, each a list of lines."""

    def __init__(self, address):
        self.address = address
        self.messages = []
        self._new = queue.SimpleQueue()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._place = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket.bind(self._place)
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def _hear(self):
        while message := self._socket.recv(MESSAGE_BYTES_MAX):
            lines = message.decode().split("\n")
            self.messages.append(lines)
            self._new.put(lines)

    def until(self, begins, timeout_s=WAIT_S):
        """The next message that was not waited for yet and has a line that begins so."""
        while True:
            lines = self._new.get(timeout=timeout_s)
            if any(line.startswith(begins) for line in lines):
                return lines

    def lines(self, begins):
        """Every line so far that begins so."""
        return [line for message in list(self.messages) for line in message if line.startswith(begins)]

    def close(self):
        self._socket.sendto(b"", self._place)
        self._thread.join(WAIT_S)
        self._socket.close()
