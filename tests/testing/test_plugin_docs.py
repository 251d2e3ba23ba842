"""docs/plugins.md is true: its examples run, its tables are complete, and bundled plugins name what they provide."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import strongroom.plugin
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import packaged_manifest
from strongroom.testing.conformance import CHECKS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text()
DEADLINE_S = 100


def test_the_examples_pass_their_own_tests(tmp_path):
    blocks = re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["visits.py", "test_visits.py"]
    for name, text in blocks:
        (tmp_path / name).write_text(text)
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**own, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(CHECKS) + 1} passed" in done.stdout


def test_every_check_has_its_row_and_no_row_is_of_another():
    rows = re.findall(r"^\| (its? .+?) \| .*\|$", PAGE, re.MULTILINE)
    assert rows == list(CHECKS)


@pytest.mark.parametrize("name", strongroom.plugin.__all__)
def test_what_authors_import_is_on_the_page(name):
    assert re.search(rf"\b{name}\b", PAGE)


@pytest.mark.parametrize("entry", load_manifest(packaged_manifest()), ids=lambda entry: entry.name)
def test_the_readme_of_a_bundled_plugin_names_what_it_provides(entry):
    readme = (ROOT / "plugins" / entry.name / "README.md").read_text()
    assert [name for name in entry.provides if f"`{name}`" not in readme and f'"{name}"' not in readme] == []


@pytest.mark.parametrize("name", ["kvstore", "consensus"])
def test_the_entry_in_a_readme_is_one_that_loads(name, tmp_path):
    readme = (ROOT / "plugins" / name / "README.md").read_text()
    (entry,) = re.findall(r"```yaml\n# plugins.yaml\n(.*?)```", readme, re.DOTALL)
    manifest = tmp_path / "plugins.yaml"
    manifest.write_text("version: 1\nplugins:\n" + entry)
    (loaded,) = load_manifest(manifest)
    (shipped,) = [one for one in load_manifest(packaged_manifest()) if one.name == name]
    assert (loaded.factory, loaded.provides) == (shipped.factory, shipped.provides)
