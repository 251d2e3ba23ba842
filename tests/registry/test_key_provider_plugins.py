"""A plugin that provides root secrets is no plugin of a running host: it is given no host, in a list or out of it."""

import pytest

from strongroom.errors import PluginFault
from strongroom.plugin.build import Hooks
from strongroom.settings.manifest import PluginEntry
from tests.fakes.key_provider import DrawerPlugin


def test_one_that_is_listed_as_an_ordinary_plugin_is_refused_before_it_is_started():
    hooks = Hooks(DrawerPlugin(path="/nowhere"), name="drawer")
    with pytest.raises(PluginFault, match="listed as an ordinary plugin") as refused:
        hooks.refuse_key_providers()
    assert refused.value.code == "SR-PLUG-094"


def test_its_entry_says_what_it_is():
    entry = PluginEntry(name="a", factory="a:B", config={}, provides=("key-provider:a",))
    assert entry.is_key_provider
    assert not PluginEntry(name="a", factory="a:B", config={}, provides=("mount:a",)).is_key_provider
