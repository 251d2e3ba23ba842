"""Inside the enclave: what is asked of the vault, and which answers are believed."""

import pytest

from strongroom.crypto.box import BoxKey, seal_to
from strongroom.guest.ids import owner_checksum
from strongroom.modules.vault_reads import not_listed
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import capabilities_pb2, sdk_pb2, vault_pb2
from strongroom_confidential_workflows.enclave.released_secrets import ReleasedSecrets
from strongroom_confidential_workflows.request import ConfidentialExecution
from tests.fakes.enclave_host import request_for, subscribing, triggered
from tests.fakes.vault_owner import ALICE, BOB

METADATA = capabilities_pb2.RequestMetadata(workflow_owner=ALICE)


class ScriptedVault:
    """Holds ``values`` by key, opens those ``opened``; ``change`` edits each answer before it leaves."""

    def __init__(self, values=None, change=lambda response: None, opened=()):
        self.values = values or {}
        self.change = change
        self.opened = opened
        self.asked = []
        self.asked_for_opened = 0

    def call_opened(self):
        self.asked_for_opened += 1
        identifiers = [vault_pb2.SecretIdentifier(key=key) for key in self.opened]
        return vault_pb2.ListSecretIdentifiersResponse(identifiers=identifiers)

    def call_vault(self, request):
        self.asked.append([(item.id.namespace, item.id.key) for item in request.requests])
        answer = vault_pb2.GetSecretsResponse()
        for item in request.requests:
            response = answer.responses.add(id=item.id)
            if item.id.key not in self.values:
                response.error = "could not find secret"
            else:
                shares = response.data.encrypted_decryption_key_shares
                for key in item.encryption_keys:
                    shares.add(shares=[seal_to(key, self.values[item.id.key]).hex()], encryption_key=key)
            self.change(response)
        return answer


def released(vault, *, secrets=(), request=None):
    wire = request_for("ab" * 32, request or triggered(), secrets=secrets)
    execution = ConfidentialExecution.from_wire(wire, metadata=METADATA)
    return ReleasedSecrets(execution, BoxKey.generate(), vault)


def answer(pouch, *wanted):
    """(value or error) for each wanted key or (key, namespace)."""
    request = sdk_pb2.GetSecretsRequest()
    for item in wanted:
        key, namespace = (item, "") if isinstance(item, str) else item
        request.requests.add(id=key, namespace=namespace)
    responses = pouch.answer(request).responses
    assert all(r.secret.owner or r.error.owner == owner_checksum(ALICE) for r in responses)
    return [r.secret.value if r.HasField("secret") else r.error.error for r in responses]


def share_of(response):
    return response.data.encrypted_decryption_key_shares[0]


def set_share(response, text):
    share_of(response).shares[0] = text


def flip(response):
    text = share_of(response).shares[0]
    set_share(response, text[:-1] + ("0" if text[-1] != "0" else "1"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (flip, "the vault's answer was not sealed to this execution"),
        (lambda r: set_share(r, "zz"), "the vault's answer was not sealed to this execution"),
        (
            lambda r: set_share(r, seal_to(BoxKey.generate().public_hex, b"v").hex()),
            "the vault's answer was not sealed to this execution",
        ),
        (
            lambda r: set_share(r, seal_to(share_of(r).encryption_key, b"\xff").hex()),
            "the vault's answer was not sealed to this execution",
        ),
        (
            lambda r: share_of(r).shares.append("00"),
            "the vault answered with 2 shares, this enclave takes exactly one",
        ),
        (
            lambda r: share_of(r).ClearField("encryption_key"),
            "the vault answered with 0 shares, this enclave takes exactly one",
        ),
        (lambda r: r.ClearField("data"), "the vault gave no reason"),
        (lambda r: setattr(r.id, "owner", owner_checksum(BOB)), "the vault did not answer for this secret"),
        (lambda r: setattr(r.id, "owner", "nobody"), "the vault did not answer for this secret"),
        (lambda r: setattr(r.id, "key", "OTHER"), "the vault did not answer for this secret"),
        (lambda r: setattr(r.id, "namespace", "x"), "the vault did not answer for this secret"),
        (lambda r: setattr(r, "error", "e" * 500), "e" * 200),
    ],
    ids=[
        "flipped",
        "no hex",
        "another key",
        "not text",
        "two shares",
        "no key named",
        "no result",
        "another owner",
        "no owner",
        "another key name",
        "another namespace",
        "long error",
    ],
)
def test_an_answer_that_does_not_fit_is_not_believed_and_fails_a_run(change, reason):
    named = released(ScriptedVault({"K": b"v"}, change), secrets=["K"])
    with pytest.raises(CapabilityError) as caught:
        named.fetch_named()
    assert (caught.value.origin, caught.value.name) == ("User", "FailedPrecondition")
    assert caught.value.message == f"the vault does not release key 'K' in namespace 'main': {reason}"
    assert answer(released(ScriptedVault({"K": b"v"}, change, opened=["K"])), "K") == [reason]


def test_an_answer_without_a_namespace_is_for_main():
    vault = ScriptedVault({"K": b"v"}, lambda response: response.id.ClearField("namespace"))
    named = released(vault, secrets=["K"])
    named.fetch_named()
    assert answer(named, "K") == ["v"]


def test_named_secrets_are_fetched_once_in_batches_of_ten_and_answered_in_any_order():
    values = {f"K{number}": f"v{number}".encode() for number in range(23)}
    vault = ScriptedVault(values)
    named = released(vault, secrets=list(values))
    named.fetch_named()
    assert [len(batch) for batch in vault.asked] == [10, 10, 3]
    assert answer(named, "K22", ("K0", "main"), "K22") == ["v22", "v0", "v22"]
    assert len(vault.asked) == 3


def test_a_missing_secret_during_subscribe_is_told_to_the_guest_alone():
    named = released(ScriptedVault({"A": b"v"}), secrets=["A", "B"], request=subscribing())
    named.fetch_named()
    assert answer(named, "A", "B", "C") == [
        "v",
        "could not find secret",
        not_listed("main", "C"),
    ]


@pytest.mark.parametrize("secrets", [[], ["B"]], ids=["empty list", "another one"])
def test_a_secret_that_is_not_listed_is_refused_in_the_enclave_and_the_vault_hears_no_name(secrets):
    vault = ScriptedVault({"A": b"v", "B": b"w"})
    pouch = released(vault, secrets=secrets)
    pouch.fetch_named()
    del vault.asked[:]
    assert answer(pouch, "A", "A", "a") == [not_listed("main", "A")] * 2 + [not_listed("main", "a")]
    assert answer(pouch, "A") == [not_listed("main", "A")]
    assert (vault.asked, vault.asked_for_opened) == ([], 1)


def test_what_the_vaults_configuration_opens_is_fetched_once_and_when_the_guest_asks():
    vault = ScriptedVault({"A": b"v", "B": b"w"}, opened=["A", "GONE"])
    pouch = released(vault, secrets=["B"])
    pouch.fetch_named()
    assert (vault.asked, vault.asked_for_opened) == ([[("main", "B")]], 0)
    assert answer(pouch, "A", "A", ("A", "other"), "B") == ["v", "v", not_listed("other", "A"), "w"]
    assert answer(pouch, "A", "GONE") == ["v", "could not find secret"]
    assert vault.asked == [[("main", "B")], [("main", "A")], [("main", "GONE")]]


@pytest.mark.parametrize("name", ["a", "A ", "main/A", "", ("A", "Main"), ("A", " main"), ("A", "other")])
def test_a_name_that_only_looks_like_a_listed_one_is_not_listed(name):
    pouch = released(ScriptedVault({"A": b"v"}), secrets=["A", "A"])
    pouch.fetch_named()
    (text,) = answer(pouch, name)
    assert "is not listed in the workflow's attributes" in text


def test_names_that_are_not_listed_use_up_nothing():
    names = [f"K{number}" for number in range(100)]
    pouch = released(ScriptedVault(dict.fromkeys(names, b"v")), secrets=names)
    pouch.fetch_named()
    for start in range(5):
        assert all("is not listed" in text for text in answer(pouch, *[f"x{start}/{n}" for n in range(100)]))
    assert answer(pouch, "K99") == ["v"]


def test_an_execution_holds_27000_bytes_of_secrets_and_no_more():
    values = {f"K{number}": b"v" * 1_950 for number in range(14)}
    released(ScriptedVault(values), secrets=list(values)[:13]).fetch_named()
    with pytest.raises(CapabilityError, match="secrets of one execution: 27300 bytes is more than 27000") as caught:
        released(ScriptedVault(values), secrets=list(values)).fetch_named()
    assert caught.value.name == "LimitExceeded"


def test_a_guest_that_asks_for_ever_more_secrets_is_stopped():
    pouch = released(ScriptedVault(opened=[*[f"K{number}" for number in range(100)], "ONE_MORE"]))
    answer(pouch, *[f"K{number}" for number in range(100)])
    with pytest.raises(CapabilityError, match="secrets of one execution: 101 is more than 100"):
        answer(pouch, "ONE_MORE")


def test_a_value_is_in_no_repr():
    pouch = released(ScriptedVault({"A": b"canary-1"}), secrets=["A"])
    pouch.fetch_named()
    assert "canary-1" not in repr(pouch) + repr(vars(pouch))
