"""OCR once: which pictures of pages are read, and which take their words from the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import Corpus
from fakes import InkReader, WordPages
from test_reuse import graphics, scans, written

from pipeline.errors import UsageError
from pipeline.layout import load_layout

WORDS = "The mill at the river turns when the tide goes out and the sluice is open. " * 5


@pytest.fixture
def corpus(corpus: Corpus) -> Corpus:
    for words in ("high water", "low water", "slack water"):
        written(corpus.folder / f"{words}.png", words)
    return corpus


def page_texts(corpus: Corpus) -> list[str]:
    return [row["text"] for row in corpus.store().rows() if row["modality"] == "page"]


def pictures(corpus: Corpus) -> list[Path]:
    return corpus.pages.reader.pictures


def test_another_recipe_takes_the_words_from_the_store(corpus: Corpus) -> None:
    """Where pages are to be embedded again from the same pictures, none of these is read again."""
    first = corpus.ingest()
    before = page_texts(corpus)
    second = corpus.ingest(page={"dpi": 100}, refresh=True)

    assert (first.pages_read, first.readings_reused, len(pictures(corpus))) == (3, 0, 3)
    assert (second.reused, second.pages_read, second.readings_reused, len(pictures(corpus))) == (0, 0, 3, 3)
    assert len(corpus.pages.embedded) == 6
    assert page_texts(corpus) == before


def test_another_reader_reads_again(corpus: Corpus) -> None:
    """The reader's id is part of the recipe: stale at first, and with a refresh the new one reads every picture."""
    corpus.ingest()
    corpus.pages = WordPages(InkReader("ink 2"))
    idle = corpus.ingest()
    second = corpus.ingest(refresh=True)

    assert (idle.unchanged, idle.stale) == (3, 3)
    assert (second.pages_read, second.readings_reused) == (3, 0)


def test_another_page_model_takes_the_words_from_the_other_store(corpus: Corpus) -> None:
    """Another model needs another store; with `ocr.store` the pictures are not read for it again."""
    corpus.ingest()
    before, other = page_texts(corpus), str(corpus.store_path)
    corpus.store_path = corpus.tmp_path / "second"
    second = corpus.ingest(ocr={"store": other})

    assert (second.indexed, second.embedded) == (3, sum(second.rows.values()))
    assert (second.pages_read, second.readings_reused, len(pictures(corpus))) == (0, 3, 3)
    assert page_texts(corpus) == before
    with pytest.raises(UsageError, match="nowhere"):
        corpus.ingest(ocr={"store": "nowhere"})


def test_pages_drawn_in_another_resolution_are_read_again(corpus: Corpus) -> None:
    """Pictures of pages that are not the same pictures are read."""
    scans(corpus.folder / "scan.pdf", "high water", "low water")
    corpus.ingest()
    again = corpus.ingest(page={"dpi": 100}, refresh=True)

    assert (again.pages_read, again.readings_reused) == (2, 3)


def test_words_of_a_copy_are_taken(corpus: Corpus) -> None:
    """A copy that comes under another recipe is not read either."""
    corpus.ingest()
    (corpus.folder / "copy.png").write_bytes((corpus.folder / "low water.png").read_bytes())
    copied = corpus.ingest(page={"dpi": 100})

    assert (copied.indexed, copied.pages_read, copied.readings_reused) == (1, 0, 1)


def test_a_page_without_words_is_read_once(corpus: Corpus) -> None:
    """That there is nothing to read on a page is known, too."""
    corpus.pages = WordPages(InkReader(dark=0))
    corpus.ingest()
    again = corpus.ingest(page={"dpi": 100}, refresh=True)

    assert page_texts(corpus) == ["", "", ""]
    assert (again.pages_read, again.readings_reused, len(pictures(corpus))) == (0, 3, 3)


def test_the_row_says_what_read_it(corpus: Corpus) -> None:
    """A page that was read names its reader; one that is told by its text layer names none."""
    graphics(corpus.folder / "layer.pdf", WORDS)
    scans(corpus.folder / "scan.pdf", "high water")
    corpus.ingest()
    rows = [row for row in corpus.store().rows() if row["modality"] == "page"]
    made = corpus.store().vectors([row["id"] for row in rows])
    read = {row["source_uri"][-8:]: load_layout(made[row["id"]].layout, row["text"]).read for row in rows}

    assert read["scan.pdf"].reader == "ink 1"
    assert read["ayer.pdf"] is None
