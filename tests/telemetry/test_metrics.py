"""What is shown of a host: every metric of the table, nothing beyond it, and all of it whatever one part does."""

import re
import threading
from pathlib import Path

import pytest

from strongroom.telemetry import metrics as module
from strongroom.telemetry.catalogue import METRICS, PREFIX
from strongroom.telemetry.counts import RUN_BOUNDS_S, Counts
from strongroom.telemetry.metrics import VALUES_MAX, Metrics, Sample
from strongroom.telemetry.redaction import Redaction

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
NEVER = {"run", "run_id", "execution_id", "owner", "event_id", "caller", "secret"}
PROMISED = re.findall(
    r"\w+",
    """
    runs_started_total runs_finished_total run_duration_seconds queue_depth oldest_pending_age_seconds
    capability_request_duration_seconds plugin_up plugin_restarts_total decrypt_failures_total blobs_by_key_version
    unreadable_entries audit_write_failures_total db_busy_total wal_bytes disk_free_bytes last_backup_timestamp_seconds
    attestation_refusals_total insecure_release_total
""",
)


def shown(*samples, text=str):
    metrics = Metrics(text)
    metrics.add("part", lambda: samples)
    return metrics.text().decode()


def test_the_page_shows_exactly_the_table():
    rows = re.findall(r"^\| `(\w+?)(?:\{(.+?)\})?` \| (\w+) \| (.+?) \|$", PAGE, re.MULTILINE)
    told = [(name, tuple(labels.split(",")) if labels else (), kind, says) for name, labels, kind, says in rows]
    assert told == [(f"{PREFIX}{each.name}", each.labels, each.kind, each.help) for each in METRICS]


def test_what_operators_were_promised_is_there_and_no_label_is_of_one_run():
    assert set(PROMISED) <= {each.name for each in METRICS}
    assert not {label for each in METRICS for label in each.labels} & NEVER
    for each in METRICS:
        assert each.name.endswith("_total") == (each.kind == "counter"), each.name


def test_every_metric_can_be_shown_and_is_named_in_base_units():
    counts = Counts()
    counts.run_finished("completed", 0.3)
    samples = [
        Sample(each.name, counts.durations if each.kind == "histogram" else 1.0, each.labels) for each in METRICS
    ]
    text = shown(*samples)
    assert {each.name for each in METRICS} <= set(re.findall(rf"^# TYPE {PREFIX}(\w+) ", text, re.MULTILINE))
    assert f'{PREFIX}run_duration_seconds_bucket{{le="0.25"}} 0.0' in text
    assert f'{PREFIX}run_duration_seconds_bucket{{le="0.5"}} 1.0' in text
    assert f'{PREFIX}run_duration_seconds_bucket{{le="{RUN_BOUNDS_S[-1]}"}} 1.0' in text
    assert f'{PREFIX}run_duration_seconds_bucket{{le="+Inf"}} 1.0' in text
    assert f"{PREFIX}run_duration_seconds_sum 0.3" in text
    assert "process_resident_memory_bytes" in text


def test_a_part_that_fails_keeps_nobody_from_being_shown_and_is_counted(caplog):
    metrics = Metrics(str)
    answers = iter([[Sample("wal_bytes", 7)], RuntimeError("payload")])

    def fails_later():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    metrics.add("bad", fails_later)
    metrics.add("good", lambda: [Sample("db_busy_total", 3)])
    metrics.text()
    text = metrics.text().decode()
    assert f"{PREFIX}wal_bytes 7.0" in text, "what it said last stands in for it"
    assert f"{PREFIX}db_busy_total 3.0" in text
    assert f'{PREFIX}scrape_errors_total{{part="bad"}} 1.0' in text
    assert "payload" not in caplog.text


def test_a_part_that_hangs_costs_the_time_that_all_have_and_one_thread(monkeypatch):
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    metrics, let_go, asked = Metrics(str), threading.Event(), []
    metrics.text()  # before any part is there, as while a host starts

    def hangs():
        asked.append(1)
        let_go.wait(30)
        return [Sample("wal_bytes", 7)]

    metrics.add("slow", hangs)
    metrics.add("good", lambda: [Sample("db_busy_total", 3)])
    for _ in range(3):
        text = metrics.text().decode()
        assert f"{PREFIX}db_busy_total 3.0" in text
        assert f"{PREFIX}wal_bytes" not in text
    assert asked == [1]
    let_go.set()
    metrics.close()


def test_what_takes_long_is_asked_seldom_and_nobody_waits_for_it():
    now, asked, done = [100.0], [], threading.Event()
    metrics = Metrics(str, clock=lambda: now[0])

    def counts_everything():
        asked.append(1)
        now[0] += 50.0
        done.set()
        return [Sample("unreadable_entries", len(asked))]

    metrics.add("slow", counts_everything, every_s=10.0)
    metrics.text()
    assert done.wait(10)
    while f"{PREFIX}unreadable_entries 1.0" not in metrics.text().decode():
        pass
    now[0] += 4_000.0
    metrics.text()
    assert asked == [1], "it may use a hundredth of the time"
    now[0] += 2_000.0
    done.clear()
    metrics.text()
    assert done.wait(10)


def test_labels_go_through_the_redaction_and_are_bounded():
    redaction = Redaction()
    redaction.register("hunter2secret")
    text = shown(Sample("plugin_up", 1, ("hunter2secret\n# forged",)), text=redaction.text)
    assert "hunter2secret" not in text
    assert "\n# forged" not in text
    many = shown(*(Sample("plugin_up", 1, (str(number),)) for number in range(VALUES_MAX + 5)))
    assert many.count(f"\n{PREFIX}plugin_up{{") == VALUES_MAX


@pytest.mark.parametrize("labels", [(), ("a", "b")], ids=["too few", "too many"])
def test_a_sample_with_other_labels_than_the_table_says_is_left_out(labels):
    assert f"{PREFIX}plugin_up{{" not in shown(Sample("plugin_up", 1, labels))
