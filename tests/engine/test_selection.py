"""Where runs execute: local, enclave or nowhere, and never anywhere else, whatever happens to host and enclave."""

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.catalog import Catalog
from strongroom.engine.history import History
from strongroom.engine.replay import Replays
from strongroom.engine.retry import Retries
from strongroom.engine.runids import new_run_id
from strongroom.errors import CapabilityError, Unavailable, WrongState
from strongroom.modules.module import Backend
from strongroom.modules.tees import CAPABILITY_ID, ProvidedTees
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.storage import specs
from tests.fakes.capabilities import ScriptedCapability, packed
from tests.fakes.workflow_host import OWNER, ScriptedModule, WorkflowHost, subscriptions, value

WAIT_S = 60
CONFIDENTIAL = b'{"confidential": true}'
NITRO = sdk_pb2.TeeTypeAndRegions(type=sdk_pb2.TEE_TYPE_AWS_NITRO, regions=["us-west-2"])
BROKEN = CapabilityError("Public", "System", "Unavailable", "it restarts")


class KindRouter:
    """Modules that answer with their own name; trigger 1 of each workflow asks for ``requirements``."""

    def __init__(self, requirements, *, pre_hook=False):
        self.requirements, self.pre_hook = requirements, pre_hook
        self.executed = []

    def module(self, workflow, attributes, wasm, *, name=""):
        kind = name or ("confidential" if attributes.confidential else "local")

        def execute(request):
            self.executed.append((kind, request.WhichOneof("request")))
            if request.HasField("pre_hook"):
                return sdk_pb2.ExecutionResult(restrictions=sdk_pb2.Restrictions())
            return value(kind) if request.HasField("trigger") else self.subscriptions()

        module = ScriptedModule(
            on_trigger=lambda request, helper: execute(request),
            on_subscribe=lambda request, helper: execute(request),
            on_pre_hook=lambda request, helper: execute(request),
        )
        module.backend = lambda: Backend(kind, insecure=False)
        self.last = module
        return module

    def subscriptions(self):
        answer = subscriptions("http-trigger@1.0.0-alpha", "http-trigger@1.0.0-alpha")
        second = answer.trigger_subscriptions.subscriptions[1]
        if self.requirements is not None:
            second.requirements.CopyFrom(self.requirements)
        second.pre_hook = self.pre_hook
        return answer


def tee(*regions):
    return sdk_pb2.Requirements(tee=sdk_pb2.Tee(any_regions=sdk_pb2.Regions(regions=regions)))


def provides(host, *tees):
    answer = capabilities_pb2.CapabilityResponse(payload=packed(messages.ProvidedTeesResponse(tee=tees)))
    host.capabilities.found[CAPABILITY_ID] = ScriptedCapability({"ProvidedTees": answer})
    forget(host)


def fails_to_say(host):
    host.capabilities.found[CAPABILITY_ID] = ScriptedCapability({"ProvidedTees": BROKEN})
    forget(host)


def forget(host):
    """As when the time of the last answer is over."""
    host.host.selection._tees = ProvidedTees(host.capabilities)


def routed(host, requirements=None, **options):
    host.host.router = KindRouter(requirements, **options)
    return host.host.router


def run(host, trigger_index=1):
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", trigger_index=trigger_index))
    return host.engine.wait(header.run_id, WAIT_S)


def test_without_requirements_everything_is_local(host):
    router = routed(host)
    host.register()
    header, outcome = run(host)
    assert (header.module, header.backend, outcome.result) == ("local", "local", value("local"))
    assert router.executed == [("local", "subscribe"), ("local", "trigger")]


def test_a_confidential_workflow_is_in_the_enclave_for_all_of_it(host):
    router = routed(host, pre_hook=True)
    host.register(attributes=CONFIDENTIAL)
    header, _ = run(host)
    assert (header.module, header.backend) == ("confidential", "confidential")
    assert {kind for kind, _ in router.executed} == {"confidential"}
    assert [request for _, request in router.executed] == ["subscribe", "pre_hook", "trigger"]


def test_subscribe_and_pre_hook_are_local_and_the_run_goes_where_its_requirements_hold(host):
    provides(host, NITRO)
    router = routed(host, tee("us-west-2"), pre_hook=True)
    host.register()
    header, outcome = run(host)
    assert (header.module, outcome.result) == ("confidential", value("confidential"))
    assert router.executed == [("local", "subscribe"), ("local", "pre_hook"), ("confidential", "trigger")]
    assert router.last.terms[-1].requirements == tee("us-west-2")


def test_triggers_of_one_workflow_go_to_different_modules(host):
    provides(host, NITRO)
    routed(host, tee())
    host.register()
    assert run(host, 0)[0].module == "local"
    assert run(host, 1)[0].module == "confidential"


def test_requirements_that_nothing_satisfies_are_a_warning_and_refuse_the_start(host):
    provides(host, NITRO)
    router = routed(host, tee("eu-central-1"))
    done = host.register()
    text = "cannot find a runner that can satisfy the requirements for trigger 1"
    assert [warning for warning in done.warnings if text in warning]
    assert host.registration.place(done.spec, 0)[0] == "local"
    module, reason = host.registration.place(done.spec, 1)
    assert module == ""
    assert text in reason
    with pytest.raises(WrongState, match=text) as refused:
        run(host)
    assert refused.value.code == "SR-RUN-012"
    assert router.executed == [("local", "subscribe")]


def test_a_confidential_workflow_needs_both_and_the_enclave_must_satisfy_its_requirements(host):
    provides(host)
    routed(host, tee())
    host.register(attributes=CONFIDENTIAL)
    assert run(host, 0)[0].status == "completed"
    with pytest.raises(WrongState, match="cannot find a runner"):
        run(host)


def test_requirements_with_unknown_fields_run_nowhere(host):
    provides(host, NITRO)
    routed(host, sdk_pb2.Requirements.FromString(b"\xfa\x01\x01x"))
    host.register()
    with pytest.raises(WrongState, match="cannot find a runner"):
        run(host)


def test_an_enclave_that_cannot_be_asked_is_asked_again_later_and_nothing_runs_meanwhile(host):
    fails_to_say(host)
    router = routed(host, tee())
    host.register()
    with pytest.raises(Unavailable, match=r"for trigger 1 now: it restarts") as refused:
        run(host)
    assert refused.value.details["retry_ms"] == 3000
    assert router.executed == [("local", "subscribe")]
    provides(host, NITRO)
    assert run(host)[0].module == "confidential"


def test_a_run_that_stands_is_found_although_its_enclave_cannot_be_asked_any_more(host):
    provides(host, NITRO)
    routed(host, tee())
    host.register()
    wish = Start(owner=OWNER, workflow="wf", json=b"1", trigger_index=1, run_id=new_run_id())
    header, created = host.engine.start(wish)
    assert created
    host.engine.wait(header.run_id, WAIT_S)
    fails_to_say(host)
    again, created = host.engine.start(wish)
    assert (again.run_id, created) == (header.run_id, False)


@pytest.mark.parametrize("change", ["provides nothing", "is gone"])
def test_a_run_that_was_accepted_for_an_enclave_runs_in_one_or_not_at_all_after_a_restart(host, change):
    provides(host, NITRO)
    routed(host, tee())
    host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", trigger_index=1))
    host.cut_off()
    after = WorkflowHost(host.database)
    router = routed(after, tee())
    if change == "provides nothing":
        provides(after)
    after.engine.resume()
    finished, outcome = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, finished.error_code) == ("failed", "SR-RUN-012")
    assert outcome.result is None
    assert router.executed == []
    after.close()


def test_a_run_that_was_accepted_as_local_does_not_move_when_its_workflow_is_registered_otherwise(host):
    routed(host)
    done = host.register()
    for workers in host.engine.dispatcher._workers.values():
        workers.shutdown()
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1", trigger_index=1))
    host.cut_off()
    after = WorkflowHost(host.database)
    provides(after, NITRO)
    after.database.write(lambda c: specs.delete(c, done.spec.workflow_id)).result()
    router = routed(after, tee())
    after.register()
    after.engine.resume()
    finished, _ = after.engine.wait(header.run_id, WAIT_S)
    assert (finished.status, finished.error_code) == ("failed", "SR-RUN-020")
    assert router.executed == [("local", "subscribe")]
    after.close()


def test_a_deleted_workflow_lets_go_of_all_of_its_modules(host):
    provides(host, NITRO)
    router = routed(host, tee())
    host.register()
    run(host, 0)
    run(host, 1)
    closed = []
    for module in host.host._modules.values():
        module.close = lambda: closed.append(1)
    assert len(host.host._modules) == 2
    Catalog(host.host).delete(OWNER, "wf", validate_only=False)
    assert (len(closed), host.host._modules) == (2, {})
    assert router.executed


@pytest.mark.parametrize("change", ["provides nothing", "cannot be asked"])
def test_a_run_is_repeated_in_an_enclave_or_not_at_all(host, change):
    provides(host, NITRO)
    router = routed(host, tee())
    host.register()
    parent, _ = run(host)
    retries = Retries(host.host, History(host.host.journals), host.engine.admission)
    again = retries.retry(parent.run_id, "", new_run_id()).header
    assert host.engine.wait(again.run_id, WAIT_S)[0].module == "confidential"
    if change == "provides nothing":
        provides(host)
    else:
        fails_to_say(host)
    before = list(router.executed)
    with pytest.raises((WrongState, Unavailable), match="cannot find a runner that can satisfy the requirements"):
        retries.retry(parent.run_id, "", new_run_id())
    assert router.executed == before


def test_a_run_of_an_enclave_is_not_replayed_outside_of_it(host):
    provides(host, NITRO)
    routed(host, tee())
    host.register()
    header, _ = run(host)
    with pytest.raises(WrongState, match="it was executed in an enclave"):
        Replays(host.host, History(host.host.journals), None).replay(header.run_id, WAIT_S)


def test_an_event_of_a_trigger_waits_where_the_enclave_cannot_be_asked_and_is_refused_where_none_would_do(host):
    fails_to_say(host)
    routed(host, tee())
    spec = host.register().spec
    with pytest.raises(Unavailable, match="for trigger 1 now"):
        host.engine.accept(spec, 1, "event-1", packed(sdk_pb2.Trigger()))
    provides(host)
    with pytest.raises(WrongState, match="for trigger 1"):
        host.engine.accept(spec, 1, "event-1", packed(sdk_pb2.Trigger()))
    provides(host, NITRO)
    header, created = host.engine.accept(spec, 1, "event-1", packed(sdk_pb2.Trigger()))
    assert (header.module, created) == ("confidential", True)
