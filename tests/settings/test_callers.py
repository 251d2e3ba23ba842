"""The callers' file: what it may say, and with which words it is refused."""

import hashlib
import os
from dataclasses import replace

import pytest

from strongroom.errors import Forbidden, Misconfigured
from strongroom.services.caller_book import CallerBook
from strongroom.settings.callers import CALLERS_MAX, GRANTS_MAX, OWNERS_MAX, load_callers
from strongroom.settings.roles import Grant, Role

DIGEST = hashlib.sha256(b"token").hexdigest()
OWNER = "a1" * 20
GOOD = f"""
callers:
  - name: ci
    token_sha256: "{DIGEST}"
    expires: 2027-06-30
    grants:
      - roles: [read, run]
        owners: ["0x{OWNER.upper()}", shared]
      - roles: [admin]
        owners: []
  - name: auditor
    certificate: auditor.example.org
    expires: 2027-06-30T12:00:00Z
    grants: [{{roles: [read, decrypt], owners: "*"}}]
"""


@pytest.fixture
def file(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / "callers.yaml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_callers_have_a_name_a_proof_an_end_and_grants(file):
    ci, auditor = load_callers(file(GOOD))
    assert (ci.name, ci.token_sha256.hex(), ci.certificate) == ("ci", DIGEST, "")
    assert ci.grants == (
        Grant(frozenset({Role.READ, Role.RUN}), frozenset({OWNER, "shared"})),
        Grant(frozenset({Role.ADMIN}), frozenset()),
    )
    assert (auditor.certificate, auditor.token_sha256) == ("auditor.example.org", b"")
    assert auditor.grants == (Grant(frozenset({Role.READ, Role.DECRYPT})),)
    # A day holds to its end, a time to its second.
    assert (ci.ends_at, auditor.ends_at) == (1_814_400_000, 1_814_356_800)


@pytest.mark.parametrize("end", ["1969-12-31", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1900-01-01"])
def test_a_time_at_which_clocks_begin_has_passed_and_is_not_never(file, end):
    (found,) = load_callers(file(entry(token_sha256=None, certificate="ci.example", expires=end)))
    with pytest.raises(Forbidden, match="has expired"):
        CallerBook([found]).by_certificate(["ci.example"])


def test_a_file_without_callers_grants_nobody_anything(file):
    assert load_callers(file("callers: []\n")) == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602], ids=oct)
def test_a_file_that_others_may_use_is_refused_with_the_command_that_fixes_it(file, mode):
    path = file(GOOD, mode)
    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        load_callers(path)
    assert "others may use it" in caught.value.why
    assert caught.value.fix == f"chmod 600 {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_refused(file):
    path = file(GOOD)
    os.chown(path, 4242, -1)
    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        load_callers(path)
    assert caught.value.why == "it belongs to user 4242"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Misconfigured, match="nowhere.yaml cannot be read"):
        load_callers(tmp_path / "nowhere.yaml")


def entry(**changed):
    fields = {"name": "ci", "token_sha256": f'"{DIGEST}"', "grants": "[]"} | changed
    fields["grants"] = fields.pop("grants")
    lines = [f"{key}: {value}" for key, value in fields.items() if value is not None]
    return "callers:\n  - " + "\n    ".join(lines) + "\n"


def grant(roles="[read]", owners='"*"'):
    return entry(grants=f"[{{roles: {roles}, owners: {owners}}}]")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("caller: []\n", "caller", "did you mean callers"),
        ("callers: {}\n", "callers", "must be a list"),
        ("{}\n", "callers", "must be a list"),
        ("callers: [ci]\n", "callers[0]", "must be a mapping"),
        (entry(role="[read]"), "callers[0].role", "nothing known"),
        (entry(name=None), "callers[0].name", "has a name"),
        (entry(name='"a b"'), "callers[0].name", "not written"),
        (entry(name="7"), "callers[0].name", "not written"),
        (entry(name="a" * 65), "callers[0].name", "not written"),
        (entry(name="admin-socket"), "callers[0].name", "through a socket"),
        (entry(token_sha256=None), "callers[0]", "neither token_sha256 nor certificate"),
        (entry(certificate="x"), "callers[0]", "both token_sha256 and certificate"),
        (entry(token_sha256='"abc"'), "callers[0].token_sha256", "not written"),
        (entry(token_sha256="1" * 64), "callers[0].token_sha256", "not written"),
        (entry(token_sha256=None, certificate="ü"), "callers[0].certificate", "not written"),
        (entry(token_sha256=None, certificate="x" * 256), "callers[0].certificate", "not written"),
        (entry(expires="soon"), "callers[0].expires", "neither a day nor a time"),
        (entry(expires="2027-02-30"), "callers[0].expires", "neither a day nor a time"),
        (entry(expires="2027"), "callers[0].expires", "neither a day nor a time"),
        (entry(expires="9999-12-31"), "callers[0].expires", "neither a day nor a time"),
        (entry(expires=""), "callers[0].expires", "neither a day nor a time"),
        (entry(expires="~"), "callers[0].expires", "neither a day nor a time"),
        (entry(grants=None), "callers[0].grants", "must be a list"),
        (entry(grants="[read]"), "callers[0].grants[0]", "must be a mapping"),
        (entry(grants="[{role: [read]}]"), "callers[0].grants[0].role", "did you mean roles"),
        (grant(roles="read"), "callers[0].grants[0].roles", "must be a list"),
        (grant(roles="[reed]"), "callers[0].grants[0].roles[0]", "not a role"),
        (grant(roles="[read, read, run, admin, run, run]"), "callers[0].grants[0].roles", "the limit is 5"),
        (grant(owners="everybody"), "callers[0].grants[0].owners", "must be a list"),
        (grant(owners='["*"]'), "callers[0].grants[0].owners", "a star stands among owners"),
        (grant(owners="[7]"), "callers[0].grants[0].owners[0]", "no text of 1 to 256"),
        (grant(owners='["a\\nb"]'), "callers[0].grants[0].owners[0]", "no text of 1 to 256"),
        (grant(owners=f"[{'x' * 257}]"), "callers[0].grants[0].owners[0]", "no text of 1 to 256"),
        (grant(owners=f"[{'x, ' * OWNERS_MAX} x]"), "callers[0].grants[0].owners", "the limit is 1000"),
        (entry(grants=f"[{'{}, ' * GRANTS_MAX} {{}}]"), "callers[0].grants", "the limit is 32"),
        ("callers:\n" + "  - {}\n" * (CALLERS_MAX + 1), "callers", "the limit is 1000"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(file, text, where, why):
    path = file(text)
    with pytest.raises(Misconfigured) as caught:
        load_callers(path)
    assert str(caught.value).startswith(f"{path}:{where} ")
    assert why in caught.value.why


BLOCKS = f"""
callers:
  - grants:
      - owners:
          - shared
          - "0x{OWNER}"
        roles:
          - read
          - admin
    name: ci
    certificate: ci.example.org
  - {{name: other, token_sha256: "{DIGEST}", grants: [], expires: 2027-06-30}}
"""


@pytest.mark.parametrize("text", [GOOD, BLOCKS], ids=["as in the docs", "another order and style"])
def test_a_file_that_was_cut_anywhere_is_refused_or_gives_nobody_more(file, text):
    """A write that was torn must not give a token that has an end one that has none, nor a role for more owners."""
    whole = load_callers(file(text))
    taken = 0
    for end in [end for end in range(len(text)) if end % 9 == 0 or text[end - 1] == "\n"]:
        try:
            found = load_callers(file(text[:end]))
        except Misconfigured:
            continue
        taken += 1
        for cut, entire in zip(found, whole, strict=False):
            assert replace(cut, grants=()) == replace(entire, grants=()), f"cut at {end}"
            for less, more in zip(cut.grants, entire.grants, strict=False):
                assert less.roles <= more.roles
                assert less.owners == more.owners or less.owners < more.owners
    assert taken, "so the test shows something"


def test_an_end_that_a_cut_could_take_away_is_refused_with_the_way_to_write_it(file):
    path = file(f"callers:\n  - name: ci\n    token_sha256: '{DIGEST}'\n    grants: []\n    expires: 2027-06-30\n")
    with pytest.raises(Misconfigured, match=r"callers\[0\].expires has a wrong value") as caught:
        load_callers(path)
    assert "would grant them for ever" in caught.value.why
    assert caught.value.fix == "move `expires:` above `grants:`"


def test_a_last_line_without_an_end_is_refused_but_where_a_brace_says_that_it_is_whole(file):
    path = file(GOOD.rstrip())
    with pytest.raises(Misconfigured, match="cannot be read") as caught:
        load_callers(path)
    assert (caught.value.code, "may have been cut" in caught.value.why) == ("SR-CONF-003", True)
    assert load_callers(file('{"callers": []}')) == ()


@pytest.mark.parametrize("key", ["name", "token_sha256", "certificate"])
def test_nobody_stands_in_it_twice(file, key):
    second = {"name": "other", "certificate": "a.example", "token_sha256": "ab" * 32}
    first = {"name": "ci", "certificate": "b.example", "token_sha256": DIGEST}
    second[key] = first[key].upper() if key == "certificate" else first[key]
    proof = "certificate" if key == "certificate" else "token_sha256"
    lines = [f'  - {{name: {each["name"]}, {proof}: "{each[proof]}", grants: []}}' for each in (first, second)]
    path = file("callers:\n" + "\n".join(lines) + "\n")
    with pytest.raises(Misconfigured, match="has a wrong value") as caught:
        load_callers(path)
    assert f"callers[1].{key}" in str(caught.value)
    assert caught.value.why == "callers[0] has it already"
