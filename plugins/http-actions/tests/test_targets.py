"""Which hosts a request may go to: every spelling of an address, every family, and names that change their mind."""

import pytest

from strongroom.plugin import CapabilityError
from strongroom_http_actions.addresses import Reach, parsed, reach_of
from strongroom_http_actions.policy import Policy
from strongroom_http_actions.target import target_of
from tests.fakes.web_site import Authority, says

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"]
BLOCKED = {
    "private 10": ("10.0.0.1", Reach.PRIVATE),
    "private 172": ("172.16.0.1", Reach.PRIVATE),
    "private 192": ("192.168.1.1", Reach.PRIVATE),
    "loopback": ("127.0.0.1", Reach.PRIVATE),
    "another loopback": ("127.255.255.254", Reach.PRIVATE),
    "carrier grade NAT": ("100.64.0.1", Reach.PRIVATE),
    "link-local": ("169.254.1.1", Reach.SPECIAL),
    "unspecified": ("0.0.0.0", Reach.NOWHERE),  # noqa: S104 - an address to refuse
    "this network": ("0.1.2.3", Reach.NOWHERE),
    "multicast": ("224.0.0.1", Reach.NOWHERE),
    "broadcast": ("255.255.255.255", Reach.SPECIAL),
    "reserved": ("240.0.0.1", Reach.SPECIAL),
    "documentation": ("192.0.2.1", Reach.PRIVATE),
    "benchmark": ("198.18.0.1", Reach.PRIVATE),
    "metadata": ("169.254.169.254", Reach.METADATA),
    "metadata of containers": ("169.254.170.2", Reach.METADATA),
    "metadata at a private address": ("100.100.100.200", Reach.METADATA),
    "metadata at a public address": ("168.63.129.16", Reach.METADATA),
    "metadata in IPv6": ("fd00:ec2::254", Reach.METADATA),
    "loopback in IPv6": ("::1", Reach.PRIVATE),
    "unspecified in IPv6": ("::", Reach.NOWHERE),
    "unique local": ("fd12:3456::1", Reach.PRIVATE),
    "link-local in IPv6": ("fe80::1", Reach.SPECIAL),
    "site-local": ("fec0::1", Reach.SPECIAL),
    "multicast in IPv6": ("ff02::1", Reach.NOWHERE),
    "documentation in IPv6": ("2001:db8::1", Reach.PRIVATE),
    "more documentation in IPv6": ("3fff:fff::1", Reach.PRIVATE),
    "segment routing": ("5f00::1", Reach.SPECIAL),
    "dummy prefix": ("100:0:0:1::1", Reach.SPECIAL),
    "mapped private": ("::ffff:10.0.0.1", Reach.SPECIAL),
    "mapped public": ("::ffff:1.1.1.1", Reach.SPECIAL),
    "mapped metadata": ("::ffff:169.254.169.254", Reach.SPECIAL),
    "compatible": ("::10.0.0.1", Reach.SPECIAL),
    "6to4 of private": ("2002:0a00:0001::", Reach.SPECIAL),
    "6to4 of public": ("2002:0101:0101::", Reach.SPECIAL),
    "Teredo": ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Reach.SPECIAL),
    "NAT64 of private": ("64:ff9b::a00:1", Reach.PRIVATE),
    "NAT64 of metadata": ("64:ff9b::a9fe:a9fe", Reach.METADATA),
    "local NAT64": ("64:ff9b:1::a00:1", Reach.SPECIAL),
    "translated": ("::ffff:0:10.0.0.1", Reach.SPECIAL),
    "discard": ("100::1", Reach.SPECIAL),
    "not given to anybody": ("4000::1", Reach.SPECIAL),
}


@pytest.mark.parametrize(("address", "reach"), BLOCKED.values(), ids=BLOCKED)
def test_an_address_that_is_not_public_is_blocked(rig, address, reach):
    assert reach_of(parsed(address)) is reach
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(CapabilityError, match="an address that requests may not go to") as caught:
        rig().send(f"https://{host}/")
    assert (caught.value.origin, caught.value.name) == ("User", "PermissionDenied")
    behind_a_name = rig()
    behind_a_name.names["site.example"] = ["1.1.1.1", address]
    with pytest.raises(CapabilityError, match="an address that requests may not go to") as caught:
        behind_a_name.send("https://site.example/")
    assert address not in caught.value.message, "an answer must not tell what a name means inside"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address):
    assert reach_of(parsed(address)) is Reach.PUBLIC
    host = f"[{address}]" if ":" in address else address
    Policy().check(target_of(f"https://{host}"))


SPELLINGS = {
    "decimal": "https://2130706433/",
    "octal": "https://0177.0.0.1/",
    "octal that looks public": "https://010.8.8.8/",
    "hex": "https://0x7f.0.0.1/",
    "one hex number": "https://0x7f000001/",
    "short": "https://127.1/",
    "number at the end of a name": "https://name.1/",
    "five numbers": "https://1.2.3.4.5/",
    "too large": "https://256.1.1.1/",
    "empty label": "https://a..b/",
    "full-width digits": "https://１２７.0.0.1/",
    "other dots": "https://127。0。0。1/",
    "zone": "https://[fe80::1%25eth0]/",
    "percent in host": "https://127.0.0.%31/",
    "user": "https://good.example@127.0.0.1/",
    "user and password": "https://a:b@good.example/",
    "empty user": "https://@good.example/",
    "backslash": "https://good.example\\@127.0.0.1/",
    "backslashes": "https:\\\\127.0.0.1\\",
    "line break": "https://good.example/\r\nHost: evil",
    "tab in host": "https://good\t.example/",
    "NUL": "https://good.example/\0",
    "space in host": "https://good .example/",
    "no host": "https:///path",
    "no scheme": "good.example/",
    "one slash": "https:/good.example/",
    "file": "file:///etc/passwd",
    "ftp": "ftp://good.example/",
    "gopher": "gopher://127.0.0.1:6379/_x",
    "data": "data:text/plain,x",
    "port 0": "https://good.example:0/",
    "port too high": "https://good.example:65536/",
    "port as word": "https://good.example:https/",
    "empty port": "https://good.example:/",
    "label too long": f"https://{'a' * 64}.example/",
    "name too long": f"https://{'a.' * 130}example/",
    "hyphen first": "https://-good.example/",
    "bad IPv6": "https://[::1::2]/",
    "open bracket": "https://[::1/",
    "empty": "   ",
}


def test_another_scheme_is_refused_with_those_that_there_are():
    with pytest.raises(
        CapabilityError, match="begin with https://, or with http:// for an origin that allow_hosts lists"
    ):
        target_of("ftp://good.example/")


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_url_that_can_be_read_in_two_ways_is_refused(rig, spelling):
    made = rig()
    with pytest.raises(CapabilityError, match="^url") as caught:
        made.send(spelling)
    assert (caught.value.visibility, caught.value.origin, caught.value.name) == ("Public", "User", "InvalidArgument")
    assert made.asked == [], "nothing is looked up for it"


@pytest.mark.parametrize(
    ("written", "host", "port", "path"),
    [
        ("  https://Good.Example  ", "good.example", 443, "/"),
        ("HTTPS://good.example./a%20b?x=1&y=[2]#part", "good.example", 443, "/a%20b?x=1&y=[2]"),
        ("https://good.example?q=a b", "good.example", 443, "/?q=a%20b"),
        ('https://good.example/ü"<>', "good.example", 443, "/%C3%BC%22%3C%3E"),
        ("https://xn--bcher-kva.example:443//x/../y", "xn--bcher-kva.example", 443, "//x/../y"),
        ("https://[2606:4700:0::1111]:8443/", "2606:4700::1111", 8443, "/"),
        ("http://good.example/?u=a@b", "good.example", 80, "/?u=a@b"),
    ],
)
def test_a_url_is_read_in_one_way(written, host, port, path):
    target = target_of(written)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize("url", ["http://good.example/", "https://good.example:8443/", "https://good.example:80/"])
def test_only_https_on_443_is_allowed_unless_listed(rig, url):
    made = rig()
    with pytest.raises(CapabilityError, match="only https on port 443 is allowed") as caught:
        made.send(url)
    assert (caught.value.name, made.asked) == ("PermissionDenied", [])


def test_a_listed_host_may_be_private_and_nothing_worse():
    policy = Policy.of(["in.example", "http://old.example:8080"], [])
    listed = target_of("https://in.example/")
    assert policy.usable(listed, ["10.0.0.1", "::1"]) == ["10.0.0.1", "::1"]
    policy.check(target_of("http://old.example:8080/x"))
    for address in ("169.254.169.254", "169.254.1.1", "0.1.2.3", "::", "224.0.0.1", "168.63.129.16", "::ffff:10.0.0.1"):
        with pytest.raises(CapabilityError, match="may not go to"):
            policy.usable(listed, [address])
    with pytest.raises(CapabilityError, match="may not go to"):
        policy.usable(target_of("https://other.example/"), ["10.0.0.1"])
    for other in ("https://old.example:8080/", "http://in.example/", "https://in.example:444/"):
        with pytest.raises(CapabilityError, match="only https on port 443"):
            policy.check(target_of(other))


def test_a_listed_network_may_be_reached_by_any_name():
    policy = Policy.of([], ["10.1.0.0/16", "169.254.0.0/16", "fd00:ec2::254/128", "224.0.0.0/4"])
    target = target_of("https://any.example/")
    assert policy.usable(target, ["10.1.2.3", "169.254.1.1", "fd00:ec2::254"])
    for address in ("10.2.0.1", "169.254.169.254", "224.0.0.1"):
        with pytest.raises(CapabilityError, match="may not go to"):
            policy.usable(target, [address])
    policy.check(target_of("https://10.1.2.3/"))


def test_a_list_of_hosts_closes_the_rest_of_the_internet():
    policy = Policy.of(["in.example:8443"], [], ["Api.example", "2606:4700::1111".join("[]"), "1.1.1.1"])
    for url in (
        "https://api.example/",
        "https://api.example./x",
        "https://in.example:8443/",
        "https://[2606:4700::1111]/",
    ):
        policy.check(target_of(url))
    for url in ("https://other.example/", "https://sub.api.example/", "https://in.example/", "https://8.8.8.8/"):
        with pytest.raises(CapabilityError, match="go to what it lists in only_hosts and allow_hosts"):
            policy.check(target_of(url))
    with pytest.raises(CapabilityError, match="may not go to"):
        policy.usable(target_of("https://api.example/"), ["10.0.0.1"])


def test_a_name_that_changes_its_answer_leads_nowhere_else(serving, rig, url):
    site = serving(says(200, b"first"))
    made, answers = rig(site), [["127.0.0.1"], ["127.0.0.2"]]
    made.names["site.example"] = lambda: answers.pop(0)
    assert made.send(url(site)).body == b"first"
    assert made.asked == ["site.example"], "the name is asked for once, and what was checked is connected to"


def test_a_name_that_turns_private_after_it_was_public_is_refused_each_time(rig):
    made = rig()
    made.names["site.example"] = ["127.0.0.1"]
    with pytest.raises(CapabilityError, match="may not go to"):
        made.send("https://site.example/")


def test_a_name_that_is_not_known_is_told_without_detail(rig):
    made = rig()

    def unknown():
        raise OSError("resolver at 10.0.0.53 said no")

    made.names["site.example"] = unknown
    for names in (unknown, []):
        made.names["site.example"] = names
        with pytest.raises(
            CapabilityError, match="url: (the name of this host was not found|this host has no address)"
        ):
            made.send("https://site.example/")


def test_the_next_address_is_tried_when_one_takes_no_connection(serving, rig, url):
    site = serving(says(200, b"second"))
    made = rig(site)
    made.names["site.example"] = ["127.9.9.9", "127.0.0.1"]
    assert made.send(url(site)).body == b"second"


def test_a_certificate_for_another_name_is_refused(serving, rig, authority):
    site = serving()
    made = rig(allow=[f"other.example:{site.port}"])
    made.names["other.example"] = ["127.0.0.1"]
    with pytest.raises(CapabilityError, match="certificate of the far side is not valid for this url.*other.example"):
        made.send(f"https://other.example:{site.port}/")
    assert site.seen == []


def test_a_certificate_of_an_unknown_authority_is_refused(serving, rig, url, tmp_path):
    site = serving(certificate=Authority(tmp_path).file("site.example"))
    with pytest.raises(CapabilityError, match="certificate of the far side is not valid"):
        rig(site).send(url(site))
    assert site.seen == []


def test_plain_http_is_spoken_to_a_host_that_is_listed_so(serving, rig):
    site = serving(says(200, b"plain"), certificate=None)
    made = rig(allow=[f"http://site.example:{site.port}"])
    assert made.send(f"http://site.example:{site.port}/").body == b"plain"
