"""Whoever sits between a runner and its TPM: a socket that passes commands on, and may change them or answer itself."""

import contextlib
import socket
import struct
import threading

QUOTE = 0x158
HEADER = struct.Struct(">HII")
LENGTH_AT, DATA_AT = 27, 29
"""In a Quote: header, handle, and an authorisation of 13 bytes stand before the qualifying data."""


def whole(connection):
    """One command or answer, by the length that it says; nothing at the end of a connection."""
    found = b""
    while len(found) < HEADER.size or len(found) < HEADER.unpack_from(found)[1]:
        part = connection.recv(4096)
        if not part:
            return b""
        found += part
    return found


def of_another_challenge(command):
    """A Quote whose qualifying data is another digest."""
    (size,) = struct.unpack_from(">H", command, LENGTH_AT)
    return command[:DATA_AT] + b"x" * size + command[DATA_AT + size :]


class TpmRelay:
    """Listens at ``path`` for one client after another. ``target`` is the TPM, which may be exchanged.

    ``spoil`` changes a Quote on its way; ``replay`` is given as the answer to one. ``quotes`` are the answers so far.
    """

    def __init__(self, path, target):
        self.path = path
        self.target = target
        self.quotes = []
        self.reset()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(4)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def reset(self):
        """Be honest again."""
        self.spoil = None
        self.replay = None

    def close(self):
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)

    def _serve(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as tpm, contextlib.suppress(OSError):
                tpm.connect(str(self.target))
                while command := whole(client):
                    client.sendall(self._answered(tpm, command))

    def _answered(self, tpm, command):
        is_quote = HEADER.unpack_from(command)[2] == QUOTE
        if is_quote and self.replay is not None:
            return self.replay
        if is_quote and self.spoil is not None:
            command = self.spoil(command)
        tpm.sendall(command)
        answer = whole(tpm)
        if is_quote:
            self.quotes.append(answer)
        return answer
