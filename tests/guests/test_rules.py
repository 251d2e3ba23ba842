"""The list of rules and their tests names nothing that is not there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES = (Path(__file__).parent / "RULES.md").read_text("utf-8")
NAMED = re.compile(r"((?:tests|plugins)/[\w/-]+\.py)(?:::(test_\w+))?")


def functions(path):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_rules_name_is_there():
    named = NAMED.findall(RULES)
    assert len(named) > 100
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert not name or [each for each in functions(path) if each.startswith(name)], f"{path}::{name}"


def test_every_section_of_rules_is_there():
    sections = {int(number) for number in re.findall(r"^## (\d+)", RULES, re.MULTILINE)}
    assert {*range(2, 14), 15, 16, 17, 18, 19} <= sections
