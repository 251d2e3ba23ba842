"""Ids and events as they arrive: what is wrong is refused with its reason, and no journal is touched by it."""

import pytest
from ulid import ULID

from strongroom.engine.journal import now_ms
from strongroom.engine.limits import EngineLimits
from strongroom.engine.world.drafts import Draft, checked
from strongroom.engine.world.events import Answer, checked_answer
from strongroom.engine.world.rules import EventType
from strongroom.errors import Internal, InvalidInput, LimitExceeded, NotFound, Refused
from strongroom.pb.strongroom.world.v1.event_data_pb2 import AttributeChange, EventData
from tests.fakes.workflow_host import OWNER
from tests.fakes.world_host import WHOLE, draft

LIMITS = EngineLimits()
NAMED = ("step_", "hook_", "wait_")
HOUR_MS = 3_600_000


def whole(kind, **data):
    return draft(kind, "step_1" if kind.startswith(NAMED) else "", **data)


def of_time(at_ms):
    return f"wrun_{ULID.from_timestamp(at_ms / 1000)}"


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_what_has_all_that_its_type_needs_is_taken(kind):
    assert checked(whole(kind), LIMITS).kind == kind


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *(("run_created", name) for name in ("deployment_id", "workflow_name", "input")),
        *(("attr_set", name) for name in ("changes", "writer")),
        *(("step_created", name) for name in ("step_name", "input")),
        *((kind, "error") for kind in ("run_failed", "step_failed", "step_retrying")),
        ("step_completed", "result"),
        ("hook_created", "token"),
        ("hook_received", "payload"),
        ("wait_created", "resume_at_unix_ms"),
    ],
)
def test_what_its_type_needs_is_missed(kind, field):
    with pytest.raises(InvalidInput) as error:
        checked(whole(kind, **{field: None}), LIMITS)
    assert (error.value.code, error.value.details["field"]) == ("SR-WORLD-018", f"data.{field}")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(Draft("run_exploded"), "SR-WORLD-017", id="unknown type"),
        pytest.param(Draft(""), "SR-WORLD-017", id="no type"),
        pytest.param(Draft("hook_conflict", "h"), "SR-WORLD-040", id="a conflict is the host's"),
        pytest.param(Draft("noop"), "SR-WORLD-040", id="a noop is the host's"),
        pytest.param(draft("step_started"), "SR-WORLD-020", id="no correlation id"),
        pytest.param(draft("run_started", "x"), "SR-WORLD-020", id="a correlation id of nothing"),
        pytest.param(draft("step_started", "x" * 129), "SR-WORLD-041", id="correlation id too long"),
        pytest.param(draft("step_started", "a b"), "SR-WORLD-041", id="correlation id with a space"),
        pytest.param(draft("step_started", "ä"), "SR-WORLD-041", id="correlation id not ASCII"),
        pytest.param(draft("step_started", "a\0"), "SR-WORLD-041", id="correlation id with a zero"),
        pytest.param(draft("run_completed", error=b"x"), "SR-WORLD-019", id="a field of another type"),
        pytest.param(draft("run_started", input=b"x"), "SR-WORLD-018", id="half of what a run is made of"),
        pytest.param(draft("step_started", "s", input=b"x", step_name=None), "SR-WORLD-018", id="lazy without a name"),
        pytest.param(draft("run_completed", output=b"x" * 1_000_001), "SR-WORLD-021", id="oversized"),
        pytest.param(draft("run_cancelled", cancel_reason="x" * 513), "SR-WORLD-022", id="reason over 512"),
        pytest.param(draft("run_created", workflow_name="x" * 257), "SR-WORLD-022", id="name too long"),
        pytest.param(draft("run_created", workflow_name="a\nb"), "SR-WORLD-022", id="name not printable"),
        pytest.param(draft("run_failed", error_code="a b"), "SR-WORLD-022", id="code with a space"),
        pytest.param(draft("run_created", encryption_public_key="AAAA"), "SR-WORLD-022", id="no public key"),
        pytest.param(draft("wait_created", "w", resume_at_unix_ms=-1), "SR-WORLD-022", id="time before 1970"),
        pytest.param(draft("wait_created", "w", resume_at_unix_ms=2**62), "SR-WORLD-022", id="time after 9999"),
        pytest.param(draft("run_created", attributes={"": "x"}), "SR-WORLD-022", id="attribute without a name"),
        pytest.param(draft("attr_set", changes=[AttributeChange(value="x")]), "SR-WORLD-022", id="change of nothing"),
        pytest.param(draft("run_created", attributes={"a": "x" * 16_000}), "SR-WORLD-027", id="attributes too large"),
        pytest.param(draft("run_started", spec_version=8), "SR-WORLD-034", id="later contract"),
        pytest.param(draft("hook_created", "h", token="hook_x"), "SR-HOOK-012", id="token like an id"),
        pytest.param(draft("hook_created", "h", token="x" * 257), "SR-HOOK-011", id="token too long"),
        pytest.param(draft("hook_created", "h", metadata=b"x" * 16_001), "SR-HOOK-013", id="metadata too large"),
        pytest.param(draft("hook_received", "h", payload=b"x" * 256_001), "SR-HOOK-014", id="payload too large"),
    ],
)
def test_what_is_wrong_with_an_event_is_said_and_its_run_is_untouched(event, code, shared):
    run_id = shared.begin()
    with pytest.raises(Refused) as error:
        shared.world.events.create(run_id, event, owner=OWNER)
    assert error.value.code == code
    assert shared.kinds(run_id) == ["run_created"]


def test_attributes_may_not_grow_beyond_their_room_by_changes(shared):
    run_id = shared.begin(attributes={"a": "x" * 15_000})
    with pytest.raises(LimitExceeded, match="attributes"):
        shared.create(run_id, "attr_set", changes=[AttributeChange(key="b", value="y" * 1_000)])
    shared.create(run_id, "attr_set", changes=[AttributeChange(key="a"), AttributeChange(key="b", value="y" * 1_000)])
    assert dict(shared.world.runs.get(run_id, opened=True).data.attributes) == {"b": "y" * 1_000}


def test_reasons_and_names_may_have_their_full_length(shared):
    run_id = shared.begin(workflow_name="w" * 256)
    assert shared.create(run_id, "run_cancelled", cancel_reason="ü" * 512).run.status == "cancelled"


@pytest.mark.parametrize(
    "at_ms", [-24 * HOUR_MS + 60_000, 0, 5 * 60_000 - 5_000], ids=["almost a day ago", "now", "almost five minutes on"]
)
def test_a_run_has_the_id_that_its_client_made(at_ms, shared):
    run_id = of_time(now_ms() + at_ms)
    answer = shared.create(run_id, "run_created")
    assert answer.run.run_id == answer.header.run_id == answer.event.row.run_id == run_id


@pytest.mark.parametrize("at_ms", [-24 * HOUR_MS - 60_000, 5 * 60_000 + 60_000], ids=["yesterday", "in the future"])
def test_an_id_of_another_day_is_refused(at_ms, shared):
    run_id = of_time(now_ms() + at_ms)
    with pytest.raises(InvalidInput) as error:
        shared.create(run_id, "run_created")
    assert error.value.code == "SR-RUN-004"
    assert "carries a time outside" in str(error.value)


@pytest.mark.parametrize(
    "run_id",
    ["wrun_x", "run_01", "wrun_" + "z" * 26, f"{ULID()}", "wrun_" + "0" * 400],
    ids=["short", "another beginning", "no digits", "no beginning", "long"],
)
def test_an_id_that_is_none_is_refused_in_the_words_of_the_contract(run_id, shared):
    with pytest.raises(InvalidInput) as error:
        shared.create(run_id, "run_created")
    assert f'Invalid runId: "{run_id[:64]}" is not a valid ULID' in str(error.value)


@pytest.mark.parametrize("run_id", [None, ""])
def test_without_an_id_the_host_makes_one(run_id, shared):
    assert shared.create(run_id, "run_created").run.run_id.startswith("wrun_")
    with pytest.raises(InvalidInput) as error:
        shared.create(run_id, "run_started")
    assert error.value.code == "SR-WORLD-042"


def test_an_event_of_a_run_that_is_not_there_is_refused(shared):
    with pytest.raises(NotFound) as error:
        shared.create(f"wrun_{ULID()}", "run_started")
    assert error.value.code == "SR-RUN-001"


def test_an_answer_for_another_run_is_never_given_out(shared):
    answer = shared.create(None, "run_created")
    with pytest.raises(Internal) as error:
        checked_answer(answer, "wrun_a")
    wanted = f"Server returned different runId than requested: expected wrun_a, got {answer.run.run_id}"
    assert str(error.value) == wanted
    with pytest.raises(Internal) as error:
        checked_answer(Answer(answer.event, answer.header, None), "wrun_a")
    assert str(error.value) == "Missing 'run' in server response for 'run_created' event"


@pytest.mark.parametrize("count", [0, 101], ids=["none", "too many"])
def test_a_call_has_a_bounded_number_of_events(count, shared):
    with pytest.raises(LimitExceeded) as error:
        shared.world.events.create_batch(shared.begin(), [draft("run_started")] * count, owner=OWNER)
    assert error.value.code == "SR-WORLD-036"


def test_fields_that_nobody_knows_are_dropped(shared):
    data = EventData.FromString(draft("run_started").data.SerializeToString() + b"\xf8\x7f\x01")
    answer = shared.world.events.create(shared.begin(), Draft(EventType.RUN_STARTED.value, "", data), owner=OWNER)
    assert answer.event.data.SerializeToString() == b""
