"""The runners of this process, started by the first guest under test and gone with the process.

Rule 1: they are the sandboxed processes of a host in production, one owner to all of them.
Rule 2: a module is compiled once; its code lies in a folder that only this process uses and removes.
Rule 3: a forked child starts runners of its own: those of its parent answer to their parent only.
"""

import atexit
import hashlib
import hmac
import os
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strongroom.errors import InvalidInput, LimitExceeded, Tampered
from strongroom.guest.binary import decode_upload
from strongroom.guest.cache import CompiledCache
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.testing.outcome import invalid_module

__all__ = ["Runners", "runners"]

RUNNERS_MAX: Final = 16
"""Guests at once. A guest whose capability runs another guest holds its runner meanwhile, so a few are not enough."""
CALLS_MAX: Final = 512
"""Functions of authors at once: each of them may block a thread."""
FREE_WAIT_S: Final = 120.0
"""Waiting for a runner is not a guest's time here: how many tests run beside each other must not decide over one."""
MODULES_MAX: Final = 256
"""Modules that are known by the hash of what was given; one takes a hundred bytes."""
OWNER: Final = "testing"


class Runners:
    """A pool and the modules that it has admitted. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._process_id = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="strongroom-testing-"))
        limits = GuestLimits(calls_in_flight_max=CALLS_MAX)
        self._pool = RunnerPool(runners_max=RUNNERS_MAX, cache=CompiledCache(self._folder, _FolderKey()), limits=limits)
        self._admitting = threading.Lock()
        self._keys: OrderedDict[tuple[bytes, int, int], str] = OrderedDict()
        self._pool.start()

    def admit(self, untrusted: bytes, limits: GuestLimits) -> str:
        """The key of a module: raw, brotli or base64 of brotli. Raises ``InvalidModule``, ``Unavailable``."""
        name = (hashlib.sha256(untrusted).digest(), limits.binary_compressed_bytes_max, limits.binary_bytes_max)
        key = self._keys.get(name)
        if key is not None:
            return key
        with self._admitting:
            if name not in self._keys:
                try:
                    self._keys[name] = self._pool.compile(decode_upload(untrusted, limits).wasm()).module_key
                except (InvalidInput, LimitExceeded) as refusal:
                    raise invalid_module(refusal) from refusal
                while len(self._keys) > MODULES_MAX:
                    self._keys.popitem(last=False)
            return self._keys[name]

    def execute(
        self,
        key: str,
        untrusted: bytes,
        request: bytes,
        helper: ExecutionHelper,
        *,
        limits: GuestLimits,
        watch: Callable[[runner_pb2.FromRunner], None],
    ) -> bytes:
        """The serialized result of one guest. Raises as ``RunnerPool.execute`` does."""
        return self._pool.execute(
            owner=OWNER,
            module_key=key,
            wasm=lambda: decode_upload(untrusted, limits).wasm(),
            request=request,
            helper=helper,
            limits=limits,
            watch=watch,
            free_wait_s=FREE_WAIT_S,
        )

    def close(self) -> None:
        """End the processes and remove the folder. A forked child leaves both to its parent."""
        if os.getpid() == self._process_id:
            self._pool.close()
            shutil.rmtree(self._folder, ignore_errors=True)


class _FolderKey:
    """The key of a folder that no other process reads: it lives as long as this object."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def mac(self, data: bytes) -> bytes:
        """32 bytes over ``data``."""
        return hmac.digest(self._key, data, hashlib.sha256)

    def check_mac(self, data: bytes, mac: bytes) -> None:
        """Raises ``Tampered`` when ``mac`` is not that of ``data``."""
        if not hmac.compare_digest(self.mac(data), mac):
            raise Tampered("compiled code")


class _Shared:
    """The runners that all tests of a process use."""

    lock = threading.Lock()
    runners: Runners | None = None
    watches_forks = False


def runners() -> Runners:
    """Those of this process, started now if there are none."""
    with _Shared.lock:
        if _Shared.runners is None:
            _Shared.runners = Runners()
            atexit.register(_Shared.runners.close)
            if not _Shared.watches_forks:
                _Shared.watches_forks = True
                os.register_at_fork(after_in_child=_forget)
        return _Shared.runners


def _forget() -> None:
    _Shared.lock = threading.Lock()
    _Shared.runners = None
