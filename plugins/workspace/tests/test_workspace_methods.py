"""What a workflow may read and write of a workspace, and that a step that is sent again acts once."""

import pytest

from strongroom.errors import NotFound
from strongroom.plugin import CapabilityError, Repeats
from strongroom.plugin.messages import workspace_pb2
from strongroom.testing.memory_workspaces import MemoryWorkspaces
from strongroom_workspace.grants import Grants
from strongroom_workspace.methods import WorkspaceMethods
from tests.fakes.plugin_host import MemoryStore
from tests.fakes.workflow_caller import ALICE, BOB, step

NAME = "importer"
ALL = {"notes": {"read": ["*"], "write": ["*"]}}


class Workflow:
    """A workflow of Alice's, whose calls are steps of a run; ``again`` sends the last one once more."""

    def __init__(self, section=None, workspaces=None, store=None):
        self.workspaces = workspaces or MemoryWorkspaces()
        self.workspaces.mount("notes")
        self.store = store if store is not None else MemoryStore()
        grants = Grants.parsed(ALL if section is None else section)
        self.methods = WorkspaceMethods(self.workspaces, grants, Repeats(self.store)).methods()
        self.steps = 0

    def call(self, method, message, *, reference=None, **metadata):
        self.steps += 1
        reference = str(self.steps) if reference is None else reference
        self.again = lambda: self.call(method, message, reference=reference, **metadata)
        metadata.setdefault("decoded_workflow_name", NAME)
        return self.methods[method](step(message, reference, method=method, **metadata))

    def get(self, key, **more):
        return self.call("Get", workspace_pb2.GetRequest(mount="notes", key=key), **more)

    def set(self, key, json, **more):
        return self.call("Set", workspace_pb2.SetRequest(mount="notes", key=key, json=json), **more)

    def delete(self, key, **more):
        return self.call("Delete", workspace_pb2.DeleteRequest(mount="notes", key=key), **more)


@pytest.fixture
def workflow():
    return Workflow()


def refusal(work):
    with pytest.raises(CapabilityError) as caught:
        work()
    return caught.value.name, caught.value.message


def test_what_is_set_is_read_until_it_is_deleted(workflow):
    assert not workflow.get("a").found
    written = workflow.set("a", b'{"x": 1}')
    found = workflow.get("a")
    assert (found.found, found.json, found.time_ms) == (True, b'{"x": 1}', written.time_ms)
    assert workflow.delete("a").existed
    assert not workflow.delete("a").existed
    assert not workflow.get("a").found


def test_tables_are_apart_from_the_key_values(workflow):
    workflow.call("Set", workspace_pb2.SetRequest(mount="notes", table="tasks", key="a", json=b"{}"))
    assert not workflow.get("a").found
    found = workflow.call("Get", workspace_pb2.GetRequest(mount="notes", table="tasks", key="a"))
    assert found.json == b"{}"


def test_a_workspace_that_is_not_mounted_is_said_so(workflow):
    with pytest.raises(NotFound, match="other is not mounted"):
        Workflow({"other": {"read": ["*"]}}).call("Get", workspace_pb2.GetRequest(mount="other", key="a"))


def test_a_list_goes_on_after_its_last_key(workflow):
    for key in "cabd":
        workflow.set(key, b'"%s"' % key.encode())
    first = workflow.call("List", workspace_pb2.ListRequest(mount="notes", limit=3))
    assert ([entry.key for entry in first.entries], first.more) == (["a", "b", "c"], True)
    rest = workflow.call("List", workspace_pb2.ListRequest(mount="notes", limit=3, after_key="c"))
    assert ([entry.json for entry in rest.entries], rest.more) == ([b'"d"'], False)


def test_a_list_of_keys_has_no_values_and_a_prefix_chooses(workflow):
    workflow.set("a/1", b"1")
    workflow.set("b/1", b"2")
    answer = workflow.call("List", workspace_pb2.ListRequest(mount="notes", key_prefix="a/", keys_only=True))
    assert [(entry.key, entry.json) for entry in answer.entries] == [("a/1", b"")]


def test_a_list_ends_before_it_is_too_large_and_says_that_there_is_more(workflow):
    for key in "abc":
        workflow.set(key, b'"' + b"x" * 1_000_000 + b'"')
    answer = workflow.call("List", workspace_pb2.ListRequest(mount="notes"))
    assert ([entry.key for entry in answer.entries], answer.more) == (["a"], True)


def test_a_list_of_too_many_is_refused_with_the_limit(workflow):
    name, message = refusal(lambda: workflow.call("List", workspace_pb2.ListRequest(mount="notes", limit=1001)))
    assert (name, message) == ("LimitExceeded", "limit is 1001, at most 1000 are listed")


@pytest.mark.parametrize(
    ("section", "access"),
    [
        ({}, []),
        ({"notes": {}}, []),
        ({"notes": {"read": ["*"]}}, ["read"]),
        ({"notes": {"write": ["*"]}}, ["read", "write"]),
        ({"notes": {"write": [f"*/{NAME}"]}}, ["read", "write"]),
        ({"notes": {"write": [f"{ALICE}/{NAME}"]}}, ["read", "write"]),
        ({"notes": {"write": [f"{ALICE}/*"]}}, ["read", "write"]),
        ({"notes": {"write": ["*/*"]}}, ["read", "write"]),
        ({"notes": {"write": [f"{BOB}/{NAME}"], "read": ["*/another"]}}, []),
        ({"other": {"write": ["*"]}}, []),
    ],
    ids=["nobody", "empty lists", "read", "write reads", "name", "both", "owner", "any of any", "others", "mount"],
)
def test_a_workflow_may_do_what_it_is_listed_for(section, access):
    workflow = Workflow(section)
    for kind, work in (("read", lambda: workflow.get("a")), ("write", lambda: workflow.set("a", b"1"))):
        if kind in access:
            work()
        else:
            name, message = refusal(work)
            assert name == "PermissionDenied"
            assert f'mounts.notes.{kind}: ["*/{NAME}"]' in message


def test_a_workflow_is_known_by_the_name_that_the_host_stamped_and_not_by_the_shortened_one():
    workflow = Workflow({"notes": {"read": [f"*/{NAME}"]}})
    assert refusal(lambda: workflow.get("a", workflow_name=NAME, decoded_workflow_name="another"))


def test_a_call_from_no_workflow_is_the_operators_own():
    workflow = Workflow({})
    workflow.set("a", b"1", reference="", workflow_id="")
    assert workflow.get("a", reference="", workflow_id="").json == b"1"


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ([], "mounts must be a mapping"),
        ({"a b": {}}, "no name of a mount"),
        ({"notes": []}, "has the lists read and write"),
        ({"notes": {"reads": []}}, "has the lists read and write"),
        ({"notes": {"read": "*"}}, "must be a list"),
        ({"notes": {"read": ["importer"]}}, 'write "\\*", "\\*/NAME"'),
        ({"notes": {"read": [f"0x{ALICE}/x"]}}, "is no workflow"),
        ({"notes": {"write": [7]}}, "is no workflow"),
    ],
    ids=["list", "mount name", "lists", "unknown list", "text", "bare name", "0x", "number"],
)
def test_a_section_that_cannot_be_meant_is_refused(section, what):
    with pytest.raises(ValueError, match=what):
        Grants.parsed(section)


def test_a_step_that_is_sent_again_writes_once(workflow):
    first = workflow.set("a", b"1")
    assert workflow.again() == first
    assert workflow.workspaces.get("notes", "", "a").time_ms == first.time_ms


def test_a_step_that_is_sent_again_does_not_undo_what_came_after_it(workflow):
    workflow.set("a", b"1")
    repeat = workflow.again
    workflow.workspaces.put("notes", "", "a", b"2")
    repeat()
    assert workflow.workspaces.get("notes", "", "a").json == b"2"


def test_a_step_that_was_cut_off_before_it_wrote_writes_when_it_is_sent_again(workflow):
    put, workflow.workspaces.put = workflow.workspaces.put, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        workflow.set("a", b"1")
    workflow.workspaces.put = put
    workflow.again()
    assert workflow.workspaces.get("notes", "", "a").json == b"1"


def test_a_deletion_that_is_sent_again_leaves_what_was_written_since(workflow):
    workflow.set("a", b"1")
    assert workflow.delete("a").existed
    repeat = workflow.again
    workflow.workspaces.put("notes", "", "a", b"2")
    assert repeat().existed
    assert workflow.workspaces.get("notes", "", "a").json == b"2"


def test_a_step_that_comes_back_as_another_request_is_refused(workflow):
    workflow.set("a", b"1", reference="7")
    assert refusal(lambda: workflow.set("a", b"2", reference="7"))[0] == "FailedPrecondition"
