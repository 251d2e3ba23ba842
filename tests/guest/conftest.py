"""A pool of real runners for the tests of this folder, and a key for its cache."""

import hashlib
import hmac

import pytest

from strongroom.errors import Tampered
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool


class SimpleKey:
    """A MAC key of the tests."""

    def __init__(self, secret=b"test"):
        self._secret = secret

    def mac(self, data):
        return hmac.digest(self._secret, data, hashlib.sha256)

    def check_mac(self, data, mac):
        if not hmac.compare_digest(self.mac(data), mac):
            raise Tampered("a file of the cache")


@pytest.fixture(scope="session")
def mac_key():
    return SimpleKey()


@pytest.fixture(scope="session")
def other_key():
    return SimpleKey(b"another")


@pytest.fixture
def make_pool(tmp_path, mac_key):
    """Make pools that are closed at the end of the test."""
    pools = []

    def make(*, runners_max=2, cache_dir=None, **limits):
        cache = CompiledCache(cache_dir or tmp_path / "cache", mac_key)
        pools.append(RunnerPool(runners_max=runners_max, cache=cache, limits=GuestLimits(**limits)))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory, mac_key):
    """One pool for the tests of a module that need nothing of their own."""
    cache = CompiledCache(tmp_path_factory.mktemp("cache"), mac_key)
    made = RunnerPool(runners_max=2, cache=cache, limits=GuestLimits())
    yield made
    made.close()
