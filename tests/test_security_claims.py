"""Every claim of the threat model in SECURITY.md names a test that is there, and no row that it needs is missing."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "SECURITY.md").read_text()
NAMED = re.compile(r"`((?:tests|plugins)/[\w/-]+\.py)::(test_\w+)`")
# What the attestation contract says in its section 18, and what is claimed beyond: dropping one is a decision.
REQUIRED = [
    "values of secrets, memory of the guest in use",
    "values of secrets elsewhere on the host: daemon, relay, sockets, database, logs, core files",
    "binary, config, payload of the trigger",
    "restrictions by a pre-hook",
    "ids, owner, names of secrets, sizes, times, which capabilities are called",
    "calls of capabilities and their answers",
    "result",
    "another binary, config or workflow than was granted",
    "another program in the place of the runner",
    "another configuration of the runner, another key of the vault",
    "forged evidence",
    "debugging, old firmware, old runner",
    "quotes of a TPM",
    "a challenge or a release that is changed, forged, swapped or opened on the way",
    "nonces",
    "evidence of another execution, stale or used evidence",
    "a second release of one attempt",
    "more attempts of one execution than `attempts_max`",
    "secrets that the owner did not grant",
    "a secret for a run of a lower class than it asks for",
    "an older policy, manifest or runner, a TPM that went back",
    "an older copy of the vault's state file, put back",
    "changed audit records",
    "drop, delay, reorder, execute again under another id, deny service",
    "execution elsewhere when backend, runner or vault are away",
    "attributes that cannot be read",
    "another kind of evidence or launcher than the configured one",
    "a simulation at a vault for production",
    "a simulation at a vault for tests",
    "that a run was a simulation",
    "receipts",
    "secrets on their way into the vault",
    "secrets in a vault apart",
    "secrets in a vault beside the host",
    "isolation of a runner that is a process",
    "a runner, plugin, vault or daemon that is killed in mid run",
    "a guest that breaks out into its runner",
    "logs of a guest in an enclave",
    "a verifier that fails, a full disk of the vault",
]
# Sections whose claims stand in the last table, by the word that it calls them.
SECTIONS = {
    "Sealed": "What is sealed, and how",
    "Not noticed": "What a host cannot notice",
    "Keys": "Keys",
    "Workspaces": "Workspaces",
    "Secrets": "Secrets",
    "Guests": "Guests and the runner",
    "Plugins": "Plugins",
    "Network": "The network",
    "Sockets": "The sockets",
}


def table(heading, *columns):
    """The rows of the table with these columns below a heading, as lists of cells."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = section.split(f"| {' | '.join(columns)} |\n")[1].splitlines()
    rows = [line for line in lines[1:] if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


THREATS = table("Threat model of confidential runs", "what", "class hardware", "class none", "held by")
REST = table("What holds the rest", "section", "claim", "held by")


@cache
def functions_of(path):
    """The tests in a file, also those of classes, by name."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_is_there_and_is_run():
    named = NAMED.findall(PAGE)
    assert len(named) > 150
    assert len(named) == PAGE.count("::"), "a name that is not written as `path::test`"
    for path, name in named:
        # Those of the conformance of plugins are run by the classes that inherit them.
        assert Path(path).name.startswith("test_") or path == "tests/registry/conformance.py", path
        assert name in functions_of(path), f"{path}::{name}"
        marks = [ast.unparse(each) for each in functions_of(path)[name].decorator_list]
        never = [mark for mark in marks if re.match(r"pytest\.mark\.(skip|xfail)\b", mark)]
        assert not never, f"{path}::{name} holds nothing: {never}"


@pytest.mark.parametrize(("rows", "columns"), [(THREATS, 4), (REST, 3)], ids=["threats", "the rest"])
def test_every_row_is_whole_and_names_a_test(rows, columns):
    for row in rows:
        assert len(row) == columns, row
        assert all(row), row
        assert NAMED.findall(row[-1]), f"{row[0]}: no test holds it"
        assert "".join(NAMED.sub("", row[-1]).split("<br>")).strip() == "", f"{row[0]}: not only tests"


def test_the_threat_model_has_the_rows_that_it_must_have():
    found = [row[0] for row in THREATS]
    assert [what for what in REQUIRED if what not in found] == []
    assert len(found) == len(set(found)), "a row stands twice"


def test_what_is_admitted_to_be_visible_or_forgeable_is_shown_by_a_test_that_does_it():
    admitted = re.compile(r"\bvisible|forgeable|not noticed|possible|\*\*")
    shows = ("tests/scenarios/test_not_protected.py", "tests/cli/test_secret_trust.py")
    bare = [row[0] for row in THREATS if admitted.search(row[1] + row[2]) and not any(path in row[3] for path in shows)]
    assert bare == []


def test_every_section_with_claims_has_rows_in_the_last_table():
    assert {row[0] for row in REST} == set(SECTIONS)
    for heading in SECTIONS.values():
        assert f"\n## {heading}\n" in PAGE


def test_every_test_of_what_is_not_protected_stands_on_the_page():
    for path in ("tests/scenarios/test_not_protected.py", "tests/engine/test_beyond_notice.py"):
        tests = {name for name in functions_of(path) if name.startswith("test_")}
        assert tests <= {name for where, name in NAMED.findall(PAGE) if where == path}


def test_as_long_as_providers_are_untested_on_hardware_the_page_says_what_was_never_seen():
    if "untested on hardware" in (ROOT / "docs" / "attestation.md").read_text():
        assert "What was never seen on hardware" in PAGE
        assert "Never yet tried on hardware" in PAGE
