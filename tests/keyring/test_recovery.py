"""A recovery file is a copy of exactly this keyring, or it is said what it is not."""

import pyrage
import pytest

from strongroom.crypto.recovery import seal_copy
from strongroom.errors import Conflict, Misconfigured
from strongroom.keyring.recovery import compare, export_recovery, open_recovery
from tests.fakes.key_rig import roots, text_of

ALICE = pyrage.x25519.Identity.generate()
TO_ALICE = [str(ALICE.to_public())]


def test_what_was_exported_is_the_keyring_and_its_text():
    copy, text = open_recovery(export_recovery(text_of(2, 1), TO_ALICE), str(ALICE))
    assert text == text_of(2, 1)
    compare(copy, roots(1, 2))


def test_opened_with_any_age_it_is_a_keyring_file():
    assert pyrage.decrypt(export_recovery(text_of(1), TO_ALICE), [ALICE]).decode() == text_of(1) + "\n"


def test_what_is_no_keyring_is_not_exported():
    with pytest.raises(Misconfigured, match='must use "version:secret" format'):
        export_recovery("something else", TO_ALICE)


@pytest.mark.parametrize(
    ("copy", "keyring", "why"),
    [
        ((1,), (1, 2), "it lacks k2-"),
        ((1, 2), (1,), "the keyring lacks k2-"),
        ((1, 3), (1, 2), "it lacks k2-"),
    ],
)
def test_a_copy_of_another_keyring_names_what_is_missing(copy, keyring, why):
    with pytest.raises(Conflict, match="not a copy of this keyring") as caught:
        compare(roots(*copy), roots(*keyring))
    assert caught.value.code == "SR-KEYRING-030"
    assert caught.value.why.startswith(why)


def test_a_file_with_something_else_in_it_says_so():
    with pytest.raises(Misconfigured, match="what is in it is no keyring") as caught:
        open_recovery(seal_copy(b"\xff\xfe", TO_ALICE), str(ALICE))
    assert caught.value.code == "SR-KEYRING-029"
    with pytest.raises(Misconfigured, match="version:secret"):
        open_recovery(seal_copy(b"hello", TO_ALICE), str(ALICE))
