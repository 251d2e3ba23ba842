"""What ``pip install`` makes of the wheels, below a root that has nothing else: once for all tests that want it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.conftest import short_directory
from tools.build_wheels import ROOT, build

UV = Path(sys.prefix) / "bin" / "uv"
TIMEOUT_S = 110


@pytest.fixture(scope="module")
def installed_root(tmp_path_factory):
    """A root with the programs in ``/opt/strongroom``, and nothing else. Its path is short, for its sockets."""
    root = short_directory()
    venv = root / "opt" / "strongroom"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=TIMEOUT_S)
    install = [UV, "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    wheels = build(tmp_path_factory.mktemp("wheels"))
    locked = ["--require-hashes", "-r", ROOT / "requirements" / "runtime.txt"]
    for what in (locked, ["--no-deps", *wheels]):
        subprocess.run([*install, *what], check=True, timeout=TIMEOUT_S)
    yield root
    shutil.rmtree(root, ignore_errors=True)
