"""Files made to exhaust whoever reads them, written on demand: `BOMBS[name](path)` writes one. Nothing is random.

Most are small on disk; a few take some hundred megabytes, and the gigabyte is sparse.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from email.message import EmailMessage
from itertools import chain, repeat
from pathlib import Path

MB = 1 << 20
ZEROS, SPACES = bytes(MB), b" " * MB
PARAGRAPH = b"<w:p><w:r><w:t>the tide turns the wheel of the mill</w:t></w:r></w:p>"
Chunks = Iterable[bytes]


# archives -----------------------------------------------------------------------------------------------------


def write_zip(path: Path, members: Mapping[str, Chunks], base: bytes = b"") -> None:
    """A zip archive; members come in pieces, so that they may be larger than memory. `base` gives the other ones."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, chunks in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                for chunk in chunks:
                    member.write(chunk)
        for name, data in (zip_members(base) if base else {}).items():
            if name not in members:
                archive.writestr(name, data)


def zip_members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def word_file(body: str = "") -> bytes:
    """An ordinary Word file."""
    import docx

    document, out = docx.Document(), io.BytesIO()
    document.add_paragraph(body)
    document.save(out)
    return out.getvalue()


def sheet_file(text: str = "mill") -> bytes:
    """An ordinary workbook with one cell."""
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    book.active["A1"] = text
    book.save(out)
    return out.getvalue()


def word_body(paragraphs: Chunks) -> Chunks:
    namespace = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return chain([b'<w:document xmlns:w="%s"><w:body>' % namespace], paragraphs, [b"</w:body></w:document>"])


def docx_nested(path: Path) -> None:
    """Archives in an archive, each of which unpacks to a gigabyte."""
    inner = path.with_suffix(".inner")
    write_zip(inner, {"zeros": repeat(ZEROS, 1024)})
    packed = inner.read_bytes()
    inner.unlink()
    write_zip(path, {f"word/media/{n}.zip": [packed] for n in range(16)}, word_file("the miller"))


def docx_ratio(path: Path) -> None:
    """500 MB of spaces between two tags."""
    write_zip(path, {"word/document.xml": word_body(repeat(SPACES, 500))}, word_file())


def docx_huge_xml(path: Path) -> None:
    """2 GB of paragraphs."""
    block = PARAGRAPH * 15_000
    write_zip(path, {"word/document.xml": word_body(repeat(block, 2048 * MB // len(block)))}, word_file())


def docx_zeros(path: Path) -> None:
    """2 GB of zero bytes where XML should be."""
    write_zip(path, {"word/document.xml": repeat(ZEROS, 2048)}, word_file())


def docx_within_ratio(path: Path) -> None:
    """900 MB of paragraphs that pass for well packed: a stored member makes the file large enough."""
    block = PARAGRAPH * 15_000
    write_zip(path, {"word/document.xml": word_body(repeat(block, 900 * MB // len(block)))}, word_file())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("word/media/padding.bin", ZEROS * 12)


def docx_many_members(path: Path) -> None:
    """200,000 empty files inside."""
    write_zip(path, {f"word/media/{number}": [] for number in range(200_000)}, word_file())


def docx_deep(path: Path) -> None:
    """100,000 content controls inside each other."""
    deep = [b"<w:sdt><w:sdtContent>" * 100_000, PARAGRAPH, b"</w:sdtContent></w:sdt>" * 100_000]
    write_zip(path, {"word/document.xml": word_body(deep)}, word_file())


def xlsx_dimension(path: Path) -> None:
    """Two cells, far apart, in a sheet that says it is as large as a sheet can be."""
    cell = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>mill {0}</t></is></c></row>'
    rows = cell.format(1, "A") + cell.format(1_048_576, "XFD")
    write_zip(path, {"xl/worksheets/sheet1.xml": sheet(rows.encode())}, sheet_file())


def sheet(rows: bytes) -> Chunks:
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    start = b'<worksheet xmlns="%s"><dimension ref="A1:XFD1048576"/><sheetData>' % namespace
    return [start, rows, b"</sheetData></worksheet>"]


def xlsx_shared_string(path: Path) -> None:
    """One string of 5 MB, shown in 100,000 cells."""
    rows = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (n, n) for n in range(1, 100_001))
    write_zip(path, {**shared_strings([b"mill " * MB]), "xl/worksheets/sheet1.xml": sheet(rows)}, sheet_file())


def xlsx_strings_ratio(path: Path) -> None:
    """600 MB of shared strings."""
    write_zip(path, shared_strings(repeat(b"mill " * 20_000, 6000)), sheet_file())


def shared_strings(strings: Chunks) -> Mapping[str, Chunks]:
    types = zip_members(sheet_file())["[Content_Types].xml"]
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind
    start = [b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">']
    items = (b"<si><t>%s</t></si>" % text for text in strings)
    return {
        "[Content_Types].xml": [types.replace(b"</Types>", entry)],
        "xl/sharedStrings.xml": chain(start, items, [b"</sst>"]),
    }


def epub_laughs(path: Path) -> None:
    """Entities that expand to a billion words."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE html [<!ENTITY l0 "lol ">{laughs}]>'
    chapter = f'<?xml version="1.0"?>{doctype}<html><body><p>A good joke.</p><p>&l9;</p></body></html>'
    package = f'<?xml version="1.0"?>{doctype}<package><metadata><title>&l9;</title></metadata><manifest>'
    package += '<item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine></package>'
    members = {"mimetype": "application/epub+zip", "book.opf": package, "a.xhtml": chapter}
    write_zip(path, {name: [text.encode()] for name, text in members.items()})


def odt_traversal(path: Path) -> None:
    """Members named to be unpacked over other people's files, and pictures that ask for such."""
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    links = "".join(
        f'<draw:frame><draw:image xlink:href="{target}"/></draw:frame>'
        for target in ("../../../../tmp/escaped.png", "/etc/passwd", "file:///etc/passwd")
    )
    content = (
        f'<office:document-content xmlns:office="{oasis}:office:1.0" xmlns:text="{oasis}:text:1.0" '
        f'xmlns:draw="{oasis}:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text>'
        f"<text:p>The harbour ledger.{links}</text:p></office:text></office:body></office:document-content>"
    )
    names = ("../../../../tmp/escaped.png", "/tmp/escaped.txt", "..\\..\\escaped.txt")
    members = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content}
    write_zip(path, {name: [text.encode()] for name, text in (members | dict.fromkeys(names, "escaped")).items()})


def odt_deep(path: Path) -> None:
    """100,000 spans inside each other."""
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    start = f'<o:document-content xmlns:o="{oasis}:office:1.0" xmlns:t="{oasis}:text:1.0"><o:body><o:text><t:p>'
    deep = start + "<t:span>" * 100_000 + "deep" + "</t:span>" * 100_000
    content = deep + "</t:p><t:p>The harbour ledger.</t:p></o:text></o:body></o:document-content>"
    members = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content}
    write_zip(path, {name: [text.encode()] for name, text in members.items()})


# PDF ----------------------------------------------------------------------------------------------------------


def write_pdf(path: Path, objects: Iterable[bytes]) -> None:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    offsets = []
    with path.open("wb") as out:
        out.write(b"%PDF-1.7\n")
        for number, body in enumerate(objects, start=1):
            offsets.append(out.tell())
            out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        start = out.tell()
        out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1))
        out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
        out.write(b"trailer <</Root 1 0 R /Size %d>>\nstartxref\n%d\n%%%%EOF" % (len(offsets) + 1, start))


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (more, len(data), data)


def one_page(path: Path, content: bytes, box: bytes = b"0 0 612 792", more: Iterable[bytes] = ()) -> None:
    """A PDF of one page in Helvetica, /F1; `content` is its stream object, further objects count from 6."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>" % box
    page += b"/XObject<</X1 6 0 R>>>>>>" if more else b">>>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    write_pdf(path, [CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page, content, font, *more])


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
WORDS = b"BT /F1 4 Tf 20 20 Td (tide wheel mill) Tj ET\n"
HELLO = b"BT /F1 12 Tf 72 700 Td (The tide turns the wheel of the mill.) Tj ET\n"


def pdf_pages(path: Path, pages: int = 100_000) -> None:
    """Each page an object, the tree as flat as it can be."""
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 5 + pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>>>"
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, pages)
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    write_pdf(path, chain([CATALOG, tree, stream(HELLO), font], repeat(page, pages)))


def pdf_uncounted_pages(path: Path) -> None:
    """100,000 pages in a tree that says it has one."""
    pdf_pages(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"/Count 100000", b"/Count 1     ", 1))


def pdf_tree_loop(path: Path) -> None:
    """A page tree that is its own branch."""
    node = b"<</Type/Pages/Parent 2 0 R/Kids[2 0 R 3 0 R 2 0 R]/Count 1000>>"
    write_pdf(path, [CATALOG, node.replace(b"/Parent 2 0 R", b""), node])


def pdf_huge_page(path: Path) -> None:
    """200 x 200 inches, with drawings all over it."""
    strokes = b"".join(b"%d 0 m 14400 %d l S\n" % (n * 10, n * 10) for n in range(1440))
    one_page(path, stream(HELLO + strokes), b"0 0 14400 14400")


def pdf_deflate(path: Path) -> None:
    """A content stream of 1 GB, packed twice over."""
    packer = zlib.compressobj(9)
    once = b"".join(packer.compress(SPACES) for _ in range(1024)) + packer.flush()
    one_page(path, stream(zlib.compress(once, 9), b"/Filter[/FlateDecode/FlateDecode]"))


def pdf_operators(path: Path) -> None:
    """10 million strokes."""
    strokes = b"".join(b"%d %d m %d 9 l S\n" % (n % 600, n % 700, n % 500) for n in range(10_000))
    one_page(path, stream(zlib.compress(HELLO + strokes * 1000, 1), b"/Filter/FlateDecode"))


def pdf_letters(path: Path) -> None:
    """5 million words on one page."""
    one_page(path, stream(zlib.compress(HELLO + WORDS * 1_700_000, 1), b"/Filter/FlateDecode"))


def forms(first: int) -> list[bytes]:
    """Objects from number `first` on: a form that draws another ten times, which draws another ten times, ..."""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]"
    inner = form + b"/Resources<</XObject<</X1 %d 0 R>>>>"
    nested = [stream(b"/X1 Do " * 10, inner % (number + 1)) for number in range(first, first + 10)]
    return [*nested, stream(b"0 0 9 9 re f", form)]


def huge_picture() -> bytes:
    rows = zlib.compress(bytes(60_000 // 8 * 4096), 9)
    facts = b"/Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceRGB/BitsPerComponent 8"
    return stream(rows, facts + b"/Filter/FlateDecode")


PLACED = HELLO + b"q 400 0 0 400 50 200 cm /X1 Do Q"


def pdf_forms(path: Path) -> None:
    """10 billion rectangles by forms in forms."""
    one_page(path, stream(HELLO + b"/X1 Do"), more=forms(6))


def pdf_picture(path: Path) -> None:
    """A picture of 60,000 x 60,000 pixels on an ordinary page."""
    one_page(path, stream(PLACED), more=[huge_picture()])


def pdf_bad_pages(path: Path) -> None:
    """Five pages: the second takes for ever, the third all memory, the fourth holds a picture that is too large."""
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<</F1 3 0 R>>"
    page += b"/XObject<</X1 %d 0 R>>>>>>"
    contents = [HELLO, HELLO + b"/X1 Do", WORDS * 1_700_000, PLACED, HELLO]
    pages = [page % (number, 14 if number == 12 else 15) for number in range(9, 14)]
    streams = [stream(zlib.compress(content, 1), b"/Filter/FlateDecode") for content in contents]
    tree = b"<</Type/Pages/Kids[4 0 R 5 0 R 6 0 R 7 0 R 8 0 R]/Count 5>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    write_pdf(path, [CATALOG, tree, font, *pages, *streams, huge_picture(), *forms(15)])


# pictures -----------------------------------------------------------------------------------------------------


def png_pixels(path: Path, side: int = 50_000) -> None:
    """A sound PNG of 50,000 x 50,000 pixels in black and white."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + (side + 7) // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def gif_frames(path: Path, frames: int = 100_000) -> None:
    """100,000 frames of 200 x 200 pixels."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("P", (200, 200), 1).save(out, "GIF")
    whole = out.getvalue()
    start = whole.index(b"\x2c")  # where the first frame begins
    path.write_bytes(whole[:start] + whole[start:-1] * frames + b";")


def tiff_frames(path: Path, frames: int = 10_000, side: int = 64) -> None:
    """So many frames, all showing the same pixels."""
    pixels = bytes(side * side // 8)
    first = 8 + len(pixels)
    entries = 8
    size = 2 + 12 * entries + 4
    with path.open("wb") as out:
        out.write(struct.pack("<2sHI", b"II", 42, first) + pixels)
        for number in range(frames):
            facts = {256: side, 257: side, 258: 1, 259: 1, 262: 1, 273: 8, 278: side, 279: len(pixels)}
            following = first + (number + 1) * size if number + 1 < frames else 0
            out.write(struct.pack("<H", entries))
            out.writelines(struct.pack("<HHII", tag, 4, 1, value) for tag, value in facts.items())
            out.write(struct.pack("<I", following))


def tiff_many_frames(path: Path) -> None:
    """A million frames."""
    tiff_frames(path, 1_000_000)


# mail ---------------------------------------------------------------------------------------------------------


def mail_nested(path: Path, depth: int = 100) -> None:
    """Mails in mails, 100 deep."""
    head = "From: miller@example.org\r\nSubject: depth {}\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n"
    last = "From: miller@example.org\r\nSubject: the last\r\n\r\nThe tide turns.\r\n"
    path.write_text("".join(head.format(number) for number in range(depth)) + last, newline="")


def mail_nested_parts(path: Path) -> None:
    """Mails in mails in multiparts, 3,000 deep."""
    head = (
        "From: miller@example.org\nSubject: depth {0}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="b{0}"\n\n'
        "--b{0}\nContent-Type: text/plain\n\nLevel {0}\n--b{0}\nContent-Type: message/rfc822\n\n"
    )
    path.write_text("".join(head.format(number) for number in range(3000)))


def mail_attachments(path: Path, count: int = 10_000) -> None:
    """10,000 small attachments."""
    message = EmailMessage()
    message["From"], message["Subject"] = "miller@example.org", "Everything"
    message.set_content("All that we have.")
    for number in range(count):
        message.add_attachment(f"note {number} of the mill", filename=f"{number}.txt")
    path.write_bytes(message.as_bytes())


def mail_headers(path: Path) -> None:
    """A header of 20 MB in encoded words."""
    words = "=?utf-8?q?the_tide_turns?= " * 800_000
    path.write_text(f"From: miller@example.org\nSubject: {words}\nTo: a@example.org\n\nThe tide turns.\n")


# text and markup ----------------------------------------------------------------------------------------------


def html_deep(path: Path) -> None:
    """100,000 elements inside each other, and a paragraph behind them."""
    path.write_text("<html><body>" + "<div><p>x<b>" * 33_334 + "deep</body><p>The tide turns the wheel.</p></html>")


def html_deep_unknown(path: Path) -> None:
    """100,000 elements that no page has, inside each other."""
    path.write_text("<html><body>" + "<deep>" * 100_000 + "<p>The tide turns the wheel of the mill.</p></html>")


def html_data_uri(path: Path) -> None:
    """A picture of 200 MB inside the page."""
    with path.open("w") as out:
        out.write('<html><body><p>The tide turns the wheel.</p><img alt="mill" src="data:image/png;base64,')
        out.writelines(repeat("A" * MB, 200))
        out.write('"><p>The harbour ledger.</p></body></html>')


def html_spans(path: Path) -> None:
    """Tables whose cells say that they go over a thousand rows and columns."""
    row = "<tr>" + '<td colspan="1000" rowspan="1000">mill</td>' * 200 + "</tr>"
    path.write_text(f"<html><body><table>{row * 200}</table><p>The harbour ledger.</p></body></html>")


def html_tables(path: Path) -> None:
    """Tables inside tables, 2,000 deep."""
    path.write_text("<html><body>" + "<table><tr><td>mill</td><td>" * 2_000 + "tide</body></html>")


def svg_deep(path: Path) -> None:
    """A drawing of 100,000 groups inside each other, which is no format of ours."""
    namespace = "http://www.w3.org/2000/svg"
    path.write_text(f'<svg xmlns="{namespace}">' + "<g>" * 100_000 + "</g>" * 100_000 + "</svg>")


def html_svg(path: Path) -> None:
    """The same drawing inside a page."""
    svg = "<svg>" + "<g>" * 100_000 + "</g>" * 100_000 + "</svg>"
    path.write_text(f"<html><body><p>The tide turns the wheel.</p>{svg}<p>The harbour ledger.</p></body></html>")


def text_sparse(path: Path) -> None:
    """1 GB, of which the disk holds nothing."""
    with path.open("wb") as out:
        out.truncate(1024 * MB)


def text_line(path: Path) -> None:
    """100 MB of words without a line break."""
    with path.open("wb") as out:
        out.writelines(repeat(b"the tide turns the wheel of the mill " * 28_339, 100))


def text_word(path: Path) -> None:
    """10 MB without a space."""
    path.write_bytes(b"mill" * (10 * MB // 4))


def rtf_deep(path: Path) -> None:
    """100,000 groups inside each other."""
    path.write_text("{\\rtf1 The tide turns the wheel." + "{" * 100_000 + "deep" + "}" * 100_000 + "}")


def markdown_brackets(path: Path) -> None:
    """What makes a slow parser of links and emphasis slower with every character."""
    hard = ["[" * 50_000, "![" * 20_000 + "a", "*a **a " * 20_000, "`" + "``a`" * 20_000, "<a " * 20_000]
    hard += ["[a](<b" * 20_000, "a_" * 50_000, "> " * 2_000 + "a", "- " * 2_000 + "a", "|" * 50_000 + "\n|-|"]
    path.write_text("# The mill\n\n" + "\n\n".join(hard) + "\n\nThe tide turns the wheel.\n")


def csv_row(path: Path) -> None:
    """One row of 10 million cells."""
    with path.open("wb") as out:
        out.writelines(repeat(b"7," * 100_000, 100))


def csv_padding(path: Path) -> None:
    """A header of 100,000 columns above 100,000 rows of one cell."""
    path.write_text(",".join(f"c{n}" for n in range(100_000)) + "\n" + "mill\n" * 100_000)


BOMBS: Mapping[str, Callable[[Path], None]] = {
    "nested.docx": docx_nested,
    "ratio.docx": docx_ratio,
    "huge-xml.docx": docx_huge_xml,
    "zeros.docx": docx_zeros,
    "within-ratio.docx": docx_within_ratio,
    "many-members.docx": docx_many_members,
    "deep.docx": docx_deep,
    "dimension.xlsx": xlsx_dimension,
    "shared-string.xlsx": xlsx_shared_string,
    "strings.xlsx": xlsx_strings_ratio,
    "laughs.epub": epub_laughs,
    "traversal.odt": odt_traversal,
    "deep.odt": odt_deep,
    "100000-pages.pdf": pdf_pages,
    "uncounted-pages.pdf": pdf_uncounted_pages,
    "tree-loop.pdf": pdf_tree_loop,
    "huge-page.pdf": pdf_huge_page,
    "deflate.pdf": pdf_deflate,
    "operators.pdf": pdf_operators,
    "letters.pdf": pdf_letters,
    "forms.pdf": pdf_forms,
    "picture.pdf": pdf_picture,
    "bad-pages.pdf": pdf_bad_pages,
    "pixels.png": png_pixels,
    "frames.gif": gif_frames,
    "frames.tif": tiff_frames,
    "many-frames.tif": tiff_many_frames,
    "nested.eml": mail_nested,
    "nested-parts.eml": mail_nested_parts,
    "attachments.eml": mail_attachments,
    "headers.eml": mail_headers,
    "deep.html": html_deep,
    "deep-unknown.html": html_deep_unknown,
    "data-uri.html": html_data_uri,
    "spans.html": html_spans,
    "tables.html": html_tables,
    "svg.html": html_svg,
    "deep.svg": svg_deep,
    "sparse.txt": text_sparse,
    "line.txt": text_line,
    "word.txt": text_word,
    "deep.rtf": rtf_deep,
    "brackets.md": markdown_brackets,
    "row.csv": csv_row,
    "padding.csv": csv_padding,
}
