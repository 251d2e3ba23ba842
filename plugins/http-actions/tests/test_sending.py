"""What is sent and what comes back, over real TLS: a status is data, and a line that breaks is an error."""

import pytest

from strongroom.plugin import CapabilityError
from tests.fakes.web_site import says


@pytest.mark.parametrize("method", ["GET", "post", "Put", "DELETE", "patch", " GET "])
def test_every_method_is_sent_in_any_case(serving, rig, url, method):
    site = serving(says(201, b"made"))
    response = rig(site).send(url(site, "/a?b=c#d"), method=method, body=b"x")
    (seen,) = site.seen
    assert (response.status_code, response.body) == (201, b"made")
    assert (seen.method, seen.path, seen.body) == (method.strip().upper(), "/a?b=c", b"x")


def test_a_request_says_what_it_must_and_nothing_about_this_host(serving, rig, url):
    site = serving()
    rig(site).send(url(site))
    assert sorted(site.seen[0].fields) == [
        ("accept-encoding", "identity"),
        ("connection", "close"),
        ("host", f"site.example:{site.port}"),
        ("user-agent", "strongroom"),
    ]
    assert site.names == ["site.example"], "the name, and not the address, is asked for in TLS"


def test_an_empty_body_of_a_post_has_a_length(serving, rig, url):
    site = serving()
    rig(site).send(url(site), method="POST")
    assert site.seen[0].values("content-length") == ["0"]


def test_fields_arrive_as_they_were_given(serving, rig, url):
    site = serving()
    rig(site).send(
        url(site),
        multi_headers={
            "X-Two": ["1", "2"],
            "User-Agent": ["mine"],
            "Accept-Encoding": ["gzip"],
            "X-U": ["ü"],
        },
    )
    seen = site.seen[0]
    assert seen.values("x-two") == ["1", "2"]
    assert (seen.values("user-agent"), seen.values("accept-encoding")) == (["mine"], ["gzip"])
    assert seen.values("x-u") == ["ü".encode().decode("latin-1")]
    rig(site).send(url(site), headers={"X-One": "1"})
    assert site.seen[1].values("x-one") == ["1"]


def test_an_answer_has_its_fields_in_both_forms(serving, rig, url):
    answer = says(
        200, b"", "content-type: text/plain", "SET-COOKIE: a=1", "Set-Cookie: b=2", "etag: \xc3\xbc", "X-Old: \xfc"
    )
    site = serving(answer)
    response = rig(site).send(url(site))
    many = {name: list(values.values) for name, values in response.multi_headers.items()}
    assert many["Set-Cookie"] == ["a=1", "b=2"]
    assert (many["Content-Type"], many["Etag"], many["X-Old"]) == (["text/plain"], ["ü"], ["ü"])
    assert dict(response.headers) == {name: ", ".join(values) for name, values in many.items()}


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_any_status_is_an_answer(serving, rig, url, status):
    site = serving(says(status, b"", "Location: https://elsewhere.example/"))
    assert rig(site).send(url(site)).status_code == status
    assert len(site.seen) == 1, "redirects are not followed unless config says so"


def test_a_chunked_answer_arrives_whole(serving, rig, url):
    site = serving(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n")
    assert rig(site).send(url(site)).body == b"abcde"


def test_an_answer_without_a_length_ends_with_the_connection(serving, rig, url):
    site = serving(b"HTTP/1.1 200 OK\r\n\r\nto the end")
    assert rig(site).send(url(site)).body == b"to the end"


def test_a_compressed_answer_stays_compressed(serving, rig, url):
    bomb = b"\x1f\x8b" + bytes(1000)
    site = serving(says(200, bomb, "Content-Encoding: gzip"))
    response = rig(site).send(url(site))
    assert (response.body, response.headers["Content-Encoding"]) == (bomb, "gzip")


BROKEN = {
    "body cut off": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "chunk cut off": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "chunk without size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
    "huge chunk line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000,
    "nothing": b"",
    "no http": b"220 mail.example ESMTP\r\n",
    "huge status line": b"HTTP/1.1 200 " + b"O" * 100_000,
    "status that ends nothing": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "status out of range": b"HTTP/1.1 999 What\r\n\r\n",
    "huge field": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_what_is_no_whole_answer_is_an_error(serving, rig, url, answer):
    site = serving(answer)
    with pytest.raises(CapabilityError) as caught:
        rig(site).send(url(site))
    error = caught.value
    assert (error.visibility, error.origin, error.name) == ("Public", "System", "Unavailable")
    assert "may have been carried out" not in error.message


def test_an_answer_that_tls_did_not_end_is_not_believed(serving, rig, url):
    def cut(_seen):
        yield b"HTTP/1.1 200 OK\r\n\r\npart"
        raise OSError

    site = serving(cut)
    with pytest.raises(CapabilityError, match="TLS failed"):
        rig(site).send(url(site))


def test_a_post_that_broke_says_that_it_may_have_happened(serving, rig, url):
    site = serving(b"")
    with pytest.raises(CapabilityError, match="the request may have been carried out"):
        rig(site).send(url(site), method="POST")


AT_LIMIT = b"x" * 1_000


@pytest.mark.parametrize(
    "answer",
    [
        says(200, bytes(2_000)),
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2_000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"7d0\r\n" + bytes(2_000) + b"\r\n0\r\n\r\n",
        says(200, b"", "X: " + "x" * 2_000),
    ],
    ids=["announced", "to the end", "chunked", "fields"],
)
def test_an_answer_over_the_limit_is_cut_off(serving, rig, url, answer):
    site = serving(answer)
    with pytest.raises(CapabilityError, match=r"^response: .*the limit (is|of) 1000") as caught:
        rig(site, response_bytes_max=1_000).send(url(site))
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "LimitExceeded")


def test_an_answer_without_end_is_cut_off_at_the_limit(serving, rig, url):
    def endless(_seen):
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(65_536)

    site = serving(endless)
    with pytest.raises(CapabilityError, match="more than the limit of 100000 bytes"):
        rig(site).send(url(site))


def test_an_answer_of_exactly_the_limit_is_taken(serving, rig, url):
    body = bytes(1_000 - len("Content-Length") - len("980"))
    site = serving(says(200, body))
    assert len(rig(site, response_bytes_max=1_000).send(url(site)).body) == len(body)


def test_a_proxy_of_the_environment_is_ignored(serving, rig, url, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site = serving(says(200, b"direct"))
    assert rig(site).send(url(site)).body == b"direct"
