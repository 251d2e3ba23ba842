"""Secrets come from exactly one place, in a fixed order; a second one with other keys is refused by name."""

import subprocess
import sys

import pytest

from strongroom.errors import Misconfigured, WrongState
from strongroom.keyring.files import create_keyring
from strongroom.keyring.sources import VARIABLE, find_source
from tests.fakes.key_rig import SECRETS, text_of


@pytest.fixture
def places(tmp_path):
    """Fill some of the three places, and look."""

    def fill(*, credential="", file="", environment="", strict=False):
        (tmp_path / "credentials").mkdir(exist_ok=True)
        for path, text in ((tmp_path / "credentials" / "keyring", credential), (tmp_path / "file", file)):
            path.unlink(missing_ok=True)
            if text:
                create_keyring(path, text)
        environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"), "HOME": "/"}
        if environment:
            environ[VARIABLE] = environment
        try:
            return find_source(tmp_path / "file", environ, strict=strict)
        finally:
            assert VARIABLE not in environ, "it is taken out, whatever comes of it"

    return fill


@pytest.mark.parametrize(
    ("filled", "kind"),
    [
        (("credential",), "credential"),
        (("file",), "file"),
        (("environment",), "environment"),
        (("credential", "file", "environment"), "credential"),
        (("file", "environment"), "file"),
    ],
)
def test_the_first_of_credential_file_and_environment_wins(places, filled, kind):
    source, root, text = places(**dict.fromkeys(filled, text_of(2, 1)))
    assert (source.kind, root.versions, text) == (kind, (2, 1), text_of(2, 1))


def test_where_nothing_is_there_is_nothing(places):
    assert places() is None


@pytest.mark.parametrize(
    ("filled", "named"),
    [
        ({"credential": text_of(1), "file": text_of(2)}, ("credential", "file")),
        ({"file": text_of(1), "environment": text_of(1, 2)}, ("file", VARIABLE)),
        ({"credential": text_of(1), "environment": "1:" + "z" * 43}, ("credential", VARIABLE)),
    ],
)
def test_a_second_place_with_other_keys_is_refused_and_both_are_named(places, filled, named):
    with pytest.raises(Misconfigured, match="two places hold different keyrings") as caught:
        places(**filled)
    assert caught.value.code == "SR-KEYRING-023"
    assert all(name in str(caught.value) for name in named)
    assert "k1-" in str(caught.value)
    assert not [
        s for s in (*SECRETS.values(), "z" * 43) if s.split(":", 1)[-1] in repr(caught.value.args) + str(caught.value)
    ]


def test_two_places_with_the_same_keys_in_another_order_are_one(places):
    source, _, _ = places(file=text_of(1, 2), environment=text_of(2, 1))
    assert source.kind == "file"


@pytest.mark.parametrize("place", ["credential", "file", "environment"])
def test_a_short_secret_is_read_by_the_parser_and_refused_by_a_service(places, place):
    assert places(**{place: "1:short"})[1].versions == (1,)
    with pytest.raises(
        Misconfigured, match="the secret of root key version 1 is too short: it has 5 bytes, at least 32"
    ):
        places(**{place: "1:short"}, strict=True)


def test_a_file_is_read_again_and_the_environment_is_not(places, tmp_path):
    source, _, _ = places(file=text_of(1))
    (tmp_path / "file").write_text(text_of(2, 1))
    assert source.read(strict=True).versions == (2, 1)
    source, _, _ = places(environment=text_of(1))
    for again in (lambda: source.read(strict=True), source.text):
        with pytest.raises(WrongState, match="which is read once") as caught:
            again()
        assert caught.value.code == "SR-KEYRING-024"


def test_a_broken_file_is_not_passed_over_for_the_next_place(places, tmp_path):
    places(file=text_of(1))
    (tmp_path / "file").chmod(0o644)
    with pytest.raises(Misconfigured, match="may be read by others"):
        find_source(tmp_path / "file", {VARIABLE: text_of(1)}, strict=False)


def test_a_child_does_not_inherit_what_was_taken(tmp_path):
    code = (
        "import os, subprocess, sys; from pathlib import Path; from strongroom.keyring.sources import find_source;"
        "found = find_source(Path('/nowhere/keyring'), os.environ, strict=True);"
        "print(found[0].kind, repr(found[0]), repr(found[1]));"
        "subprocess.run(['cat', '/proc/self/environ'], check=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", VARIABLE: text_of(1)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "environment" in done.stdout
    assert "PATH=/usr/bin" in done.stdout
    assert f"{VARIABLE}=" not in done.stdout
    assert SECRETS[1][2:] not in done.stdout
