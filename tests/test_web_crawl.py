"""What URLs lead to: pages, files, sitemaps, feeds, crawls within bounds, and what became of known pages."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_site import Reply, Site, serving, web

from pipeline.config import Limits, Sources
from pipeline.sources.ignore import rules_of
from pipeline.sources.web.crawl import Crawl, Leads, leads_of
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.kept import Kept, Record
from pipeline.sources.web.urls import path_of
from pipeline.types import Found


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as running:
        yield running


class Web:
    """A folder of kept pages, crawled as often as asked; bodies are looked into with regular expressions."""

    def __init__(self, folder: Path) -> None:
        self.kept, self.looked = Kept(folder), 0
        self.folder = folder

    def look(self, record: Record) -> Leads:
        self.looked += 1
        body = self.folder / f"body-{threading.get_ident()}"  # several are looked into at once
        self.kept.unpack(record.sha256, body)
        text = body.read_text(errors="replace")
        kind = "sitemap" if "<urlset" in text or "<sitemapindex" in text else "page" if "<html" in text else "file"
        links = re.findall(r"<a href='([^']+)'|<url>([^<]+)", text)
        pictures = [[address] for address in re.findall(r"<img src='([^']+)'", text)]
        listings = re.findall(r"<sitemap>([^<]+)", text)
        return leads_of(record, kind, "", [one or two for one, two in links], listings, pictures, "")

    def crawl(self, *urls: str, sources: Sources | None = None, **settings: object) -> tuple[list[Found], set[str]]:
        fetcher = Fetcher(web(**settings), Limits(), self.kept, attempts=1)
        with fetcher:
            crawl = Crawl(urls, fetcher, self.look, rules_of(sources or Sources()))
            return list(crawl.found()), crawl.gone


@pytest.fixture
def pages(tmp_path: Path) -> Web:
    return Web(tmp_path / "web")


def names(found: list[Found]) -> dict[str, str]:
    """Path of each source, and why it is no document, if it is none."""
    return {path_of(f.uri): f.skip or (f.failure.message if f.failure else "") for f in found}


def linked(*paths: str) -> str:
    return "".join(f"<a href='{path}'>x</a>" for path in paths)


def test_links_are_followed_only_as_deep_as_asked(site: Site, pages: Web) -> None:
    """Without a depth a page is one document; with one, its own host is followed, and no other."""
    site.html("/a", linked("/b", "http://other.example/x", "mailto:mill@example.org", "#top", "report.pdf"))
    site.html("/b", linked("/c", "/a"))
    site.html("/c", linked("/d"))
    site.pages["/report.pdf"] = Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"})

    assert names(pages.crawl(site.url + "a")[0]) == {"a": ""}
    assert names(pages.crawl(site.url + "a", depth=1)[0]) == {"a": "", "b": "", "report.pdf": ""}
    assert names(pages.crawl(site.url + "a", depth=2)[0]) == {"a": "", "b": "", "report.pdf": "", "c": ""}


def test_what_a_crawl_leaves_out_has_a_reason(site: Site, pages: Web) -> None:
    """Patterns, dead links, robots.txt, unreadable kinds and the limit: each link is accounted for, none is fetched."""
    site.html("/", linked("/drafts/x", "/dead", "/private/y", "/film.mp4", "/1", "/2", "/3", "/4", "/5"))
    site.pages["/robots.txt"] = Reply("User-agent: *\nDisallow: /private/")
    site.pages["/film.mp4"] = Reply(b"film", headers={"Content-Type": "video/mp4"})
    for number in range(1, 6):
        site.html(f"/{number}", "page")
    found = names(pages.crawl(site.url, depth=1, max_pages=6, sources=Sources(exclude=("drafts/",)))[0])

    assert found == {
        "": "",
        "drafts/x": "excluded by sources.exclude 'drafts/'",
        "dead": "a dead link: the server answers 404",
        "private/y": "robots.txt does not allow it",
        "film.mp4": "not a format docmill parses (video/mp4)",
        "1": "", "2": "", "3": "",
        "4": "beyond the first 6 of its source (web.max_pages)",
        "5": "beyond the first 6 of its source (web.max_pages)",
    }  # fmt: skip
    assert not {"/drafts/x", "/private/y", "/4", "/5"} & {path for path, *_ in site.requests()}


def test_links_behind_many_that_are_left_out_are_followed(site: Site, pages: Web) -> None:
    """What patterns leave out does not use up the limit on pages."""
    site.html("/", linked(*(f"/tag/{number}" for number in range(9)), "/last"))
    site.html("/last", "page")
    found = names(pages.crawl(site.url, depth=1, max_pages=3, sources=Sources(exclude=("tag/",)))[0])

    assert (found["last"], "#more" in found) == ("", True)


def test_a_site_without_end_does_not_fill_the_ledger(site: Site, pages: Web) -> None:
    """Of what is beyond the limit as much is listed as was taken, and then one line for all the rest."""
    site.html("/", linked(*(f"/day?{number}" for number in range(50))))
    for number in range(50):
        site.html(f"/day?{number}", linked(*(f"/day?{number}-{again}" for again in range(50))))
    found = names(pages.crawl(site.url, depth=9, max_pages=5)[0])

    assert len(site.requests()) == 6
    assert sum(reason.startswith("beyond") for reason in found.values()) == 5
    assert found["#more"] == "more links than 5 were left out; only so many are listed"
    assert len(found) == 12


def test_a_sitemap_stands_for_what_it_lists(site: Site, pages: Web) -> None:
    """Sitemaps in sitemaps are read, of the same host; pages of other hosts are told and left."""
    site.pages["/sitemap.xml"] = Reply(
        f"<sitemapindex><sitemap>{site.url}one.xml</sitemap><sitemap>http://other.example/two.xml</sitemap></sitemapindex>"
    )
    site.pages["/one.xml"] = Reply(
        f"<urlset><url>{site.url}a</url><url>{site.url}b</url><url>http://x.example/c</url></urlset>"
    )
    site.html("/a", linked("/z"))
    site.html("/b", "b")
    found = pages.crawl(site.url + "sitemap.xml", depth=3)[0]

    assert names(found) == {"c": "on another host than what lists it", "a": "", "b": ""}


def test_an_unchanged_site_costs_one_conditional_request_a_page(site: Site, pages: Web) -> None:
    """The second crawl finds the same sources with the same revisions, looks into nothing and writes nothing."""
    for number in range(5):
        site.html(f"/{number}", linked(f"/{number + 1}") + "<img src='/p.png'>")
    site.pages["/p.png"] = Reply(b"png")
    first, _ = pages.crawl(site.url + "0", depth=9)
    site.requests()
    files = {path: path.stat().st_mtime_ns for path in pages.folder.rglob("*.gz")}
    pages.looked = 0
    second, gone = pages.crawl(site.url + "0", depth=9)

    assert [(f.uri, f.revision) for f in second[:5]] == [(f.uri, f.revision) for f in first[:5]]
    assert sorted(site.requests()) == [(f"/{n}", 304, True) for n in range(5)] + [("/5", 404, False)]
    assert (pages.looked, gone) == (0, set())
    assert files == {path: path.stat().st_mtime_ns for path in pages.folder.rglob("*.gz")}


def test_without_etags_the_bytes_decide(site: Site, pages: Web) -> None:
    """A server that knows no conditional requests sends everything; equal bytes are still the same revision."""
    site.pages["/"] = Reply("<html>always whole</html>", etag=False)
    first, _ = pages.crawl(site.url)
    again, _ = pages.crawl(site.url)
    site.pages["/"] = Reply("<html>another one</html>", etag=False)
    changed, _ = pages.crawl(site.url)

    assert first[0].revision == again[0].revision != changed[0].revision
    assert pages.looked == 2


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_is_deleted_after_it_was_gone_for_some_runs(status: int, site: Site, pages: Web) -> None:
    """Until then it is in quarantine, and its rows stay; if it comes back in between, counting starts again."""
    site.html("/", linked("/a"))
    site.html("/a", "here")
    page = site.pages["/a"]
    site.pages["/a"], outcomes = page, []
    for there in (True, False, True, False, False, False):
        site.pages["/a"] = page if there else Reply("", status)
        site.html("/", linked("/a") if there else "no link any more")
        found, gone = pages.crawl(site.url, depth=1, gone_after=3)
        outcomes.append((names(found).get("a"), gone))

    gone_in = f"a: answers {status}, in run {{}} of 3 after which it is deleted (web.gone_after)"
    assert outcomes == [
        ("", set()),
        (gone_in.format(1), set()),
        ("", set()),
        (gone_in.format(1), set()),
        (gone_in.format(2), set()),
        (None, {site.url + "a"}),
    ]


def test_a_page_that_nothing_leads_to_any_more_is_asked_for(site: Site, pages: Web) -> None:
    """As long as it is there it stays."""
    site.html("/", linked("/a"))
    site.html("/a", "here")
    pages.crawl(site.url, depth=1)
    site.html("/", "no link")
    found, gone = pages.crawl(site.url, depth=1)

    assert (names(found), gone) == ({"": "", "a": ""}, set())


def test_a_server_in_trouble_deletes_nothing(site: Site, pages: Web) -> None:
    """Errors of the server are transient failures of each page."""
    site.html("/", linked("/a"))
    site.html("/a", "here")
    pages.crawl(site.url, depth=1)
    site.pages["/a"] = site.pages["/"] = Reply("", 500)
    found, gone = pages.crawl(site.url, depth=1, gone_after=1)

    assert [f.failure.transient for f in found if f.failure] == [True, True]
    assert gone == set()


def test_a_document_is_named_by_where_its_redirects_end(site: Site, pages: Web) -> None:
    """Two addresses of one page are one source; how it was reached is kept; a crawl does not leave its host."""
    site.pages["/old"] = Reply("", 301, {"Location": "/new"})
    site.pages["/away"] = Reply("", 302, {"Location": "http://other.example/"})
    site.html("/new", linked("/old", "/new"))
    site.html("/", linked("/old", "/new"))
    found, _ = pages.crawl(site.url + "old", site.url, depth=1)

    assert names(found) == {"new": "", "": ""}
    record = pages.kept.record(site.url + "new")
    assert record is not None
    assert record.redirects == (site.url + "old",)


def test_a_page_that_moved_is_deleted_where_it_was(site: Site, pages: Web) -> None:
    """A known page that redirects is gone from its old address by the same rule, and is there at the new one."""
    site.html("/a", "here")
    pages.crawl(site.url + "a")
    site.pages["/a"] = Reply("", 301, {"Location": "/b"})
    site.html("/b", "there")
    first, _ = pages.crawl(site.url + "a")
    _, gone = pages.crawl(site.url + "a")

    assert list(names(first)) == ["a", "b"]
    assert gone == {site.url + "a"}


def test_a_named_url_that_is_not_there_is_a_failure(site: Site, pages: Web) -> None:
    """What a person asked for is never left out in silence."""
    found, _ = pages.crawl(site.url + "nothing")

    assert "answers 404; check the URL" in names(found)["nothing"]


def test_damaged_keepings_are_fetched_again(site: Site, pages: Web) -> None:
    """A record or body that cannot be read counts as none."""
    site.html("/", "page")
    pages.crawl(site.url)
    for path in pages.folder.rglob("*.gz"):
        path.write_bytes(path.read_bytes()[:5] if "pages" in path.parts else path.read_bytes())
    found, _ = pages.crawl(site.url)

    assert names(found) == {"": ""}
    assert [status for _, status, _ in site.requests()] == [200, 200]


def test_cleaning_keeps_what_records_name(site: Site, pages: Web) -> None:
    """Bytes of pages that changed or were forgotten go, the others stay."""
    import os

    site.html("/a", "a")
    site.html("/b", "b")
    pages.crawl(site.url + "a", site.url + "b")
    pages.kept.forget([site.url + "b"])
    for path in pages.folder.rglob("*.gz"):
        os.utime(path, (0, 0))

    assert pages.kept.clean() == 1
    assert pages.kept.record(site.url + "a") is not None
    assert len(list(pages.folder.glob("bytes/*/*.gz"))) == 1
