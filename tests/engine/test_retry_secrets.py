"""A run that is repeated from a step gets the secrets that its workflow may have now, and never recorded ones."""

import pytest

from strongroom.crypto.box import BoxKey
from strongroom.engine.admission import Start
from strongroom.engine.history import History
from strongroom.engine.recorded import recorded
from strongroom.engine.retry import Retries
from strongroom.modules.vault_reads import not_listed
from strongroom.pb.vault import vault_pb2
from tests.engine.test_gate import VAULT, RealVault, fetch, read
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, METHOD, WAIT_S, adapted, call
from tests.fakes.workflow_host import OWNER, value

BOTH = b'{"vault_don_secrets": [{"key": "A"}, {"key": "B"}]}'
ONLY_A = b'{"vault_don_secrets": [{"key": "A"}]}'
KEY = BoxKey.generate()


class Reader:
    """A guest that fetches a secret, reads it from the vault too, and makes three calls; ``tells`` sends it along."""

    def __init__(self, *, tells=False):
        self.got, self.tells = [], tells

    def __call__(self, request, helper):
        helper.call_capability(call(1))
        (answer,) = helper.get_secrets(fetch(1, "B")).responses
        self.got.append(answer.secret.value or answer.error.error)
        self.got.append(self.released(helper.call_capability(read("B", sealed_to=KEY.public_hex))))
        helper.call_capability(call(2, thing=not self.tells or self.got[-2] == "bbb"))
        helper.call_capability(call(3))
        return value("done")

    @staticmethod
    def released(answer):
        released = vault_pb2.GetSecretsResponse()
        if not answer.payload.Unpack(released):
            return "refused"
        shares = released.responses[0].data.encrypted_decryption_key_shares
        if not shares:
            return "gone"
        (share,) = shares
        return KEY.open(bytes.fromhex(share.shares[0])).decode()


@pytest.fixture
def retries(host):
    return Retries(host.host, History(host.host.journals), host.engine.admission)


def executed(host, tmp_path, guest):
    host.capabilities.found |= {
        ACTION: ScriptedCapability({METHOD: adapted("done")}),
        VAULT: RealVault(tmp_path, A="aaa", B="bbb"),
    }
    host.module.on_trigger = guest
    host.register(attributes=BOTH)
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    return host.engine.wait(header.run_id, WAIT_S)[0]


def sent(host):
    return [request.metadata.reference_id for request, _ in host.capabilities.found[ACTION].calls]


def again(host, retries, parent, step="3"):
    host.capabilities.found[ACTION].calls.clear()
    done = retries.retry(parent.run_id, step, "")
    return host.engine.wait(done.header.run_id, WAIT_S)[0], done.steps_kept


def test_secrets_are_asked_for_anew_and_other_answers_are_kept(host, retries, tmp_path):
    guest = Reader()
    parent = executed(host, tmp_path, guest)
    assert guest.got == ["bbb", "bbb"]
    host.capabilities.found[VAULT].owner.update("B", b"rotated", owner=OWNER)
    header, kept = again(host, retries, parent)
    assert (header.status, kept, sent(host)) == ("completed", 2, ["3"])
    assert guest.got[2:] == ["rotated", "rotated"]
    first = History(host.host.journals).events(header.run_id, 0, 500)[0]
    before = next(event for event in first if event.row.event_type == "run_started").row.index
    assert "s1" not in recorded(first[:before]).steps
    assert "7" not in recorded(first[:before]).steps


def test_a_workflow_that_may_not_have_a_secret_any_more_does_not_get_it_by_repeating_a_run(host, retries, tmp_path):
    guest = Reader()
    parent = executed(host, tmp_path, guest)
    host.host.specs.remove(parent.workflow_id, validate_only=False)
    assert host.register(attributes=ONLY_A).spec.workflow_id == parent.workflow_id
    header, _ = again(host, retries, parent)
    assert header.status == "completed"
    assert guest.got[2:] == [not_listed("main", "B"), "refused"]


def test_a_secret_that_is_gone_is_gone(host, retries, tmp_path):
    guest = Reader()
    parent = executed(host, tmp_path, guest)
    assert host.capabilities.found[VAULT].owner.delete("B", owner=OWNER) == ""
    header, _ = again(host, retries, parent)
    assert (header.status, header.error_code) == ("failed", "SR-SECRET-004")
    assert "bbb" not in guest.got[2:]


def test_a_guest_that_asks_otherwise_because_a_secret_changed_is_stopped_at_that_step(host, retries, tmp_path):
    parent = executed(host, tmp_path, Reader(tells=True))
    host.capabilities.found[VAULT].owner.update("B", b"rotated", owner=OWNER)
    header, _ = again(host, retries, parent)
    assert (header.status, header.error_code) == ("failed", "SR-GUEST-030")
    assert sent(host) == [] or sent(host) == ["3"], "what was kept is not sent"
