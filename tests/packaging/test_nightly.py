"""``make nightly``: every demand has a line in its table, measured or not, and only what failed is a failure."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.figures import VARIABLE, read, record, table
from tools.nightly import kept, main, measure, plan
from tools.nightly_table import Demand, Part, Result, render, rows

ROOT = Path(__file__).resolve().parents[2]
HOURS_MAX = 6
PART = Part(name="a part", demands=("D1",), tests=("tests/faults",), minutes=1)
D1, D6 = Demand(id="D1", text="nothing is lost"), Demand(id="D6", text="several hosts", reason="not built yet")
FIGURE = {"demand": "D1", "what": "9 kills", "demanded": "0 lost", "measured": "0 lost", "met": True}


def states(*results, parts=(PART,), scale=1.0):
    return [(row.demand, row.state) for row in rows([D1, D6], parts, results, scale=scale)]


def test_every_demand_has_a_part_or_a_reason_and_every_test_of_a_part_is_there():
    demands, parts = plan()
    known = {demand.id for demand in demands}
    measured = {name for part in parts for name in part.demands}
    assert measured <= known
    assert {demand.id for demand in demands if not demand.reason} <= measured, "neither measured nor with a reason"
    missing = [test for part in parts for test in part.tests if not (ROOT / test.partition("::")[0]).exists()]
    assert missing == []
    assert len({part.name for part in parts}) == len(parts)


def test_a_night_is_long_enough():
    _, parts = plan()
    assert sum(part.minutes for part in parts) <= HOURS_MAX * 60


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ({"figures": [FIGURE], "passed": 1}, "met"),
        ({"figures": [{**FIGURE, "met": False}], "passed": 1}, "missed"),
        ({"figures": [], "passed": 3}, "tests pass"),
        ({"figures": [], "failed": ("tests.faults::test",), "status": 1}, "FAILED"),
        ({"figures": [], "out_of_time": True}, "FAILED"),
        ({"figures": [], "status": 4}, "FAILED"),
        ({"figures": [], "status": 5}, "not measured"),
    ],
    ids=["met", "missed", "no figures", "failed", "out of time", "wrong words", "no tests"],
)
def test_what_became_of_a_demand_is_in_the_table(result, state):
    result = Result(part=PART, **result)
    assert states(result) == [("D1", state), ("D6", "not built")]
    assert result.is_bad == (state == "FAILED")


def test_a_figure_that_is_there_stays_beside_a_failure_and_a_skip_has_its_reason():
    result = Result(part=PART, figures=[FIGURE], failed=("a::b",), skipped=("no strace here",), status=1)
    made = rows([D1], [PART], [result], scale=1.0)
    assert [(row.state, row.measured) for row in made] == [
        ("met", "0 lost"),
        ("FAILED", "a::b"),
        ("skipped", "no strace here"),
    ]


def test_a_part_of_the_scale_is_said_and_what_was_left_out_too():
    assert states(Result(part=PART, figures=[FIGURE], passed=1), scale=0.05)[0] == ("D1", "met at 5%")
    assert states() == [("D1", "not run"), ("D6", "not built")]


def test_what_of_a_demand_is_not_measured_stands_below_what_is():
    some = Demand(id="D1", text="nothing is lost", reason="one host only")
    made = rows([some], [PART], [Result(part=PART, figures=[FIGURE], passed=1)], scale=1.0)
    assert [(row.measured, row.state) for row in made] == [("0 lost", "met"), ("one host only", "not all of it")]


def test_the_table_is_text_in_which_long_cells_go_on_below():
    text = render(rows([D1, D6], [PART], [Result(part=PART, figures=[{**FIGURE, "what": "kill " * 30}])], scale=1), "x")
    assert max(len(line) for line in text.splitlines()) < 200
    assert text.count("kill") == 30
    assert "not built yet" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--only", "D1,X9"], "there is no demand X9"),
        (["--scale", "0"], "--scale 0.0: it must be above 0 and at most 1"),
        (["--scale", "2"], "--scale 2.0: it must be above 0 and at most 1"),
    ],
)
def test_wrong_words_are_refused(words, said, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err


def test_a_list_runs_nothing(capsys):
    assert main(["--only", "D1", "--list"]) == 0
    assert "kill cycles: D1" in capsys.readouterr().out


def test_a_part_is_a_run_of_its_own_whose_figures_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.nightly.FOLDER", tmp_path)
    test = tmp_path / "test_one.py"
    test.write_text(
        "import pytest\n"
        "from tests.faults.figures import record\n"
        "from tests.faults.scale import PART\n"
        "def test_one():\n    record('D1', 'one', demanded=1, measured=PART, met=False)\n"
        "def test_two():\n    pytest.skip('no reason')\n"
        "def test_three():\n    assert False\n"
    )
    part = Part(name="one", demands=("D1",), tests=(str(test),), minutes=0)
    result = measure(part, scale=0.5, soak_min=1)
    assert (result.passed, len(result.failed), result.skipped, result.status) == (1, 1, ("no reason",), 1)
    assert [(figure["measured"], figure["met"]) for figure in result.figures] == [("0.5", False)]


def test_a_night_goes_on_where_it_was_cut_short(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tools.nightly.FOLDER", tmp_path)
    monkeypatch.setattr("tools.nightly.TABLE", tmp_path / "table")
    test = tmp_path / "test_one.py"
    test.write_text(
        "from pathlib import Path\n"
        "from tests.faults.figures import record\n"
        f"RUNS = Path({str(tmp_path / 'runs')!r})\n"
        "def test_one():\n"
        "    with RUNS.open('a') as file:\n        file.write('run ')\n"
        "    record('D1', 'one', demanded=1, measured=1, met=True)\n"
        "    assert not RUNS.with_name('fails').exists()\n"
    )
    part = Part(name="one", demands=("D1",), tests=(str(test),), minutes=0)
    monkeypatch.setattr("tools.nightly.plan", lambda: ([D1], [part]))
    monkeypatch.setattr("tools.nightly._commit", lambda: "c0ffee")
    (tmp_path / "fails").touch()
    assert main(["--resume"]) == 1
    (tmp_path / "fails").unlink()
    assert main(["--resume"]) == 0, "what failed is measured again"
    monkeypatch.setattr("tools.nightly._commit", lambda: "another")
    capsys.readouterr()
    assert main(["--resume"]) == 0
    said = capsys.readouterr().out
    assert "one: D1, measured before at c0ffee" in said
    assert "another" not in said, "the table names the commit that was measured"
    assert (tmp_path / "runs").read_text() == "run run "
    assert kept(part, scale=1, soak_min=1) is not None
    assert kept(part, scale=0.5, soak_min=1) is None, "of another scale"
    assert kept(replace(part, tests=(*part.tests, "more")), scale=1, soak_min=1) is None, "other tests"
    assert main([]) == 0
    assert (tmp_path / "runs").read_text() == "run run run "


@pytest.mark.parametrize(("minutes", "is_kept"), [(30, True), (480, False)])
def test_a_shorter_soak_is_not_taken_for_a_longer_one(minutes, is_kept, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.nightly.FOLDER", tmp_path)
    test = tmp_path / "test_one.py"
    test.write_text("def test_one():\n    pass\n")
    part = Part(name="soak", demands=("O6",), tests=(str(test),), minutes=0)
    measure(part, scale=1, soak_min=30)
    assert (kept(part, scale=1, soak_min=minutes) is not None) is is_kept


def test_a_part_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.nightly.FOLDER", tmp_path)
    monkeypatch.setattr("tools.nightly.BOUND_AT_LEAST_MIN", 0.02)
    test = tmp_path / "test_one.py"
    test.write_text("import time\ndef test_one():\n    time.sleep(600)\n")
    result = measure(Part(name="one", demands=("D1",), tests=(str(test),), minutes=0), scale=1, soak_min=1)
    assert (result.out_of_time, result.is_bad) == (True, True)


def test_figures_are_read_as_they_were_written(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "figures"))
    record("K7", "nonces", demanded="0 repeats", measured=0, met=True)
    record("K7", "nonces of forks", demanded="0 repeats", measured=1, met=False)
    first, second = read(tmp_path / "figures")
    assert (first["measured"], second["met"]) == ("0", False)
    assert table([first, second]) == [
        "K7  nonces           0 repeats  0",
        "K7  nonces of forks  0 repeats  1  (missed)",
    ]
    assert (table([]), read(tmp_path / "none")) == ([], [])


def test_without_a_place_for_them_figures_are_nobodys(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    record("K7", "nonces", demanded=0, measured=0, met=True)


def test_the_program_is_what_make_calls():
    done = subprocess.run(
        [sys.executable, "-m", "tools.nightly", "--list"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "min  kill cycles: D1" in done.stdout
    assert "$(BIN)/python -m tools.nightly" in (ROOT / "Makefile").read_text()
