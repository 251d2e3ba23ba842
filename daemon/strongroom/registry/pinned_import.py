"""Imports of a pinned distribution: what is executed are the bytes that RECORD has the hash of, and nothing else.

Rule 1: a source file is read once; what was read is hashed, and compiled from memory. Bytecode in ``__pycache__`` is
never read: which source it belongs to is only what it says itself.
Rule 2: below a package of the distribution nothing is found that RECORD does not list with a hash; and a folder around
its packages that RECORD lists no module for, which distributions share, is a folder and no module.

Run as a program, ``python -P pinned_import.py RECORD SHA256 MODULE …`` does what ``python -m MODULE …`` does, under
these rules. It imports nothing but the standard library, so that nothing of the distribution is loaded before them.
"""

import base64
import csv
import hashlib
import hmac
import importlib.abc
import importlib.machinery
import os
import runpy
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final, NamedTuple

__all__ = ["RECORD_BYTES_MAX", "Listed", "PinnedFinder", "listed_files", "read_regular"]

# A distribution of ten thousand files has a RECORD of about a megabyte.
RECORD_BYTES_MAX: Final = 8_000_000
FILES_MAX: Final = 50_000
# The largest file that an import reads; native libraries of a few hundred megabytes exist.
FILE_BYTES_MAX: Final = 1_000_000_000
ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
"""Those that the format of RECORD allows: nothing weaker than SHA-256."""
NATIVE: Final = tuple(importlib.machinery.EXTENSION_SUFFIXES)


class Listed(NamedTuple):
    """One line of RECORD. ``digest`` is empty for what it has no hash of, such as itself."""

    path: str
    algorithm: str
    digest: str

    def matches(self, data: bytes) -> bool:
        """Whether that is the content that the line stands for."""
        return bool(self.digest) and hmac.compare_digest(self.found(data), f"{self.algorithm}={self.digest}")

    def found(self, data: bytes) -> str:
        """What RECORD would say of ``data``."""
        algorithm = self.algorithm or "sha256"
        digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
        return f"{algorithm}={digest}"


def listed_files(record: bytes) -> list[Listed]:
    """The lines of a RECORD. Raises ``ValueError`` for anything that is none."""
    listed: list[Listed] = []
    for row in csv.reader(record.decode().splitlines(), strict=True):
        if len(row) != 3 or not row[0] or "\0" in row[0]:
            raise ValueError(f"line {len(listed) + 1} of RECORD is not a path, a hash and a size")
        algorithm, _, digest = row[1].partition("=")
        if row[1] and (algorithm not in ALGORITHMS or not digest):
            raise ValueError(
                f"line {len(listed) + 1} of RECORD has a hash that is not {' or '.join(sorted(ALGORITHMS))}"
            )
        listed.append(Listed(row[0], algorithm, digest))
        if len(listed) > FILES_MAX:
            raise ValueError(f"RECORD lists more than {FILES_MAX} files")
    if not listed:
        raise ValueError("RECORD is empty")
    return listed


def read_regular(path: str, bytes_max: int) -> bytes:
    """The bytes of a file. Raises ``OSError`` when it is none, ``ValueError`` when it is larger than ``bytes_max``."""
    # Without O_NONBLOCK whoever puts a pipe there stops the host.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a file", path)
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise ValueError(f"{path} has more than {bytes_max} bytes")
    return data


class _Found(NamedTuple):
    """Where a module is."""

    path: str
    listed: Listed
    is_package: bool


def _checked(found: _Found, name: str) -> bytes:
    try:
        data = read_regular(found.path, FILE_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise ImportError(f"{found.path} cannot be read: {error}", name=name, path=found.path) from error
    if not found.listed.matches(data):
        raise ImportError(f"{found.path} is not what the pinned RECORD lists", name=name, path=found.path)
    return data


class _PinnedSource(importlib.machinery.SourceFileLoader):
    """Compiles the bytes that it has hashed."""

    def __init__(self, name: str, found: _Found, record_sha256: str) -> None:
        super().__init__(name, found.path)
        self.record_sha256 = record_sha256
        self._found = found

    def get_code(self, fullname: str) -> CodeType:
        """The code of the source, never of ``__pycache__``. Raises ``ImportError``."""
        code: CodeType = self.source_to_code(_checked(self._found, fullname), self._found.path)
        return code


class _PinnedNative(importlib.machinery.ExtensionFileLoader):
    """Looks at a native library just before the system loads it."""

    def __init__(self, name: str, found: _Found, record_sha256: str) -> None:
        super().__init__(name, found.path)
        self.record_sha256 = record_sha256
        self._found = found

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The module. Raises ``ImportError``."""
        _checked(self._found, spec.name)
        return super().create_module(spec)


class PinnedFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of one distribution where its RECORD has them. Asked first, so nothing shadows them."""

    def __init__(self, record_path: Path, record_sha256: str) -> None:
        """Raises ``ImportError`` when RECORD is not the one with that SHA-256."""
        try:
            record = read_regular(str(record_path), RECORD_BYTES_MAX)
            listed = listed_files(record)
        except (OSError, ValueError, csv.Error) as error:
            raise ImportError(f"{record_path} cannot be read: {error}") from error
        if hashlib.sha256(record).hexdigest() != record_sha256:
            raise ImportError(f"{record_path} is not the pinned one")
        self.record_sha256 = record_sha256
        self.root = record_path.parent.parent
        self.modules: Mapping[str, _Found] = dict(_modules(listed, self.root))
        self._spaces = {parent for name in self.modules for parent in _parents(name)}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Where that module is; ``None`` when it is no business of this distribution.

        Raises ``ModuleNotFoundError`` for what would be found in one of its packages, or in place of a folder around
        them, and is not listed.
        """
        del target
        found = self.modules.get(fullname)
        if found is not None:
            native = found.path.endswith(NATIVE)
            loader = (_PinnedNative if native else _PinnedSource)(fullname, found, self.record_sha256)
            places = [str(Path(found.path).parent)] if found.is_package else None
            return spec_from_file_location(fullname, found.path, loader=loader, submodule_search_locations=places)
        is_inside = any(self._is_package(parent) for parent in _parents(fullname))
        if fullname in self._spaces:
            shared = None if is_inside else importlib.machinery.PathFinder.find_spec(fullname, path)
            if shared is None:
                shared = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
                shared.submodule_search_locations = [str(self.root.joinpath(*fullname.split(".")))]
            # It runs before what is in the folder, and whoever imports that.
            if shared.origin is None:
                return shared
        elif not is_inside:
            return None
        raise ModuleNotFoundError(f"the pinned RECORD lists no module {fullname}", name=fullname)

    def loaded_otherwise(self) -> list[str]:
        """Modules of the distribution that are in memory and were not loaded by these rules, from this RECORD."""
        return [
            name
            for name in self.modules
            if (module := sys.modules.get(name)) is not None
            and getattr(getattr(module, "__loader__", None), "record_sha256", "") != self.record_sha256
        ] + [
            name
            for name in sorted(self._spaces - self.modules.keys())
            if getattr(sys.modules.get(name), "__file__", None) is not None
        ]

    def _is_package(self, name: str) -> bool:
        found = self.modules.get(name)
        return found is not None and found.is_package


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _modules(listed: Iterable[Listed], root: Path) -> Iterator[tuple[str, _Found]]:
    """The modules by name. Of several files for one name that one comes last which Python would take."""
    found = []
    for each in listed:
        suffix = next((s for s in (*NATIVE, ".py") if each.path.endswith(s)), None)
        parts = each.path.removesuffix(suffix or "").split("/")
        if suffix is None or not each.digest or not all(part.isidentifier() for part in parts):
            continue
        is_package = parts[-1] == "__init__" and len(parts) > 1
        name = ".".join(parts[:-1] if is_package else parts)
        found.append((is_package, suffix != ".py", name, _Found(str(root / each.path), each, is_package)))
    for _, _, name, module in sorted(found, key=lambda one: one[:3]):
        yield name, module


def main() -> None:
    """Become the module that the arguments name."""
    record_path, record_sha256, module = sys.argv[1:4]
    sys.meta_path.insert(0, PinnedFinder(Path(record_path), record_sha256))
    sys.argv[:] = [module, *sys.argv[4:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
