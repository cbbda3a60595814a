"""How a page's events become rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import WordPages, WordUnified
from PIL import Image

from pipeline.ingest.draft import Draft
from pipeline.ingest.rows import RowMaker
from pipeline.types import Box, Page, PageImage, PageSignals, Part, Picture, Route, Row, Signals

BOX: Box = (0, 0, 100, 20)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "page.png"
    Image.new("RGB", (120, 160), "white").save(path)
    return path


def rows_of(*pages: Page) -> tuple[list[Row], Draft]:
    found: list[Row] = []
    maker = RowMaker(WordUnified(), WordPages(), aim=20, sink=lambda _, rows: found.extend(rows))
    draft = Draft("file:///a.pdf")
    maker.add(draft, pages)
    maker.flush()
    return found, draft


def a_page(picture: Path, path: str, reason: str, parts: Sequence[Part], signals: Signals | None = None) -> Page:
    image = PageImage(picture, 120, 160, 120.0, 160.0)
    return Page(1, Route(path, reason), signals or PageSignals(), parts=tuple(parts), image=image)


def test_a_scan_keeps_what_its_picture_cannot_tell(picture: Path) -> None:
    """A page that goes the page path has no passages but those of its form fields and notes."""
    parts = [Part("text", "misread words"), Part("form", "name: Ada"), Part("note", "check this")]
    rows, _ = rows_of(a_page(picture, "page", "scan", parts))

    assert [row.text for row in rows if row.modality == "text"] == ["name: Ada\n\ncheck this"]


def test_a_page_without_words_is_a_picture_as_well(picture: Path) -> None:
    """A photograph that fills its page can be found among the pictures."""
    rows, draft = rows_of(a_page(picture, "page", "scan", []))

    assert sorted(row.modality for row in rows) == ["image", "page"]
    assert (draft.rows("image"), draft.rows("page")) == (1, 1)


def test_a_good_text_layer_stands_for_the_picture(picture: Path) -> None:
    """The layer's lines are the page row's text where the layer can be trusted, and OCR is asked where it cannot."""
    words = "the tide turns the wheel of the mill " * 10
    parts = [Part("text", words, BOX, lines=((words, BOX),))]
    trusted, _ = rows_of(a_page(picture, "both", "text+graphics", parts))
    garbled, _ = rows_of(a_page(picture, "both", "suspect-text-layer", parts))

    assert [row.text for row in trusted if row.modality == "page"] == [words]
    assert [row.text for row in garbled if row.modality == "page"] == ["scan"]


def test_a_bad_picture_costs_only_itself(picture: Path, tmp_path: Path) -> None:
    """A picture that cannot be stored is a failure of its document; the other rows stay."""
    pictures = (Picture(picture, 120, 160, caption="a mill"), Picture(tmp_path / "gone.png", 9, 9, caption="gone"))
    rows, draft = rows_of(Page(1, Route("text", "text"), parts=(Part("text", "words"),), pictures=pictures))

    assert [row.text for row in rows] == ["words", "a mill"]
    assert [failure.stage for failure in draft.failures] == ["embed"]
