"""Compiled modules on disk, which only this host's key can have written.

Native code is executed as it is, so a file counts only when its MAC holds over its name and its content; whatever is
wrong with it, it is a miss. What was verified is kept in sealed memory, and runners get a read-only descriptor of that:
nobody can change it between the check and its use.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from strongroom.errors import StrongroomError

__all__ = ["CompiledCache", "MacKey", "MemoryCache", "NativeCode"]

PREFIX: Final = b"srm1"
_MAC_BYTES: Final = 32
MEMORY_ENTRIES_MAX: Final = 8
"""Modules kept in sealed memory; each is as large as its native code, tens of MB for a Go guest."""

BYTES_MAX: Final = 1_000_000_000
"""Disk for compiled modules; the least recently used ones go first."""

_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class MacKey(Protocol):
    """The key that authenticates this cache and nothing else."""

    def mac(self, data: bytes) -> bytes:
        """32 bytes over ``data``."""

    def check_mac(self, data: bytes, mac: bytes) -> None:
        """Raises ``Tampered`` when ``mac`` is not that of ``data``."""


class NativeCode(Protocol):
    """Native code by key. A key names the module and the engine that compiled it."""

    def get(self, key: str) -> int | None:
        """A read-only descriptor of native code, which the caller closes; ``None`` is a miss."""

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native``, for a while at least."""

    def discard(self, key: str) -> None:
        """Forget ``key``: its code did not load."""

    def close(self) -> None:
        """Let go of the memory."""


class MemoryCache:
    """``NativeCode`` in sealed memory and nowhere else; what was used longest ago goes first."""

    def __init__(self, *, entries_max: int, bytes_max: int = BYTES_MAX) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._sealed: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> int | None:
        """A read-only descriptor, which the caller closes; ``None`` is a miss."""
        with self._lock:
            kept = self._sealed.get(key)
            if kept is None:
                return None
            self._sealed.move_to_end(key)
            return _reopen(kept[0])

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native`` until there is no more room for it."""
        os.close(self.keep(key, native))

    def keep(self, key: str, native: bytes) -> int:
        """As ``put``, and a read-only descriptor of it, which the caller closes."""
        sealed = os.memfd_create("strongroom-module", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        view = memoryview(native)
        while view:
            view = view[os.write(sealed, view) :]
        fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, _SEALS)
        with self._lock:
            self._drop(key)
            self._sealed[key] = (sealed, len(native))
            self._bytes += len(native)
            while len(self._sealed) > self._entries_max or (len(self._sealed) > 1 and self._bytes > self._bytes_max):
                self._drop(next(iter(self._sealed)))
            return _reopen(sealed)

    def discard(self, key: str) -> None:
        """Forget ``key``."""
        with self._lock:
            self._drop(key)

    def close(self) -> None:
        """Let go of the memory."""
        with self._lock:
            for key in list(self._sealed):
                self._drop(key)

    def _drop(self, key: str) -> None:
        kept = self._sealed.pop(key, None)
        if kept is not None:
            os.close(kept[0])
            self._bytes -= kept[1]


class CompiledCache:
    """``NativeCode`` in files, the newest of it in memory too."""

    def __init__(self, directory: Path, mac_key: MacKey, *, bytes_max: int = BYTES_MAX) -> None:
        self._directory = directory
        self._mac_key = mac_key
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._memory = MemoryCache(entries_max=MEMORY_ENTRIES_MAX)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    def get(self, key: str) -> int | None:
        """A read-only descriptor of verified native code, which the caller closes; ``None`` is a miss."""
        kept = self._memory.get(key)
        if kept is not None:
            return kept
        native = self._read(key)
        return None if native is None else self._memory.keep(key, native)

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native`` in memory, and on disk if that works: a cache that cannot write is slow, not broken."""
        self._memory.put(key, native)
        with contextlib.suppress(OSError), self._lock:
            self._make_room(len(native))
            self._write(key, native)

    def discard(self, key: str) -> None:
        """Forget ``key``: its code did not load."""
        with self._lock:
            self._memory.discard(key)
            self._path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            data = path.read_bytes()
            start = len(PREFIX) + _MAC_BYTES
            if data[: len(PREFIX)] != PREFIX or len(data) <= start:
                return None
            native = data[start:]
            self._mac_key.check_mac(_statement(key, native), data[len(PREFIX) : start])
            os.utime(path)
        except (OSError, StrongroomError):
            return None
        return native

    def _write(self, key: str, native: bytes) -> None:
        mac = self._mac_key.mac(_statement(key, native))
        descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines((PREFIX, mac, native))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path(key))
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _make_room(self, wanted: int) -> None:
        files = sorted(((f.stat(), f) for f in self._directory.glob("*.native")), key=lambda row: row[0].st_mtime_ns)
        total = sum(stat.st_size for stat, _file in files) + wanted
        for stat, file in files:
            if total <= self._bytes_max:
                return
            file.unlink(missing_ok=True)
            total -= stat.st_size

    def _path(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()}.native"


def _statement(key: str, native: bytes) -> bytes:
    """What the MAC is over: purpose, key and content, of fixed or prefixed length each."""
    name = key.encode()
    return b"strongroom.compiled.v1" + len(name).to_bytes(8, "big") + name + hashlib.sha256(native).digest()


def _reopen(sealed: int) -> int:
    return os.open(f"/proc/self/fd/{sealed}", os.O_RDONLY | os.O_CLOEXEC)
