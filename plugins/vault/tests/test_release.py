"""A runner that proves itself gets what its owner granted it, once for each attempt, and the vault remembers it."""

import pytest

from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

API_KEY = ("main", "API_KEY")


@pytest.fixture
def owner(tmp_path):
    owner = Owner(tmp_path / "vault.key", accepts_simulated=True)
    yield owner
    owner.close()


def test_a_secret_comes_to_the_execution_that_its_owner_granted_it(owner):
    assert owner.create("API_KEY", owner.entry("API_KEY", b"s3cret")) == ""
    runner = Runner(owner, secrets=(API_KEY,))
    owner.put_manifest(runner.grant(API_KEY))
    assert runner.release() == {API_KEY: b"s3cret"}
