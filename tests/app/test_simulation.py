"""Only a development host makes its vault take simulations, and says by which acts."""

from pathlib import Path

import pytest

from strongroom.app.simulation import FLAG, accepting_simulations, acts_of
from strongroom.settings.manifest import PluginEntry, load_manifest

SHIPPED = load_manifest(Path(__file__).resolve().parents[2] / "plugins.yaml")
KEYS = Path("/keys")


def vault(**changes):
    fields = {"name": "vault", "command": ("python", "-m", "strongroom_vault"), "config": {}}
    return PluginEntry(**{**fields, **changes})


def test_the_shipped_manifest_names_no_flag_and_a_development_host_adds_it_to_its_vault_alone():
    assert all(FLAG not in (entry.command or ()) for entry in SHIPPED)
    changed = [entry for entry in accepting_simulations(SHIPPED) if FLAG in (entry.command or ())]
    assert [entry.name for entry in changed] == ["vault"]
    assert changed[0].command[-1] == FLAG


def test_both_acts_are_said_with_the_place_of_the_policy():
    flag, policy = acts_of(SHIPPED, KEYS)
    assert FLAG in flag
    assert "/keys/vault-policy.toml" in policy


@pytest.mark.parametrize(
    "entry",
    [
        vault(config={"remote": {"address": "vault.example:8443"}}),
        vault(command=("other-vault",)),
        PluginEntry(name="vault", factory="strongroom_vault.plugin:VaultPlugin", config={}),
    ],
    ids=["a vault elsewhere", "of another maker", "in the host"],
)
def test_a_vault_that_is_no_process_of_ours_gets_no_flag(entry):
    assert accepting_simulations([entry]) == (entry,)
    assert acts_of([entry], KEYS) == ()


def test_a_vault_that_is_disabled_does_nothing_that_must_be_said():
    assert acts_of([vault(enabled=False)], KEYS) == ()
