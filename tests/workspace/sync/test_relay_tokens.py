"""A token goes to the relay that it was written beside, and to no other that a project may name."""

import pytest

from strongroom.errors import Misconfigured
from strongroom.workspace.sync.relay_tokens import FILE_BYTES_MAX, RelayTokens

SECRET = "5p0X-a-token-of-tests"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# address  token\n\nwss://relay.example:8479  {SECRET}\nhttp://here.example  other\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("wss://relay.example:8479", SECRET),
        ("wss://relay.example:8479/api/owners/shared/rooms/notes?device=x", SECRET),
        ("https://RELAY.example:8479", SECRET),
        ("ws://here.example", "other"),
        ("ws://here.example:80/", "other"),
        ("ws://relay.example:8479", None),
        ("wss://relay.example", None),
        ("wss://relay.example:8480", None),
        ("wss://relay.example.evil:8479", None),
        ("wss://evil.example:8479/relay.example:8479", None),
        ("wss://relay.example:8479@evil.example", None),
        ("wss://evil.example:8479#@relay.example:8479", None),
        ("wss://here.example", None),
    ],
)
def test_scheme_host_and_port_decide(file, url, token):
    assert RelayTokens(file).bearer_for(url) == token


@pytest.mark.parametrize(
    "url", ["", "relay.example:8479", "ftp://relay.example", "wss://:8479", "wss://x:99999", "wss://["]
)
def test_what_is_no_address_gets_no_token(file, url):
    assert RelayTokens(file).bearer_for(url) is None


def test_without_a_file_nothing_is_shown():
    assert RelayTokens(None).bearer_for("wss://relay.example:8479") is None


def test_a_new_line_is_seen_at_once(file):
    tokens = RelayTokens(file)
    file.write_text("wss://relay.example:8479  new\n")
    assert tokens.bearer_for("wss://relay.example:8479") == "new"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"wss://relay.example {SECRET} more", "line 1 is not an address and a token"),
        (f"\n{SECRET}", "line 2 is not an address and a token"),
        (f"relay.example {SECRET}", "line 1 is not an address and a token"),
        (b"\xff", "it is not UTF-8 text"),
        (b"#" * (FILE_BYTES_MAX + 1), f"it has more than {FILE_BYTES_MAX} bytes"),
    ],
    ids=["three words", "one word", "no address", "no text", "too large"],
)
def test_a_file_that_cannot_be_read_is_refused_without_showing_what_it_holds(file, content, why):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Misconfigured) as caught:
        RelayTokens(file).bearer_for("wss://relay.example:8479")
    assert (caught.value.code, caught.value.why) == ("SR-SYNC-051", why)
    assert SECRET not in str(caught.value) + caught.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="tokens at .*nowhere cannot be used") as caught:
        RelayTokens(tmp_path / "nowhere").bearer_for("wss://relay.example")
    assert caught.value.code == "SR-SYNC-051"


@pytest.mark.parametrize("wrong", ["mode", "link"])
def test_a_file_that_others_may_use_is_refused(file, tmp_path, wrong):
    if wrong == "mode":
        file.chmod(0o640)
    else:
        file.symlink_to(file.rename(tmp_path / "real"))
    with pytest.raises(Misconfigured) as caught:
        RelayTokens(file).bearer_for("wss://relay.example:8479")
    assert caught.value.code == "SR-SYNC-050"
    assert SECRET not in str(caught.value)
