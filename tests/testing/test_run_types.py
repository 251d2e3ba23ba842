"""What ``run_guest`` says to a test that hands over something else than it takes."""

import pytest

from strongroom.testing import run_guest
from tests.guests.build import wasm
from tests.testing.answers import EVENT

CANARY = "s3cret-canary"


@pytest.mark.parametrize("module", ["guest.wasm", None], ids=["path", "nothing"])
def test_a_module_is_given_as_bytes(module):
    with pytest.raises(TypeError, match=f"as bytes, and not {type(module).__name__}"):
        run_guest(module, EVENT)


@pytest.mark.parametrize("name", ["KEY", "AB", ("KEY",), ("main", 1)], ids=["text", "two-letters", "short", "number"])
def test_a_secret_is_named_by_namespace_and_id(name):
    with pytest.raises(TypeError, match=r"named by \(namespace, id\)") as caught:
        run_guest(wasm("secrets"), EVENT, secrets={name: CANARY})
    assert CANARY not in str(caught.value)


def test_the_value_of_a_secret_is_text_and_is_not_shown():
    with pytest.raises(TypeError, match="the value of secret main/KEY is text, and not bytes") as caught:
        run_guest(wasm("secrets"), EVENT, secrets={("main", "KEY"): CANARY.encode()})
    assert CANARY not in str(caught.value)
