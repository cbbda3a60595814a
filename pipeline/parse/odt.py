"""OpenDocument text: headings, lists, tables in place, notes, headers and footers once, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from pipeline.errors import PasswordNeeded, Unreadable, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.archive import Archive
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.markdown_table import table_parts
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Info, Part, Picture

OASIS = "urn:oasis:names:tc:opendocument:xmlns"
TEXT, TABLE, DRAW = f"{{{OASIS}:text:1.0}}", f"{{{OASIS}:table:1.0}}", f"{{{OASIS}:drawing:1.0}}"
OFFICE, SVG, STYLE = f"{{{OASIS}:office:1.0}}", f"{{{OASIS}:svg-compatible:1.0}}", f"{{{OASIS}:style:1.0}}"
XLINK = "{http://www.w3.org/1999/xlink}href"
SKIPPED = {f"{TEXT}tracked-changes", f"{TEXT}sequence-decls", f"{OFFICE}forms", f"{TEXT}table-of-content-source"}
ASIDE = {f"{TEXT}note", f"{OFFICE}annotation", f"{DRAW}text-box", f"{SVG}title", f"{SVG}desc"}
META = {"date": "date", "creation-date": "created", "subject": "subject", "keyword": "keywords", "language": "language"}


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages without number. Raises `Unreadable`, `PasswordNeeded` or `LimitExceeded`."""
    archive = Archive(blob.path, blob.name, options.limits)
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise PasswordNeeded(f"{blob.name}: is encrypted; save it without a password")
    yield _info(archive)
    writer = PictureWriter(work_dir, options.limits)
    yield from slices(OdtReader(archive, writer).pieces())
    yield from writer.left_out()
    yield from (to_failure(Unreadable(problem), "parse") for problem in archive.damage)
    archive.close()


def _info(archive: Archive) -> Info:
    if "meta.xml" not in archive:
        return Info()
    found: dict[str, str] = {}
    for element in _spare(archive, "meta.xml"):
        if isinstance(element.tag, str) and element.text and element.text.strip():
            found.setdefault(etree.QName(element).localname, " ".join(element.text.split()))
    metadata = {META[key]: value[:1000] for key, value in found.items() if key in META}
    return Info(found.get("title", ""), found.get("initial-creator") or found.get("creator", ""), metadata=metadata)


def _spare(archive: Archive, member: str) -> Iterator[etree._Element]:
    """The elements of a part that the document can do without: none if it is damaged, which the archive notes."""
    try:
        yield from archive.xml(member).iter()
    except Unreadable as error:
        archive.damage.append(str(error))


class OdtReader:
    def __init__(self, archive: Archive, writer: PictureWriter) -> None:
        self._archive = archive
        self._writer = writer

    def pieces(self) -> Iterator[Part | Picture]:
        for body in self._archive.xml("content.xml").iter(f"{OFFICE}text"):
            yield from self._blocks(body, "text")
            break
        if "styles.xml" in self._archive:
            yield from self._margins(_spare(self._archive, "styles.xml"))

    def _margins(self, styles: Iterator[etree._Element]) -> Iterator[Part]:
        seen: set[str] = set()
        for margin in (element for element in styles if element.tag in (f"{STYLE}header", f"{STYLE}footer")):
            text = " ".join(filter(None, (_text(p) for p in margin.iter(f"{TEXT}p", f"{TEXT}h"))))
            if text and not text.isdigit() and text not in seen:
                seen.add(text)
                yield Part("note", text)

    def _blocks(self, container: etree._Element, kind: str) -> Iterator[Part | Picture]:
        for child in container:
            if child.tag in (f"{TEXT}h", f"{TEXT}p"):
                yield from self._paragraph(child, kind)
            elif child.tag == f"{TABLE}table":
                yield from table_parts(_rows(child))
                yield from self._pictures(child)
            elif child.tag in (f"{DRAW}frame", f"{DRAW}custom-shape"):
                yield from self._frame(child)
            elif isinstance(child.tag, str) and child.tag not in SKIPPED:
                yield from self._blocks(child, "list" if child.tag == f"{TEXT}list" else kind)

    def _paragraph(self, element: etree._Element, kind: str) -> Iterator[Part | Picture]:
        if text := _text(element):
            if element.tag == f"{TEXT}h":
                level = element.get(f"{TEXT}outline-level", "1")
                yield Part("heading", text, level=min(int(level), 6) if level.isdigit() else 1)
            else:
                yield Part("list", text) if kind == "list" else Part("text", text)
        for frame in element.iter(f"{DRAW}frame", f"{DRAW}custom-shape"):
            if not any(a.tag == f"{DRAW}frame" for a in frame.iterancestors()):
                yield from self._frame(frame)
        for note in element.iter(f"{TEXT}note-body", f"{OFFICE}annotation"):
            if text := " ".join(filter(None, (_text(p) for p in note.iter(f"{TEXT}p")))):
                yield Part("note", text)

    def _frame(self, frame: etree._Element) -> Iterator[Part | Picture]:
        for box in frame.iterchildren(f"{DRAW}text-box"):
            yield from self._blocks(box, "text")
        yield from self._pictures(frame)

    def _pictures(self, element: etree._Element) -> Iterator[Picture]:
        for image in element.iter(f"{DRAW}image"):
            member = (image.get(XLINK) or "").removeprefix("./")
            frame = image.getparent()
            if member not in self._archive or frame is None:
                continue
            words = [(e.text or "") for e in frame.iterchildren(f"{SVG}title", f"{SVG}desc")]
            block = next((a for a in frame.iterancestors() if a.tag == f"{TEXT}p"), frame)
            context = " ".join(_text(b)[:400] for b in (block.getprevious(), block, block.getnext()) if b is not None)
            picture = self._writer.write(self._archive.picture(member) or b"", " ".join(words), context)
            if picture is not None:
                yield picture


def _text(element: etree._Element) -> str:
    """Text of a paragraph with its spaces, tabs and line breaks, without notes and boxes."""
    out: list[str] = []
    if element.tag not in (f"{TEXT}p", f"{TEXT}h"):
        return ""
    _collect(element, out)
    return "".join(out).strip()


def _collect(element: etree._Element, out: list[str]) -> None:
    out.append(element.text or "")
    for child in element:
        if child.tag == f"{TEXT}s":
            out.append(" ")
        elif child.tag in (f"{TEXT}tab", f"{TEXT}line-break"):
            out.append("\t" if child.tag == f"{TEXT}tab" else "\n")
        elif child.tag == f"{DRAW}frame" or child.tag in ASIDE:
            pass
        elif isinstance(child.tag, str):
            _collect(child, out)
        out.append(child.tail or "")


def _rows(table: etree._Element) -> Iterator[list[str]]:
    for row in table.iter(f"{TABLE}table-row"):
        if next(row.iterancestors(f"{TABLE}table"), None) is not table:
            continue
        cells: list[str] = []
        for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
            text = " ".join(filter(None, (_text(p) for p in cell.iter(f"{TEXT}p", f"{TEXT}h"))))
            repeat = cell.get(f"{TABLE}number-columns-repeated", "1")
            cells += [text] * (min(int(repeat), 100) if repeat.isdigit() and text else 1)
        yield cells
