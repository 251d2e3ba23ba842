"""The benchmark of workspace stores measures what it says, at a size that a test can wait for."""

import pytest

from bench import workspace_stores
from bench.__main__ import PARTS


def test_its_rows_have_what_is_demanded_and_what_was_measured(tmp_path, monkeypatch):
    for name, small in (("FEW", 30), ("MANY", 120), ("BATCH", 50), ("ROUNDS", 2), ("WARM_UP", 1), ("SETS", 3)):
        monkeypatch.setattr(workspace_stores, name, small)
    rows = PARTS["workspace-stores"](tmp_path)
    assert [row.what.split(":")[0] for row in rows] == ["workspace"] * 5
    assert all(row.demanded and row.measured and row.met is not None for row in rows)
    assert [len(row.samples.seconds) if row.samples else None for row in rows] == [2, 2, None, 5, 3]


@pytest.mark.parametrize(("seconds", "verdict"), [(0.014, "met"), (0.016, "missed")])
def test_a_verdict_follows_its_figure(seconds, verdict):
    samples = workspace_stores.Samples([seconds], 0)
    assert workspace_stores._row("x", workspace_stores.SEAL_AGAIN_S_MAX, samples).verdict == verdict
