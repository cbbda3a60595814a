"""Reading order from boxes, and OCR of pictures whose words and places are known."""

import doctest

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from pipeline.embed import reading_order as module
from pipeline.embed.ocr import Ocr, crop, cut_out, straightened
from pipeline.embed.reading_order import reading_order
from pipeline.errors import Unreadable
from pipeline.types import Reading

WORDS = ["The harbour was quiet", "before the first boats", "came back from the sea", "with nets full of herring"]


def column(x0, x1, top, count, step=12):
    return [(x0, top + i * step, x1, top + i * step + 10) for i in range(count)]


def shuffled_order(boxes):
    """The order of the boxes after shuffling them, as indices of the unshuffled list."""
    places = np.random.default_rng(3).permutation(len(boxes))
    return [int(places[i]) for i in reading_order([boxes[place] for place in places])]


@pytest.fixture(scope="module")
def ocr():
    return Ocr(threads=1)


@pytest.fixture
def drawn():
    """A white page with WORDS from the top left, one line every 80 pixels."""
    picture = Image.new("RGB", (900, 1200), "white")
    for i, words in enumerate(WORDS):
        ImageDraw.Draw(picture).text((60, 100 + 80 * i), words, "black", ImageFont.load_default(40))
    return picture


def test_the_example_in_the_docstring_is_true():
    """The docstring example of the module runs."""
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_columns_are_read_one_after_the_other(columns):
    """Below a heading across the page, each column is read to its end, and full-width text comes where it stands."""
    heading, footer = [(50, 0, 550, 20)], [(0, 400, 600, 410)]
    width = 600 / columns
    body = [box for i in range(columns) for box in column(i * width, (i + 1) * width - 14, 40 + i, 20)]
    boxes = heading + body + footer

    assert shuffled_order(boxes) == list(range(len(boxes)))


def test_full_width_text_between_columns_cuts_them():
    """Columns above a full-width paragraph are read before it, those below it after it."""
    above = column(0, 290, 0, 6) + column(310, 600, 0, 6)
    below = column(0, 290, 200, 6) + column(310, 600, 200, 6)
    boxes = above + column(0, 600, 100, 4) + below

    assert shuffled_order(boxes) == list(range(len(boxes)))


def test_a_table_is_read_row_by_row():
    """Cells that stand side by side belong to one row, however regular the gap between them is."""
    rows = [[(0, y, 160, y + 10), (200, y + 1, 240, y + 11), (260, y, 300, y + 10)] for y in range(0, 240, 15)]
    boxes = [cell for row in rows for cell in row]

    assert shuffled_order(boxes) == list(range(len(boxes)))


def test_a_line_that_runs_into_the_gutter_stays_in_its_column():
    """One box drawn too long neither joins two columns nor cuts them."""
    boxes = column(0, 290, 0, 10) + column(310, 600, 0, 10)
    boxes[4] = (0, 48, 316, 58)

    assert shuffled_order(boxes) == list(range(20))


def test_numbers_stand_before_their_lines():
    """A narrow column of numbers is no column of its own."""
    boxes = [box for y in range(0, 120, 12) for box in ((0, y, 15, y + 10), (30, y, 400, y + 10))]

    assert shuffled_order(boxes) == list(range(20))


def test_every_line_is_read_once():
    """Whatever the boxes are, the order is a permutation of them; none give none."""
    rng = np.random.default_rng(7)

    assert reading_order([]) == []
    for count in (1, 2, 7, 60, 200):
        corners = rng.uniform(0, 500, (count, 2))
        boxes = np.hstack([corners, corners + rng.uniform(0, 200, (count, 2))])
        assert sorted(reading_order([tuple(box) for box in boxes])) == list(range(count))


def test_an_undecodable_picture_is_unreadable(tmp_path):
    """Bytes that are no picture raise the error that leads to quarantine, and load no model."""
    (tmp_path / "page.png").write_bytes(b"not a picture")

    with pytest.raises(Unreadable, match=r"page\.png"):
        Ocr().read(tmp_path / "page.png", 100, 100)


BOXES = st.tuples(st.integers(-3, 55), st.integers(-3, 45), st.integers(1, 60), st.integers(1, 50))
NOISE = np.random.default_rng(4).integers(0, 256, (40, 50, 3), np.uint8)


@given(BOXES)
def test_what_is_cut_out_is_what_would_be_drawn(box):
    """An upright line is a part of the picture, pixel by pixel; one that reaches over its edge is drawn."""
    x, y, width, height = box
    quad = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], np.float32)
    found = cut_out(NOISE, quad)

    assert (found is None) == (x < 0 or y < 0 or x + width > 50 or y + height > 40)
    assert found is None or np.array_equal(found, straightened(NOISE, quad))


def test_a_line_that_is_not_upright_is_drawn():
    """By half a pixel, by a corner or turned; a tall one comes out lying."""
    upright = np.array([(5, 5), (25, 5), (25, 15), (5, 15)], np.float32)

    assert cut_out(NOISE, upright) is not None
    for off in (upright + 0.5, upright + np.eye(4, 2), upright[[1, 2, 3, 0]]):
        assert cut_out(NOISE, np.asarray(off, np.float32)) is None
    assert crop(NOISE, np.array([(5, 5), (15, 5), (15, 25), (5, 25)], np.float32)).shape == (10, 20, 3)


@pytest.mark.models
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_page_is_read_whichever_way_it_was_scanned(ocr, drawn, tmp_path, quarters):
    """The words come in order, and their boxes stand where the ink is on the page as it is."""
    turned = drawn.rotate(90 * quarters, expand=True)
    turned.save(tmp_path / "page.png")

    lines = ocr.read(tmp_path / "page.png", turned.width / 2, turned.height / 2).lines

    assert [line.text for line in lines] == WORDS
    x0, y0, x1, y1 = (round(2 * value) for value in lines[0].bbox)
    dark = np.argwhere(np.asarray(turned.convert("L"))[y0:y1, x0:x1] < 128)
    assert len(dark) > 1000
    assert max(x1 - x0, y1 - y0) < 600
    assert min(x1 - x0, y1 - y0) < 80


@pytest.mark.models
def test_a_page_without_text_has_no_lines(ocr, tmp_path):
    """White paper, and pictures too small to hold a letter, give nothing."""
    for size in ((600, 800), (3, 3), (900, 1)):
        Image.new("RGB", size, "white").save(tmp_path / "page.png")
        assert ocr.read(tmp_path / "page.png", 100, 100) == Reading()


@pytest.mark.models
def test_a_large_picture_keeps_its_places(ocr, drawn, tmp_path):
    """A picture scaled down for reading still has its boxes in points of the page."""
    drawn.resize((3600, 4800)).save(tmp_path / "page.png")

    first = ocr.read(tmp_path / "page.png", 900, 1200).lines[0]

    assert first.text == WORDS[0]
    assert first.bbox[0] == pytest.approx(60, abs=12)
    assert first.bbox[1] == pytest.approx(105, abs=15)


@pytest.mark.models
@pytest.mark.parametrize("degrees", [-12, -4, 3, 10, 93, 176])
def test_a_page_that_lies_askew_is_read_straight(ocr, drawn, tmp_path, degrees):
    """Every line is whole and in order, and its box lies on the page as it was scanned, where its ink is."""
    turned = drawn.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    turned.save(tmp_path / "page.png")
    lines = ocr.read(tmp_path / "page.png", turned.width, turned.height).lines

    assert [line.text for line in lines] == WORDS
    angle = np.radians(degrees)
    for number, line in enumerate(lines):
        x, y = 60 - 450, 100 + 80 * number + 25 - 600  # where the line begins, from the middle of the upright page
        begin = (
            turned.width / 2 + x * np.cos(angle) + y * np.sin(angle),
            turned.height / 2 - x * np.sin(angle) + y * np.cos(angle),
        )
        assert line.bbox[0] - 25 <= begin[0] <= line.bbox[2] + 25
        assert line.bbox[1] - 25 <= begin[1] <= line.bbox[3] + 25


@pytest.mark.models
def test_an_unknown_script_is_said(ocr, tmp_path):
    """Lines that the models cannot read are no text, and the note says how many there are and what to set."""
    page = pymupdf.open().new_page(width=450, height=350)
    page.insert_htmlbox((30, 30, 420, 330), "<p>Все люди рождаются свободными</p>" * 6, css="* {font-size: 15pt}")
    page.get_pixmap(dpi=144).save(tmp_path / "page.png")
    reading = ocr.read(tmp_path / "page.png", 900, 700)

    assert "ocr.language" in reading.note
    assert "Все" not in " ".join(line.text for line in reading.lines)
