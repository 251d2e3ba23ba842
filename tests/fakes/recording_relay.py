"""A Unix socket that passes everything on to another one, and keeps what it passed on, in both directions."""

import os
import socket
import threading
from contextlib import suppress
from itertools import count
from pathlib import Path

PIECE_BYTES = 65536


class RecordingRelay:
    """Listens at ``path`` until its process ends. Each connection makes two files in ``records``."""

    def __init__(self, path, target, records):
        self._target = str(target)
        self._records = Path(records)
        self._name = f"{Path(path).name}.{os.getpid()}"
        self._numbers = count()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(near, next(self._numbers)), daemon=True).start()

    def _pass_on(self, near, number):
        far = socket.socket(socket.AF_UNIX)
        with near, far, suppress(OSError):
            far.connect(self._target)
            back = threading.Thread(target=self._copy, args=(far, near, f"{number}.from"), daemon=True)
            back.start()
            self._copy(near, far, f"{number}.to")
            back.join()

    def _copy(self, source, sink, ending):
        """Until the source ends. What was passed on is on record before the other side can act on it."""
        with (self._records / f"{self._name}.{ending}").open("wb", buffering=0) as record, suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                record.write(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        """Take no more connections; those that are open go on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
