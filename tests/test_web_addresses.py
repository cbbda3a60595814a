"""Where a fetch may go: every address that is not public is refused, however it is written or reached."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from local_site import Reply, Site, serving, web

from pipeline.config import Limits
from pipeline.errors import DocmillError, UsageError
from pipeline.sources.web.addresses import parse_allowed, why_refused
from pipeline.sources.web.fetch import Fetcher, Refused
from pipeline.sources.web.kept import Kept
from pipeline.sources.web.urls import canonical

CLOSED = (  # addresses that a name may resolve to
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192",
    "192.0.0.8", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.1", "192.88.99.1", "224.0.0.1",
    "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:53aa:64c::1", "2001:10::1",
    "5f00::1", "4000::1", "3fff::1", "nonsense",
)  # fmt: skip
OPEN = (
    "93.184.216.34",
    "8.8.8.8",
    "2606:4700::6810:84e5",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
)
SPELLINGS = (  # of loopback and others, in a URL
    "http://127.0.0.1/", "http://localhost/", "http://localhost./", "http://LOCALHOST/", "http://127.0.0.1./",
    "http://１２７.０.０.１/", "http://127。0。0。1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[::]/",
    "http://0.0.0.0/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::127.0.0.1]/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/",
)  # fmt: skip
NO_URLS = (
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/",
    "http://127.1/", "http://127.0.1/", "http://127.0.0.0x1/", "http://user@127.0.0.1/",
    "http://example.org@127.0.0.1/",
    "http://example.org:pw@10.0.0.1/", "http://[::1%25lo]/", "http://[127.0.0.1]/", "http:///etc/passwd",
    "file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1/", "data:text/html,x", "javascript:1",
    "//127.0.0.1/",
    "http://example.org:22/", "http://example.org:6379:80/", "http://exa mple.org/", "http://127.0.0.1\\@example.org/",
)  # fmt: skip


def fetcher(tmp_path: Path, addresses: Sequence[str] | None = None, **changes: object) -> Fetcher:
    """Names resolve to `addresses`; without them the system's resolver is asked."""

    def resolve(host: str, port: int) -> list[str]:
        if addresses is not None and host.endswith(".example"):
            return list(addresses)
        return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    settings = web(**{"allow": (), "robots": False, "connect_s": 3.0, **changes})
    return Fetcher(settings, Limits(), Kept(tmp_path / "web"), attempts=1, resolve=resolve)


def refused(fetch: Fetcher, url: str) -> bool:
    try:
        fetch.get(url)
    except Refused:
        return True
    except DocmillError:
        return False
    return False


def test_a_name_that_resolves_to_a_closed_address_is_refused(tmp_path: Path) -> None:
    """Whatever a name resolves to is judged before anything is sent."""
    names = {f"n{number}.example": address for number, address in enumerate(CLOSED)}
    kept = Kept(tmp_path / "web")
    with Fetcher(web(allow=(), robots=False), Limits(), kept, attempts=1, resolve=lambda h, _: [names[h]]) as fetch:
        through = [address for name, address in names.items() if not refused(fetch, f"http://{name}/")]

    assert through == []


def test_an_address_is_refused_in_every_spelling(tmp_path: Path) -> None:
    """No spelling of a closed address gets through, over http or https, on any port."""
    with fetcher(tmp_path) as fetch:
        spelled = [*SPELLINGS, *(url.replace("http:", "https:") for url in SPELLINGS)]
        spelled += [url[:-1] + ":8080/" for url in SPELLINGS if url.endswith(("1/", "]/"))]
        through = [url for url in spelled if not refused(fetch, canonical(url))]

    assert through == []


@pytest.mark.parametrize("text", NO_URLS)
def test_what_is_no_plain_url_is_refused_before_anything_is_looked_up(text: str) -> None:
    """Other schemes, user names and odd numbers are no URLs at all."""
    with pytest.raises(UsageError):
        canonical(text)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_are_open(address: str) -> None:
    """The public Internet may be fetched from, through NAT64 as well."""
    assert why_refused(address, "example.org", parse_allowed([])) is None


def test_one_closed_address_among_public_ones_is_enough(tmp_path: Path) -> None:
    """A name with several addresses is refused if one of them is closed."""
    with fetcher(tmp_path, ["93.184.216.34", "10.0.0.1"]) as fetch, pytest.raises(Refused, match=r"10\.0\.0\.1"):
        fetch.get("http://mixed.example/")


def test_a_redirect_to_a_closed_address_is_refused(tmp_path: Path) -> None:
    """Every hop is judged, and what it leads to is never asked."""
    with serving() as site, serving() as inside:
        site.pages["/"] = Reply("", 302, {"Location": f"http://inside.example:{inside.port}/secret"})
        with fetcher(tmp_path, ["127.0.0.2"], allow=("127.0.0.1",)) as fetch, pytest.raises(Refused, match="loopback"):
            fetch.get(site.url)

        assert inside.asked == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://2130706433/", "http://user:pw@example.org/", "gopher://x"]
)
def test_a_redirect_to_what_is_no_url_is_refused(target: str, tmp_path: Path) -> None:
    """A Location is held to the same rules as a URL that a person types."""
    with serving() as site, fetcher(tmp_path, allow=("127.0.0.1",)) as fetch:
        site.pages["/"] = Reply("", 301, {"Location": target})
        with pytest.raises(Refused, match="redirects to"):
            fetch.get(site.url)


def test_a_name_is_judged_by_the_address_that_is_connected_to(tmp_path: Path) -> None:
    """DNS rebinding: a name that is public when it is judged cannot be another one when it is connected to."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with serving() as site:
        site.html("/", "one")
        settings = web(allow=("127.0.0.1",), robots=False)
        kept = Kept(tmp_path / "web")
        with Fetcher(settings, Limits(), kept, attempts=1, resolve=resolve) as fetch:
            first = fetch.get(f"http://turns.example:{site.port}/")
        with Fetcher(settings, Limits(), kept, attempts=1, resolve=resolve) as fetch, pytest.raises(Refused):
            fetch.get(f"http://turns.example:{site.port}/")

    assert (first.status, asked) == (200, ["turns.example", "turns.example"])


def test_robots_txt_and_its_redirects_are_guarded_too(tmp_path: Path) -> None:
    """What is fetched on the way to a page is held to the same rules."""
    with serving() as site, fetcher(tmp_path, ["10.0.0.1"], allow=("127.0.0.1",), robots=True) as fetch:
        site.html("/", "hello")
        site.pages["/robots.txt"] = Reply("", 302, {"Location": "http://inside.example/robots.txt"})
        with pytest.raises(Refused, match="private"):
            fetch.get(site.url)


def test_the_allow_list_opens_hosts_and_networks_and_nothing_else() -> None:
    """A host name opens its private addresses but never link-local ones; a network opens what is in it."""
    allowed = parse_allowed(["wiki.example", "10.0.0.0/8"])

    assert why_refused("192.168.1.1", "WIKI.example.", allowed) is None
    assert why_refused("10.9.9.9", "other.example", allowed) is None
    assert why_refused("::ffff:10.9.9.9", "other.example", allowed) is None
    assert why_refused("192.168.1.1", "other.example", allowed) == "a private address"
    assert why_refused("169.254.169.254", "wiki.example", allowed) == "a metadata address"
    assert why_refused("192.168.1.1", "evil-wiki.example", allowed) == "a private address"


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "http://wiki", "*.example", "", "wiki:80", "10.0.0"])
def test_an_entry_that_opens_nothing_is_refused(entry: str) -> None:
    """A typing error in the allow-list is told, not ignored."""
    with pytest.raises(UsageError, match=r"web\.allow"):
        parse_allowed([entry])


def test_proxy_variables_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment cannot send requests elsewhere, where the guard would not see them."""
    with serving() as site, serving() as proxy:
        site.html("/", "hello")
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with fetcher(tmp_path, allow=("127.0.0.1",)) as fetch:
            answer = fetch.get(site.url)

        assert (answer.status, proxy.asked) == (200, [])


def test_a_proxy_that_is_set_is_used_and_closed_names_are_not_sent_to_it(tmp_path: Path) -> None:
    """With web.proxy requests go there; names that resolve to closed addresses are refused all the same."""
    with serving() as proxy:
        proxy.pages["http://93.184.216.34/page"] = Reply("through the proxy")
        with fetcher(tmp_path, ["10.0.0.1"], proxy=proxy.url) as fetch:
            answer = fetch.get("http://93.184.216.34/page")
            with pytest.raises(Refused):
                fetch.get("http://inside.example/")

        assert answer.status == 200
        assert [path for path, *_ in proxy.asked] == ["http://93.184.216.34/page"]


def headers_of(site: Site) -> list[dict[str, str]]:
    return [{name.lower(): value for name, value in one.items()} for one in site.headers]


def test_nothing_of_one_host_is_told_to_another(tmp_path: Path) -> None:
    """No cookies, no Referer, no validators of one host reach another one."""
    with serving() as one, serving() as two:
        one.pages["/"] = Reply("", 302, {"Location": two.url, "Set-Cookie": "id=1"})
        two.html("/", "hello")
        with fetcher(tmp_path, allow=("127.0.0.1",)) as fetch:
            first = fetch.get(one.url).record
            assert first is not None
            fetch.kept.put(first)
            fetch.get(one.url)

        sent = [name for headers in headers_of(one) + headers_of(two) for name in headers]
        assert not {"cookie", "referer", "authorization"} & set(sent)
        assert [status for _, status, _ in one.requests() + two.requests()] == [302, 302, 200, 304]
