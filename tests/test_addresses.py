"""What pages, sitemaps and feeds lead to, read from hostile bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, Unreadable
from pipeline.parse import ParseOptions, addresses
from pipeline.types import Blob, Route

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def route(_: object) -> Route:
    return Route("text", "test")


def read(data: str | bytes, tmp_path: Path, text_mb: int = 64) -> dict[str, object]:
    path = tmp_path / "page"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    blob = Blob("http://example.org/", path, "", path.stat().st_size, "", "page")
    list(addresses.parse(blob, tmp_path, ParseOptions(Limits(text_mb=text_mb), route)))
    found: dict[str, object] = json.loads((tmp_path / addresses.FILE).read_text())
    return found


@pytest.mark.parametrize(
    ("text", "kind", "links", "listings"),
    [
        (f"<urlset xmlns='{SITEMAP}'><url><loc> http://x/a </loc><lastmod/></url><url><loc>/b</loc></url></urlset>",
         "sitemap", ["http://x/a", "/b"], []),
        (f"<?xml?><sitemapindex xmlns='{SITEMAP}'><sitemap><loc>http://x/1.xml.gz</loc></sitemap></sitemapindex>",
         "sitemap", [], ["http://x/1.xml.gz"]),
        ("<rss><channel><link>http://x/</link><item><title>t</title><link>http://x/1</link></item></channel></rss>",
         "feed", ["http://x/1"], []),
        ("<feed xmlns='http://www.w3.org/2005/Atom'><link href='http://x/'/><entry><link rel='self' href='/s'/>"
         "<link href='http://x/2'/></entry></feed>", "feed", ["http://x/2"], []),
        ("<rdf:RDF xmlns:rdf='r' xmlns='http://purl.org/rss/1.0/'><channel/><item><link>http://x/3</link></item></rdf:RDF>",
         "feed", ["http://x/3"], []),
    ],
    ids=["sitemap", "index", "rss", "atom", "rdf"],
)  # fmt: skip
def test_listings(text: str, kind: str, links: list[str], listings: list[str], tmp_path: Path) -> None:
    """Sitemaps, sitemap indexes, RSS, Atom and RSS 1.0, packed or not, list their entries and nothing else."""
    found = read(text, tmp_path)
    packed = read(gzip.compress(text.encode()), tmp_path)

    assert (found["kind"], found["links"], found["listings"]) == (kind, links, listings)
    assert packed == found


def test_links_of_a_page_are_those_that_may_be_followed(tmp_path: Path) -> None:
    """Anchors, `nofollow` and pages that forbid it are left; a base is told."""
    page = "<base href='/docs/'><a href='a.html'>a</a><a href='#x'>x</a><a rel=nofollow href=b>b</a><area href=c.pdf>"
    forbidden = "<meta name='robots' content='noindex, NOFOLLOW'><a href='a.html'>a</a>"

    assert (read(page, tmp_path)["base"], read(page, tmp_path)["links"]) == ("/docs/", ["a.html", "c.pdf"])
    assert read(forbidden, tmp_path)["links"] == []


@pytest.mark.parametrize(
    ("page", "needs"),
    [
        ("<body><div id=root></div><script src=app.js></script>", "its text is made by scripts"),
        ("<body><noscript>You need to enable JavaScript to run this app.</noscript><div id=x></div><script></script>",
         "the page asks for JavaScript"),
        ("<body><p>Please turn on JavaScript!</p><script src=a.js></script>", "the page asks for JavaScript"),
        ("<body><app-root></app-root><script src=main.js></script>", "its text is made by scripts"),
        ("<body><div id=root></div>", ""),
        ("<body><p>A short page.</p><script>count()</script>", ""),
        ("<body><div id=root>" + "<p>Made on the server. </p>" * 30 + "</div><script src=app.js></script>", ""),
        ("<body><noscript>Enable JavaScript for comments</noscript><script></script>" + "<p>An article. </p>" * 30, ""),
    ],
)  # fmt: skip
def test_pages_that_scripts_make_are_found(page: str, needs: str, tmp_path: Path) -> None:
    """Next to no text, and a sign that scripts would make it: both are needed."""
    assert read(page, tmp_path)["browser"] == needs


def test_hostile_listings_cost_little(tmp_path: Path) -> None:
    """Entities are not expanded, files are not read, and what unpacks to too much is refused."""
    laughs = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)
    )
    bomb = f"<?xml version='1.0'?>{laughs}]><urlset><url><loc>&j;</loc></url><url><loc>http://x/a</loc></url></urlset>"
    outside = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><urlset><url><loc>&e;</loc></url></urlset>"

    assert all(len(link) < 100 for link in read(bomb, tmp_path)["links"])  # type: ignore[attr-defined]
    assert "root" not in str(read(outside, tmp_path)["links"])
    with pytest.raises(LimitExceeded):
        read(gzip.compress(bytes(3 << 20)), tmp_path, text_mb=2)
    with pytest.raises(Unreadable):
        read(gzip.compress(b"<urlset>" * 99)[:-9], tmp_path)
