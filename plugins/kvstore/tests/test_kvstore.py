"""What a workflow stores, it finds; nobody else does; and a step that is sent again acts once."""

import pytest

from strongroom.plugin import CapabilityError, Repeats
from strongroom.plugin.messages import kvstore_pb2
from strongroom_kvstore.kvstore import KvStore
from strongroom_kvstore.limits import TOMBSTONES_MAX, KvLimits
from strongroom_kvstore.plugin import KvStorePlugin
from tests.fakes.plugin_host import MemoryStore, memory_host
from tests.fakes.workflow_caller import ALICE, BOB, step


class Workflow:
    """One workflow whose every call is a step of its own; ``again`` sends the last one once more."""

    def __init__(self, store=None, *, by="workflow_id", limits=None, **metadata):
        self.store = store if store is not None else MemoryStore()
        self.kvstore = KvStore(self.store, Repeats(self.store), limits or KvLimits(), by)
        self.metadata = metadata
        self.steps = 0

    def call(self, method, message, *, reference=None, **metadata):
        self.steps += 1
        reference = f"{id(self)}-{self.steps}" if reference is None else reference
        self.again = lambda: self.call(method, message, reference=reference, **metadata)
        return self.kvstore.methods()[method](step(message, reference, method=method, **{**self.metadata, **metadata}))

    def put(self, key, value, expected=None, **more):
        return self.call("Put", kvstore_pb2.PutRequest(key=key, value=value, expected_version=expected), **more).version

    def get(self, key, **more):
        answer = self.call("Get", kvstore_pb2.GetRequest(key=key), **more)
        return answer.value if answer.found else None

    def add(self, key, delta, **more):
        return self.call("Increment", kvstore_pb2.IncrementRequest(key=key, delta=delta), **more).value

    def delete(self, key, expected=None, **more):
        return self.call("Delete", kvstore_pb2.DeleteRequest(key=key, expected_version=expected), **more).found

    def keys(self, prefix="", size=0, token=""):
        answer = self.call("List", kvstore_pb2.ListRequest(prefix=prefix, page_size=size, page_token=token))
        return [entry.key for entry in answer.entries], answer.next_page_token


@pytest.fixture
def workflow():
    return Workflow()


def refusal(work):
    with pytest.raises(CapabilityError) as caught:
        work()
    return caught.value.name, caught.value.message


def test_a_value_is_found_until_it_is_deleted(workflow):
    assert workflow.get("a") is None
    assert workflow.put("a", b"1") == 1
    assert workflow.put("a", b"") == 2
    assert workflow.get("a") == b""
    assert workflow.delete("a") is True
    assert workflow.get("a") is None
    assert workflow.delete("a") is False


def test_values_are_there_after_a_restart(workflow):
    workflow.put("a", b"1")
    workflow.add("n", 5)
    after = Workflow(workflow.store)
    assert (after.get("a"), after.add("n", 1), after.keys()[0]) == (b"1", 6, ["a", "n"])


@pytest.mark.parametrize(
    "other",
    [{"workflow_id": "22" * 32}, {"workflow_owner": BOB}, {"workflow_id": "22" * 32, "workflow_owner": BOB}],
    ids=["another workflow", "another owner", "both"],
)
def test_two_workflows_never_see_each_other(workflow, other):
    workflow.put("a", b"mine")
    stranger = Workflow(workflow.store, **other)
    assert (stranger.get("a"), stranger.keys()[0], stranger.delete("a")) == (None, [], False)
    assert stranger.put("a", b"theirs", expected=0) == 1
    assert workflow.get("a") == b"mine"


def test_by_name_values_survive_a_new_version_of_the_workflow():
    old = Workflow(by="workflow_name")
    old.put("a", b"1")
    assert Workflow(old.store, by="workflow_name", workflow_id="22" * 32).get("a") == b"1"
    assert Workflow(old.store, by="workflow_name", workflow_name="315f5bdb76").get("a") is None
    assert Workflow(old.store, by="workflow_name", workflow_owner=BOB).get("a") is None


@pytest.mark.parametrize("spelling", [ALICE.upper(), "0x" + ALICE], ids=["upper", "0x"])
def test_every_spelling_of_an_owner_is_one_owner(workflow, spelling):
    workflow.put("a", b"1")
    assert workflow.get("a", workflow_owner=spelling) == b"1"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"workflow_owner": ""}, "no owner of 40 hex digits"),
        ({"workflow_owner": "ab"}, "no owner of 40 hex digits"),
        ({"workflow_id": ""}, "no workflow_id"),
        ({"workflow_id": "a/b"}, "no workflow_id"),
        ({"workflow_id": "x" * 65}, "no workflow_id"),
    ],
    ids=["no owner", "odd owner", "no workflow", "a path", "a long id"],
)
def test_a_call_from_no_workflow_is_refused(workflow, metadata, reason):
    name, message = refusal(lambda: workflow.put("a", b"1", **metadata))
    assert (name, reason in message) == ("InvalidArgument", True)


def test_a_write_happens_only_over_the_version_that_is_expected(workflow):
    assert workflow.put("a", b"1", expected=0) == 1
    assert refusal(lambda: workflow.put("a", b"2", expected=0)) == (
        "Aborted",
        "the value has version 1, and version 0 was expected",
    )
    assert workflow.put("a", b"2", expected=1) == 2
    assert refusal(lambda: workflow.delete("a", expected=1))[0] == "Aborted"
    assert workflow.delete("a", expected=2) is True
    assert refusal(lambda: workflow.put("a", b"3", expected=2))[1].startswith("the value has version 0")


def test_versions_of_a_key_never_repeat(workflow):
    workflow.put("a", b"1")
    workflow.delete("a")
    assert workflow.put("a", b"1") == 2
    workflow.delete("a")
    for number in range(TOMBSTONES_MAX + 1):
        workflow.put(f"k{number}", b"")
        workflow.delete(f"k{number}")
    assert len([key for owner, key in workflow.store.values if owner == ALICE]) == TOMBSTONES_MAX + 1
    assert workflow.put("a", b"1") == 3
    assert Workflow(workflow.store).put("new", b"") == 3, "the floor is there after a restart"


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "after a restart"])
@pytest.mark.parametrize("between", [False, True], ids=["at once", "after another write"])
def test_a_step_that_is_sent_again_acts_once_and_is_answered_the_same(workflow, restart, between):
    for call in ("Increment", "Put", "Delete"):
        version = workflow.put("a", b"0")
        workflow.put("d", b"0")
        message = {
            "Increment": kvstore_pb2.IncrementRequest(key="n", delta=5),
            "Put": kvstore_pb2.PutRequest(key="a", value=b"1", expected_version=version),
            "Delete": kvstore_pb2.DeleteRequest(key="d"),
        }[call]
        first = workflow.call(call, message, reference=call)
        if between:
            for _ in range(3):
                workflow.add("n", 1)
                workflow.put("a", b"2")
                workflow.put("d", b"2")
        state = (workflow.get("n"), workflow.get("a"), workflow.get("d"))
        other = Workflow(workflow.store) if restart else workflow
        assert other.call(call, message, reference=call) == first
        assert (other.get("n"), other.get("a"), other.get("d")) == state, call


class Torn(MemoryStore):
    """A store that dies at one of its writes, before or after it."""

    def __init__(self, values, writes, after):
        super().__init__()
        self.values, self.writes, self.after = values, writes, after

    def put(self, key, value, *, owner=""):
        self.writes -= 1
        if self.writes != 0 or self.after:
            super().put(key, value, owner=owner)
        if self.writes == 0:
            raise OSError("the disk is gone")


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("writes", [1, 2])
def test_a_crash_at_any_write_leaves_all_of_a_step_or_nothing(writes, after):
    before = Workflow()
    before.add("n", 1)
    dying = Workflow(Torn(before.store.values, writes, after))
    with pytest.raises(OSError, match="disk"):
        dying.add("n", 10, reference="cut")
    alive = Workflow(before.store)
    assert alive.add("n", 100, reference="other") in {101, 111}
    assert alive.add("n", 10, reference="cut") in {11, 111}
    assert alive.get("n") == b"111"
    assert alive.add("n", 1, reference="first of another run", workflow_execution_id="ab" * 32) == 112


def test_the_same_process_goes_on_after_a_write_that_failed():
    store = Torn({}, 1, after=True)
    workflow = Workflow(store)
    with pytest.raises(OSError, match="disk"):
        workflow.put("a", b"12345")
    assert workflow.again().version == 1
    assert workflow.keys()[0] == ["a"]


def test_a_step_that_asks_for_something_else_the_second_time_is_refused(workflow):
    workflow.put("a", b"1", reference="7")
    assert refusal(lambda: workflow.put("a", b"2", reference="7"))[0] == "FailedPrecondition"
    assert refusal(lambda: workflow.delete("a", reference="7"))[0] == "FailedPrecondition"


def test_references_of_two_runs_do_not_meet(workflow):
    assert workflow.add("n", 1, reference="7") == 1
    assert workflow.add("n", 1, reference="7", workflow_execution_id="ab" * 32) == 2
    assert workflow.add("n", 1, reference="p:7") == 3


def test_numbers_are_counted_and_their_ends_are_refused(workflow):
    assert [workflow.add("n", delta) for delta in (5, -7, 0)] == [5, -2, -2]
    assert workflow.get("n") == b"-2"
    workflow.put("big", str(2**63 - 1).encode())
    assert refusal(lambda: workflow.add("big", 1)) == ("OutOfRange", "the sum does not fit 64 bits")
    for text in (b"x", b"", b"1.5", b"--1", b"9" * 30, b"\xff"):
        workflow.put("text", text)
        assert refusal(lambda: workflow.add("text", 1))[0] == "FailedPrecondition", text


def test_keys_come_in_byte_order_a_page_at_a_time(workflow):
    names = ["a/1", "a/2", "b", "ä", "%", "_"]
    for name in names:
        workflow.put(name, b"")
    in_order = sorted(names, key=str.encode)
    assert workflow.keys()[0] == in_order
    assert workflow.keys("a/") == (["a/1", "a/2"], "")
    seen, token = [], ""
    while True:
        page, token = workflow.keys(size=4, token=token)
        seen += page
        if not token:
            break
        workflow.delete(page[-1])  # a page goes on behind a key that is gone
    assert seen == in_order


def test_operators_see_and_drop_what_a_deleted_workflow_left(workflow):
    workflow.put("a", b"1")
    workflow.put("gone", b"1")
    workflow.delete("gone")
    operator = {"reference": "", "workflow_id": "", "workflow_name": ""}
    (held,) = workflow.call("Workflows", kvstore_pb2.WorkflowsRequest(), **operator).workflows
    assert (held.workflow, held.entries) == ("11" * 32, 1)
    drop = kvstore_pb2.DropRequest(workflow=held.workflow)
    assert workflow.call("Drop", drop, **operator, workflow_owner=BOB).entries == 0
    assert workflow.get("a") == b"1"
    assert workflow.call("Drop", drop, **operator).entries == 1
    assert (workflow.get("a"), workflow.keys()[0]) == (None, [])
    assert [owner for owner, _ in workflow.store.values if owner] == []
    for method, message in (("Workflows", kvstore_pb2.WorkflowsRequest()), ("Drop", drop)):
        assert refusal(lambda m=method, w=message: workflow.call(m, w))[0] == "PermissionDenied"


def test_the_plugin_offers_its_methods_between_start_and_stop():
    plugin = KvStorePlugin()
    assert plugin.capabilities() == []
    plugin.start(memory_host(store=MemoryStore()))
    (capability,) = plugin.capabilities()
    assert (capability.id, sorted(capability.methods)) == (
        "kvstore@1.0.0",
        ["Delete", "Drop", "Get", "Increment", "List", "Put", "Workflows"],
    )
    plugin.stop()
    assert plugin.capabilities() == []
