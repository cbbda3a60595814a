"""Limits hold while a document is read, cost no more than what is over them, and what they cost is said."""

from __future__ import annotations

import io
import zlib
from functools import partial
from pathlib import Path
from typing import Literal

import bombs
import docx
import pytest
from PIL import Image

from pipeline.config import Limits
from pipeline.errors import LimitExceeded
from pipeline.parse import ParseOptions, parse_document, spool
from pipeline.parse.pdf_drawings import MOST_DRAWINGS, read_drawings
from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.sandbox import ParseJob, Sandbox
from pipeline.parse.sniff import sniff
from pipeline.types import Blob, Event, Failure, Page, Route

LOST = "text after the end of the page"


def route(_: object, path: Literal["text", "image", "page"] = "image") -> Route:
    return Route(path, "test")


def blob_of(path: Path) -> Blob:
    return Blob(path.as_uri(), path, "", path.stat().st_size, sniff(path, path.name), path.name)


def parse(path: Path, limits: Limits | None = None, to: str = "image") -> list[Event]:
    options = ParseOptions(limits or Limits(), partial(route, path=to))
    return list(parse_document(blob_of(path), path.parent, options))


def spooled(path: Path, limits: Limits) -> list[Event]:
    """What a parse worker writes down; a real one, since a worker may end its process."""
    with Sandbox(1, limits) as sandbox:
        (parsed,) = sandbox.parse([ParseJob(blob_of(path), path.parent / "work", ParseOptions(limits, route))])
    assert parsed.failure is None
    return list(spool.read(parsed.spool))


def text(events: list[Event]) -> str:
    return "\n".join(part.text for event in events if isinstance(event, Page) for part in event.parts)


def failures(events: list[Event]) -> str:
    return "\n".join(event.message for event in events if isinstance(event, Failure))


def pictures(events: list[Event]) -> int:
    return sum(len(event.pictures) for event in events if isinstance(event, Page))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("deep.html", "The tide turns the wheel"),
        ("deep-unknown.html", "The tide turns the wheel"),
        ("svg.html", "The harbour ledger"),
        ("spans.html", "The harbour ledger"),
        ("laughs.epub", "A good joke"),
        ("traversal.odt", "The harbour ledger"),
        ("deep.rtf", "The tide turns the wheel"),
        ("headers.eml", "The tide turns"),
        ("dimension.xlsx", "mill 1048576"),
    ],
)
def test_what_stands_beside_a_bomb_is_read(tmp_path: Path, name: str, words: str) -> None:
    """Nesting, entities, spans and endless headers take seconds at most, and nothing of the other text."""
    bombs.BOMBS[name](tmp_path / name)

    assert words in text(parse(tmp_path / name))


@pytest.mark.parametrize("page", [f"<html><body><p>a</body>{LOST}</html>", f"<html><body>a</body></html><p>{LOST}"])
def test_text_behind_the_end_of_a_page_is_read(tmp_path: Path, page: str) -> None:
    """Browsers show it, too."""
    (tmp_path / "page.html").write_text(page)

    assert LOST in text(parse(tmp_path / "page.html"))


def test_damage_inside_an_archive_is_told(tmp_path: Path) -> None:
    """Where XML breaks off, what comes before it is kept and the document says that the rest is missing."""
    bombs.BOMBS["traversal.odt"](path := tmp_path / "broken.odt")
    members = bombs.zip_members(path.read_bytes())
    broken = members["content.xml"].replace(b"</text:p>", b"</text:p><text:p>More<")
    bombs.write_zip(path, {"content.xml": [broken]}, path.read_bytes())
    events = parse(path)

    assert text(events).startswith("The harbour ledger.")
    assert "content.xml: damaged at line 1" in failures(events)


@pytest.mark.parametrize("name", ["row.csv", "padding.csv", "word.txt", "shared-string.xlsx"])
def test_no_format_gives_more_text_than_is_allowed(tmp_path: Path, name: str) -> None:
    """What fits into `limits.text_mb` is kept, of a page that is larger than that too, and the cut is told."""
    bombs.BOMBS[name](tmp_path / name)
    events = spooled(tmp_path / name, Limits(text_mb=1))

    assert 900_000 < len(text(events).replace("\n", "").encode()) <= 1 << 20
    assert "limits.text_mb" in failures(events)


def test_few_words_make_no_huge_table(tmp_path: Path) -> None:
    """A header of many columns is neither repeated more often than there is text, nor are short rows filled up."""
    bombs.BOMBS["padding.csv"](path := tmp_path / "padding.csv")

    assert len(text(parse(path))) < 3 * path.stat().st_size


def test_frames_are_not_counted_for_ever(tmp_path: Path) -> None:
    """A TIFF of too many frames is refused once the limit is passed."""
    bombs.tiff_frames(path := tmp_path / "frames.tif", frames=50_000)

    with pytest.raises(LimitExceeded, match="more than 100 frames"):
        parse(path, Limits(pages=100))


def test_pictures_of_frames_are_limited(tmp_path: Path) -> None:
    """Frames after `limits.pictures` keep no picture, and the document says how many."""
    bombs.tiff_frames(path := tmp_path / "frames.tif", frames=8)
    events = parse(path, Limits(pictures=3))

    assert pictures(events) == len(list(tmp_path.glob("picture-*"))) == 3
    assert "5 pictures after the first 3 were left out (limits.pictures)" in failures(events)


def a_word_file(path: Path, sides: range) -> None:
    document = docx.Document()
    for side in sides:
        picture = io.BytesIO()
        Image.new("RGB", (side, side), "red").save(picture, "PNG")
        document.add_picture(picture)
    document.save(str(path))


@pytest.mark.parametrize(
    ("limits", "kept", "words"),
    [
        (Limits(pictures=2), 2, "4 pictures after the first 2 were left out (limits.pictures)"),
        (Limits(picture_mpx=0.01), 4, "2 pictures of more than 0.01 megapixels were left out (limits.picture_mpx)"),
    ],
)
def test_pictures_left_out_are_counted(tmp_path: Path, limits: Limits, kept: int, words: str) -> None:
    """Pictures beyond a limit are no secret."""
    a_word_file(tmp_path / "many.docx", range(97, 103))
    events = parse(tmp_path / "many.docx", limits)

    assert pictures(events) == kept
    assert failures(events) == words


def drawn(tmp_path: Path, content: bytes) -> pymupdf.Page:
    bombs.one_page(tmp_path / "drawn.pdf", bombs.stream(content))
    return pymupdf.open(tmp_path / "drawn.pdf")[0]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"10 10 50 50 re f 10 90 m 90 90 l S ", 2),
        (b"10 10 50 50 re B ", 1),
        (b"10 90 m 90 90 l S " * (MOST_DRAWINGS + 5000), MOST_DRAWINGS),
    ],
)
def test_drawings_are_held_up_to_a_number(tmp_path: Path, content: bytes, found: int) -> None:
    """What is filled and stroked counts once, and of millions of strokes only so many are held."""
    drawings, _ = read_drawings(drawn(tmp_path, content), None)

    assert len(drawings) == found


def test_a_table_of_one_endless_cell_is_read(tmp_path: Path) -> None:
    """A line that one delimiter leaves whole says only that it is another one."""
    (tmp_path / "wide.csv").write_text("mill," * 60_000 + "\n" + "tide," * 60_000)

    assert "mill | mill" in text(parse(tmp_path / "wide.csv"))


@pytest.mark.parametrize(("path", "words"), [("page", "the page was not rendered"), ("text", "it was left out")])
def test_a_page_with_too_large_a_picture_keeps_its_text(tmp_path: Path, path: str, words: str) -> None:
    """Whatever its route: it goes the way of text, and says why."""
    bombs.BOMBS["picture.pdf"](file := tmp_path / "picture.pdf")
    events = parse(file, to=path)
    (page,) = [event for event in events if isinstance(event, Page)]

    assert (page.route.path, page.image, text(events)) == ("text", None, "The tide turns the wheel of the mill.")
    assert "60000 x 60000 px is over limits.picture_mpx" in failures(events)
    assert words in failures(events)


def icons(count: int) -> str:
    """A page of small pictures that nobody keeps, each with words around it."""
    source = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///{:04x}yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    return "".join(f'<p>{LOST} <img src="{source.format(number)}">' for number in range(count))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("icons.html", f"<html><body>{icons(5000)}"),
        ("picture.rtf", "{\\rtf1 " + LOST + "{\\pict " + "0123456789abcdef" * 100_000),
        ("front.md", "---\na:x" + " " * 500_000 + f"y\n---\n\n{LOST}\n"),
    ],
)
def test_time_grows_with_size_only(tmp_path: Path, name: str, content: str) -> None:
    """Many icons, a picture that is cut off and long blanks do not take the square of their number."""
    (tmp_path / name).write_text(content)

    assert LOST in text(parse(tmp_path / name))


def test_a_damaged_page_is_not_called_blank(tmp_path: Path) -> None:
    """A page that is empty because its content is broken is a failure; a blank one is none."""
    packed = zlib.compress(bombs.HELLO)
    bombs.one_page(broken := tmp_path / "broken.pdf", bombs.stream(b"?" * len(packed), b"/Filter/FlateDecode"))
    bombs.one_page(blank := tmp_path / "blank.pdf", bombs.stream(b""))

    assert "nothing on it could be read" in failures(parse(broken))
    assert failures(parse(blank)) == ""


@pytest.mark.parametrize("name", ["meta.xml", "styles.xml"])
def test_a_part_that_can_be_spared_costs_itself(tmp_path: Path, name: str) -> None:
    """The text of a document is read though its headers or properties are damaged, and that is told."""
    bombs.BOMBS["traversal.odt"](path := tmp_path / "broken.odt")
    bombs.write_zip(path, {name: [b"<no", b"xml"]}, path.read_bytes())
    events = parse(path)

    assert "The harbour ledger" in text(events)
    assert f"broken.odt: {name}" in failures(events)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("damaged.odt", b"PK\x03\x04" + bytes(200), "application/vnd.oasis.opendocument.text"),
        ("damaged.epub", b"PK\x03\x04" + bytes(200), "application/epub+zip"),
        ("mended.txt", LOST.encode() * 20 + bytes(20), "text/plain"),
        ("holes.txt", (LOST.encode() * 20 + b"\0\0") * 20 + LOST.encode(), "text/plain"),
        ("holes", (LOST.encode() * 20 + b"\0\0") * 20 + LOST.encode(), "application/octet-stream"),
    ],
)
def test_damage_does_not_hide_what_a_file_is(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    """A damaged archive goes to the parser that its name promises, a text with a few holes stays a text."""
    (tmp_path / name).write_bytes(data)

    assert sniff(tmp_path / name, name) == kind
