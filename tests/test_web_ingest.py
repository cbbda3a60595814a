"""Web sources through a whole run: real workers, real store, a site on loopback."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from corpus import NOW, carry_out
from fakes import WordPages, WordUnified
from local_site import Reply, Site, serving
from PIL import Image

from pipeline.config import Settings
from pipeline.ingest.accounts import Summary
from pipeline.ingest.run import Ingest
from pipeline.parse.html_tree import page_text
from pipeline.parse.sandbox import Sandbox
from pipeline.store import Models, Store, open_store
from pipeline.types import DocumentRecord

HERON = "<p>The heron stands in shallow water for hours, waits for a fish, and strikes faster than the eye can see.</p>"
HTML = {"Content-Type": "text/html"}


class Mill:
    """A store and a site, ingested as often as asked."""

    def __init__(self, tmp_path: Path, site: Site, sandbox: Sandbox) -> None:
        self.tmp_path, self.site, self.sandbox = tmp_path, site, sandbox
        self.unified, self.pages = WordUnified(), WordPages()
        self.path = tmp_path / "store"

    def store(self) -> Store:
        return open_store(str(self.path), create=Models(self.unified.id, WordPages.id))

    def ingest(self, *specs: str, refresh: bool = False, **web: object) -> Summary:
        values = {"allow": ("127.0.0.0/8",), "delay_s": 0.0, "response_s": 2.0, "connect_s": 2.0, **web}
        chosen = Settings.model_validate({"store": str(self.path), "workers": 1, "retries": 0, "web": values})
        store = self.store()
        run = Ingest(
            chosen,
            store,
            self.unified,
            self.pages,
            run_id="r",
            now=lambda: NOW,
            work_dir=self.tmp_path / "work",
            cwd=self.tmp_path,
            sandbox=self.sandbox,
        )
        with store.writer():
            try:
                return carry_out(run, run.plan(specs or [self.site.url], refresh=refresh))
            finally:
                run.close()

    def texts(self, modality: str = "text") -> dict[str, str]:
        """Path of each document and its text."""
        found: dict[str, str] = {}
        for row in self.store().rows():
            if row["modality"] == modality:
                path = row["source_uri"].removeprefix(self.site.url)
                found[path] = f"{found.get(path, '')} {row['text']}".strip()
        return found

    def record(self, path: str) -> DocumentRecord:
        return next(self.store().documents([self.site.url + path]))


@pytest.fixture
def mill(tmp_path: Path, sandbox: Sandbox) -> Iterator[Mill]:
    with serving() as site:
        yield Mill(tmp_path, site, sandbox)


def png(color: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (80, 60), color).save(out, "PNG")
    return out.getvalue()


def test_a_crawl_becomes_rows_and_the_next_run_writes_nothing(mill: Mill) -> None:
    """Pages, files and pictures of a site are rows; unchanged they cost nothing; what changes is replaced; what is
    gone is deleted in the second run that misses it."""
    site = mill.site
    page = f"<h1>Birds</h1>{HERON}<figure><img data-src='/h.png' src='/pixel.gif' alt='A heron'><figcaption>Grey"
    site.html("/", page + "</figcaption></figure><a href='notes.txt'>n</a><a href='/b'>b</a>", "Birds")
    site.html("/b", f"<h1>Stork</h1>{HERON}")
    site.pages["/h.png"] = Reply(png("grey"))
    site.pages["/notes.txt"] = Reply("The tide turns the wheel.", headers={"Content-Type": "text/plain"})
    first = mill.ingest(depth=1)
    site.requests()
    second = mill.ingest(depth=1)

    assert (first.indexed, first.rows) == (3, {"text": 3, "image": 1, "page": 0})
    assert "A heron Grey" in mill.texts("image")[""]
    assert (second.unchanged, second.indexed, second.table_version) == (3, 0, first.table_version)
    assert sorted(site.requests()) == [("/", 304, True), ("/b", 304, True), ("/notes.txt", 304, True)]

    site.html("/b", f"<h1>Crane</h1>{HERON}")
    del site.pages["/notes.txt"]
    third, fourth = mill.ingest(depth=1), mill.ingest(depth=1)

    assert (third.indexed, third.unchanged, third.quarantined, third.rows["text"]) == (1, 1, 1, 3)
    assert "Crane" in mill.texts()["b"]
    assert (fourth.deleted, fourth.unchanged, fourth.rows["text"]) == (1, 2, 2)


def test_each_kind_of_trouble_has_its_outcome(mill: Mill) -> None:
    """Bombs, errors, scripts and robots.txt cost themselves only, and the books say what became of each."""
    site = mill.site
    site.html("/good", HERON)
    site.pages["/robots.txt"] = Reply("User-agent: *\nDisallow: /closed")
    site.pages["/bomb"] = Reply(gzip.compress(bytes(30 << 20)), headers={"Content-Encoding": "gzip"})
    site.html("/app", "<div id='root'></div><script src='/app.js'></script>")
    site.pages["/moved"] = Reply("", 302, {"Location": "http://169.254.169.254/latest/"})
    site.pages["/empty"] = Reply("", headers=HTML)
    names = ("good", "bomb", "app", "moved", "closed", "missing", "empty")
    (mill.tmp_path / "urls.txt").write_text(
        "# pages\n" + "\n".join(site.url + name for name in names) + "\nlocal.txt\n"
    )
    (mill.tmp_path / "local.txt").write_text("a file beside them")
    summary = mill.ingest("@urls.txt")
    outcomes = {name: (mill.record(name).state, mill.record(name).message) for name in names}

    assert (summary.discovered, summary.indexed, summary.skipped, summary.quarantined) == (8, 2, 3, 3)
    assert outcomes["bomb"] == ("quarantined", "bomb: unpacks to more than 100 times its size (limits.archive_ratio)")
    assert outcomes["app"] == ("skipped", "needs a browser: its text is made by scripts")
    assert outcomes["moved"][0] == "quarantined"
    assert "169.254.169.254 is a metadata address" in outcomes["moved"][1]
    assert outcomes["closed"] == ("skipped", "robots.txt does not allow it")
    assert outcomes["missing"] == ("quarantined", "missing: the server answers 404; check the URL")
    assert outcomes["empty"] == ("skipped", "empty file")


@pytest.mark.parametrize(
    ("header", "meta", "encoding"),
    [
        ("utf-8", "", "utf-8"),
        ("windows-1251", "", "cp1251"),
        ("", "windows-1251", "cp1251"),
        ("iso-8859-2", "utf-8", "iso8859-2"),
        ("utf-8", "windows-1251", "cp1251"),
        ("windows-1251", "", "utf-8"),
        ("", "", "utf-16"),
        ("nonsense", "", "utf-8"),
    ],
)
def test_an_encoding_is_what_server_and_page_say_if_it_fits(header: str, meta: str, encoding: str) -> None:
    """The server's word counts before the page's, and the bytes before both."""
    text = "Žluťoučký kůň pěl ódy" if encoding == "iso8859-2" else "Вода вращает колесо мельницы, и мельник доволен"
    page = f"<html><meta charset='{meta}'><p>{text * 5}</p></html>"

    assert text in page_text(page.encode(encoding), header)


def test_reading_again_needs_no_network(mill: Mill) -> None:
    """Bytes and pictures are kept: what another version made is read again without a body being sent."""
    site = mill.site
    site.html("/", f"<h1>Birds</h1>{HERON}<img src='/h.png' alt='A heron'>")
    site.pages["/h.png"] = Reply(png("grey"))
    first = mill.ingest()
    site.requests()
    store = mill.store()
    store.record([replace(mill.record(""), recipe="an older one")])
    again = mill.ingest(refresh=True)

    assert (again.indexed, again.rows) == (1, first.rows)
    assert first.rows == {"text": 1, "image": 1, "page": 0}
    assert site.requests() == [("/", 304, True)]
