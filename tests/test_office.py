"""Office files: every text run is in the parts, tables stay whole and in place, bombs and locks are named."""

import io
import re
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from lxml import etree
from msoffcrypto.format.ooxml import OOXMLFile
from PIL import Image
from pptx.util import Inches, Pt

from pipeline.config import Limits
from pipeline.errors import DocmillError, LimitExceeded, PasswordNeeded, Unreadable
from pipeline.parse import ParseOptions, parse_document
from pipeline.types import Blob, Event, Failure, Info, Page, Part, Picture, Route

DEV = Path(__file__).parents[1] / "../shared/data/dev"
needs_dev = pytest.mark.skipif(not DEV.exists(), reason="development data is not there")
OOXML = "application/vnd.openxmlformats-officedocument"
TYPES = {
    "docx": f"{OOXML}.wordprocessingml.document",
    "pptx": f"{OOXML}.presentationml.presentation",
    "xlsx": f"{OOXML}.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
}
W_NS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def route(_: object) -> Route:
    return Route("text", "test")


def parse(path: Path, work_dir: Path, limits: Limits | None = None, **options: object) -> list[Event]:
    media_type = TYPES[path.suffix[1:]]
    blob = Blob(path.as_uri(), path, "", path.stat().st_size, media_type, path.name)
    return list(parse_document(blob, work_dir, ParseOptions(limits or Limits(), route, **options)))  # type: ignore[arg-type]


def pages(events: list[Event]) -> list[Page]:
    return [event for event in events if isinstance(event, Page)]


def parts(events: list[Event]) -> list[Part]:
    return [part for page in pages(events) for part in page.parts]


def pictures(events: list[Event]) -> list[Picture]:
    return [picture for page in pages(events) for picture in page.pictures]


def squeezed(text: str) -> str:
    return re.sub(r"\s+|\\", "", text)


def png(path: Path) -> Path:
    Image.new("RGB", (64, 64), "red").save(path)
    return path


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def a_docx(tmp_path: Path) -> Path:
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "Herons", "Ann"
    document.sections[0].header.paragraphs[0].text = "Running head"
    document.add_heading("Waders", 2)
    document.add_paragraph("First paragraph.")
    table = document.add_table(3, 2)
    for i, word in enumerate(("Bird", "Size", "Heron", "1 m", "", "2 m")):
        table.cell(i // 2, i % 2).text = word
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_paragraph("A list item", style="List Bullet")
    document.add_picture(str(png(tmp_path / "p.png")))
    document.inline_shapes[0]._inline.docPr.set("descr", "A red square")
    document.add_paragraph("Figure 1: red", style="Caption")
    document.save(str(tmp_path / "a.docx"))
    return tmp_path / "a.docx"


def test_docx_structure(tmp_path: Path) -> None:
    """Headings, lists, captions and headers have their kind; a table is whole, in place, its merged cell repeated."""
    events = parse(a_docx(tmp_path), tmp_path)

    assert [(p.kind, p.level, p.text) for p in parts(events)] == [
        ("note", 0, "Running head"),
        ("heading", 2, "Waders"),
        ("text", 0, "First paragraph."),
        ("table", 0, "| Bird | Size |\n| --- | --- |\n| Heron | 1 m |\n| Heron | 2 m |"),
        ("list", 0, "A list item"),
        ("caption", 0, "Figure 1: red"),
    ]
    assert [p.caption for p in pictures(events)] == ["A red square Figure 1: red"]
    assert isinstance(events[0], Info)
    assert (events[0].title, events[0].author) == ("Herons", "Ann")


def test_docx_text_that_libraries_leave_out(tmp_path: Path) -> None:
    """Text in boxes, content controls, insertions and hyperlinks is read once; deleted text is not."""
    document = docx.Document()
    for inner in (
        "<w:r><w:pict><v:shape xmlns:v='urn:schemas-microsoft-com:vml'><v:textbox><w:txbxContent><w:p><w:r>"
        "<w:t>boxed</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>",
        "<w:sdt><w:sdtContent><w:r><w:t>controlled</w:t></w:r></w:sdtContent></w:sdt>",
        "<w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>",
        "<w:hyperlink><w:r><w:t>linked</w:t></w:r></w:hyperlink>",
    ):
        document.element.body.insert(0, parse_xml(f"<w:p {W_NS}>{inner}</w:p>"))
    document.save(str(tmp_path / "a.docx"))

    found = sorted(part.text for part in parts(parse(tmp_path / "a.docx", tmp_path)))

    assert found == ["boxed", "controlled", "inserted", "linked"]


def test_pptx_structure(tmp_path: Path) -> None:
    """A slide is a page: title first, boxes by place, table, notes, picture with alt text."""
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Waders"
    for text, left, top in (("low", 1, 5), ("right", 5, 2), ("left", 1, 2)):
        slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Pt(20)).text_frame.text = text
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(6), Inches(3), Inches(1)).table
    for i, word in enumerate(("Bird", "Size", "Heron", "1 m")):
        table.cell(i // 2, i % 2).text = word
    picture = slide.shapes.add_picture(str(png(tmp_path / "p.png")), 0, 0)
    picture._element.nvPicPr.cNvPr.set("descr", "A red square")
    slide.notes_slide.notes_text_frame.text = "Say hello"
    show.slides.add_slide(show.slide_layouts[6])
    show.save(str(tmp_path / "a.pptx"))

    events = parse(tmp_path / "a.pptx", tmp_path)

    first, second = pages(events)
    assert [(p.kind, p.text) for p in first.parts] == [
        ("heading", "Waders"),
        ("text", "left"),
        ("text", "right"),
        ("text", "low"),
        ("table", "| Bird | Size |\n| --- | --- |\n| Heron | 1 m |"),
        ("note", "Say hello"),
    ]
    assert (first.number, second.number, first.pictures[0].caption) == (1, 2, "A red square")
    assert [page.number for page in pages(parse(tmp_path / "a.pptx", tmp_path, first_page=2))] == [2]


def test_xlsx_sheets(tmp_path: Path) -> None:
    """Each sheet is a page, hidden ones too; dates, percentages and numbers read as people see them."""
    import datetime as dt

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Bird", "Seen", "Share", "Count"])
    sheet.append(["Heron", dt.date(2024, 5, 1), 0.25, 3.0])
    sheet["C2"].number_format = "0%"
    book.create_sheet("Secret").append(["a | b", "c"])
    book["Secret"].sheet_state = "hidden"
    book.save(tmp_path / "a.xlsx")

    found = pages(parse(tmp_path / "a.xlsx", tmp_path))

    assert [(page.number, page.parts[0].text) for page in found] == [(1, "Sheet"), (2, "Secret")]
    assert found[0].parts[1].text.endswith("| Heron | 2024-05-01 | 25% | 3 |")
    assert "a \\| b" in found[1].parts[1].text


def test_long_sheet_repeats_its_header(tmp_path: Path) -> None:
    """A long sheet comes in slices that each begin with the header row, and no row is lost or doubled."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Data")
    sheet.append(["key", "value"])
    for i in range(1000):
        sheet.append([f"k{i}", i])
    book.save(tmp_path / "a.xlsx")

    tables = [part.text.splitlines() for part in parts(parse(tmp_path / "a.xlsx", tmp_path)) if part.kind == "table"]

    assert len(tables) > 1
    assert {table[0] for table in tables} == {"| key | value |"}
    assert [line for table in tables for line in table[2:]] == [f"| k{i} | {i} |" for i in range(1000)]


def test_epub(tmp_path: Path) -> None:
    """Chapters come in the order of the spine; pictures come from inside the book only."""
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        "<dc:title>Birds</dc:title><dc:creator>Ann</dc:creator></metadata>"
        "<manifest><item id='b' href='t/b.xhtml'/><item id='a' href='t/a%20b.xhtml'/></manifest>"
        "<spine><itemref idref='a'/><itemref idref='b'/></spine></package>"
    )
    rootfile = '<container><rootfiles><rootfile full-path="O/c.opf"/></rootfiles></container>'
    image = png(tmp_path / "p.png").read_bytes()
    book = zipped(
        tmp_path / "a.epub",
        {
            "META-INF/container.xml": rootfile,
            "O/c.opf": package,
            "O/t/a b.xhtml": "<html><body><h1>One</h1><p>alpha</p><img alt='red' src='../i/p.png'/></body></html>",
            "O/t/b.xhtml": "<html><body><p>beta</p><img src='../../../p.png'/></body></html>",
            "O/i/p.png": image,
        },
    )

    events = parse(book, tmp_path)

    assert [part.text for part in parts(events)] == ["One", "alpha", "beta"]
    assert [picture.caption for picture in pictures(events)] == ["red"]
    assert isinstance(events[0], Info)
    assert (events[0].title, events[0].author) == ("Birds", "Ann")


def test_odt_external_entity(tmp_path: Path) -> None:
    """An external entity in a document is not resolved; the text around it is read."""
    (tmp_path / "secret").write_text("TOPSECRET")
    content = (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
        '<o:c xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:t="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><o:text><t:h t:outline-level="2">Head</t:h>'
        "<t:list><t:list-item><t:p>item</t:p></t:list-item></t:list><t:p>before &e; after</t:p></o:text></o:c>"
    )

    found = parts(parse(zipped(tmp_path / "a.odt", {"content.xml": content}), tmp_path))

    assert [(part.kind, part.level) for part in found] == [("heading", 2), ("list", 0), ("text", 0)]
    assert "before" in found[2].text
    assert "TOPSECRET" not in found[2].text


def test_docx_external_entity(tmp_path: Path) -> None:
    """A Word file that names a local file as entity does not get its content."""
    (tmp_path / "secret").write_text("TOPSECRET")
    with zipfile.ZipFile(a_docx(tmp_path)) as archive:
        members: dict[str, bytes | str] = {name: archive.read(name) for name in archive.namelist()}
    body = bytes(members["word/document.xml"]).decode().partition("?>")[2]  # type: ignore[arg-type]
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    members["word/document.xml"] = entity + body.replace("First paragraph.", "First &e; paragraph.")

    found = " ".join(part.text for part in parts(parse(zipped(tmp_path / "b.docx", members), tmp_path)))

    assert "paragraph." in found
    assert "TOPSECRET" not in found


def test_rtf(tmp_path: Path) -> None:
    """Paragraphs and non-Latin characters of an RTF file are read, and its title."""
    source = r"{\rtf1\ansi{\info{\title Herons}{\author Ann}}First line.\par Gr\'f6\'dfe \u8364?\par}"
    (tmp_path / "a.rtf").write_text(source)

    events = parse(tmp_path / "a.rtf", tmp_path)

    assert [part.text for part in parts(events)] == ["First line.", "Größe €"]
    assert isinstance(events[0], Info)
    assert events[0].title == "Herons"


def test_encrypted_office_file(tmp_path: Path) -> None:
    """An encrypted file opens with a password of the settings and says what it needs without one."""
    locked = tmp_path / "locked.docx"
    with a_docx(tmp_path).open("rb") as plain, locked.open("wb") as out:
        OOXMLFile(plain).encrypt("heron", out)

    with pytest.raises(PasswordNeeded, match=r"locked\.docx: .*sources\.passwords"):
        parse(locked, tmp_path, passwords=("wrong",))

    assert "First paragraph." in [part.text for part in parts(parse(locked, tmp_path, passwords=("wrong", "heron")))]


@pytest.mark.parametrize("suffix", ["docx", "pptx", "xlsx", "odt", "epub"])
def test_zip_bomb(tmp_path: Path, suffix: str) -> None:
    """An archive that unpacks to a hundred times its size, or to too many files, is refused before it is opened."""
    bomb = zipped(tmp_path / f"bomb.{suffix}", {"word/document.xml": bytes(30_000_000)})
    crowd = zipped(tmp_path / f"crowd.{suffix}", {f"m{i}": b"" for i in range(60)})

    with pytest.raises(LimitExceeded, match=r"limits\.archive_ratio"):
        parse(bomb, tmp_path)
    with pytest.raises(LimitExceeded, match=r"limits\.archive_members"):
        parse(crowd, tmp_path, Limits(archive_members=50))


@pytest.mark.parametrize("suffix", list(TYPES))
def test_damaged(tmp_path: Path, suffix: str) -> None:
    """A cut-off, empty, foreign or hollow file is unreadable in one line that names it."""
    whole = a_docx(tmp_path).read_bytes()
    hollow = io.BytesIO()
    with zipfile.ZipFile(hollow, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    for data in (
        b"",
        b"PK\x03\x04",
        whole[: len(whole) // 2],
        b"hello",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        hollow.getvalue(),
    ):
        (tmp_path / f"bad.{suffix}").write_bytes(data)

        with pytest.raises(Unreadable, match=rf"bad\.{suffix}"):
            parse(tmp_path / f"bad.{suffix}", tmp_path)


@needs_dev
@pytest.mark.parametrize(
    "path",
    sorted(p for p in (DEV / "corpus/office_mail_md").glob("*.*") if p.suffix in (".docx", ".pptx")),
    ids=lambda p: p.name,
)
def test_no_text_run_is_lost(path: Path, tmp_path: Path) -> None:
    """Every run of text in the slides or the body of a corpus file stands in one of the parts."""
    found = squeezed(" ".join(part.text for part in parts(parse(path, tmp_path))))
    runs = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"word/(document|footnotes|comments)\.xml|ppt/slides/slide\d+\.xml", name):
                for t in etree.fromstring(archive.read(name)).iter("{*}t"):
                    field = t.getparent() is not None and str(t.getparent().tag).endswith("}fld")
                    runs += [] if field else [squeezed(t.text or "")]

    assert [run for run in runs if run not in found] == []


@needs_dev
@pytest.mark.parametrize(
    "path",
    sorted(p for p in (DEV / "corpus/office_mail_md").glob("*.*") if p.suffix[1:] in TYPES),
    ids=lambda p: p.name,
)
def test_corpus(path: Path, tmp_path: Path) -> None:
    """Every office file of the corpus yields its info first, no failure, and something to search."""
    events = parse(path, tmp_path)

    assert isinstance(events[0], Info)
    assert not [event for event in events if isinstance(event, Failure)]
    assert parts(events) or pictures(events)


@needs_dev
@pytest.mark.parametrize("name", ["fake-power-point-malformed.pptx", "powerpoint_malformed_pictures.pptx"])
def test_hostile(name: str, tmp_path: Path) -> None:
    """A damaged presentation gives what can be read or an error of our own, never a foreign one."""
    try:
        found = len(pages(parse(DEV / "hostile" / name, tmp_path)))
    except DocmillError:
        found = 1

    assert found


def test_a_wide_sheet_keeps_its_last_column(tmp_path: Path) -> None:
    """No column of a sheet is dropped, however many there are."""
    book = openpyxl.Workbook()
    book.active.append([f"c{number}" for number in range(1500)])
    book.active.append(list(range(1500)))
    book.save(tmp_path / "wide.xlsx")
    text = "\n".join(part.text for part in parts(parse(tmp_path / "wide.xlsx", tmp_path)))

    assert "c1499" in text


def test_damaged_compression(tmp_path: Path) -> None:
    """A member that does not unpack makes the file unreadable; it is no bug of a parser."""
    path = a_docx(tmp_path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("word/document.xml")
    start = member.header_offset + 30 + len(member.filename)
    content[start : start + member.compress_size] = b"\xff" * member.compress_size
    path.write_bytes(content)

    with pytest.raises(Unreadable, match="damaged"):
        parse(path, tmp_path)
