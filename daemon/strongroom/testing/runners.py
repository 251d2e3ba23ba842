"""The runners of this process, started by the first guest under test and gone with the process.

Rule 1: they are the sandboxed processes of a host in production, one owner to all of them.
Rule 2: a module is compiled once; its code lies in the memory of this process, so nothing of it is left behind.
Rule 3: a forked child starts runners of its own: those of its parent answer to their parent only.
"""

import atexit
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.guest.binary import decode_upload
from strongroom.guest.cache import MemoryCache
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.guest.outcome import check_memory
from strongroom.guest.pool import CompiledModule, RunnerPool
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.testing.outcome import invalid_module

__all__ = ["Runners", "runners"]

RUNNERS_MAX: Final = 16
"""Guests at once. A guest whose capability runs another guest holds its runner meanwhile, so a few are not enough."""
CALLS_MAX: Final = 512
"""Functions of authors at once: each of them may block a thread."""
FREE_WAIT_S: Final = 120.0
"""Waiting for a runner is not a guest's time here: how many tests run beside each other must not decide over one."""
COMPILED_MAX: Final = 64
"""Modules whose code is kept; one that is dropped is compiled again when it is needed."""
MODULES_MAX: Final = 256
"""Modules that are known by the hash of what was given; one takes a hundred bytes."""
OWNER: Final = "testing"
MEMORY_BYTES_MAX: Final = 1 << 32
"""All that a module can address: whose limit it has to meet is known only when it is run."""


class Runners:
    """A pool and the modules that it has admitted. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._process_id = os.getpid()
        limits = GuestLimits(calls_in_flight_max=CALLS_MAX, memory_bytes_max=MEMORY_BYTES_MAX)
        self._pool = RunnerPool(runners_max=RUNNERS_MAX, cache=MemoryCache(entries_max=COMPILED_MAX), limits=limits)
        self._admitting = threading.Lock()
        self._modules: OrderedDict[tuple[bytes, int, int], CompiledModule] = OrderedDict()
        self._pool.start()

    def admit(self, untrusted: bytes, limits: GuestLimits) -> str:
        """The key of a module: raw, brotli or base64 of brotli. Raises ``InvalidModule``, ``Unavailable``."""
        name = (hashlib.sha256(untrusted).digest(), limits.binary_compressed_bytes_max, limits.binary_bytes_max)
        try:
            module = self._modules.get(name) or self._compile(name, untrusted, limits)
            check_memory(runner_pb2.ModuleInfo(memory_bytes_min=module.memory_bytes_min), limits)
        except (InvalidInput, LimitExceeded) as refusal:
            raise invalid_module(refusal) from refusal
        return module.module_key

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

    def _compile(self, name: tuple[bytes, int, int], untrusted: bytes, limits: GuestLimits) -> CompiledModule:
        with self._admitting:
            if name not in self._modules:
                self._modules[name] = self._pool.compile(decode_upload(untrusted, limits).wasm())
            module = self._modules[name]
            while len(self._modules) > MODULES_MAX:
                self._modules.popitem(last=False)
            return module

    def close(self) -> None:
        """End the processes. A forked child leaves them to its parent."""
        if os.getpid() == self._process_id:
            self._pool.close()


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
