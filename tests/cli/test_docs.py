"""The pages of the reference say what the program says."""

import re

import pytest
import typer

from strongroom.cli.exits import MEANINGS
from strongroom.cli.main import NOUNS, build
from strongroom.modules.attributes import KNOWN
from strongroom.modules.retries import MEMBERS, RetryPolicy
from strongroom.settings.schema import keys
from tools.generate_reference import ROOT, leaves, pages, with_part


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_page_is_what_the_program_says(path):
    page = path.read_text()
    assert page == with_part(page, pages()[path]), "run: python tools/generate_reference.py"


def test_every_setting_and_exit_code_is_in_its_page():
    cli = (ROOT / "docs" / "cli.md").read_text()
    settings = (ROOT / "docs" / "settings.md").read_text()
    assert not [dotted for dotted in keys() if f"`{dotted}`" not in settings]
    assert not [code for code in MEANINGS if f"| {int(code)} |" not in cli]


def test_every_command_is_in_the_page_with_its_choices():
    page = (ROOT / "docs" / "cli.md").read_text()
    titles = [title for title, _ in leaves("strongroom", typer.main.get_command(build(list(NOUNS))))]
    assert "strongroom workflow limits export" in titles
    assert re.findall(r"^### `(strongroom .+)`$", page, re.MULTILINE) == titles
    assert "One of `action`, `trigger`." in page


def test_the_pages_name_no_directory_of_this_machine():
    for path in pages():
        assert not re.findall(r"/(?:root|home|work|tmp)/", path.read_text())


def test_the_page_names_every_attribute_and_the_defaults_of_a_retry():
    page = (ROOT / "docs" / "cli.md").read_text()
    section = page.split("## Attributes")[1].split("## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(KNOWN)
    default = RetryPolicy()
    for name in MEMBERS:
        value = getattr(default, name)
        shown = f'(`["{value[0]}"]`)' if isinstance(value, tuple) else f"`{name}` ({int(value)})"
        assert shown in section
