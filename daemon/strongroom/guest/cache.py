"""Compiled modules on disk, which only this host's key can have written.

Native code is executed as it is, so a file counts only when its MAC holds over its name and its content; whatever is
wrong with it, it is a miss. What was verified is copied to where nobody can change it any more, and runners get a
read-only descriptor of that. Code of modules that nobody uses takes no memory.
"""

import contextlib
import hashlib
import os
import tempfile
import threading
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from strongroom.errors import StrongroomError
from strongroom.guest.anonymous_code import AnonymousCode, Place

__all__ = ["CompiledCache", "MacKey", "MemoryCache", "NativeCode"]

PREFIX: Final = b"srm1"
_MAC_BYTES: Final = 32
_PIECE_BYTES: Final = 1 << 20

BYTES_MAX: Final = 20_000_000_000
"""Disk for compiled modules, some 25 MB for each MB of 10; the least recently used ones go first."""

_FREE_PERCENT: Final = 10
"""This much of the disk is left alone: compiled code can be made again, a database cannot grow into nothing."""


class MacKey(Protocol):
    """The key that authenticates this cache and nothing else."""

    def mac(self, data: bytes) -> bytes:
        """32 bytes over ``data``."""

    def check_mac(self, data: bytes, mac: bytes) -> None:
        """Raises ``Tampered`` when ``mac`` is not that of ``data``."""


class NativeCode(Protocol):
    """Native code by key. A key names the module and the engine that compiled it."""

    @property
    def code_directory(self) -> int | None:
        """A descriptor of the directory below which runners must be able to read what they get a descriptor of."""

    def get(self, key: str) -> int | None:
        """A read-only descriptor of native code, which the caller closes; ``None`` is a miss."""

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native``, for a while at least."""

    def discard(self, key: str) -> None:
        """Forget ``key``: its code did not load."""

    def close(self) -> None:
        """Let go of what is open."""


class MemoryCache:
    """``NativeCode`` in sealed memory and nowhere else; what was used longest ago goes first."""

    def __init__(self, *, entries_max: int) -> None:
        self._lock = threading.Lock()
        self._open = AnonymousCode(None, memory_entries_max=entries_max)
        self.code_directory: int | None = None
        """None: memory can be read without one."""

    def get(self, key: str) -> int | None:
        """A read-only descriptor, which the caller closes; ``None`` is a miss."""
        with self._lock:
            return self._open.get(key)

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native`` until there is no more room for it."""
        place = self._open.place()
        try:
            place.write(native)
            with self._lock:
                os.close(self._open.keep(key, place))
        finally:
            place.close()

    def discard(self, key: str) -> None:
        """Forget ``key``."""
        with self._lock:
            self._open.drop(key)

    def close(self) -> None:
        """Let go of the memory."""
        with self._lock:
            self._open.close()


class CompiledCache:
    """``NativeCode`` in files; what was used last is open."""

    def __init__(self, directory: Path, mac_key: MacKey, *, bytes_max: int = BYTES_MAX) -> None:
        self._directory = directory
        self._mac_key = mac_key
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._open = AnonymousCode(directory / "open")

    @property
    def code_directory(self) -> int | None:
        """A descriptor of the directory below which runners must be able to read what they get a descriptor of."""
        return self._open.directory

    def get(self, key: str) -> int | None:
        """A read-only descriptor of verified native code, which the caller closes; ``None`` is a miss."""
        with self._lock:
            kept = self._open.get(key)
        if kept is not None:
            return kept
        place = self._open.place()
        try:
            if not self._read(key, place):
                return None
            with self._lock:
                return self._open.keep(key, place)
        finally:
            place.close()

    def put(self, key: str, native: bytes) -> None:
        """Keep ``native`` open, and on disk if that works: a cache that cannot write is slow, not broken."""
        place = self._open.place()
        try:
            place.write(native)
            with self._lock:
                os.close(self._open.keep(key, place))
        finally:
            place.close()
        with contextlib.suppress(OSError), self._lock:
            self._make_room(len(native))
            self._write(key, native)

    def discard(self, key: str) -> None:
        """Forget ``key``: its code did not load."""
        with self._lock:
            self._open.drop(key)
            self._path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of what is open."""
        with self._lock:
            self._open.close()

    def _read(self, key: str, place: Place) -> bool:
        """Copy the code of ``key`` to ``place``; false unless it is what this host's key once wrote there."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                head = file.read(len(PREFIX) + _MAC_BYTES)
                if head[: len(PREFIX)] != PREFIX:
                    return False
                digest = _copy(file, place)
            self._mac_key.check_mac(_statement(key, digest), head[len(PREFIX) :])
            os.utime(path)
        except (OSError, StrongroomError):
            return False
        return place.size > 0

    def _write(self, key: str, native: bytes) -> None:
        mac = self._mac_key.mac(_statement(key, hashlib.sha256(native).digest()))
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
        disk = os.statvfs(self._directory)
        spare = disk.f_bavail * disk.f_frsize - disk.f_blocks * disk.f_frsize * _FREE_PERCENT // 100
        budget = min(self._bytes_max, total - wanted + max(spare, 0))
        for stat, file in files:
            if total <= budget:
                return
            file.unlink(missing_ok=True)
            total -= stat.st_size

    def _path(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()}.native"


def _copy(file: BinaryIO, place: Place) -> bytes:
    """Copy the rest of ``file``, a piece at a time; the digest of exactly what was copied."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
        place.write(piece)
    return digest.digest()


def _statement(key: str, digest: bytes) -> bytes:
    """What the MAC is over: purpose, key and content, of fixed or prefixed length each."""
    name = key.encode()
    return b"strongroom.compiled.v1" + len(name).to_bytes(8, "big") + name + digest
