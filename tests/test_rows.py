"""How a page's events become rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from fakes import InkReader, WordPages, WordUnified
from PIL import Image

from pipeline.ingest.draft import Draft
from pipeline.ingest.reading import PageReader
from pipeline.ingest.rows import RowMaker
from pipeline.types import Box, Page, PageImage, PageSignals, Part, Picture, Reading, Route, Row, Signals, TextLine

BOX: Box = (0, 0, 100, 20)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "page.png"
    Image.new("RGB", (120, 160), "white").save(path)
    return path


def rows_of(*pages: Page, reader: InkReader | None = None) -> tuple[list[Row], Draft]:
    found: list[Row] = []
    model, draft = WordPages(reader), Draft("file:///a.pdf")
    with PageReader(model.reader) as ahead:
        maker = RowMaker(WordUnified(), model, aim=20, sink=lambda _, rows: found.extend(rows), reader=ahead)
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


class SayingReader(InkReader):
    """Reads the same words on every picture, with the same confidence."""

    def __init__(self, words: str, confidence: float = 0.99) -> None:
        super().__init__()
        self.words, self.confidence = words, confidence

    def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
        self.pictures.append(path)
        return Reading((TextLine(self.words, BOX, self.confidence),))


TRUE, CIPHER = "the tide turns the wheel of the mill " * 10, "uif ujef uvsot uif xiffm pg uif njmm " * 10


@pytest.mark.parametrize(
    ("layer", "read", "confidence", "kept", "reason"),
    [
        (CIPHER, TRUE, 0.99, TRUE, "suspect-text-layer+ocr"),  # the letters are mapped to other letters
        (TRUE, TRUE.replace("wheel", "wheei"), 0.99, TRUE, "suspect-text-layer+layer"),  # it looked odd, but it stands
        (TRUE, CIPHER, 0.7, TRUE, "suspect-text-layer+layer"),  # OCR does not know the script
        (TRUE, "mill", 0.99, TRUE, "suspect-text-layer+layer"),  # OCR finds next to nothing
    ],
)
def test_a_suspect_layer_is_compared_with_the_picture(
    picture: Path, layer: str, read: str, confidence: float, kept: str, reason: str
) -> None:
    """The better text is kept in all rows of the page, and the reason says which it was; the picture is read once."""
    reader = SayingReader(read, confidence)
    parts = [Part("text", layer, BOX, lines=((layer.strip(), BOX),))]
    rows, draft = rows_of(a_page(picture, "both", "suspect-text-layer", parts), reader=reader)

    assert [row.text.strip() for row in rows if row.modality == "page"] == [kept.strip()]
    assert {row.route_reason for row in rows} == {reason}
    assert ("text" in {row.modality for row in rows}) == reason.endswith("+layer")
    assert (len(reader.pictures), draft.pages_read) == (1, 1)


def test_a_trusted_layer_is_not_compared(picture: Path) -> None:
    """A good text layer stands for the picture, which is not read."""
    reader = SayingReader("something else")
    parts = [Part("text", TRUE, BOX, lines=((TRUE, BOX),))]
    rows, _ = rows_of(a_page(picture, "both", "text+graphics", parts), reader=reader)

    assert [row.text for row in rows if row.modality == "page"] == [TRUE]
    assert reader.pictures == []


def test_what_ocr_left_out_is_a_warning(picture: Path) -> None:
    """The note of a reading is in the ledger with its page, and the row is there."""

    class Overflowing(InkReader):
        def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
            return Reading((TextLine("words", BOX),), "OCR read the 2,000 largest of 9,000 pieces")

    rows, draft = rows_of(a_page(picture, "page", "scan", []), reader=Overflowing())

    assert [row.text for row in rows if row.modality == "page"] == ["words"]
    assert [(f.error, f.page) for f in draft.failures] == [("TextLeftOut", 1)]


@pytest.mark.parametrize(("path", "reason"), [("page", "scan"), ("both", "suspect-text-layer")])
def test_pages_are_read_at_the_same_time_and_stay_in_order(tmp_path: Path, path: str, reason: str) -> None:
    """Two are in the reader at once; rows come in the order of pages, and an unreadable one costs only itself."""
    both = Barrier(2, timeout=20)

    class Waiting(InkReader):
        def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
            if path.name in ("0.png", "1.png"):
                both.wait()
            return super().read(path, width_pt, height_pt)

    pages = []
    for number in range(5):
        picture = tmp_path / f"{number}.png"
        Image.new("1", (10 + number, 10), 0).save(picture)
        parts = [Part("text", CIPHER, BOX, lines=((CIPHER, BOX),))] if path == "both" else []
        pages.append(replace(a_page(picture, path, reason, parts), number=number + 1))
    pages[3].image.path.write_bytes(b"no picture")
    rows, draft = rows_of(*pages, reader=Waiting())
    read = [row for row in rows if row.modality == "page"]

    assert [row.page for row in read] == [1, 2, 3, 5]
    if reason == "scan":
        assert [row.text for row in read] == ["ink 100", "ink 110", "ink 120", "ink 140"]
    assert [failure.page for failure in draft.failures] == [4]


def test_a_bad_picture_costs_only_itself(picture: Path, tmp_path: Path) -> None:
    """A picture that cannot be stored is a failure of its document; the other rows stay."""
    pictures = (Picture(picture, 120, 160, caption="a mill"), Picture(tmp_path / "gone.png", 9, 9, caption="gone"))
    rows, draft = rows_of(Page(1, Route("text", "text"), parts=(Part("text", "words"),), pictures=pictures))

    assert [row.text for row in rows] == ["words", "a mill"]
    assert [failure.stage for failure in draft.failures] == ["embed"]
