"""The commands of docs/workspaces.md, run as a reader runs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.live_daemon import environment
from tests.faults.workspace_storm import quiet_daemon
from tests.scenarios.conftest import short_directory

PAGE = Path(__file__).resolve().parents[2] / "docs" / "workspaces.md"
BLOCK = re.compile(r"^<!-- tutorial: workspaces -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def home():
    """The home of a reader, in which a host runs as the page starts one."""
    made = short_directory()
    state = made / "strongroom-try"
    state.mkdir(mode=0o700)
    daemon = quiet_daemon(state).start()
    yield made
    daemon.stop()
    shutil.rmtree(made, ignore_errors=True)


def test_the_first_workspace_of_a_reader_works_as_the_page_says(home):
    own = environment(home, HOME=str(home))
    own["PATH"] = f"{sys.prefix}/bin:{own['PATH']}"
    said = []
    for script in BLOCK.findall(PAGE.read_text()):
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", f"export STRONGROOM_STATE_DIR=~/strongroom-try\n{script}"],  # noqa: S607 - the shell that a reader has
            cwd=home,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    first, looked, rotated, copied = said
    assert '"hello, MARKER"' in first
    assert "milk" in first
    assert "not found" in looked
    assert "v1: 2" in looked
    assert '"hello, MARKER"' in rotated
    assert "open" in copied
    assert (home / "notes.sealed").stat().st_size > 0
