"""The file of tokens: who gets in, and that nobody does when it says nothing usable."""

import hashlib

import pytest

from strongroom.errors import Misconfigured
from strongroom.workspace.sync.tokens import TokenFile, digest_of, parse_tokens
from tests.fakes.relay_rig import write_tokens

DIGEST = hashlib.sha256(b"t").hexdigest()


@pytest.fixture
def path(tmp_path):
    return write_tokens(tmp_path / "tokens", {"first": ("alice", "rw"), "second": ("bob b", "ro")})


def test_a_token_gets_what_its_line_says(path):
    tokens = TokenFile(path)
    first, second = tokens.admit(("first",)), tokens.admit(("second",))
    assert (first.owner_id, first.may_write) == ("alice", True)
    assert (second.owner_id, second.may_write) == ("bob b", False)


@pytest.mark.parametrize(
    "shown",
    [(), ("third",), ("",), ("first", "second"), ("first", "first"), ("x" * 5_000,), (DIGEST,), ("f\udcffrst",)],
    ids=["none", "unknown", "empty", "two", "the same twice", "too long", "a digest", "no text"],
)
def test_anything_but_one_known_token_is_none(path, shown):
    assert TokenFile(path).admit(shown) is None


def test_without_a_file_nobody_is_admitted():
    tokens = TokenFile(None)
    tokens.check()
    assert tokens.admit(("first",)) is None


def test_a_file_that_changes_is_read_again(path):
    tokens = TokenFile(path)
    assert tokens.admit(("first",)) is not None
    write_tokens(path, {"third": ("carol", "rw")})
    assert tokens.admit(("first",)) is None
    assert tokens.admit(("third",)).owner_id == "carol"
    assert tokens.find(digest_of("first")) is None


def test_a_file_that_becomes_unusable_admits_nobody_until_it_is_corrected(path, caplog):
    tokens = TokenFile(path)
    assert tokens.admit(("first",)) is not None
    path.write_text("first\n")
    assert tokens.admit(("first",)) is None
    assert "SR-SYNC-005" in caplog.text
    assert "first" not in caplog.text.replace("its first word", ""), "what stands in the file is not shown"
    path.unlink()
    assert tokens.admit(("first",)) is None
    write_tokens(path, {"first": ("alice", "rw")})
    assert tokens.admit(("first",)) is not None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_file_that_others_can_read_is_refused(path, mode):
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="others can read it"):
        TokenFile(path).check()


def test_a_link_a_directory_and_a_missing_file_are_refused(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    for wrong in (link, tmp_path, tmp_path / "absent"):
        with pytest.raises(Misconfigured) as refused:
            TokenFile(wrong).check()
        assert refused.value.code == "SR-SYNC-004"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"{DIGEST} alice", "fewer than three words"),
        (f"{DIGEST[:-1]} alice rw", "not 64 hex digits"),
        (f"{DIGEST.upper()} alice rw", "not 64 hex digits"),
        (f"{DIGEST} alice w", "neither rw nor ro"),
        (f"{DIGEST} alice rw\n{DIGEST} bob ro", "in a line above"),
    ],
)
def test_a_line_that_says_nothing_usable_is_refused_with_its_number(line, why):
    with pytest.raises(Misconfigured, match=why) as refused:
        parse_tokens(f"# comment\n\n{line}", "/etc/tokens")
    assert refused.value.details["where"].startswith("/etc/tokens:")
    assert DIGEST not in refused.value.with_fix()


def test_a_file_of_too_many_tokens_or_bytes_is_refused(path):
    many = "\n".join(f"{number:064x} alice rw" for number in range(5_001))
    with pytest.raises(Misconfigured, match="more than 5000 tokens"):
        parse_tokens(many, "f")
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(Misconfigured, match="more than 1000000 bytes"):
        TokenFile(path).check()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="not UTF-8"):
        TokenFile(path).check()


def test_neither_a_grant_nor_the_file_shows_a_digest(path):
    grant = TokenFile(path).admit(("first",))
    assert repr(grant) == "Grant(owner_id='alice', may_write=True)"
