"""What is kept for a workflow that asks for it, and how often and how many at once."""

import threading

import pytest

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import http_pb2
from strongroom_http_actions.cache import Cache, CacheKey
from strongroom_http_actions.rates import Places, Rate
from tests.fakes.web_site import says


class Clock:
    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def counting(serving):
    def answer(seen):
        status = int(seen.path.strip("/") or 200)
        yield says(status, str(len(site.seen)).encode())

    site = serving(answer)
    return site


def test_an_answer_is_read_only_when_it_was_stored_and_an_age_is_given(counting, rig, url):
    made = rig(counting)
    assert made.send(url(counting), max_age_s=60).body == b"1", "nothing was stored"
    assert made.send(url(counting), max_age_s=60).body == b"2", "reading does not store"
    assert made.send(url(counting), store=True).body == b"3"
    assert made.send(url(counting), max_age_s=60).body == b"3"
    assert made.send(url(counting), store=True).body == b"4", "an age of 0 never reads"
    assert made.send(url(counting), store=True, max_age_s=600, timeout_s=3).body == b"4"


def test_a_post_is_kept_by_its_whole_request(counting, rig, url):
    made = rig(counting)
    kept = {"store": True, "max_age_s": 60}
    assert made.send(url(counting), method="POST", body=b"a", **kept).body == b"1"
    assert made.send(url(counting), method="post", body=b"a", **kept).body == b"1"
    for number, other in enumerate(
        [{"body": b"b"}, {"headers": {"X": "1"}}, {"owner": "bb" * 20}, {"workflow": "w2"}], 2
    ):
        assert (
            made.send(url(counting), **{"method": "POST", "body": b"a", **kept, **other}).body == str(number).encode()
        )


@pytest.mark.parametrize("status", [301, 404, 429, 500])
def test_only_success_is_kept(counting, rig, url, status):
    made = rig(counting)
    bodies = [made.send(url(counting, f"/{status}"), store=True, max_age_s=60).body for _ in range(2)]
    assert bodies == [b"1", b"2"]


@pytest.mark.parametrize("name", ["Authorization", "cookie"])
def test_an_answer_for_one_session_is_not_kept(counting, rig, url, name):
    made = rig(counting)
    bodies = [made.send(url(counting), headers={name: "x"}, store=True, max_age_s=60).body for _ in range(2)]
    assert bodies == [b"1", b"2"]


def test_an_answer_for_a_client_certificate_is_not_kept(serving, rig, url, authority):
    site = serving(clients=authority.path)
    made, key = rig(site), authority.issue("client.example")
    for _ in range(2):
        made.send(url(site), mtls=key, store=True, max_age_s=60)
    assert len(site.seen) == 2


def key(owner="a", digest=b"d"):
    return CacheKey(owner, "w", digest)


def test_an_answer_grows_too_old():
    clock = Clock()
    cache = Cache(now=clock)
    cache.put(key(), http_pb2.Response(status_code=200))
    clock.now += 60
    assert cache.get(key(), max_age_s=60) is not None
    assert cache.get(key(), max_age_s=59) is None
    assert cache.get(key(), max_age_s=0) is None


def test_the_cache_holds_what_fits_and_the_oldest_goes_first():
    cache = Cache(bytes_max=3_000, owner_bytes_max=2_000)
    full = http_pb2.Response(status_code=200, body=bytes(700))
    for number in range(3):
        cache.put(key("a", b"%d" % number), full)
    assert [cache.get(key("a", b"%d" % n), max_age_s=9) is not None for n in range(3)] == [False, True, True]
    cache.put(key("b"), full)
    assert cache.get(key("a", b"2"), max_age_s=9) is not None, "one owner does not empty the cache of another"
    cache.put(key("c"), full)
    assert cache.get(key("a", b"1"), max_age_s=9) is None
    cache.put(key("d"), http_pb2.Response(status_code=200, body=bytes(2_000)))
    assert cache.get(key("d"), max_age_s=9) is None, "what does not fit is not kept"
    cache.put(key("c"), full)
    assert cache.get(key("c"), max_age_s=9) == full


def test_what_is_too_old_for_anybody_goes():
    clock = Clock()
    cache = Cache(now=clock)
    cache.put(key(), http_pb2.Response(status_code=200))
    clock.now += 601
    cache.put(key("b"), http_pb2.Response(status_code=200))
    assert list(cache._entries) == [key("b")]


def test_a_rate_has_a_burst_and_fills_up_again():
    clock = Clock()
    rate = Rate("requests", every_s=30, burst=3, now=clock)
    for _ in range(3):
        rate.take("a")
    with pytest.raises(CapabilityError, match=r"requests: one every 30 s and 3 at once; try again in 30.0 s") as caught:
        rate.take("a")
    assert (caught.value.origin, caught.value.name) == ("User", "LimitExceeded")
    rate.take("b")
    clock.now += 30
    rate.take("a")
    with pytest.raises(CapabilityError):
        rate.take("a")
    clock.now += 1_000_000
    for _ in range(3):
        rate.take("a")


def test_rates_of_too_many_owners_are_forgotten():
    rate = Rate("requests", every_s=30, burst=1)
    for number in range(10_050):
        rate.take(str(number))
    assert len(rate._buckets) == 10_000


def test_an_owner_who_asks_too_often_is_told_when_to_come_back(counting, rig, url):
    made = rig(counting, burst=0)
    with pytest.raises(CapabilityError, match="^requests: one every"):
        made.send(url(counting), method="POST", execution="e", reference="1")
    assert (counting.seen, made.store.values) == ([], {})


@pytest.mark.parametrize("limits", [{"total": 1, "each": 8}, {"total": 8, "each": 1}], ids=["host", "owner"])
def test_requests_at_once_are_limited(serving, rig, url, limits):
    began, end = threading.Event(), threading.Event()

    def answer(_seen):
        began.set()
        end.wait(20)
        yield says()

    site = serving(answer)
    made = rig(site, **limits)
    first = threading.Thread(target=lambda: made.send(url(site), timeout_s=10))
    first.start()
    assert began.wait(20)
    with pytest.raises(CapabilityError, match="requests at once: ") as caught:
        made.send(url(site), method="POST", timeout_s=0.05, execution="e", reference="1")
    assert (caught.value.name, len(site.seen), made.store.values) == ("LimitExceeded", 1, {})
    end.set()
    first.join(20)
    assert made.send(url(site)).status_code == 200


def test_a_place_is_given_back_whatever_happens():
    places = Places(total=1, each=1)
    for _ in range(3):
        with pytest.raises(KeyError), places.one("a", 0):
            raise KeyError
    assert places._open == {}
