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
    assert page == with_part(page, pages()[path]), "run: python -m tools.generate_reference"


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


def groups(title, command):
    """Every noun with its verbs, the root first."""
    if inner := getattr(command, "commands", None):
        yield title, command
        for name, each in inner.items():
            yield from groups(f"{title} {name}", each)


def test_no_summary_is_cut_in_the_middle_where_commands_are_listed_in_80_columns():
    found = list(groups("strongroom", typer.main.get_command(build(list(NOUNS)))))
    assert {"strongroom", "strongroom run", "strongroom workflow limits"} <= {title for title, _ in found}
    for title, command in found:
        with command.make_context(title, [], resilient_parsing=True, terminal_width=80) as context:
            listed = command.get_help(context).partition("Commands:")[2]
        cut = [line for line in listed.splitlines() if line.endswith(("...", "…"))]
        assert not cut, title
        for name, inner in command.commands.items():
            assert (inner.short_help or "").endswith("."), f"{title} {name}: its first sentence has more than one line"


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
