"""The PDF parser's promises, on PDFs made here and on development files where they are present."""

import contextlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import DocmillError, LimitExceeded, PasswordNeeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.pdf import parse
from pipeline.parse.pdf_extras import safe_name
from pipeline.route import route
from pipeline.types import Attachment, Blob, Event, Failure, Info, Page, Part, Route, Signals

DEV = Path(__file__).parents[1] / "../shared/data/dev"
LOREM = "Every page of the corpus is read once and its words are kept in the order in which people read them. " * 6
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="development data is not here")


def events(
    path: Path, tmp_path: Path, first_page: int = 1, passwords: tuple[str, ...] = (), **limits: float
) -> list[Event]:
    options = ParseOptions(Limits.model_validate(limits), route, passwords=passwords, first_page=first_page)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    blob = Blob(path.as_uri(), path, "0" * 64, path.stat().st_size, "application/pdf", path.name)
    return list(parse(blob, work, options))


def pages(found: list[Event]) -> list[Page]:
    return [event for event in found if isinstance(event, Page)]


def failures(found: list[Event]) -> list[Failure]:
    return [event for event in found if isinstance(event, Failure)]


def saved(doc: pymupdf.Document, tmp_path: Path, **options: object) -> Path:
    path = tmp_path / "made.pdf"
    doc.save(path, **options)
    return path


def picture(colour: int = 0, width: int = 200, height: int = 120) -> pymupdf.Pixmap:
    row = bytes((0, colour, 255)) * (width // 2) + bytes((255, colour, 0)) * (width - width // 2)
    return pymupdf.Pixmap(pymupdf.csRGB, width, height, row * height, False)


def texts(page: Page) -> list[str]:
    return [part.text for part in page.parts]


def test_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    """A heading across the page comes first, then the left column, then the right one."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_text((72, 80), "A study of columns in print", fontsize=24)
    page.insert_textbox((72, 120, 290, 400), "LEFT " + LOREM, fontsize=10)
    page.insert_textbox((310, 120, 530, 400), "RIGHT " + LOREM, fontsize=10)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))

    assert (read.parts[0].kind, read.parts[0].level) == ("heading", 1)
    assert [text.split()[0] for text in texts(read)] == ["A", "LEFT", "RIGHT"]
    assert read.route == Route("text", "text")
    assert read.parts[0].lines == ()


def test_hyphens_at_line_ends_are_joined(tmp_path: Path) -> None:
    """A word that is broken at the end of a line is one word in its paragraph."""
    doc = pymupdf.open()
    doc.new_page().insert_text((72, 100), ["The docu-", "ment is one piece", "of paper."], fontsize=11)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))

    assert texts(read) == ["The document is one piece of paper."]


def test_a_table_is_one_part(tmp_path: Path) -> None:
    """A ruled table is one Markdown part and its cells are not told again."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_textbox((72, 40, 500, 120), LOREM, fontsize=10)
    for row in range(5):
        page.draw_line((72, 150 + 20 * row), (432, 150 + 20 * row))
        page.draw_line((72 + 90 * row, 150), (72 + 90 * row, 230))
    for row in range(4):
        for column in range(4):
            page.insert_text((78 + 90 * column, 164 + 20 * row), f"cell{row}{column}", fontsize=10)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))
    tables = [part for part in read.parts if part.kind == "table"]

    assert len(tables) == 1
    assert "| cell10 | cell11 | cell12 | cell13 |" in tables[0].text
    assert sum("cell22" in text for text in texts(read)) == 1


def tables(path: Path, tmp_path: Path) -> list[str]:
    return [part.text for page in pages(events(path, tmp_path)) for part in page.parts if part.kind == "table"]


def test_rows_of_an_unruled_statement_stay_together(tmp_path: Path) -> None:
    """Numbers under each other make a table with labels and heads of columns; "$" stays with its number."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_textbox((72, 60, 500, 160), LOREM, fontsize=10)
    page.insert_text((330, 190), "2023", fontsize=10)
    page.insert_text((430, 190), "2022", fontsize=10)
    for row, label in enumerate(("Net sales", "Cost of goods that were sold in the period", "Gross profit", "Tax")):
        page.insert_text((72, 204 + 14 * row), label, fontsize=10)
        for x, number in ((350, f"{row + 1},204"), (450, f"({row}97)")):
            page.insert_text((x - pymupdf.get_text_length(number, fontsize=10), 204 + 14 * row), number, fontsize=10)
    page.insert_text((300, 204), "$", fontsize=10)

    found = tables(saved(doc, tmp_path), tmp_path)

    assert len(found) == 1
    assert found[0].splitlines()[0] == "|  | 2023 | 2022 |"
    assert "| Net sales | $ 1,204 | (097) |" in found[0]
    assert "| Cost of goods that were sold in the period | 2,204 | (197) |" in found[0]


def test_bands_of_colour_do_not_merge_columns(tmp_path: Path) -> None:
    """Shaded rows are a grid of one column; the columns in them are told by their numbers."""
    doc = pymupdf.open()
    page = doc.new_page()
    for row in range(6):
        page.draw_rect((70, 100 + 16 * row, 470, 116 + 16 * row), fill=(0.8, 0.9, 1) if row % 2 else None, width=0)
        page.insert_text((75, 112 + 16 * row), f"Label {row}", fontsize=10)
        page.insert_text((300, 112 + 16 * row), f"{row}00", fontsize=10)
        page.insert_text((400, 112 + 16 * row), f"{row}50", fontsize=10)

    assert "| Label 4 | 400 | 450 |" in tables(saved(doc, tmp_path), tmp_path)[0]


def test_words_of_a_ruled_cell_are_never_cut(tmp_path: Path) -> None:
    """Words of one line go to the cells that rules part them into, however little space is between them."""
    doc = pymupdf.open()
    page = doc.new_page()
    width = pymupdf.get_text_length("06/20/2015 ", fontsize=10)
    for x in (72, 75 + width, 75 + 2 * width, 400):
        page.draw_line((x, 100), (x, 180))
    for row in range(5):
        page.draw_line((72, 100 + 20 * row), (400, 100 + 20 * row))
    for row in range(4):
        page.insert_text((76, 114 + 20 * row), f"06/2{row}/2015 03/25/2016 Company{row} of two words", fontsize=10)

    (found,) = tables(saved(doc, tmp_path), tmp_path)

    assert "| 06/22/2015 | 03/25/2016 | Company2 of two words |" in found


def test_columns_of_prose_and_frames_are_no_tables(tmp_path: Path) -> None:
    """Two columns of prose, a frame around a paragraph and a plot with ticks keep their reading order."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_textbox((72, 60, 290, 300), LOREM, fontsize=10)
    page.insert_textbox((310, 60, 530, 300), LOREM, fontsize=10)
    for x in (68, 300, 534):
        page.draw_line((x, 50), (x, 310))
    for y in (50, 310, 320, 420):
        page.draw_line((68, y), (534, y))
    page.insert_textbox((72, 325, 530, 415), LOREM, fontsize=10)
    for tick in range(6):
        page.draw_line((100, 500 + 30 * tick), (300, 480 + 34 * tick))
        page.insert_text((85, 503 + 30 * tick), str(tick), fontsize=8)
        page.insert_text((100 + 36 * tick, 690), str(tick), fontsize=8)

    assert tables(saved(doc, tmp_path), tmp_path) == []


@needs_dev
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("ca-warn-report", "| 07/01/2015 | 09/02/2015 | 07/01/2015 | Leidos | El Segundo | 72 | Layoff Permanent |"),
        ("layout-parser-paper-with-table", "| TableBank [18] | F | F | Table region on modern scientific"),
        ("nics-background-checks-2015-11-rotated", "| Alabama | 18,870 | 23,022 | 22,650 | 859 | 1,178 | 0 | 14 |"),
        ("senate-expenditures", "| DHAW20190001 | 05/03/2019 | CITIBANK - TRAVEL CBA CARD | 03/04/2019 | 03/06/2019 |"),
        ("federal-register-2020-17221", "× $85 per hour = $3,400. | $0 .......................... | $3,400"),
        ("right_to_left_03", "| شماره استاندارد ملی | 20300 |"),
    ],
)
def test_rows_of_real_tables(name: str, row: str, tmp_path: Path) -> None:
    """Ruled, booktabs, sideways, unruled and right-to-left tables keep each row in one line."""
    assert any(row in table for table in tables(DEV / f"corpus/pdf/{name}.pdf", tmp_path))


def test_page_pictures_are_exact(tmp_path: Path) -> None:
    """A page image without pictures is lossless: one channel for a grey page, three for a coloured one."""
    modes = []
    for colour in ((0, 0, 0), (0, 0, 1)):
        doc = pymupdf.open()
        page = doc.new_page()
        for row in range(420):
            page.draw_line((72, 60 + row), (400 + row % 7, 60 + row % 9 * 40), color=colour)
        (read,) = pages(events(saved(doc, tmp_path), tmp_path))
        assert read.image is not None
        with Image.open(read.image.path) as image:
            modes.append((image.format, image.mode, image.getpixel((5, 5))))

    assert modes == [("PNG", "L", 255), ("PNG", "RGB", (255, 255, 255))]


def test_rotated_pages_have_displayed_boxes(tmp_path: Path) -> None:
    """Boxes are those of the page as it is shown, also where the file stores it turned."""
    doc = pymupdf.open()
    page = doc.new_page(width=400, height=600)
    page.insert_text((50, 100), "Sideways words in the corner", fontsize=12)
    page.set_rotation(90)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))
    box = read.parts[0].bbox

    assert box is not None
    assert box[0] > 480
    assert box[3] - box[1] > box[2] - box[0]


def test_pictures_are_kept_once_with_their_caption(tmp_path: Path) -> None:
    """A picture is re-encoded with its caption; the same picture on another page, icons and hairlines are not kept."""
    doc = pymupdf.open()
    for _ in range(2):
        page = doc.new_page()
        page.insert_textbox((72, 72, 500, 200), LOREM, fontsize=10)
        page.insert_image((100, 250, 300, 370), pixmap=picture())
        page.insert_text((100, 388), "Figure 1: A red field beside a blue one", fontsize=10)
        page.insert_image((400, 250, 410, 260), pixmap=picture(9, 20, 20))
        page.insert_image((72, 700, 500, 703), pixmap=picture(90, 800, 60))

    read = pages(events(saved(doc, tmp_path), tmp_path))
    kept = [kept for page in read for kept in page.pictures]

    assert len(kept) == 1
    assert kept[0].caption == "Figure 1: A red field beside a blue one"
    assert kept[0].path.read_bytes()[:2] == b"\xff\xd8"


def test_logos_are_not_pictures(tmp_path: Path) -> None:
    """A picture that stands on many pages is a logo and not kept."""
    doc = pymupdf.open()
    logo = 0
    for number in range(6):
        page = doc.new_page()
        logo = page.insert_image((72, 20, 172, 80), pixmap=picture() if not logo else None, xref=logo)
        page.insert_textbox((72, 100, 500, 300), f"Page {number}. {LOREM}", fontsize=10)

    assert not any(page.pictures for page in pages(events(saved(doc, tmp_path), tmp_path)))


def test_drawn_figures_become_pictures(tmp_path: Path) -> None:
    """A flow chart drawn as vectors is a picture, and its page is routed to both paths."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_textbox((72, 500, 500, 700), LOREM, fontsize=10)
    for row in range(5):
        page.draw_rect((120, 60 + 80 * row, 260, 110 + 80 * row))
        page.draw_circle((340, 85 + 80 * row), 24)
        page.draw_line((260, 70 + 80 * row), (330, 100 + 80 * row))
        page.insert_text((140, 90 + 80 * row), f"step {row}", fontsize=9)
        page.draw_line((190, 110 + 80 * row), (196, 140 + 80 * row))

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))

    assert len(read.pictures) == 1
    assert (read.route.path, read.route.reason) == ("both", "text+graphics")
    assert read.image is not None
    assert read.parts[-1].lines


def test_a_huge_page_is_scaled_before_it_is_rendered(tmp_path: Path) -> None:
    """A page of 200 x 200 inches gives a page image within the limits."""
    doc = pymupdf.open()
    doc.new_page(width=14400, height=14400).insert_image((0, 0, 14400, 14400), pixmap=picture(), keep_proportion=False)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path, picture_mpx=2))

    assert read.route == Route("page", "scan")
    assert read.image is not None
    assert read.image.width_px * read.image.height_px <= 2.01e6
    assert (read.image.width_pt, read.pictures) == (14400, ())


def test_a_picture_bomb_is_not_decoded(tmp_path: Path) -> None:
    """A page with a picture over the pixel limit keeps its text, has no image, and says so."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_image((0, 0, 595, 842), pixmap=picture(0, 2000, 1800), keep_proportion=False)

    found = events(saved(doc, tmp_path), tmp_path, picture_mpx=1)

    assert [page.image for page in pages(found)] == [None]
    assert [(failure.error, failure.page) for failure in failures(found)] == [("LimitExceeded", 1)]
    assert "2000 x 1800" in failures(found)[0].message


def test_forms_notes_and_attachments(tmp_path: Path) -> None:
    """A form value is told with its label, a comment as a note, attached files under safe names."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_textbox((72, 200, 500, 400), LOREM, fontsize=10)
    field = pymupdf.Widget()
    field.field_name, field.field_label, field.field_value = "f1", "Family name", "Lovelace"
    field.field_type, field.rect = pymupdf.PDF_WIDGET_TYPE_TEXT, pymupdf.Rect(72, 72, 200, 90)
    page.add_widget(field)
    page.add_text_annot((300, 300), "Check this number")
    page.add_file_annot((400, 400), b"b", "note.txt")
    doc.embfile_add("a", b"inside", filename="../../etc/passwd")

    found = events(saved(doc, tmp_path), tmp_path)
    told = {part.kind: part.text for part in pages(found)[0].parts}
    attached = [event for event in found if isinstance(event, Attachment)]

    assert told["form"] == "Family name: Lovelace"
    assert told["note"].endswith("Check this number")
    assert [item.name for item in attached] == ["note.txt", "passwd"]
    assert attached[1].path.read_bytes() == b"inside"
    assert all((tmp_path / "work") in item.path.parents for item in attached)


def test_names_of_attachments_are_safe() -> None:
    """No name of an attached file can leave its folder or hide."""
    names = [safe_name(name) for name in ("..", "/", "C:\\x\\y.exe", "a\x00b.txt", "." * 300, "x" * 300 + ".pdf", "")]

    assert all(name and "/" not in name and not name.startswith(".") and len(name) <= 120 for name in names)


def test_too_many_attachments_cost_no_text(tmp_path: Path) -> None:
    """Attachments over the limit are a failure of their own; the pages are kept."""
    doc = pymupdf.open()
    doc.new_page().insert_text((72, 72), "kept")
    for number in range(3):
        doc.embfile_add(f"a{number}", b"x", filename=f"{number}.txt")

    found = events(saved(doc, tmp_path), tmp_path, attachments=2)

    assert len(pages(found)) == 1
    assert [failure.error for failure in failures(found)] == ["LimitExceeded"]


def test_info_comes_first_and_title_from_the_page(tmp_path: Path) -> None:
    """The first event says title, pages and outline; a junk title gives way to the heading of page 1."""
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_text((72, 80), "Annual report", fontsize=26)
    page.insert_textbox((72, 120, 500, 400), LOREM, fontsize=10)
    doc.set_metadata({"title": "Microsoft Word - x.doc", "author": "Ada"})
    doc.set_toc([[1, "Start", 1]])

    infos = [event for event in events(saved(doc, tmp_path), tmp_path) if isinstance(event, Info)]

    assert (infos[0].title, infos[0].author, infos[0].page_count) == ("", "Ada", 1)
    assert infos[0].outline == ((1, "Start", 1),)
    assert infos[-1].title == "Annual report"


def test_labels_and_resuming(tmp_path: Path) -> None:
    """A resumed document starts at the page asked for, and printed page numbers are kept."""
    doc = pymupdf.open()
    for number in range(4):
        doc.new_page().insert_text((72, 72), f"page {number}")
    doc.set_page_labels([{"startpage": 0, "style": "r", "firstpagenum": 1}])

    read = pages(events(saved(doc, tmp_path), tmp_path, first_page=3))

    assert [(page.number, page.label) for page in read] == [(3, "iii"), (4, "iv")]


def test_text_limit_names_the_page(tmp_path: Path) -> None:
    """Text over the limit stops the document with a failure at that page; what was read is kept."""
    doc = pymupdf.open()
    for _ in range(3):
        page = doc.new_page(width=2000, height=20_000)
        page.insert_textbox((10, 10, 1990, 19_990), LOREM * 1000, fontsize=8)

    found = events(saved(doc, tmp_path), tmp_path, text_mb=1)

    assert len(pages(found)) == failures(found)[-1].page == 2
    assert "limits.text_mb" in failures(found)[-1].message


def test_locked_documents(tmp_path: Path) -> None:
    """A locked document needs a password that the settings name; with it, it is read."""
    doc = pymupdf.open()
    doc.new_page().insert_text((72, 72), "secret")
    path = saved(doc, tmp_path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="pw", owner_pw="own")

    with pytest.raises(PasswordNeeded, match=r"sources\.passwords"):
        events(path, tmp_path)

    assert texts(pages(events(path, tmp_path, passwords=("no", "pw")))[0]) == ["secret"]


def test_what_is_no_pdf(tmp_path: Path) -> None:
    """Bytes that are no PDF, and documents over the page limit, are refused with one line."""
    junk = tmp_path / "junk.pdf"
    junk.write_bytes(b"<html><body>%PDF no</body></html>")
    doc = pymupdf.open()
    for _ in range(3):
        doc.new_page()

    with pytest.raises(Unreadable, match=r"junk\.pdf"):
        events(junk, tmp_path)
    with pytest.raises(LimitExceeded, match="3 pages"):
        events(saved(doc, tmp_path), tmp_path, pages=2)


def words(parts: tuple[Part, ...]) -> Counter[str]:
    return Counter(char for part in parts for char in part.text if char.isalnum())


@needs_dev
@pytest.mark.parametrize(
    "name", ["multicolumn", "layout-parser-paper-with-table", "fr_olap", "kampo", "right_to_left_01"]
)
def test_no_text_is_lost(name: str, tmp_path: Path) -> None:
    """All letters of a page's text layer are in its parts: columns, tables, forms, vertical and Arabic text."""
    path = DEV / f"corpus/pdf/{name}.pdf"
    read = pages(events(path, tmp_path))[:4]
    with pymupdf.open(path) as doc:
        lost = total = 0
        for page in read:
            flags = pymupdf.TEXT_MEDIABOX_CLIP
            wanted = Counter(char for char in doc[(page.number or 1) - 1].get_text(flags=flags) if char.isalnum())
            lost += (wanted - words(page.parts)).total()
            total += wanted.total()

    assert lost <= 0.001 * total


@needs_dev
@pytest.mark.parametrize("path", sorted((DEV / "hostile").glob("*.pdf")), ids=lambda path: path.name)
def test_hostile_files_fail_as_values(path: Path, tmp_path: Path) -> None:
    """A damaged, locked or malicious PDF gives pages, failures or one of our errors; nothing else."""
    with contextlib.suppress(DocmillError):
        found = events(path, tmp_path)

        assert pages(found)
        assert all("\n" not in failure.message for failure in failures(found))


def test_signals_reach_the_router(tmp_path: Path) -> None:
    """Scans with an invisible text layer are told by their signals and keep the layer's lines with boxes."""
    seen: list[Signals] = []
    doc = pymupdf.open()
    page = doc.new_page()
    page.insert_image(page.rect, pixmap=picture(), keep_proportion=False)
    page.insert_textbox((72, 72, 500, 700), LOREM, fontsize=11, render_mode=3)

    (read,) = pages(events(saved(doc, tmp_path), tmp_path))
    seen.append(read.signals) if read.signals else None

    assert getattr(seen[0], "invisible", 0) == 1
    assert read.route == Route("page", "scan+ocr-layer")
    assert sum(len(part.lines) for part in read.parts) >= 5


def test_light() -> None:
    """Reading PDFs imports neither PyMuPDF's layout network with its runtime nor its Markdown."""
    code = "import sys, pipeline.parse.pdf; print({'onnxruntime', 'pymupdf4llm', 'pymupdf.layout'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "set()"
