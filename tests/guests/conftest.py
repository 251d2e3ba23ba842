"""Real runners for the guests: one pool for all tests of a worker."""

import hashlib
import hmac

import pytest

from strongroom.errors import Tampered
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.pb.sdk.v1alpha import sdk_pb2

RUNNER_WAIT_S = 60
"""The start of a runner is no part of what a test measures, however busy the machine is."""


class CacheKey:
    """The key of a cache that lives as long as the tests."""

    def mac(self, data: bytes) -> bytes:
        return hmac.digest(b"tests", data, hashlib.sha256)

    def check_mac(self, data: bytes, mac: bytes) -> None:
        if not hmac.compare_digest(self.mac(data), mac):
            raise Tampered("compiled code")


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    cache = CompiledCache(tmp_path_factory.mktemp("compiled"), CacheKey())
    running = RunnerPool(runners_max=1, cache=cache, limits=GuestLimits())
    running.start()
    yield running
    running.close()
    cache.close()


@pytest.fixture
def make_pool():
    """``make_pool(directory)``: a pool with its cache there, one at a time; the next one finds what the last left."""
    pools = []

    def make(directory):
        for pool in pools:
            pool.close()
        pools.append(RunnerPool(runners_max=1, cache=CompiledCache(directory, CacheKey()), limits=GuestLimits()))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture(scope="session")
def in_a_runner(pool):
    """``execute(module, request, host)`` as the daemon does it: compiled once, run in another, sandboxed process."""
    keys = {}

    def execute(module, request, host):
        key = keys.get(module) or keys.setdefault(module, pool.compile(module).module_key)
        answer = pool.execute(
            owner=host.owner,
            module_key=key,
            wasm=lambda: module,
            request=request.SerializeToString(),
            helper=host,
            free_wait_s=RUNNER_WAIT_S,
        )
        return sdk_pb2.ExecutionResult.FromString(answer)

    return execute
