"""Evidence, policies and receipts are judged by functions of their arguments: no clock, no network, no file, no chance.

What is read here is the code: every module that judging can reach, whatever its tests happen to call.
"""

import ast
from pathlib import Path

import pytest

from tests.fakes.good_evidence import KINDS, good

ROOT = Path(__file__).resolve().parents[2] / "daemon"
ATTEST = sorted((ROOT / "strongroom" / "attest").glob("*.py"))
PURE = {
    "ast",
    "base64",
    "binascii",
    "collections",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "io",
    "itertools",
    "json",
    "re",
    "struct",
    "tomllib",
    "typing",
    "warnings",
}
# Whoever signs keeps a key in a file. Nothing that judges calls that; it would have to name a path.
KEY_FILES = ROOT / "strongroom" / "crypto" / "key_files.py"
OF_KEY_FILES = {"strongroom/crypto/signing.py": {"pathlib"}}
LIBRARIES = {"cbor2", "cryptography", "dcap_qvl"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime"}
DOORS = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}


def imported(tree):
    """The names of the modules that are imported anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module
            # A module may be imported from its package as well.
            yield from (f"{node.module}.{each.name}" for each in node.names)


def reached():
    """Every module of ours that judging reaches, by its path."""
    found, waiting = {}, [*ATTEST]
    while waiting:
        path = waiting.pop()
        if path in found or path.name == "__init__.py" or path == KEY_FILES:
            continue
        found[path] = ast.parse(path.read_text("utf-8"))
        ours = [ROOT / (each.replace(".", "/") + ".py") for each in imported(found[path]) if "strongroom." in each]
        waiting.extend(each for each in ours if each.is_file())
    return found


REACHED = reached()


def test_everything_that_judges_is_looked_at():
    names = {path.relative_to(ROOT).as_posix() for path in REACHED}
    assert {"strongroom/attest/nitro.py", "strongroom/crypto/certificates.py", "strongroom/crypto/hpke.py"} <= names
    assert len(names) > 60


@pytest.mark.parametrize("path", sorted(REACHED), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_that_judges_imports_nothing_with_a_clock_a_file_or_a_socket(path):
    tops = {name.partition(".")[0] for name in imported(REACHED[path])} - {"strongroom"}
    tops -= OF_KEY_FILES.get(path.relative_to(ROOT).as_posix(), set())
    assert tops <= PURE | LIBRARIES, tops - PURE - LIBRARIES


@pytest.mark.parametrize("path", sorted(REACHED), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_that_judges_asks_for_no_time_opens_nothing_and_keeps_nothing(path):
    for node in ast.walk(REACHED[path]):
        assert not isinstance(node, ast.Global | ast.Nonlocal), node.lineno
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert name not in CLOCKS, (name, node.lineno)
            assert isinstance(called, ast.Attribute) or name not in DOORS, (name, node.lineno)


@pytest.mark.parametrize("path", ATTEST, ids=lambda path: path.name)
def test_no_parameter_skips_a_check_or_allows_what_is_refused(path):
    words = ("ignore_", "skip_", "allow_debug", "insecure_", "no_verify", "unsafe", "bypass")
    for node in ast.walk(REACHED.get(path) or ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            assert not [each for each in names if each.startswith(words)], node.name


COMPARED = ("nonce", "digest", "report_data", "signature", "fingerprint", "sha256", "key_id", "mac", "credential")
# A fingerprint is the digest of what is public, and the digest of a document of Nitro is the name of a hash.
PUBLIC = {
    ("nitro.py", "digest"),
    ("collateral.py", "fingerprint"),
    ("evidence.py", "fingerprint"),
    ("tpm_endorsements.py", "fingerprint"),
}


@pytest.mark.parametrize("path", ATTEST, ids=lambda path: path.name)
def test_nonces_digests_and_report_data_are_compared_in_constant_time(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Compare) or not any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            continue
        sides = [each for each in (node.left, *node.comparators) if isinstance(each, ast.Attribute | ast.Name)]
        names = [each.attr if isinstance(each, ast.Attribute) else each.id for each in sides]
        suspicious = {word for word in COMPARED for name in names if name.endswith(word) and not name.isupper()}
        assert not {(path.name, word) for word in suspicious} - PUBLIC, (names, node.lineno)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_evidence_says_the_same_twice(kind):
    first, second = good(kind).claims(), good(kind).claims()
    assert (first, first.facts) == (second, second.facts)
