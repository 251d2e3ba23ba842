"""What failed is run once more, alone, so that it can be named; the run has failed all the same."""

import json
import sys

import pytest

from tools import second_look

PASSES = "def test_one():\n    assert True\n"
FAILS = "def test_one():\n    assert False, 'broken'\n"


@pytest.fixture(autouse=True)
def no_options_of_ours(monkeypatch):
    """The inner run is told what to run by nobody else."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def project(folder, text, *, failed):
    """A folder with a test, in whose last run the tests ``failed``."""
    (folder / "test_it.py").write_text(text)
    cache = folder / second_look.FAILED
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps(dict.fromkeys(failed, True)))
    return folder


def look(folder, status=1):
    return second_look.main([str(status), "-q", "--rootdir", str(folder)], root=folder)


def test_what_passes_alone_is_named_and_the_run_has_failed_all_the_same(tmp_path, capfd):
    assert look(project(tmp_path, PASSES, failed=["test_it.py::test_one"])) == 1
    said = capfd.readouterr().out
    assert "1 passed" in said
    assert said.endswith(
        "UNSTEADY, passed alone only; mend the race, or the wait that is too short:\n  test_it.py::test_one\n"
    )


def test_what_fails_twice_is_not_named_as_unsteady(tmp_path, capfd):
    assert look(project(tmp_path, FAILS, failed=["test_it.py::test_one"])) == 1
    said = capfd.readouterr().out
    assert "broken" in said
    assert "UNSTEADY" not in said


@pytest.mark.parametrize(
    "failed",
    [["test_it.py::test_gone"], ["test_it.py::test_one", "test_gone.py"]],
    ids=["a test that is not there", "a file that could not be read"],
)
def test_what_cannot_be_run_again_is_not_named_as_unsteady(tmp_path, failed, capfd):
    assert look(project(tmp_path, PASSES, failed=failed)) == 1
    assert "UNSTEADY" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("status", "count"),
    [(2, 1), (3, 1), (1, 0), (1, second_look.TESTS_MAX + 1)],
    ids=["interrupted", "an error of pytest", "failed without a test", "too many"],
)
def test_only_a_few_failed_tests_get_a_second_look(tmp_path, monkeypatch, status, count):
    monkeypatch.setattr(sys, "executable", "/nothing/may/be/started")
    names = [f"test_it.py::test_{number}" for number in range(count)]
    assert look(project(tmp_path, PASSES, failed=names), status) == status


def test_without_a_run_before_the_status_stays(tmp_path):
    assert look(tmp_path) == 1
