"""Redirects, where config asks for them: each hop passes every gate again, and keys stay where they belong."""

import pytest

from strongroom.plugin import CapabilityError
from tests.fakes.web_site import says

OTHER = "other.example"


@pytest.fixture
def pair(serving, authority, rig):
    """A site that redirects to ``where[0]``, another one, and a rig that may reach both."""
    where = [""]

    def redirect(seen):
        if seen.path == "/end":
            yield says(200, seen.method.encode())
        else:
            yield says(int(seen.path.strip("/")), b"", f"Location: {where[0]}")

    first, other = serving(redirect), serving(says(200, b"other"), certificate=authority.file(OTHER))

    def make(**settings):
        made = rig(first, allow=[f"{OTHER}:{other.port}"], **{"redirects_max": 2, **settings})
        made.names[OTHER] = ["127.0.0.1"]
        return made

    return first, other, where, make


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (301, "GET", "GET"),
    ],
)
def test_a_redirect_is_followed_as_browsers_do(pair, url, status, method, then):
    first, _, where, make = pair
    where[0] = "/end"
    response = make().send(
        url(first, f"/{status}"), method=method, body=b"x", headers={"Content-Type": "a/b", "X-Key": "k"}
    )
    assert response.body == then.encode()
    end = first.seen[1]
    assert end.values("x-key") == ["k"], "the same origin gets every field"
    assert (end.body, end.values("content-type")) == ((b"x", ["a/b"]) if then != "GET" else (b"", []))


def test_another_origin_gets_no_field_that_may_be_a_key(pair, url):
    first, other, where, make = pair
    where[0] = f"https://{OTHER}:{other.port}/x"
    fields = {"Authorization": "k", "Cookie": "k", "X-Api-Key": "k", "Accept": "a/b"}
    assert make().send(url(first, "/307"), headers=fields).body == b"other"
    names = {name for name, _ in other.seen[0].fields}
    assert names == {"accept", "accept-encoding", "connection", "host", "user-agent"}
    assert other.seen[0].values("host") == [f"{OTHER}:{other.port}"]


def test_after_the_last_redirect_the_next_one_is_the_answer(pair, url):
    first, _, where, make = pair
    where[0] = "/302"
    assert make().send(url(first, "/302")).status_code == 302
    assert len(first.seen) == 3


def test_a_redirect_without_a_place_is_the_answer(pair, url):
    first, _, _, make = pair
    assert make().send(url(first, "/302")).status_code == 302
    assert len(first.seen) == 1


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://10.0.0.1/", "an address that requests may not go to"),
        ("https://private.example/", "an address that requests may not go to"),
        ("http://site.example/", "only https on port 443"),
        ("https://site.example:22/", "only https on port 443"),
        ("//169.254.169.254/latest", "an address that requests may not go to|only https"),
        ("https://a:b@site.example/", "redirects to what is no http or https url"),
        ("file:///etc/passwd", "redirects to what is no http or https url"),
        ("https://2130706433/", "redirects to what is no http or https url"),
        ("https://[::1", "redirects to what is no http or https url"),
    ],
)
def test_a_redirect_to_where_requests_may_not_go_is_an_error(pair, url, location, reason):
    first, _, where, make = pair
    made = make()
    made.names["private.example"] = ["10.0.0.1"]
    where[0] = location
    with pytest.raises(CapabilityError, match=reason):
        made.send(url(first, "/302"))
    assert len(first.seen) == 1


def test_a_client_certificate_does_not_follow_to_another_origin(pair, url, authority):
    first, other, where, make = pair
    where[0] = f"https://{OTHER}:{other.port}/"
    response = make().send(url(first, "/302"), mtls=authority.issue("client.example"))
    assert (response.status_code, other.seen) == (302, [])
