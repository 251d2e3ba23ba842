"""The authors' door opens without the library that only plugins need."""

import subprocess
import sys

import pytest

import strongroom.plugin


def test_the_library_of_plugins_is_loaded_when_a_plugin_asks_for_it():
    program = (
        "import sys, strongroom.plugin\n"
        "print('pluggy' in sys.modules)\n"
        "from strongroom.plugin import hookimpl\n"
        "print('pluggy' in sys.modules, hookimpl.project_name)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue strongroom\n"


def test_every_name_of_the_door_is_there_and_no_other():
    assert [name for name in strongroom.plugin.__all__ if not hasattr(strongroom.plugin, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        strongroom.plugin.nothing  # noqa: B018 - asking is the test
