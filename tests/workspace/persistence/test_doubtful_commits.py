"""A commit whose answer was lost: whether it is on disk or not, the log is whole and its head fits."""

from contextlib import suppress

import pytest

from strongroom.errors import StorageFault
from tests.fakes.sealed_logs import opened, put, values


@pytest.mark.parametrize("is_on_disk", [True, False], ids=["it is on disk", "it is not"])
@pytest.mark.parametrize("step", ["append", "replace"])
def test_after_a_commit_whose_answer_was_lost_the_head_fits_the_rows(tmp_path, monkeypatch, step, is_on_disk):
    path = tmp_path / "private" / "notes.db"
    with opened(path) as log:
        put(log, "first")
        log.flush()
        write, failed = getattr(log._rows.log, step), []

        def lost(*arguments, **named):
            monkeypatch.setattr(log._rows.log, step, write)
            if is_on_disk:
                write(*arguments, **named)
            failed.append(step)
            raise StorageFault("SR-STORE-045", "the disk went away")

        monkeypatch.setattr(log._rows.log, step, lost)
        put(log, "second")
        with suppress(StorageFault):  # it may have met the thread that writes what nobody flushes
            log.compact() if step == "replace" else log.flush()
        assert failed == [step]
        put(log, "third")
        log.flush()
        assert log.verify().problem == ""
    with opened(path) as log:
        assert values(log) == ["first", "second", "third"]
        assert log.report.is_whole
