"""Who may start a workflow: each thing that can be wrong with a token, and nobody learns which workflows are here."""

import hashlib
import json
import time

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from strongroom.crypto.keccak import keccak256
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import http_pb2
from strongroom_http_trigger.keys import signers
from strongroom_http_trigger.registrations import listening
from strongroom_http_trigger.token import claims_of
from tests.fakes.http_caller import Caller, body_for, part
from tests.fakes.trigger_rig import OWNER, WORKFLOW, registration

BODY = body_for(WORKFLOW)


@pytest.mark.parametrize("alg", ["ETH", "ES256K"])
@pytest.mark.parametrize("changes", [{}, {"iss": None}, {"digest": hashlib.sha256(BODY).hexdigest()}, {"extra": 1}])
def test_a_good_token_starts_the_workflow(rig, caller, alg, changes):
    status, said, _ = rig.call(caller, BODY, alg=alg, **changes)
    assert (status, said["result"]["status"]) == (200, "ACCEPTED")


def test_a_signature_of_another_implementation_is_understood():
    """web3.js signs "Some data" so, as its documentation of eth.accounts.sign shows."""
    message = b"Some data"
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    assert digest.hex() == "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"
    r = "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd"
    s = "6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029"
    assert signers(bytes.fromhex(r + s + "1c"), digest) == {"2c7536e3605d9c16a7a3d7b1898e529396a65c23"}
    assert signers(bytes.fromhex(r + s + "01"), digest) == {"2c7536e3605d9c16a7a3d7b1898e529396a65c23"}


def test_a_token_of_another_library_is_understood():
    key = ec.generate_private_key(ec.SECP256K1())
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    public = PrivateKey(scalar).public_key.format(compressed=False)
    now, digest = int(time.time()), hashlib.sha256(BODY).hexdigest()
    claims = {"digest": digest, "iat": now, "exp": now + 60, "jti": "x"}
    signed = f"{part({'alg': 'ES256K', 'typ': 'JWT'})}.{part(claims)}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    token = f"Bearer {signed}.{part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    found = claims_of(token, digests=frozenset({digest}), now_s=now)
    assert keccak256(public[1:])[-20:].hex() in found.signers


def test_the_digest_may_be_that_of_the_sorted_document(rig, caller):
    written = b'{"params": {"workflow": {"workflowID": "%s"}, "input": {"b": 1, "a": "\xc3\xbc"}},' % WORKFLOW.encode()
    written += b' "method": "workflows.execute", "id": "r1", "jsonrpc": "2.0"}'
    sorted_one = (
        '{"id":"r1","jsonrpc":"2.0","method":"workflows.execute","params":{"input":{"a":"ü","b":1},'
        f'"workflow":{{"workflowID":"{WORKFLOW}"}}}}}}'
    )
    assert rig.call(caller, written, digest=hashlib.sha256(sorted_one.encode()).hexdigest())[0] == 200


@pytest.mark.parametrize(
    ("signed", "sent"),
    [("9007199254740992.0", "9007199254740993.0"), ("1.0", "1.00000000000000001"), ("1e400", "2e400"), ("0", "-0")],
)
def test_a_digest_holds_for_the_digits_that_were_signed_and_for_no_others(rig, caller, signed, sent):
    def sorted_one(number):
        document = json.loads(BODY)
        document["params"]["input"] = 0
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return text.replace('"input":0', f'"input":{number}')

    digest = hashlib.sha256(sorted_one(signed).encode()).hexdigest()
    written = sorted_one(sent).replace(",", ", ").encode()
    status, _code, _reason, message = rig.error(caller, written, digest=digest)
    assert (status, message) == (401, "token: its digest is not the SHA-256 of this body")
    assert rig.call(caller, sorted_one(signed).replace(",", ", ").encode(), digest=digest)[0] == 200


NOW = int(time.time())
TOKEN_FAULTS = {
    "expired": ({"iat": NOW - 301, "exp": NOW - 1}, "it has expired"),
    "from the future": ({"iat": NOW + 600, "exp": NOW + 700}, "it was made in the future"),
    "lives too long": ({"iat": NOW, "exp": NOW + 301}, "at most 300 s after it was made"),
    "ends before it begins": ({"iat": NOW, "exp": NOW - 10}, "at most 300 s after it was made"),
    "no iat": ({"iat": None}, "iat and exp must be whole numbers"),
    "no exp": ({"exp": None}, "iat and exp must be whole numbers"),
    "exp as text": ({"exp": str(NOW + 60)}, "iat and exp must be whole numbers"),
    "exp as fraction": ({"exp": NOW + 60.5}, "iat and exp must be whole numbers"),
    "iat as truth": ({"iat": True, "exp": 200}, "iat and exp must be whole numbers"),
    "no digest": ({"digest": None}, "its digest is not the SHA-256 of this body"),
    "other digest": ({"digest": "0x" + "00" * 32}, "its digest is not the SHA-256 of this body"),
    "digest as number": ({"digest": 5}, "its digest is not the SHA-256 of this body"),
    "no jti": ({"jti": None}, "jti must be a text of 1 to 128 characters"),
    "empty jti": ({"jti": ""}, "jti must be a text of 1 to 128 characters"),
    "long jti": ({"jti": "x" * 129}, "jti must be a text of 1 to 128 characters"),
    "iss of another": ({"iss": "0x" + "11" * 20}, "it is not signed by the address in iss"),
    "iss as number": ({"iss": 5}, "it is not signed by the address in iss"),
    "no algorithm": ({"header": {"typ": "JWT"}}, "its header must say alg ETH or ES256K"),
    "algorithm none": ({"header": {"alg": "none"}}, "its header must say alg ETH or ES256K"),
    "HMAC": ({"header": {"alg": "HS256"}}, "its header must say alg ETH or ES256K"),
    "algorithm as list": ({"header": {"alg": ["ETH"]}}, "its header must say alg ETH or ES256K"),
    "lower case": ({"header": {"alg": "eth"}}, "its header must say alg ETH or ES256K"),
    "other algorithm than signed": ({"header": {"alg": "ES256K"}}, "a signature of ES256K has 64 bytes"),
    "another type": ({"header": {"alg": "ETH", "typ": "JOSE"}}, "its header must say"),
    "critical extension": ({"header": {"alg": "ETH", "crit": ["b64"]}}, "nothing critical beyond that"),
}


@pytest.mark.parametrize(("changes", "reason"), TOKEN_FAULTS.values(), ids=TOKEN_FAULTS)
def test_a_faulty_token_is_refused_with_the_reason(rig, caller, changes, reason):
    # Times are of when the tests were collected, which may be long ago.
    late = int(time.time()) - NOW
    changes = {
        key: value + late if isinstance(value, int | float) and value > NOW / 2 else value
        for key, value in changes.items()
    }
    status, code, word, message = rig.error(caller, **changes)
    assert (status, code, word) == (401, -32000, "unauthenticated")
    assert message.startswith("token: ")
    assert reason in message
    assert rig.events == []


SHAPES = {
    "nothing": "",
    "basic": "Basic YTpi",
    "no token": "Bearer ",
    "two parts": "Bearer a.b",
    "four parts": "Bearer a.b.c.d",
    "padding": "Bearer e30=.e30=.AA==",
    "no base64": "Bearer !.!.!",
    "one letter": "Bearer a.a.a",
    "no JSON": f"Bearer {part(b'x')}.{part(b'y')}.AAAA",
    "lists": f"Bearer {part([])}.{part([])}.AAAA",
    "deep": f"Bearer {part(b'[' * 800)}.e30.AAAA",
    "no UTF-8": f"Bearer {part(bytes([255]))}.e30.AAAA",
    "too long": "Bearer " + "a" * 2_048 + ".b.c",
}


@pytest.mark.parametrize("authorization", SHAPES.values(), ids=SHAPES)
def test_what_is_no_token_is_refused(rig, authorization):
    status, said, _ = rig.ask(BODY, authorization)
    assert (status, said["error"]["code"], said["error"]["data"]["reason"]) == (401, -32000, "unauthenticated")


def test_every_flipped_bit_of_a_token_is_refused(rig, caller):
    token = caller.token(BODY)
    for position in range(0, len(token), 7):
        if token[position] != ".":
            other = "A" if token[position] != "A" else "B"
            status, said, _ = rig.ask(BODY, f"Bearer {token[:position]}{other}{token[position + 1 :]}")
            # The last letter of a part holds bits that mean nothing.
            assert status == 401 or token[position + 1 : position + 2] in {".", ""}, said
    assert all(trigger for trigger, _, _ in rig.events)


def test_a_signature_that_is_none_is_refused(rig, caller):
    signed = caller.token(BODY).rpartition(".")[0]
    for signature in (bytes(65), b"\xff" * 65, bytes(64) + b"\x05", bytes(64) + b"\xff", b"", bytes(66)):
        status, said, _ = rig.ask(BODY, f"Bearer {signed}.{part(signature)}")
        assert status == 401, said


def test_a_token_for_another_body_is_refused(rig, caller):
    status, said, _ = rig.ask(body_for(WORKFLOW, "r2"), caller.bearer(BODY))
    assert (status, said["error"]["message"]) == (401, "token: its digest is not the SHA-256 of this body")


def test_an_unknown_workflow_and_an_unknown_key_look_alike(rig, caller):
    stranger, answers = Caller(b"stranger"), []
    named = {"workflowOwner": OWNER, "workflowName": "nobody", "workflowTag": "v1"}
    for who, workflow in ((stranger, WORKFLOW), (caller, "11" * 32), (stranger, "11" * 32), (caller, named)):
        answers.append(rig.call(who, body_for(workflow)))
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0][0], answers[0][1]["error"]["code"]) == (401, -32000)


def test_a_jti_is_for_one_body(rig, caller):
    assert rig.call(caller, BODY, jti="once")[0] == 200
    assert rig.call(caller, BODY, jti="once")[0] == 200, "the same request again is a repeated request"
    assert rig.error(caller, body_for(WORKFLOW, "r2"), jti="once")[3] == "token: its jti was used with another body"
    assert len(rig.events) == 1


def test_a_clock_that_is_a_little_ahead_is_forgiven(rig, caller):
    now = int(time.time())
    assert rig.call(caller, BODY, iat=now + 20, exp=now + 200)[0] == 200


def key(text, kind=http_pb2.KEY_TYPE_ECDSA_EVM):
    return http_pb2.AuthorizedKey(type=kind, public_key=text)


@pytest.mark.parametrize(
    "form", ["lower", "upper", "bare", "checksummed", "compressed", "uncompressed", "0x compressed"]
)
def test_a_key_may_be_written_as_address_or_as_public_key(make_rig, form):
    caller, rig = Caller(), make_rig()
    digits = caller.address[2:]
    marks = keccak256(digits.encode()).hex()
    text = {
        "lower": caller.address,
        "upper": "0x" + digits.upper(),
        "bare": digits,
        "checksummed": "0x" + "".join(d.upper() if int(m, 16) >= 8 else d for d, m in zip(digits, marks, strict=False)),
        "compressed": caller.key.public_key.format().hex(),
        "uncompressed": caller.key.public_key.format(compressed=False).hex(),
        "0x compressed": "0x" + caller.key.public_key.format().hex(),
    }[form]
    rig.listen(keys=[key(text)])
    assert rig.call(caller)[0] == 200
    assert rig.events[0][2].key == key(text), "the workflow is told which of its keys signed, as it wrote it"


KEYS = {
    "none": ([], "authorized_keys is empty"),
    "eleven": ([key(f"0x{n:040x}") for n in range(11)], "authorized_keys: 11 keys, the limit is 10"),
    "no type": ([key("0x" + "11" * 20, 0)], r"authorized_keys\[0\].type must be KEY_TYPE_ECDSA_EVM"),
    "unknown type": ([key("0x" + "11" * 20, 7)], r"authorized_keys\[0\].type must be KEY_TYPE_ECDSA_EVM"),
    "empty": ([key("")], r"authorized_keys\[0\].public_key must be an address"),
    "short": ([key("0x" + "11" * 20), key("0x1234")], r"authorized_keys\[1\].public_key must be an address"),
    "no hex": ([key("0x" + "zz" * 20)], r"public_key must be an address"),
    "mistyped": ([key("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD".replace("5aA", "5AA"))], "EIP-55 checksum"),
    "no point": ([key("02" + "ff" * 32)], "not a point of secp256k1"),
    "hybrid form": ([key("06" + "11" * 64)], "public_key must be an address"),
}


@pytest.mark.parametrize(("keys", "reason"), KEYS.values(), ids=KEYS)
def test_a_subscription_with_wrong_keys_is_refused(keys, reason):
    with pytest.raises(CapabilityError, match=reason) as caught:
        listening(registration(keys=keys))
    assert (caught.value.visibility, caught.value.origin) == ("Public", "User")


@pytest.mark.parametrize("changes", [{"workflow": ""}, {"index": -1}])
def test_a_registration_that_names_no_trigger_is_refused(changes):
    with pytest.raises(CapabilityError, match="must name its workflow, and its trigger"):
        listening(registration("0x" + "11" * 20, **changes))


def test_another_config_message_is_refused():
    asked = registration("0x" + "11" * 20)
    asked.payload.Pack(http_pb2.Response())
    with pytest.raises(CapabilityError, match="the payload must be capabilities.networking.http.v1alpha.Config"):
        listening(asked)
