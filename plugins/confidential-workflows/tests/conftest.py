"""A started plugin with a releasing vault behind it, for the tests that run whole executions."""

import pytest

from tests.fakes.enclave_host import EnclaveHost
from tests.fakes.releasing_vault import ReleasingVault
from tests.guests.build import wasm


@pytest.fixture
def vault(tmp_path):
    return ReleasingVault(tmp_path / "vault")


@pytest.fixture
def host(vault):
    host = EnclaveHost(vault=vault)
    yield host
    host.close()


@pytest.fixture
def hello(host):
    return host.artifacts.add(wasm("hello"))
