"""A plugin that hangs while it starts keeps nobody else from serving."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.errors import PluginFault
from strongroom.registry.states import Lifecycle
from strongroom.settings.manifest import PluginEntry
from tests.fakes.memory_host import QUICK, MemoryHost

BROKEN = Path(__file__).resolve().parents[1] / "fakes" / "broken_process.py"


def hanging(*, required):
    return PluginEntry(
        name="hangs",
        enabled=True,
        required=required,
        factory=None,
        command=(sys.executable, str(BROKEN), "says-nothing"),
        config={},
        provides=(),
        dialect=None,
        at_most_once=(),
        pin=None,
        where="plugins.yaml:plugins[0]",
    )


def test_an_optional_plugin_that_hangs_is_left_to_start_beside_the_host(tmp_path, caplog):
    with MemoryHost(tmp_path, hanging(required=False), supervision=replace(QUICK, optional_wait_s=0.2)) as host:
        assert host.plugins.states()[0].state is Lifecycle.STARTING
        assert "plugin hangs is still starting" in caplog.text


def test_a_required_plugin_that_hangs_is_waited_for_and_then_stops_the_start(tmp_path):
    patience = replace(QUICK, handshake_s=0.5, optional_wait_s=0.0)
    with (
        pytest.raises(PluginFault, match="the required plugin hangs did not start"),
        MemoryHost(tmp_path, hanging(required=True), supervision=patience),
    ):
        pass
