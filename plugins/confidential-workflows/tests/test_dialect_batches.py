"""Batches at an enclave: what is admitted, in which order it is refused, whose shares count, and what is attested."""

import json
from dataclasses import replace

import pytest

from strongroom.crypto.box import BoxKey, seal_to
from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Conflict, Forbidden, InvalidInput, LimitExceeded, Tampered, WrongState
from strongroom_confidential_workflows.dialect.batches import EnclaveDesk, open_shares
from strongroom_confidential_workflows.dialect.hashes import compute_request_hash, execute_response_hash
from strongroom_confidential_workflows.dialect.json_forms import write_batch
from strongroom_confidential_workflows.dialect.messages import ComputeRequest, EnclaveConfig, SignedComputeRequest
from strongroom_confidential_workflows.dialect.signatures import COMPUTE_DOMAIN, RELAY_DOMAIN, sign

NODES = [SigningKey.from_raw(bytes([number]) * 32) for number in range(1, 5)]
CONFIG = EnclaveConfig(signers=tuple(node.public for node in NODES), master_public_key=b"mpk", t=2, f=1)
ID = b"\x07" * 32
AT = {"now_s": 10.0, "now_ns": 1_800_000_000_000_000_000}


class Enclave:
    """A desk with a config, whose key was asked for."""

    def __init__(self, **changes):
        self.desk = EnclaveDesk(**changes)
        self.desk.votes.set_first(CONFIG)
        (self.key,) = self.desk.keys.response(ID, CONFIG, now_ns=AT["now_ns"]).public_keys

    def request(self, **changes):
        return ComputeRequest(
            **{
                "request_id": ID,
                "application_request_id": "exec-1",
                "public_data": b"public",
                "ciphertexts": (b"c",),
                "ciphertext_names": ("n",),
                "enclave_ephemeral_public_key": self.key,
                "master_public_key": b"mpk",
                "app_id": "confidential-workflows",
                "version": "0.0.7",
                **changes,
            }
        )

    def admit(self, *batch, **at):
        return self.desk.admit(write_batch(batch), **{**AT, **at})


def signed(request, node=NODES[0], *, domain=COMPUTE_DOMAIN, **changes):
    """The request as that node signs it; ``changes`` are made behind its back."""
    made = sign(node, domain, compute_request_hash(request)).signature
    return SignedComputeRequest(request=replace(request, **changes), signature=made)


def both(request, **changes):
    return signed(request, NODES[0], **changes), signed(request, NODES[1], **changes)


def test_a_batch_of_f_plus_one_nodes_is_admitted_and_its_answer_bound():
    enclave = Enclave()
    request = enclave.request()
    admitted = enclave.admit(*both(request))
    assert (admitted.request, admitted.request_hash) == (request, compute_request_hash(request))
    response, user_data = enclave.desk.answered(admitted, b"out", now_s=11.0)
    assert (response.request_id, response.application_request_id, response.output) == (ID, "exec-1", b"out")
    assert (response.request_hash, response.config) == (compute_request_hash(request), CONFIG)
    assert user_data == execute_response_hash(response, version="0.0.7")


def test_a_legacy_request_is_attested_as_one():
    enclave = Enclave()
    response, user_data = enclave.desk.answered(
        enclave.admit(*both(enclave.request(version="0.0.6"))), b"out", now_s=11.0
    )
    assert user_data == execute_response_hash(response, version="0.0.6")


def test_all_requests_of_a_batch_hash_equal():
    enclave = Enclave()
    batch = (signed(enclave.request()), signed(enclave.request(public_data=b"other"), NODES[1]))
    with pytest.raises(InvalidInput) as caught:
        enclave.admit(*batch)
    assert str(caught.value).startswith("the body must be one request, with an equal hash and version")


def test_a_version_that_no_hash_covers_is_equal_as_well():
    enclave = Enclave()
    one, other = both(enclave.request())
    with pytest.raises(InvalidInput):
        enclave.admit(one, replace(other, request=replace(other.request, version="0.0.8")))


def unsigned(request):
    return SignedComputeRequest(request=request, signature=b"")


@pytest.mark.parametrize(
    ("batch", "count"),
    [
        (lambda request: (signed(request),), 1),
        (lambda request: (signed(request), signed(request)), 1),
        (lambda request: (signed(request), signed(request, SigningKey.from_raw(b"x" * 32))), 1),
        (lambda request: (signed(request), signed(request, NODES[1], domain=RELAY_DOMAIN)), 1),
        (lambda request: (unsigned(request), unsigned(request)), 0),
        (lambda request: both(request, public_data=b"changed"), 0),
    ],
    ids=["one", "one twice", "a stranger", "another domain", "unsigned", "changed after signing"],
)
def test_fewer_than_f_plus_one_distinct_valid_signers_are_refused(batch, count):
    enclave = Enclave()
    with pytest.raises(Forbidden) as caught:
        enclave.admit(*batch(enclave.request()))
    assert str(caught.value).startswith(f"{count} distinct valid signers are too few")
    assert enclave.admit(*both(enclave.request())), "a refused batch leaves nothing behind"


def test_bad_signatures_are_skipped_and_their_shares_with_them():
    enclave = Enclave()
    request = enclave.request()
    bad = replace(unsigned(request), request=replace(request, key_shares=((b"bad",),)))
    one, other = (
        replace(each, request=replace(request, key_shares=((share,),)))
        for each, share in zip(both(request), (b"1", b"2"), strict=True)
    )
    assert enclave.admit(bad, one, bad, other).shares == (((b"1",),), ((b"2",),))


def test_another_app_is_refused():
    enclave = Enclave()
    with pytest.raises(InvalidInput) as caught:
        enclave.admit(*both(enclave.request(app_id="other")))
    assert str(caught.value) == "appID must be confidential-workflows"


def test_a_key_that_is_not_of_this_enclave_is_refused():
    enclave = Enclave()
    with pytest.raises(InvalidInput) as caught:
        enclave.admit(*both(enclave.request(enclave_ephemeral_public_key=b"other")))
    assert caught.value.code == "SR-DIAL-021"


def test_a_request_in_progress_or_executed_before_is_refused():
    enclave = Enclave()
    batch = both(enclave.request())
    admitted = enclave.admit(*batch)
    with pytest.raises(Conflict, match="is in progress"):
        enclave.admit(*batch)
    enclave.desk.answered(admitted, b"", now_s=11.0)
    with pytest.raises(Conflict, match="was executed before"):
        enclave.admit(*batch)


def test_a_request_that_failed_cannot_come_again_unless_it_never_started():
    enclave = Enclave()
    batch = both(enclave.request())
    enclave.desk.never_started(enclave.admit(*batch))
    enclave.desk.failed(enclave.admit(*batch), now_s=11.0)
    with pytest.raises(Conflict, match="was executed before"):
        enclave.admit(*batch)


def test_a_day_later_its_key_is_gone_when_its_memory_is():
    enclave = Enclave()
    batch = both(enclave.request())
    enclave.desk.failed(enclave.admit(*batch), now_s=10.0)
    day = 24 * 3600
    with pytest.raises(InvalidInput) as caught:
        enclave.admit(*batch, now_s=10.0 + day, now_ns=AT["now_ns"] + day * 10**9)
    assert caught.value.code == "SR-DIAL-021"


def test_only_so_many_are_executed_at_once():
    enclave = Enclave(executions_max=1)
    admitted = enclave.admit(*both(enclave.request()))
    with pytest.raises(LimitExceeded) as caught:
        enclave.admit(*both(enclave.request(request_id=bytes(32))))
    assert caught.value.code == "SR-DIAL-026"
    enclave.desk.failed(admitted, now_s=11.0)
    assert enclave.admit(*both(enclave.request(request_id=bytes(32))))


def test_an_enclave_without_a_config_admits_nothing():
    with pytest.raises(WrongState):
        EnclaveDesk().admit(b"[]", **AT)


def test_what_is_no_batch_is_refused():
    for body in (b"", b"[]", json.dumps({"requests": []}).encode()):
        with pytest.raises(InvalidInput):
            Enclave().desk.admit(body, **AT)


def test_shares_are_tried_node_by_node_until_one_set_works():
    enclave = Enclave()
    request, foreign = enclave.request(), BoxKey.generate()
    tried = []
    sets = [((seal_to(foreign.public_hex, b"x"),),), ((seal_to(enclave.key.hex(), b"share"),),)]
    batch = [
        replace(each, request=replace(request, key_shares=shares))
        for each, shares in zip(both(request), sets, strict=True)
    ]

    def combine(pair, shares):
        tried.append(shares)
        return pair.open(shares[0][0])

    assert open_shares(enclave.admit(*batch), combine) == b"share"
    assert tried == sets


def test_shares_of_which_none_open_are_refused():
    enclave = Enclave()

    def combine(_pair, _shares):
        raise Tampered

    with pytest.raises(InvalidInput) as caught:
        open_shares(enclave.admit(*both(enclave.request())), combine)
    assert str(caught.value) == "no node's shares open: 2 nodes signed and sent some"
