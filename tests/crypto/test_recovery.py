"""A copy for people opens with the age keys it was made for, and with nothing else, whole."""

import pyrage
import pytest

from strongroom.crypto.recovery import RECIPIENTS_MAX, open_copy, seal_copy
from strongroom.errors import InvalidInput, Misconfigured

ALICE, BOB, EVE = (pyrage.x25519.Identity.generate() for _ in range(3))
TEXT = b"1:" + b"s" * 43 + b"\n"
SEALED = seal_copy(TEXT, [str(ALICE.to_public()), f" {BOB.to_public()}\n"])


def identity_file(*identities):
    return "# created: now\n# public key: age1…\n" + "".join(f"{identity}\n" for identity in identities) + "\n"


@pytest.mark.parametrize("identity", [ALICE, BOB], ids=["first", "second"])
def test_each_recipient_alone_opens_it(identity):
    assert open_copy(SEALED, identity_file(identity)) == TEXT
    assert open_copy(SEALED, identity_file(EVE, identity)) == TEXT


def test_it_is_plain_age_that_others_open():
    assert SEALED.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert pyrage.decrypt(SEALED, [ALICE]) == TEXT


def test_nobody_else_opens_it():
    with pytest.raises(Misconfigured, match="the recovery file does not open") as caught:
        open_copy(SEALED, identity_file(EVE))
    assert caught.value.code == "SR-KEYRING-028"
    assert str(EVE) not in f"{caught.value} {caught.value.details}"


def test_no_cut_and_no_flip_of_it_opens_to_anything_else():
    for cut in range(0, len(SEALED) - 1, 3):
        with pytest.raises(Misconfigured):
            open_copy(SEALED[:cut], identity_file(ALICE))
    for place in range(len(SEALED)):
        changed = bytearray(SEALED)
        changed[place] ^= 1
        try:
            opened = open_copy(bytes(changed), identity_file(ALICE))
        except Misconfigured:
            continue
        # The stanza of another recipient's key and the armour's line ends are no part of ours.
        assert opened == TEXT


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment\n", "AGE-SECRET-KEY-1X", "age1notasecret", f"{ALICE}x", "\0\n", f"{ALICE}\n" * 33],
    ids=["empty", "comment", "short", "public", "typo", "binary", "too many"],
)
def test_a_file_that_is_no_identity_file_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidInput, match="the identity file is not one of age") as caught:
        open_copy(SEALED, text)
    assert caught.value.code == "SR-KEYRING-027"
    assert str(ALICE) not in f"{caught.value} {caught.value.details} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "recipient", ["", "age1x", str(ALICE), "b@example.org"], ids=["empty", "cut", "secret", "mail"]
)
def test_a_recipient_that_is_none_is_refused_without_repeating_it(recipient):
    with pytest.raises(InvalidInput, match="not an age recipient") as caught:
        seal_copy(TEXT, [str(BOB.to_public()), recipient])
    assert caught.value.code == "SR-KEYRING-026"
    assert not recipient or recipient not in f"{caught.value} {caught.value.details}"


@pytest.mark.parametrize("number", [0, RECIPIENTS_MAX + 1])
def test_there_are_one_to_so_many_recipients(number):
    with pytest.raises(InvalidInput, match=f"{number} recipients are named") as caught:
        seal_copy(TEXT, [str(BOB.to_public())] * number)
    assert caught.value.code == "SR-KEYRING-025"
