"""Mounts of plugins: who may offer them, under which names, and what is said to those who may not."""

import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from strongroom.errors import Conflict, Misconfigured, PluginFault
from strongroom.plugin import MountContext, MountProvider, hookimpl
from strongroom.plugin.build import Hooks
from strongroom.plugin.mounts import MOUNTS_OF_PLUGIN_MAX, checked_providers
from strongroom.registry.mount_offers import BUILT_IN, MountOffers
from strongroom.settings.manifest import PluginEntry, load_manifest
from strongroom.testing.plugin_host import MemoryHost

HERE = __name__


def nothing(context: MountContext) -> Any:
    raise NotImplementedError


NOTES = MountProvider(name="notes", open=nothing, description="notes")


@dataclass
class Notes:
    names: list[str] = field(default_factory=lambda: ["notes"])

    @hookimpl
    def mounts(self) -> list[MountProvider]:
        return [MountProvider(name=name, open=nothing, description=name) for name in self.names]


if __name__ == "__main__":
    from strongroom.plugin.serve import serve

    serve(Notes)


def entry(**changes: Any) -> PluginEntry:
    return PluginEntry(**{"name": "notes", "factory": f"{HERE}:Notes", "config": {}, **changes})


def test_a_plugin_offers_a_mount_and_no_capability():
    with MemoryHost(entry()) as host:
        (state,) = host.plugins.states()
        assert (state.state, state.capabilities, state.mounts) == ("ready", (), ("notes",))
        assert host.registry.mounts.all().keys() == {"notes"}
    assert host.registry.mounts.all() == {}


def test_a_mount_beside_provides_is_refused():
    with MemoryHost(entry(provides=("mount:other",))) as host:
        (state,) = host.plugins.states()
        assert "plugin notes offers mount:notes: its `provides` lists only mount:other" in state.last_error
        assert host.registry.mounts.all() == {}


def test_a_mount_that_provides_names_is_offered():
    with MemoryHost(entry(provides=("mount:notes",))) as host:
        assert host.registry.mounts.all().keys() == {"notes"}


def test_a_plugin_process_with_mounts_is_refused_with_the_reason():
    with MemoryHost(entry(factory=None, command=(sys.executable, __file__))) as host:
        (state,) = host.plugins.states()
        assert state.state == "failed"
        assert "is a process and implements mounts()" in state.last_error
        assert "load it with `factory:`" in state.last_error


def test_a_plugin_without_the_hook_has_no_mounts_and_may_be_a_process():
    @dataclass
    class Plain:
        pass

    hooks = Hooks(Plain(), name="plain")
    hooks.refuse_mounts()
    assert hooks.mounts() == {}


def test_a_name_belongs_to_the_plugin_that_came_first_and_one_to_the_host():
    offers = MountOffers()
    offers.add("one", NOTES)
    offers.add("one", NOTES)
    with pytest.raises(Conflict, match="plugin two offers mount:notes, which is taken: one offers it"):
        offers.add("two", NOTES)
    with pytest.raises(Conflict, match="which is taken: strongroom offers it"):
        offers.add("two", MountProvider(name=BUILT_IN, open=nothing))
    offers.remove_all("one")
    offers.add("two", NOTES)
    assert offers.of("two") == ("notes",)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("notes", "must return a list of MountProvider, it returned str"),
        ([object()], "must return MountProvider only, it returned object"),
        ([MountProvider(name="no tes", open=nothing)], "use letters, digits, _ and -"),
        ([MountProvider(name="n" * 65, open=nothing)], "65 characters, the limit is 64"),
        ([NOTES, NOTES], "returned notes twice"),
        ([MountProvider(name="notes", open=None)], "is not callable"),
        ([NOTES] * (MOUNTS_OF_PLUGIN_MAX + 1), "65 providers, the limit is 64"),
    ],
    ids=["text", "object", "space", "long", "twice", "no function", "many"],
)
def test_an_answer_that_is_no_list_of_providers_is_refused(answer, reason):
    with pytest.raises((TypeError, ValueError), match=reason):
        checked_providers(answer)

    @dataclass
    class Wrong:
        @hookimpl
        def mounts(self) -> Any:
            return answer

    with pytest.raises(PluginFault, match="plugin wrong: "):
        Hooks(Wrong(), name="wrong").mounts()


def manifest(tmp_path, text: str):
    path = tmp_path / "plugins.yaml"
    path.write_text("version: 1\nplugins:\n  - name: notes\n" + text)
    return path


def test_the_manifest_takes_a_mount_among_what_a_plugin_provides(tmp_path):
    text = "    factory: notes:Notes\n    provides: ['mount:notes', 'notes@1.0.0']\n"
    assert load_manifest(manifest(tmp_path, text))[0].provides == ("mount:notes", "notes@1.0.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("    command: [notes]\n    provides: ['mount:notes']\n", "a process provides no mounts"),
        ("    factory: notes:Notes\n    provides: ['mount:no tes']\n", "it is not a capability id"),
        ("    factory: notes:Notes\n    provides: ['mount:a', 'mount:a']\n", "it stands in the list already"),
        ("    factory: notes:Notes\n    at_most_once: ['mount:a']\n", "it is not a capability id"),
    ],
    ids=["process", "name", "twice", "at most once"],
)
def test_the_manifest_refuses_a_mount_that_cannot_be(tmp_path, text, reason):
    with pytest.raises(Misconfigured, match=reason):
        load_manifest(manifest(tmp_path, text))


def test_the_repr_of_a_context_and_a_provider_shows_no_function_that_leads_to_keys(tmp_path):
    context = MountContext(
        project_dir=tmp_path,
        mount="notes",
        y_doc_client_id=7,
        device_id="notes-daemon",
        owner_id="alice",
        keyring=lambda: None,
        open_web_socket=lambda url, subprotocols: None,
        on_reconnect_signal=lambda callback: callback,
        open_workspace=lambda definition: None,
    )
    assert "keyring" not in repr(context)
    assert "lambda" not in repr(context)
    assert "function" not in repr(NOTES)
