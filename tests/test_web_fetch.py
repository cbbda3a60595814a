"""Fetching one URL: polite, within limits, and honest about what went wrong."""

from __future__ import annotations

import gzip
import time
import zlib
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_site import Reply, Site, serving, web

from pipeline.config import Limits
from pipeline.errors import DocmillError, LimitExceeded, Transient, Unreadable
from pipeline.sources.web.fetch import Denied, Fetcher
from pipeline.sources.web.kept import Kept


@pytest.fixture
def site() -> object:
    with serving() as running:
        yield running


def fetcher(tmp_path: Path, *, attempts: int = 1, sleeps: list[float] | None = None, **changes: object) -> Fetcher:
    """`sleeps` collects the pauses between attempts, which then take no time."""
    sleep = time.sleep if sleeps is None else sleeps.append
    return Fetcher(web(**changes), Limits(), Kept(tmp_path / "web"), attempts=attempts, sleep=sleep)


def body_of(fetch: Fetcher, sha256: str, tmp_path: Path) -> bytes:
    fetch.kept.unpack(sha256, tmp_path / "body")
    return (tmp_path / "body").read_bytes()


def raw(headers: str, *pieces: bytes, pause_s: float = 0.0, times: int = 1) -> object:
    """A handler that sends these bytes as they are."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\n" + headers.encode() + b"\r\n")
            for _ in range(times):
                for piece in pieces:
                    request.wfile.write(piece)
                    time.sleep(pause_s)
        except OSError:
            pass

    return handle


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw-deflate", "two members", "identity"])
def test_a_body_is_kept_unpacked(encoding: str, site: Site, tmp_path: Path) -> None:
    """Bytes and hash are those of the decoded body, whatever way it was sent."""
    text = b"The heron waits. " * 5000
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "raw-deflate": bare.compress(text) + bare.flush(),
        "two members": gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
        "identity": text,
    }[encoding]
    name = {"raw-deflate": "deflate", "two members": "gzip"}.get(encoding, encoding)
    site.pages["/"] = Reply(packed, headers={"Content-Encoding": name})
    with fetcher(tmp_path) as fetch:
        record = fetch.get(site.url).record

        assert record is not None
        assert body_of(fetch, record.sha256, tmp_path) == text
        assert record.size_bytes == len(text)


CHUNK = b"100000\r\n" + bytes(1 << 20) + b"\r\n"


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize(
    ("handle", "error", "words"),
    [
        (Reply(bomb(40), headers={"Content-Encoding": "gzip"}), LimitExceeded, "unpacks to more than 100 times"),
        (raw("Content-Type: text/html\r\n", bytes(1 << 20), times=50), LimitExceeded, "more than 20 MB"),
        (raw("Transfer-Encoding: chunked\r\n", CHUNK, times=50), LimitExceeded, "more than 20 MB"),
        (raw("Content-Length: 900000000\r\n"), LimitExceeded, "900.0 MB, over the limit"),
        (raw("Content-Length: 1000\r\n", b"half"), Transient, "no answer"),
        (raw("Content-Encoding: gzip\r\n", gzip.compress(b"x" * 9000)[:-20]), Transient, "before it was whole"),
        (raw("Content-Encoding: gzip\r\nContent-Length: 4\r\n", b"nope"), Unreadable, "cannot be unpacked"),
        (raw("Content-Encoding: br\r\nContent-Length: 4\r\n", b"nope"), Unreadable, "sent as 'br'"),
        (raw("Content-Encoding: gzip, gzip\r\nContent-Length: 4\r\n", b"nope"), Unreadable, "not asked for"),
        (raw("X: " + "y" * 200_000 + "\r\n"), Transient, "no answer"),
        (raw("Content-Type: text/html\r\n", b"<", pause_s=0.1, times=600), Transient, "no whole answer in time"),
        (raw("X-Slow: ", b"a", pause_s=0.1, times=600), Transient, "no whole answer in time"),
        (lambda request: time.sleep(4), Transient, "no whole answer in time"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n"), Transient, "no answer"),
    ],
    ids=["gzip-bomb", "endless", "endless-chunks", "announced", "short", "cut-gzip", "no-gzip", "brotli", "twice",
         "huge-header", "slow-body", "slow-header", "silent", "no-http"],
)  # fmt: skip
def test_a_server_that_misbehaves_costs_little(
    handle: object, error: type[DocmillError], words: str, site: Site, tmp_path: Path
) -> None:
    """Size, ratio and time are limits on what is read, not on what is announced; nothing of it is kept."""
    site.pages["/"] = handle
    started = time.monotonic()
    limits = {"response_s": 1.0, "connect_s": 1.0, "size_mb": 20, "robots": False}
    with fetcher(tmp_path, **limits) as fetch, pytest.raises(error, match=words):
        fetch.get(site.url)

    assert time.monotonic() - started < 3
    assert list((tmp_path / "web").rglob("*.gz")) == list((tmp_path / "web").rglob("new-*")) == []


@pytest.mark.parametrize(("status", "error"), [(401, Unreadable), (403, Unreadable), (500, Transient)])
def test_a_status_decides_whether_to_try_again(
    status: int, error: type[DocmillError], site: Site, tmp_path: Path
) -> None:
    """What the server refuses is permanent, its own troubles are not."""
    site.pages["/"] = Reply("", status)
    with fetcher(tmp_path) as fetch, pytest.raises(error, match=str(status)):
        fetch.get(site.url)


def test_retry_after_is_waited_for(site: Site, tmp_path: Path) -> None:
    """A busy server names its pause, and gets it; without one the pauses grow."""
    answers = iter([Reply("", 429, {"Retry-After": "7"}), Reply("", 503), Reply("at last")])
    sleeps: list[float] = []

    class Changing(dict):  # type: ignore[type-arg]
        def get(self, path: str, default: object = None) -> object:
            return next(answers) if path == "/" else default

    site.pages = Changing()
    with fetcher(tmp_path, attempts=3, sleeps=sleeps) as fetch:
        fetch._pace.hold = lambda *_: None  # type: ignore[method-assign]
        answer = fetch.get(site.url)

    assert (answer.status, sleeps) == (200, [7.0, 4.0])


def test_a_host_that_asks_for_an_hour_is_left_for_the_next_run(site: Site, tmp_path: Path) -> None:
    """A long Retry-After is no reason to hold the run up."""
    site.pages["/"] = Reply("", 503, {"Retry-After": "3600"})
    sleeps: list[float] = []
    with fetcher(tmp_path, attempts=3, sleeps=sleeps) as fetch, pytest.raises(Transient, match="503"):
        fetch.get(site.url)

    assert (len(site.requests()), sleeps) == (1, [])


def test_a_host_that_is_down_is_asked_a_few_times_only(tmp_path: Path) -> None:
    """After five failures in a row the host's other pages are left for the next run."""
    with serving() as site:
        port = site.port
    errors = []
    with fetcher(tmp_path, robots=False) as fetch:
        for number in range(8):
            with pytest.raises(Transient) as caught:
                fetch.get(f"http://127.0.0.1:{port}/{number}")
            errors.append("does not answer" in str(caught.value))

    assert errors == [False] * 5 + [True] * 3


def test_robots_txt_is_obeyed(site: Site, tmp_path: Path) -> None:
    """What it forbids is never asked for; it is read once; its Crawl-delay counts."""
    site.pages["/robots.txt"] = Reply("User-agent: docmill\nDisallow: /private/\nCrawl-delay: 0.2\n")
    site.html("/a", "open")
    site.html("/private/b", "closed")
    started = time.monotonic()
    with fetcher(tmp_path) as fetch:
        fetch.get(site.url + "a")
        with pytest.raises(Denied):
            fetch.get(site.url + "private/b")
        fetch.get(site.url + "a")

    assert time.monotonic() - started > 0.2
    assert [path for path, *_ in site.asked] == ["/robots.txt", "/a", "/a"]


@pytest.mark.parametrize(
    ("reply", "error"), [(Reply("", 503), Transient), (Reply("", 404), None), (Reply("", 403), None)]
)
def test_a_robots_txt_that_cannot_be_read_forbids_all(
    reply: Reply, error: type[DocmillError] | None, site: Site, tmp_path: Path
) -> None:
    """RFC 9309: a server in trouble forbids everything for now, a missing file nothing."""
    site.pages["/robots.txt"] = reply
    site.html("/", "page")
    with fetcher(tmp_path) as fetch:
        if error is None:
            assert fetch.get(site.url).status == 200
        else:
            with pytest.raises(error, match=r"robots\.txt"):
                fetch.get(site.url)
            assert site.requests() == []


def test_redirects_are_followed_and_told(site: Site, tmp_path: Path) -> None:
    """The answer is of the last URL and names those that led to it."""
    site.pages["/a"] = Reply("", 301, {"Location": "/b?x=1"})
    site.pages["/b?x=1"] = Reply("", 307, {"Location": site.url + "c"})
    site.html("/c", "here")
    with fetcher(tmp_path) as fetch:
        answer = fetch.get(site.url + "a")

    assert answer.url == site.url + "c"
    assert answer.redirects == (site.url + "a", site.url + "b?x=1")


@pytest.mark.parametrize("target", ["/", "/next"])
def test_redirects_without_end_are_given_up(target: str, site: Site, tmp_path: Path) -> None:
    """A circle, or a chain of more than five."""
    site.pages["/"] = Reply("", 302, {"Location": target})
    for number in range(9):
        site.pages["/next" + "x" * number] = Reply("", 302, {"Location": "/next" + "x" * (number + 1)})
    with fetcher(tmp_path) as fetch, pytest.raises(Unreadable, match="redirects"):
        fetch.get(site.url)

    assert len(site.requests()) <= 6


def test_a_known_page_costs_one_conditional_request(site: Site, tmp_path: Path) -> None:
    """An unchanged page is a 304 with what was kept; a changed one is new bytes."""
    site.html("/", "one")
    with fetcher(tmp_path) as fetch:
        first = fetch.get(site.url).record
        assert first is not None
        fetch.kept.put(first)
        again = fetch.get(site.url)
        site.html("/", "two")
        changed = fetch.get(site.url)

    assert (again.status, again.record) == (304, first)
    assert changed.status == 200
    assert site.requests() == [("/", 200, False), ("/", 304, True), ("/", 200, True)]


def test_kinds_that_are_never_read_are_not_fetched(site: Site, tmp_path: Path) -> None:
    """A video is known by its Content-Type; its body is left where it is."""
    site.pages["/film"] = raw("Content-Type: video/mp4\r\nContent-Length: 99000000\r\n", bytes(1000))
    with fetcher(tmp_path) as fetch:
        answer = fetch.get(site.url + "film")

    assert (answer.not_wanted, answer.record) == ("video/mp4", None)


def test_one_host_is_asked_gently(site: Site, tmp_path: Path) -> None:
    """Two requests to one host are at least the delay apart, and it is told who asks."""
    site.html("/", "page")
    started = time.monotonic()
    with fetcher(tmp_path, delay_s=0.3, robots=False, contact="mailto:mill@example.org") as fetch:
        fetch.get(site.url)
        fetch.get(site.url)

    assert time.monotonic() - started >= 0.3
    assert site.headers[0]["User-Agent"].endswith("(+mailto:mill@example.org)")
