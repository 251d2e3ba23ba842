"""Deeds of callers are recorded by a table, and a method that is in no part of it is found here."""

from types import SimpleNamespace

import pytest

from strongroom.engine.record_budget import AT_ONCE_MAX, RecordBudget
from strongroom.errors import NotFound, StorageFault, Unavailable
from strongroom.pb.strongroom.v1 import capability_pb2, keys_pb2, run_pb2, workflow_pb2, workspace_pb2
from strongroom.pb.vault import vault_pb2
from strongroom.services.audited import audited
from strongroom.services.deeds import AUDITED, NOT_AUDITED
from strongroom.services.roles import RULES
from tests.fakes.audit_book import AuditBook

OWN = "0a" * 20


class Servicer:
    """Answers everything, or fails as it is told to; it counts what it did."""

    def __init__(self, answer=None, error=None):
        self.answer, self.error, self.done = answer, error, 0

    def __getattr__(self, _method):
        return self._do

    def _do(self, request, context):
        if self.error is not None:
            raise self.error
        self.done += 1
        return self.answer


@pytest.fixture
def book():
    return AuditBook()


def test_each_method_is_recorded_or_said_to_need_no_record():
    assert AUDITED.keys() | NOT_AUDITED == RULES.keys(), "services/deeds.py says of each method what is recorded of it"
    assert not AUDITED.keys() & NOT_AUDITED


def test_a_deed_is_recorded_with_how_it_ended(book):
    answer = workflow_pb2.RegisterResponse(
        workflow=workflow_pb2.Workflow(workflow_id="w1", module="local"), created=True
    )
    service = audited("WorkflowService", Servicer(answer), book, OWN)
    assert service.Register(workflow_pb2.RegisterRequest(name="hello"), None) is answer
    (record,) = book.records
    assert (record.action, record.subject, record.owner, record.outcome) == ("workflow.register", "hello", OWN, "done")
    assert record.facts == {"workflow_id": "w1", "module": "local", "created": "true"}


def test_a_deed_that_failed_is_recorded_with_its_code_and_the_caller_hears_of_that_alone(book):
    service = audited("WorkflowService", Servicer(error=NotFound("SR-WF-001", "no such workflow")), book, OWN)
    with pytest.raises(NotFound):
        service.Pause(workflow_pb2.PauseRequest(workflow="hello", owner="0b" * 20), None)
    assert book.told() == [("workflow.pause", "hello", "SR-WF-001")]
    assert book.records[0].owner == "0b" * 20


def test_calls_that_did_nothing_fill_no_log_and_the_rest_of_them_is_a_number(book, monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr("strongroom.services.audited.RecordBudget", lambda: RecordBudget(clock_s=lambda: now_s[0]))
    servicer = Servicer(error=NotFound("SR-WF-001", "no such workflow"))
    service = audited("WorkflowService", servicer, book, OWN)
    for _ in range(AT_ONCE_MAX + 400):
        with pytest.raises(NotFound):
            service.Pause(workflow_pb2.PauseRequest(workflow="hello"), None)
    assert len(book.records) == AT_ONCE_MAX
    now_s[0] = 1.0
    with pytest.raises(NotFound):
        service.Pause(workflow_pb2.PauseRequest(workflow="hello"), None)
    assert book.records[-1].facts["left_out_before"] == 400
    servicer.error = StorageFault("SR-STORE-001", "the disk is full")
    for _ in range(AT_ONCE_MAX):
        with pytest.raises(StorageFault):
            service.Pause(workflow_pb2.PauseRequest(workflow="hello"), None)
    assert len(book.records) == 2 * AT_ONCE_MAX + 1, "what failed through no fault of its caller is recorded each time"


@pytest.mark.parametrize(
    ("service", "method", "request_message", "action"),
    [
        ("WorkflowService", "Delete", workflow_pb2.WorkflowServiceDeleteRequest(workflow="w"), "workflow.delete"),
        ("RunService", "Kill", run_pb2.KillRequest(run_id="w", reason="stuck"), "run.kill"),
        ("WorkspaceService", "Wipe", workspace_pb2.WorkspaceServiceWipeRequest(project_dir="w"), "workspace.wipe"),
        ("WorkspaceService", "Discard", workspace_pb2.WorkspaceServiceDiscardRequest(name="w"), "workspace.discard"),
    ],
)
def test_what_cannot_be_undone_is_recorded_before_it_is_done(book, service, method, request_message, action):
    servicer = Servicer()
    service = audited(service, servicer, book)
    getattr(service, method)(request_message, None)
    assert book.told() == [(action, "w", "begun"), (action, "w", "done")]
    book.fails, servicer.done = True, 0
    with pytest.raises(Unavailable):
        getattr(service, method)(request_message, None)
    assert servicer.done == 0


def test_what_can_be_undone_is_not_begun_where_no_record_can_be_made(book):
    servicer, book.fails = Servicer(), True
    with pytest.raises(Unavailable) as refused:
        audited("WorkflowService", servicer, book).Pause(workflow_pb2.PauseRequest(workflow="w"), None)
    assert (refused.value.code, servicer.done) == ("SR-AUDIT-010", 0)
    book.degrades = True
    audited("WorkflowService", servicer, book).Pause(workflow_pb2.PauseRequest(workflow="w"), None)
    assert servicer.done == 1


@pytest.mark.parametrize(
    ("service", "method", "request_message"),
    [
        ("WorkflowService", "Register", workflow_pb2.RegisterRequest(name="w", validate_only=True)),
        ("WorkflowService", "Delete", workflow_pb2.WorkflowServiceDeleteRequest(workflow="w", validate_only=True)),
        ("KeysService", "Retire", keys_pb2.KeysServiceRetireRequest(version=1, validate_only=True)),
        ("KeysService", "Rewrap", keys_pb2.KeysServiceRewrapRequest(look_only=True)),
        ("WorkspaceService", "Migrate", workspace_pb2.WorkspaceServiceMigrateRequest(name="w", dry_run=True)),
        ("RunService", "Get", run_pb2.RunServiceGetRequest(run_id="r")),
        ("CapabilityService", "Execute", capability_pb2.CapabilityServiceExecuteRequest(capability_id="kvstore@1.0.0")),
    ],
)
def test_what_only_looks_or_tries_is_not_recorded(book, service, method, request_message):
    getattr(audited(service, Servicer(), book), method)(request_message, None)
    assert book.records == []


def vault_call(method, request):
    call = capability_pb2.CapabilityServiceExecuteRequest(capability_id="vault@1.0.0", method=method)
    call.message.Pack(request)
    return call


NAME = vault_pb2.SecretIdentifier(key="API_KEY", namespace="main")


@pytest.mark.parametrize(
    ("method", "request_message", "action", "names"),
    [
        (
            "vault.secrets.create",
            vault_pb2.CreateSecretsRequest(
                encrypted_secrets=[vault_pb2.EncryptedSecret(id=NAME, encrypted_value="c0ffee")]
            ),
            "secret.set",
            "main/API_KEY",
        ),
        (
            "vault.secrets.update",
            vault_pb2.UpdateSecretsRequest(
                encrypted_secrets=[vault_pb2.EncryptedSecret(id=NAME, encrypted_value="c0ffee")]
            ),
            "secret.set",
            "main/API_KEY",
        ),
        ("vault.secrets.delete", vault_pb2.DeleteSecretsRequest(ids=[NAME]), "secret.delete", "main/API_KEY"),
        ("vault.secrets.list", vault_pb2.ListSecretIdentifiersRequest(), "secret.list", ""),
        ("vault.policy.get", vault_pb2.ListSecretIdentifiersRequest(), "capability.call", ""),
    ],
)
def test_calls_of_the_vault_are_recorded_with_names_and_without_values(book, method, request_message, action, names):
    audited("CapabilityService", Servicer(), book).Execute(vault_call(method, request_message), None)
    (record,) = book.records
    assert (record.action, record.facts.get("secret_names", "")) == (action, names)
    assert "c0ffee" not in repr(record)


@pytest.mark.parametrize("value", [b"\xff\xff\xff", b"\x0a\x05ab"])
def test_a_call_of_the_vault_that_cannot_be_read_is_passed_on_and_names_nothing(book, value):
    servicer = Servicer()
    call = vault_call("vault.secrets.delete", vault_pb2.DeleteSecretsRequest())
    call.message.value = value
    audited("CapabilityService", servicer, book).Execute(call, None)
    assert (servicer.done, book.records[0].facts.get("secret_names", "")) == (1, "")


def test_a_call_of_the_vault_that_is_written_as_json_is_recorded_with_names(book):
    call = capability_pb2.CapabilityServiceExecuteRequest(
        capability_id="vault@1.0.0", method="vault.secrets.delete", json=b'{"ids": [{"key": "API_KEY"}]}'
    )
    audited("CapabilityService", Servicer(), book).Execute(call, None)
    call.json = b"no json"
    audited("CapabilityService", Servicer(), book).Execute(call, None)
    assert [each.facts.get("secret_names", "") for each in book.records] == ["main/API_KEY", ""]


def test_passwords_and_secrets_of_a_request_are_in_no_record(book):
    request = workspace_pb2.WorkspaceServiceMigrateRequest(
        name="notes", archived_secret=b"c0ffee", archived_password="c0ffee"
    )
    audited("WorkspaceService", Servicer(), book).Migrate(request, None)
    change = workspace_pb2.WorkspaceServiceChangePasswordRequest(
        name="notes", old_password="c0ffee", new_password="c0ffee"
    )
    audited("WorkspaceService", Servicer(), book).ChangePassword(change, None)
    assert len(book.records) == 2
    assert "c0ffee" not in repr(book.records)


def test_an_answer_in_parts_is_recorded_at_its_end_also_when_its_reader_leaves(book):
    def parts():
        yield SimpleNamespace()
        yield SimpleNamespace()

    service = audited("WorkspaceService", Servicer(parts()), book)
    list(service.Export(workspace_pb2.WorkspaceServiceExportRequest(name="notes"), None))
    service = audited("WorkspaceService", Servicer(parts()), book)
    begun = service.Export(workspace_pb2.WorkspaceServiceExportRequest(name="notes"), None)
    next(begun)
    begun.close()
    outcomes = [record.outcome for record in book.records]
    assert outcomes == ["begun", "done", "begun", "left"]


def test_a_request_in_parts_is_told_by_its_first_and_passed_on_whole(book):
    seen = []

    class Taker(Servicer):
        def Import(self, parts, context):
            seen.extend(parts)

    parts = [workspace_pb2.WorkspaceServiceImportRequest(name="notes"), workspace_pb2.WorkspaceServiceImportRequest()]
    audited("WorkspaceService", Taker(), book).Import(iter(parts), None)
    assert (seen, book.told()) == (parts, [("workspace.import", "notes", "done")])
    audited("WorkspaceService", Taker(), book).Import(iter(()), None)
    assert len(book.records) == 1
