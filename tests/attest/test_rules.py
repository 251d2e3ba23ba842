"""The list of rules and their tests names nothing that is not there, and leaves out no section."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES = (Path(__file__).parent / "RULES.md").read_text("utf-8")
NAMED = re.compile(r"((?:tests|plugins)/[\w/-]+\.py)(?:::(test_\w+))?|…::(test_\w+)")


@cache
def functions(path):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_rules_name_is_there():
    named, last = 0, ""
    for path, name, elsewhere in NAMED.findall(RULES):
        last = path or last
        assert (ROOT / last).is_file(), last
        if name or elsewhere:
            assert (name or elsewhere) in functions(last), f"{last}::{name or elsewhere}"
        named += 1
    assert named > 150


def test_every_section_of_rules_is_there():
    sections = {int(number) for number in re.findall(r"^## (\d+)", RULES, re.MULTILINE)}
    assert {3, *range(4, 18), 19, 21} <= sections


def test_every_file_of_tests_holds_a_rule():
    holding = {Path(path).name for path, _name, _elsewhere in NAMED.findall(RULES) if path}
    # What is about the way of writing things down, and not about a rule.
    others = {"test_rules.py", "test_message_properties.py", "test_nitro_mutations.py", "test_policy_example.py"}
    others |= {"test_appraise_config.py", "test_policy_entries.py", "test_receipt_file.py", "test_reference_value.py"}
    assert {path.name for path in Path(__file__).parent.glob("test_*.py")} <= holding | others
