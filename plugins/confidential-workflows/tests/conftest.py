"""A started plugin with a real vault behind it, for the tests that run whole executions."""

import pytest

from tests.fakes.enclave_host import EnclaveHost
from tests.fakes.vault_owner import Owner
from tests.guests.build import wasm


@pytest.fixture
def owner(tmp_path):
    return Owner(tmp_path / "vault.key")


@pytest.fixture
def host(owner):
    host = EnclaveHost(owner=owner)
    yield host
    host.close()


@pytest.fixture
def hello(host):
    return host.artifacts.add(wasm("hello"))
