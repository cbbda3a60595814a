"""Promises of searches by a picture or by a page of a document, with real parse workers and models that compute."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from fakes import WordPages, WordUnified, word_vector

from cli.main import run
from pipeline.config import SearchWeights, Settings
from pipeline.errors import UsageError
from pipeline.example import read_example
from pipeline.search import Scope, Searcher
from pipeline.store import Models, RowFile, Store, doc_id, open_store
from pipeline.types import DocumentRecord, Row

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
SAMPLES = Path(__file__).parents[1] / "sample_docs"
PAGES = ("mill wheel tide", "sluice gate river", "ledger of the harbour")


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pages of text, each with enough of it that its layer is believed."""
    path = tmp_path_factory.mktemp("example") / "three.pdf"
    document = pymupdf.open()
    for words in PAGES:
        document.new_page().insert_textbox((50, 50, 550, 780), "\n".join([words] * 30))
    document.save(path)
    return path


def make(folder: Path) -> Store:
    """A page like each of the PDF's, a passage with the words of its second, and a picture."""
    store = open_store(str(folder / "store"), create=Models(WordUnified.id, WordPages.id))
    rows = [Row("page", i, words, page=i + 1, bbox=(0, 0, 595, 842)) for i, words in enumerate(PAGES)]
    rows = [
        Row("page", row.ordinal, row.text, row.page, row.bbox, vector=word_vector(row.text),
            multivector=word_vector(row.text)[None, :].astype(np.float16))
        for row in rows
    ]  # fmt: skip
    rows.append(Row("text", 0, PAGES[1], vector=word_vector(PAGES[1])))
    rows.append(Row("image", 0, "", vector=word_vector("")))
    record = DocumentRecord("a", doc_id("a"), "indexed")
    with RowFile.create(folder / "rows.arrow", store.models) as file:
        file.add(record, rows, NOW)
    with store.writer():
        store.replace(RowFile.open(folder / "rows.arrow"), [record.doc_id])
        store.refresh_indexes()
    return store


def test_a_page_of_a_pdf_finds_pages_like_it(tmp_path: Path, pdf: Path) -> None:
    """The page with the same words is first, by the dense vector and by MaxSim; a passage and a picture keep places."""
    searcher = Searcher(make(tmp_path), WordUnified(), WordPages(), SearchWeights())
    with read_example(pdf, 2, Settings()) as example:
        answer = searcher.answer_picture(example.picture.path, Scope(), example.page)

    assert (answer.hits[0].modality, answer.hits[0].page) == ("page", 2)
    assert (answer.hits[0].legs["page"]["rank"], answer.hits[0].legs["maxsim"]["rank"]) == (1, 1)
    assert answer.hits[0].legs["maxsim"]["score"] == pytest.approx(1, abs=1e-3)
    assert {hit.modality for hit in answer.hits} == {"text", "image", "page"}
    assert answer.pages == "exact over all 3 pages"


def test_only_the_page_that_was_asked_for_is_read(pdf: Path) -> None:
    """Its lines and its picture, no other page's; the files are gone afterwards."""
    with read_example(pdf, 3, Settings()) as example:
        assert example.page is not None
        words = {line.text for line in example.page.lines or ()}
        pictures = list(example.picture.path.parent.rglob("*.png")) + list(example.picture.path.parent.rglob("*.jpg"))

    assert words == {PAGES[2]}
    assert len(pictures) == 1
    assert not example.picture.path.exists()


def test_pictures_are_pages_only_if_they_look_like_one() -> None:
    """A photograph is a picture alone, a receipt may be a page."""
    with read_example(SAMPLES / "photos" / "cat.jpg", 1, Settings()) as photo:
        assert photo.page is None
    with read_example(SAMPLES / "receipt.png", 1, Settings()) as receipt:
        assert receipt.page is not None
        assert receipt.page.lines is None


@pytest.mark.parametrize(
    ("name", "number", "message"),
    [
        ("three.pdf", 4, "no page 4; it has 3"),
        ("cat.jpg", 2, "no page 2; it has 1"),
        ("broken.pdf", 1, "broken.pdf"),
        ("locked.pdf", 1, "password"),
        ("notes.md", 1, "only pictures and PDF pages"),
        ("nowhere.png", 1, "No such file"),
    ],
)
def test_what_cannot_be_searched_by_says_why(tmp_path: Path, pdf: Path, name: str, number: int, message: str) -> None:
    """One line that names the file and the reason, whatever is wrong with it."""
    files = {"three.pdf": pdf, "cat.jpg": SAMPLES / "photos" / "cat.jpg"}
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of the kind")
    (tmp_path / "notes.md").write_text("# Notes")
    path = files.get(name) or (SAMPLES / name if name == "locked.pdf" else tmp_path / name)

    with pytest.raises(UsageError, match=message) as raised, read_example(path, number, Settings()):
        pass
    assert "\n" not in str(raised.value)


def test_a_page_number_needs_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--page` without `--image` is bad usage."""
    assert run(["search", "mill", "--page", "2", "--store", str(make(tmp_path).uri)]) == 2
    assert "--image" in capsys.readouterr().err
