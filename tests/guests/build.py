"""Paths of built guests by name, for any test: ``guest("echo")``.

Rule 1: what is built is found by a digest of the sources, so an edit can never be tested against old bytes.
Rule 2: parallel test workers build each guest once; a lock in the file system decides who.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import wasmtime

from tools.build_guests import GUESTS, ROOT, build, build_go, sources_digest

__all__ = ["WAT", "built", "guest", "wasm"]

CACHE: Final = ROOT / ".cache" / "guests"
GO: Final = {"go": "", "go-v2": "v2"}
"""The Go guests, with their build tags."""
WAT: Final = ROOT / "tests" / "guests" / "wat"


@cache
def _folder() -> Path:
    return CACHE / sources_digest()[:16]


@contextmanager
def _locked(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(name: str, make: Callable[[Path], None]) -> Path:
    """The file ``name``, made by ``make(path)`` if it is not there yet; it appears whole or not at all."""
    path = _folder() / name
    if not path.exists():
        with _locked(name):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished = path.with_suffix(f".{os.getpid()}")
                make(unfinished)
                unfinished.rename(path)
    return path


def _assemble(text: Path, path: Path) -> None:
    path.write_bytes(wasmtime.wat2wasm(text.read_text()))


def guest(name: str) -> Path:
    """Path of the guest ``name``: one of ``GUESTS``, of ``GO``, or a text module of the folder ``wat``."""
    if name in GUESTS:
        return built(f"{name}.wasm", lambda path: build(GUESTS[name], path))
    if name in GO:
        return built(f"{name}.wasm", lambda path: build_go(path, tags=GO[name]))
    text = WAT / f"{name}.wat"
    if not text.exists():
        known = sorted([*GUESTS, *GO, *(p.stem for p in WAT.glob("*.wat"))])
        raise LookupError(f"no guest is named {name}; there are {', '.join(known)}")
    return built(f"{name}.wasm", lambda path: _assemble(text, path))


def wasm(name: str) -> bytes:
    """The bytes of the guest ``name``."""
    return guest(name).read_bytes()
