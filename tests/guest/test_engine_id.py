"""Compiled code is kept under a name that differs between processors, also where a unit hides /proc/cpuinfo."""

import importlib.metadata
import subprocess
import sys
from types import SimpleNamespace

import pytest

from strongroom.guest.runner import engine

NAMES = """
import pathlib
from strongroom.guest.runner import engine
files, real = {}, pathlib.Path.read_text
def read_text(self, *arguments, **more):
    if str(self) in files:
        if files[str(self)] is None:
            raise FileNotFoundError(self)
        return files[str(self)]
    return real(self, *arguments, **more)
pathlib.Path.read_text = read_text
for cpuinfo, modalias in [("flags: a b", "x"), ("flags: a", "x"), (None, "x"), (None, "y"), (None, None)]:
    files = {"/proc/cpuinfo": cpuinfo, "/sys/devices/system/cpu/modalias": modalias}
    print(engine.engine_id())
"""


def test_other_features_of_a_processor_are_another_name():
    done = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True, timeout=60, check=True)
    names = done.stdout.split()
    assert len(names) == len(set(names)) == 5
    assert all(name.startswith("wasmtime-") for name in names)


@pytest.mark.parametrize(
    "folders", [["wasmtime-0.0.1.dist-info"], [], ["wasmtime-1.dist-info", "wasmtime-2.dist-info"]]
)
def test_the_release_is_that_of_the_one_folder_beside_the_library_or_what_python_knows(tmp_path, monkeypatch, folders):
    assert engine.engine_id().startswith(f"wasmtime-{importlib.metadata.version('wasmtime')}-")
    for folder in folders:
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(engine, "wasmtime", SimpleNamespace(__file__=str(tmp_path / "wasmtime" / "__init__.py")))
    release = "0.0.1" if len(folders) == 1 else importlib.metadata.version("wasmtime")
    assert engine.engine_id().startswith(f"wasmtime-{release}-")
