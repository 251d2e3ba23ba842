"""Secrets go to enclaves: no other plugin reaches the vault through its host."""

import pytest

from strongroom.errors import Forbidden, PluginFault
from strongroom.registry.system_only import ANY_METHOD, refuse_own_name, refuse_to_plugin, system_only
from strongroom.settings.manifest import PluginEntry

ENCLAVE = "confidential-workflows@1.0.0-alpha"


def entry(*provides):
    return PluginEntry(
        name="p",
        enabled=True,
        required=False,
        factory=None,
        command=("x",),
        config={},
        provides=provides,
        dialect=None,
        at_most_once=(),
        pin=None,
        where="plugins.yaml:plugins[0]",
    )


@pytest.mark.parametrize("provides", [(), ("kvstore@1.0.0",)], ids=["nothing said", "something else"])
@pytest.mark.parametrize("wanted", ["vault@1.0.0", "vault:label_x@1.2.3", "vault", ENCLAVE])
def test_an_ordinary_plugin_reaches_neither_vault_nor_enclave(provides, wanted):
    with pytest.raises(Forbidden, match="plugin p may not call"):
        refuse_to_plugin(entry(*provides), wanted)


def test_the_plugin_that_runs_enclaves_reaches_the_vault_and_not_itself():
    refuse_to_plugin(entry(ENCLAVE), "vault@1.0.0")
    with pytest.raises(Forbidden):
        refuse_to_plugin(entry(ENCLAVE), ENCLAVE)


def test_everything_else_is_open_to_plugins():
    refuse_to_plugin(entry(), "basic-test-action@1.0.0")
    refuse_to_plugin(entry(), "vaulted@1.0.0")


def test_system_only_goes_by_name_and_method():
    assert system_only("vault@1.0.0", "vault.secrets.get")
    assert not system_only("vault@1.0.0", "vault.secrets.list")
    assert system_only(ENCLAVE, ANY_METHOD)
    assert system_only("confidential-workflows:x@9.0.0", "Anything")
    assert not system_only("basic-test-action@1.0.0", ANY_METHOD)


@pytest.mark.parametrize("capability_id", ["run@1.0.0", "run@9.9.9", "run:label_x@1.0.0"])
def test_what_a_workflow_asks_of_its_own_run_is_offered_by_the_host_alone(capability_id):
    with pytest.raises(PluginFault, match="the host itself offers") as caught:
        refuse_own_name(entry(), capability_id)
    assert caught.value.code == "SR-PLUG-092"
    refuse_own_name(entry(), "runner@1.0.0")
