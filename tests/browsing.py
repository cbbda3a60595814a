"""A small store to look at, with a hostile document in it, and a client of the web page over it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from fakes import WordPages, WordUnified, word_vector
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from browse.app import make_app
from pipeline.config import Browse, Settings
from pipeline.layout import dump_layout
from pipeline.search import Searcher
from pipeline.store import Models, RowFile, Store, doc_id, open_store
from pipeline.types import DocumentRecord, Row, TextLine

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
EVIL = '<script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)'
EVIL_URI = "file:///docs/%3Cimg%20src=x%20onerror=alert(4)%3E'\"><script>alert(5)</script>.pdf"
EVIL_TABLE = "| <script>alert(6)</script> | b |\n| --- | --- |\n| <svg onload=alert(7)> | [x](javascript:alert(8)) |"
TEXT_PAGE = '{"chars": 900, "figure": 0.076}'
SCAN = '{"chars": 0, "coverage": 1.0, "biggest": 1.0}'


def picture(path: Path, words: str) -> Path:
    with Image.new("RGB", (400, 520), "white") as made:
        ImageDraw.Draw(made).text((40, 40), words, fill="black")
        made.save(path)
    return path


def document(uri: str, **changes: object) -> DocumentRecord:
    made = DocumentRecord(uri, doc_id(uri), "indexed", content_sha256="c0ffee", media_type="application/pdf")
    return replace(made, first_seen=NOW, last_seen=NOW, modified_at=NOW, **changes)  # type: ignore[arg-type]


def make_store(folder: Path, *, active: bool = False) -> Store:
    """A report, a scan, a hostile document, a mail with an attachment, and two in quarantine.

    With `active` a picture of the hostile document is SVG under another name.
    """
    store = open_store(str(folder / "store"), create=Models(WordUnified.id, WordPages.id))
    text = {"route": "text", "route_reason": "text", "route_signals": TEXT_PAGE}
    strange = text | {"route_reason": EVIL}
    lines = [TextLine("repair of the sluice gate", (40, 40, 200, 60)), TextLine("a bill", (40, 90, 120, 110))]
    scan = Row(
        "page",
        0,
        "repair of the sluice gate\na bill",
        page=1,
        bbox=(0, 0, 400, 520),
        vector=word_vector("repair sluice gate"),
        multivector=WordPages().vectors_of([line.text for line in lines]),
        picture=picture(folder / "scan.png", "repair of the sluice gate"),
        route="page",
        route_reason="scan",
        route_signals=SCAN,
        layout=dump_layout(lines, None),
    )
    harbour, ship, second = (word_vector(word) for word in ("harbour", "ship", "second"))
    disguised = folder / "active.png"
    disguised.write_text('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(9)"><script>alert(9)</script></svg>')
    evil = picture(folder / "evil.png", "evil")
    rows: list[tuple[DocumentRecord, list[Row]]] = [
        (
            document("file:///docs/report.pdf", title="The harbour", text_rows=3),
            [
                Row("text", 0, "the harbour at night", page=1, bbox=(40, 40, 300, 80), vector=harbour, **text),
                Row("text", 1, "| ship | tons |\n| --- | --- |\n| Elsa | 12 |", page=1, vector=ship, **text),
                Row("text", 2, "a second page", page=2, bbox=(40, 40, 300, 80), vector=second, **text),
            ],
        ),
        (document("file:///docs/scan.pdf", title="scan", page_rows=1), [scan]),
        (
            document(EVIL_URI, title=EVIL, text_rows=2, image_rows=2, warnings=(EVIL,), metadata={"author": EVIL}),
            [
                Row(
                    "text",
                    0,
                    f"harbour {EVIL}",
                    page=1,
                    bbox=(9, 9, 99, 99),
                    headings=(EVIL,),
                    vector=word_vector("x"),
                    **strange,
                ),
                Row("text", 1, f"{EVIL_TABLE}", page=1, vector=word_vector("alert"), **strange),
                Row(
                    "image", 0, EVIL, page=1, bbox=(9, 99, 99, 199), vector=word_vector("img"), picture=evil, **strange
                ),
                Row("image", 1, "an icon", page=1, vector=harbour, picture=disguised if active else evil, **strange),
            ],
        ),
        (
            document("file:///docs/mail.eml", media_type="message/rfc822", text_rows=1),
            [Row("text", 0, "a letter about the tide", vector=word_vector("tide"))],
        ),
        (document("file:///docs/mail.eml!/tide.csv", parent="file:///docs/mail.eml", media_type="text/csv"), []),
    ]
    with RowFile.create(folder / "rows.arrow", store.models) as file:
        for record, parts in rows:
            file.add(record, parts, NOW)
    broken = {"stage": "parse", "error": "Unreadable", "fingerprint": "f00d", "attempts": 2}
    failed = [
        document(f"file:///docs/{name}.pdf", message=f"{name}.pdf: {EVIL}", **broken) for name in ("broken", "torn")
    ]
    with store.writer():
        store.replace(RowFile.open(folder / "rows.arrow"), [record.doc_id for record, _ in rows])
        store.record([*(record for record, _ in rows), *(replace(record, state="quarantined") for record in failed)])
        store.refresh_indexes()
    return store


def searcher_of(settings: Settings) -> Callable[[], Searcher]:
    """With models that compute, over the table as it is at each search."""
    return lambda: Searcher(open_store(settings.store).snapshot(), WordUnified(), WordPages(), settings.search)


@contextmanager
def visiting(store: Store | str, base: str = "http://127.0.0.1:4280", **browse: object) -> Iterator[httpx.Client]:
    """A client of the page over a store; `browse` are settings of `[browse]`."""
    settings = Settings(store=store if isinstance(store, str) else store.uri, browse=Browse.model_validate(browse))
    with TestClient(
        make_app(settings, searcher_of(settings), warm=False), base_url=base, follow_redirects=False
    ) as client:
        yield client  # type: ignore[misc]
