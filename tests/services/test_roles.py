"""The table of methods: nothing is missing in it, each role opens its own methods alone, and nobody reaches what
another owner has.

The tests go over every method of every message file. A new one fails here until its line is in the table, and until
that line says whose thing it touches.
"""

import re
from pathlib import Path

import pytest

from strongroom.errors import Forbidden, NotFound, Tampered
from strongroom.pb.strongroom.v1 import capability_pb2
from strongroom.services.access import Access, Finder
from strongroom.services.callers import Caller
from strongroom.services.roles import ALL_OWNERS, RULES, SOME_OWNER, Of, need_of
from strongroom.services.server import SERVICES
from strongroom.settings.roles import EVERYTHING, USERS, Role
from tests.fakes.callers import grant
from tests.fakes.methods import METHODS, has_field, request_for

A, B = "a1" * 20, "b2" * 20
LOOKS = {
    # What belongs to the host, and shows nothing of one owner: capabilities, plugins, limits, how it is.
    "/strongroom.v1.CapabilityService/List",
    "/strongroom.v1.PluginService/List",
    "/strongroom.v1.StatusService/Get",
    "/strongroom.v1.WorkflowService/GetLimits",
    # Lists, which their services limit to what the caller may see; tests/services and tests/scenarios look at each.
    "/strongroom.v1.RunService/List",
    "/strongroom.v1.WorkflowService/List",
    "/strongroom.v1.WorkspaceService/List",
    "/strongroom.v1.WorkspaceService/GetSession",
    # The same of runs that others execute.
    "/strongroom.v1.WorldService/GetInfo",
    "/strongroom.v1.WorldService/GetRuns",
    "/strongroom.v1.WorldService/CancelRuns",
    "/strongroom.v1.WorldService/ListRuns",
    "/strongroom.v1.WorldService/ListEventsByCorrelation",
}
"""Methods that need a role for anybody at all. To add one is to say why it shows nothing of others."""
NAMED = {"owner": B, "owner_id": B, "name": "b", "run_id": "wrun_b", "workflow": "b"}


def missing(key):
    return NotFound("SR-TEST-001", f"there is no {key!r}")


def finders_for(owner):
    """Everything is ``owner``'s, whatever its kind."""
    kinds = {"owner", "workspace owner", "session"}
    things = {need_of(method, request_for(method)).of.kind for method in METHODS} - {"all owners", "some owner"}
    things |= {"hook", "hook token"}
    return {kind: Finder(lambda _key: owner, None if kind in kinds else missing) for kind in kinds | things}


def access(owner=B):
    return Access(base=None, finders=finders_for(owner))


def requests(method):
    """Empty, with everything named, and with a reason where it can be given."""
    yield request_for(method)
    yield request_for(method, **NAMED)
    if has_field(method, "reason"):
        yield request_for(method, **NAMED, reason="ticket 7")


def test_the_table_has_every_method_and_no_other():
    assert set(RULES) == set(METHODS)


def test_every_service_of_ours_is_known_to_the_servers():
    assert {method.split("/")[1] for method in METHODS} >= set(SERVICES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("role", list(Role), ids=str)
def test_a_role_opens_what_needs_it_and_nothing_else(method, role):
    somebody = Caller("somebody", (grant([role]),))
    for request in requests(method):
        if need_of(method, request).role is role:
            access().admit(somebody, method, request)
        else:
            with pytest.raises(Forbidden) as refused:
                access().admit(somebody, method, request)
            assert refused.value.code == "SR-AUTH-001"
            assert need_of(method, request).role in str(refused.value)


@pytest.mark.parametrize("method", METHODS)
def test_who_may_do_everything_for_one_owner_reaches_nothing_of_another(method):
    other = Caller("other", (grant(EVERYTHING, A),))
    for request in requests(method):
        if method in LOOKS and need_of(method, request).of == SOME_OWNER:
            continue
        with pytest.raises((Forbidden, NotFound)):
            access(B).admit(other, method, request)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_caller_reaches_all_of_his_own_but_not_the_host(method):
    somebody = Caller("somebody", (grant(EVERYTHING, A),))
    for request in requests(method):
        if need_of(method, request).of == ALL_OWNERS:
            with pytest.raises(Forbidden, match="for every owner"):
                access(A).admit(somebody, method, request)
        else:
            access(A).admit(somebody, method, request)


@pytest.mark.parametrize("method", METHODS)
def test_nobody_may_do_anything(method):
    for request in requests(method):
        with pytest.raises(Forbidden):
            access().admit(Caller("nobody"), method, request)


@pytest.mark.parametrize("method", [method for method in METHODS if has_field(method, "reason")])
def test_a_reason_is_what_opens_sealed_contents_and_it_needs_decrypt(method):
    sealed, opened = request_for(method, **NAMED), request_for(method, **NAMED, reason="x")
    acts = method.endswith(("/Cancel", "/Kill"))
    assert need_of(method, sealed).role in USERS
    assert need_of(method, opened).role is (Role.RUN if acts else Role.DECRYPT)


def test_a_method_that_nobody_entered_is_open_to_nobody():
    everybody = Caller("admin-socket", (grant(EVERYTHING),))
    with pytest.raises(Forbidden, match="open to nobody") as refused:
        access().admit(everybody, "/strongroom.v1.RunService/Forge", request_for("/strongroom.v1.RunService/Get"))
    assert refused.value.code == "SR-AUTH-002"


def test_a_kind_of_thing_that_nobody_can_find_is_for_those_who_may_see_all():
    somebody = Caller("somebody", (grant(EVERYTHING, A),))
    method = "/strongroom.v1.RunService/Get"
    with pytest.raises(Forbidden, match="for every owner"):
        Access(base=None).admit(somebody, method, request_for(method))


def found(owner):
    return Access(base=None, finders={"run": Finder(lambda _key: owner, missing)})


OF_RUNS = [
    m for m in METHODS if m.startswith("/strongroom.v1.RunService/") and need_of(m, request_for(m)).of.kind == "run"
]


@pytest.mark.parametrize("method", OF_RUNS)
def test_a_thing_of_others_and_one_that_is_not_there_are_refused_alike(method):
    somebody = Caller("somebody", (grant(EVERYTHING, A),))
    refusals = set()
    for owner in (B, None):
        with pytest.raises(NotFound) as refused:
            found(owner).admit(somebody, method, request_for(method, run_id="wrun_b"))
        refusals.add(str(refused.value))
    assert refusals == {"there is no 'wrun_b'"}


def test_what_failed_authentication_is_there_only_for_those_who_may_see_all():
    def tampered(_key):
        raise Tampered("header of a run")

    way = Access(base=None, finders={"run": Finder(tampered, missing)})
    method = "/strongroom.v1.RunService/Get"
    with pytest.raises(NotFound):
        way.admit(Caller("somebody", (grant(EVERYTHING, A),)), method, request_for(method, run_id="x"))
    way.admit(Caller("all", (grant(["read"]),)), method, request_for(method, run_id="x"))


def test_who_sees_a_thing_and_lacks_the_role_is_told_so_by_name():
    reader = Caller("reader", (grant(["read"], A), grant(["run"], B)), "a token")
    method = "/strongroom.v1.RunService/Kill"
    with pytest.raises(Forbidden) as refused:
        found(A).admit(reader, method, request_for(method, run_id="x"))
    assert str(refused.value).startswith(f"reader has not the role run for owner {A}")
    assert "a token gives read, run" in refused.value.why
    assert "admin.sock" in refused.value.fix


def test_a_verb_that_is_not_his_tells_nobody_what_there_is():
    asked = []
    way = Access(base=None, finders={"run": Finder(asked.append, missing)})
    method = "/strongroom.v1.RunService/Kill"
    with pytest.raises(Forbidden, match="has not the role run"):
        way.admit(Caller("reader", (grant(["read"], A),)), method, request_for(method, run_id="x"))
    assert asked == []


@pytest.mark.parametrize("nobody", ["", None])
@pytest.mark.parametrize(("method", "kind"), [("Wipe", "workspace owner"), ("Mount", "session")])
def test_what_belongs_to_nobody_who_is_named_is_for_those_who_may_touch_what_all_have(method, kind, nobody):
    way = Access(base=None, finders={kind: Finder(lambda _key: nobody)})
    method = f"/strongroom.v1.WorkspaceService/{method}"
    with pytest.raises(Forbidden, match="for every owner"):
        way.admit(Caller("somebody", (grant(EVERYTHING, A),)), method, request_for(method))
    way.admit(Caller("all", (grant(EVERYTHING),)), method, request_for(method))


def test_a_workspace_is_opened_with_a_password_by_administrators_only():
    method = "/strongroom.v1.WorkspaceService/Mount"
    roles = [need_of(method, request_for(method, name="notes", password=each)).role for each in ("", "x")]
    assert roles == [Role.REGISTER, Role.ADMIN]


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["run_created", "run_started"], "owner"),
        (["run_started", "run_created"], "run"),
        (["step_created"], "run"),
        ([], "run"),
    ],
)
def test_only_the_first_event_of_a_run_says_whose_it_is(types, kind):
    method = "/strongroom.v1.WorldService/CreateEvents"
    request = request_for(method, run_id="wrun_b", owner=A)
    for each in types:
        request.events.add(event_type=each)
    assert need_of(method, request).of == (Of("owner", A) if kind == "owner" else Of("run", "wrun_b"))


@pytest.mark.parametrize("capability", ["vault@1.0.0", "vault:x:y@1.0.0", "vault@2.0.0", "vault"])
@pytest.mark.parametrize("name", ["create", "update", "delete"])
def test_who_changes_secrets_is_an_administrator_of_their_owner(capability, name):
    request = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id=capability, method=f"vault.secrets.{name}", owner=A
    )
    need = need_of("/strongroom.v1.CapabilityService/Execute", request)
    assert (need.role, need.of.kind, need.of.key) == (Role.ADMIN, "owner", A)


@pytest.mark.parametrize(
    ("capability", "method", "role", "kind"),
    [
        ("vault@1.0.0", "vault.secrets.list", Role.READ, "owner"),
        ("vault@1.0.0", "vault.manifests.put", Role.ADMIN, "owner"),
        ("vault@1.0.0", "vault.new", Role.ADMIN, "owner"),
        ("http-actions@1.0.0-alpha", "SendRequest", Role.RUN, "owner"),
        ("workspace@1.0.0", "Get", Role.RUN, "all owners"),
    ],
)
def test_what_a_call_by_hand_needs_depends_on_what_is_called(capability, method, role, kind):
    request = capability_pb2.CapabilityServiceExecuteRequest(capability_id=capability, method=method)
    need = need_of("/strongroom.v1.CapabilityService/Execute", request)
    assert (need.role, need.of.kind) == (role, kind)


def test_the_page_on_callers_names_the_role_of_each_method():
    page = (Path(__file__).resolve().parents[2] / "docs" / "callers.md").read_text()
    named = {
        (role, method)
        for role, methods in re.findall(r"^\| (\w+) \| [^|]+ \| (`.+`) \|$", page, re.MULTILINE)
        for method in re.findall(r"`(\w+\.\w+)`", methods)
    }
    needed = {
        (str(need_of(method, request).role), method.removeprefix("/strongroom.v1.").replace("/", "."))
        for method in METHODS
        for request in requests(method)
    }
    assert named == needed
