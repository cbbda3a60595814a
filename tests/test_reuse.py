"""What is embedded again and what is taken from the store, with the real parsers and embedders that compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
from corpus import Corpus
from PIL import Image, ImageDraw

from pipeline.ingest.reuse import page_key
from pipeline.types import PageImage, PageInput, Row, TextLine

WORDS = "The mill at the river turns when the tide goes out and the sluice is open. " * 5


def report(changed: str = "", title: str = "Almanac") -> str:
    """A text of 40 sections, each a passage; the words of one may be changed."""
    bodies = [f"Reading {n} was taken at the gauge below the bridge." for n in range(40)]
    bodies[7] = changed or bodies[7]
    sections = "".join(f"## Day {n}\n\n{body}\n\n" for n, body in enumerate(bodies))
    return f"---\ntitle: {title}\n---\n\n{sections}"


def written(path: Path, *lines: str) -> Image.Image:
    """A page of handwriting, so to speak: a white sheet with ink in rows, and no text layer once it is in a PDF."""
    page = Image.new("L", (850, 1100), "white")
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines * 20):
        draw.text((80, 60 + 24 * row), line, "black", font_size=20)
    page.save(path)
    return page


def scans(path: Path, *lines: str) -> None:
    """A PDF of scanned pages, one a line."""
    first, *others = [written(path.with_suffix(".png"), line) for line in lines]
    path.with_suffix(".png").unlink()
    first.save(path, save_all=True, append_images=others)


def graphics(path: Path, *texts: str) -> None:
    """A PDF of pages with good text over a drawing, one a text."""
    document = pymupdf.open()
    for text in texts:
        page = document.new_page()
        page.insert_textbox((72, 72, 520, 330), text, fontsize=11)
        for n in range(450):
            page.draw_line((72, 400 + n / 2), (520, 500 - n / 9))
    document.save(path)


def forget(corpus: Corpus) -> None:
    for seen in (corpus.unified.embedded, corpus.unified.pictures, corpus.pages.embedded):
        seen.clear()


def content(corpus: Corpus) -> list[dict[str, Any]]:
    """All rows with all that is in them, in document order."""
    store = corpus.store()
    rows = list(store.rows())
    vectors = store.vectors([row["id"] for row in rows])
    return [row | {"made": vectors[row["id"]]} for row in rows]


def assert_same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert [{**row, "made": None} for row in found] == [{**row, "made": None} for row in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_equal(one["made"].vector, other["made"].vector)
        np.testing.assert_equal(one["made"].multivector, other["made"].multivector)


def test_only_the_changed_passage_is_embedded_again(corpus: Corpus) -> None:
    """One new paragraph among forty costs one passage; the others take their vectors from the store."""
    corpus.write("a.md", report())
    first = corpus.ingest()
    forget(corpus)
    corpus.write("a.md", report(changed="No reading: the gauge was stolen."))
    second = corpus.ingest()

    assert (first.embedded, first.reused) == (40, 0)
    assert (second.embedded, second.reused) == (1, 39)
    assert [text.splitlines()[-1] for text in corpus.unified.embedded] == ["No reading: the gauge was stolen."]


def test_of_a_long_document_only_the_passages_of_a_changed_page_are_embedded_again(corpus: Corpus) -> None:
    """One sentence on one of 300 pages: a passage of that page is new, 299 are taken from the store."""
    pages = [f"{WORDS[:75]} This is what is said on page {number} and nowhere else." for number in range(1, 301)]
    write_pages(corpus.folder / "long.pdf", pages)
    first = corpus.ingest()
    forget(corpus)
    pages[149] = pages[149].replace("nowhere else", "no other page")
    write_pages(corpus.folder / "long.pdf", pages)
    second = corpus.ingest()

    assert (first.embedded, first.rows["text"]) == (300, 300)
    assert (second.embedded, second.reused, second.rows) == (1, 299, first.rows)
    assert ["page 150 and no other page" in text for text in corpus.unified.embedded] == [True]


def write_pages(path: Path, pages: Sequence[str]) -> None:
    with pymupdf.open() as document:
        for text in pages:
            document.new_page().insert_textbox((72, 72, 500, 700), text)
        document.save(path, deflate=True)


def test_a_renamed_file_is_not_embedded_again(corpus: Corpus) -> None:
    """Its rows stand under the new URI, those under the old one are gone."""
    old = corpus.write("old.md", report())
    corpus.write("other.txt", "stays")
    corpus.ingest()
    before = corpus.texts()
    forget(corpus)
    old.rename(corpus.folder / "new.md")
    summary = corpus.ingest()

    assert (summary.indexed, summary.deleted, summary.embedded, summary.reused) == (1, 1, 0, 40)
    assert corpus.unified.embedded == []
    assert corpus.texts() == {"new.md": before["old.md"], "other.txt": ["stays"]}


def test_a_copy_is_not_embedded(corpus: Corpus) -> None:
    """The same bytes elsewhere cost no model: passages, pictures and pages alike."""
    corpus.write("a.md", report())
    written(corpus.folder / "sheet.png", "the sluice is open at noon")
    Image.effect_noise((300, 200), 90).convert("RGB").save(corpus.folder / "boat.png")
    scans(corpus.folder / "scan.pdf", "high water", "low water")
    corpus.ingest()
    forget(corpus)
    (corpus.folder / "copies").mkdir()
    for file in [file for file in corpus.folder.iterdir() if file.is_file()]:
        (corpus.folder / "copies" / file.name).write_bytes(file.read_bytes())
    summary = corpus.ingest()

    assert (summary.indexed, summary.unchanged, summary.embedded) == (4, 4, 0)
    assert min(summary.rows.values()) > 0
    assert (corpus.unified.embedded, corpus.unified.pictures, corpus.pages.embedded) == ([], [], [])


def test_a_page_with_the_same_picture_is_not_read_again(corpus: Corpus) -> None:
    """When one scan of three changes, only that page goes through OCR and the page model."""
    scans(corpus.folder / "scan.pdf", "high water", "low water", "slack water")
    corpus.ingest()
    forget(corpus)
    scans(corpus.folder / "scan.pdf", "high water", "spring tide", "slack water")
    summary = corpus.ingest()

    assert len(corpus.pages.embedded) == 1
    assert summary.rows == {"text": 0, "image": 3, "page": 3}  # with so few words a page is a picture as well
    assert (summary.embedded, summary.reused) == (2, 4)


def test_a_page_whose_layer_changed_is_embedded_again(corpus: Corpus) -> None:
    """Pages that are told by their text layer are taken from the store where picture and layer are the same."""
    graphics(corpus.folder / "a.pdf", WORDS, WORDS.replace("river", "sea"))
    corpus.ingest()
    forget(corpus)
    graphics(corpus.folder / "a.pdf", WORDS, WORDS.replace("river", "lake"))
    corpus.ingest()

    assert len(corpus.pages.embedded) == 1
    assert "lake" in corpus.pages.embedded[0].lines[0].text  # type: ignore[index]


def test_a_page_under_the_same_picture_needs_the_same_layer(tmp_path: Path) -> None:
    """A hidden text layer that changed, came or went makes another page, whatever the picture shows."""
    picture = tmp_path / "page.jpg"
    picture.write_bytes(b"the same picture")
    image, row = PageImage(picture, 850, 1100, 612, 792), Row("page", 0, "", bbox=(0, 0, 612, 792), route="page")
    layers = [None, *((TextLine(text, (0, 0, 9, 9)),) for text in ("high water", "low water"))]
    keys = [page_key(picture, row, PageInput(image, layer)) for layer in layers]

    assert len(set(keys)) == 3
    assert keys == [page_key(picture, row, PageInput(image, layer)) for layer in layers]


def test_another_title_is_another_text(corpus: Corpus) -> None:
    """Passages are embedded under their title: with a new one all of them are new."""
    corpus.write("a.md", report())
    corpus.ingest()
    corpus.write("a.md", report(title="Gazette"))
    summary = corpus.ingest()

    assert (summary.embedded, summary.reused) == (40, 0)


def test_another_way_of_embedding_embeds_all(corpus: Corpus) -> None:
    """Rows of another model, context or rendering are never taken, not even of the same text."""
    corpus.write("a.md", report())
    corpus.ingest()
    summary = corpus.ingest(page={"dpi": 99}, refresh=True)

    assert (summary.indexed, summary.reused) == (1, 0)


def test_another_way_of_reading_embeds_what_it_changes(corpus: Corpus) -> None:
    """Passages that another parser, chunker or router cuts in the same way keep their vectors."""
    corpus.write("a.md", report())
    corpus.ingest()
    forget(corpus)
    summary = corpus.ingest(chunks={"tokens": 33}, refresh=True)

    assert (summary.indexed, summary.embedded, summary.reused) == (1, 0, 40)
    assert corpus.unified.embedded == []


def test_a_broken_version_between_two_good_ones_costs_nothing(corpus: Corpus) -> None:
    """The rows that a quarantined document keeps are taken when it is mended."""
    path = corpus.write("a.md", report())
    corpus.ingest()
    path.write_bytes(b"%PDF-1.7 broken")
    assert corpus.ingest().quarantined == 1
    corpus.write("a.md", report())
    summary = corpus.ingest()

    assert (summary.embedded, summary.reused) == (0, 40)


def test_rows_are_those_of_a_clean_ingest(corpus: Corpus) -> None:
    """After changes, a move and a copy the table is what an empty store would hold, vectors and pictures included."""
    corpus.write("a.md", report())
    corpus.write("b.txt", "words of b")
    scans(corpus.folder / "scan.pdf", "high water", "low water")
    graphics(corpus.folder / "g.pdf", WORDS, WORDS.replace("river", "sea"))
    Image.effect_noise((300, 200), 90).convert("RGB").save(corpus.folder / "boat.png")
    corpus.ingest()
    corpus.write("a.md", report(changed="A new reading."))
    scans(corpus.folder / "scan.pdf", "low water", "neap tide")
    graphics(corpus.folder / "g.pdf", WORDS.replace("river", "lake"), WORDS)
    (corpus.folder / "b.txt").rename(corpus.folder / "c.txt")
    (corpus.folder / "moved").mkdir()
    (corpus.folder / "boat.png").rename(corpus.folder / "moved" / "boat.png")
    mixed = corpus.ingest()
    found = content(corpus)
    corpus.store_path = corpus.tmp_path / "clean"
    clean = corpus.ingest()

    assert mixed.reused > 40
    assert (clean.reused, mixed.rows) == (0, clean.rows)
    assert_same(found, content(corpus))
