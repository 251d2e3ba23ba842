"""``make`` says which thing is missing, with the one line that brings it, and leaves nothing half made."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OLD = 'case "$*" in -V) echo Python 3.9.2;; *version_info*) exit 1;; esac'
WITHOUT_VENV = 'case "$*" in *ensurepip*) exit 1;; esac'
BROKEN_VENV = 'case "$*" in "-m venv "*) mkdir -p "$3/bin"; : > "$3/bin/python"; exit 1;; esac'


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (None, "apt-get install -y python3 python3-venv"),
        (OLD, "strongroom needs Python 3.11 or newer, this is Python 3.9.2: make PYTHON=python3.11"),
        (WITHOUT_VENV, "Python's venv module is missing: apt-get install -y python3-venv"),
        (BROKEN_VENV, "could not make .venv"),
    ],
    ids=["no python", "an old one", "no venv module", "venv fails half way"],
)
def test_make_names_what_is_missing(tmp_path, python, said):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in ("requirements", "plugins"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    program = tmp_path / "their-python"
    if python is not None:
        program.write_text(f"#!/bin/sh\n{python}\n")
        program.chmod(0o755)
    make = ["make", f"PYTHON={program}", "demo"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_alone_lists_the_targets():
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607 - the one on the path, as a reader has it
    assert "make demo" in done.stdout
    assert "make test" in done.stdout
