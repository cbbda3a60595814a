"""Word documents: body in order with tables in place, text boxes, notes, headers and footers once, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.parse import ParseOptions
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.markdown_table import table_parts
from pipeline.parse.office_file import damaged_is_unreadable, document_info, opened
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Part, Picture

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A_BLIP = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
V_IMAGE = "{urn:schemas-microsoft-com:vml}imagedata"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MATH_T = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
DOC_PR = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"
HEADING = re.compile(r"^heading\s*(\d)", re.I)
NOTES = ("/footnotes", "/endnotes", "/comments")


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages without number. Raises `Unreadable`, `PasswordNeeded` or `LimitExceeded`."""
    import docx

    path = opened(blob, work_dir, options)
    with damaged_is_unreadable(blob):
        document = docx.Document(str(path))
        core = document.core_properties
        info = document_info(core, path, core.author or "")
        yield info
        writer = PictureWriter(work_dir, options.limits)
        for page in slices(WordReader(document, writer).pieces()):
            if not info.title and (title := next((p.text for p in page.parts if p.kind == "heading"), "")):
                info = replace(info, title=title[:500])
                yield info
            yield page
        yield from writer.left_out()


class WordReader:
    """Walks the XML of a document, because the library's own paragraphs leave out boxes, fields and changes."""

    def __init__(self, document: Any, writer: PictureWriter) -> None:
        self._document = document
        self._writer = writer
        self._styles = {style.style_id: style for style in document.styles if style.style_id}
        self._last = ""  # text just read, for the context of pictures

    def pieces(self) -> Iterator[Part | Picture]:
        yield from self._margins("header")
        yield from self._blocks(self._document.element.body, self._document.part)
        yield from self._notes()
        yield from self._margins("footer")

    def _margins(self, kind: str) -> Iterator[Part | Picture]:
        """Headers or footers of all sections, equal ones once."""
        seen: set[str] = set()
        for relation in self._document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(f"/{kind}"):
                continue
            for piece in self._blocks(relation.target_part.element, relation.target_part):
                if isinstance(piece, Picture):
                    yield piece
                elif piece.text not in seen and not piece.text.isdigit():  # a page number is no text
                    seen.add(piece.text)
                    yield Part("note", piece.text)

    def _notes(self) -> Iterator[Part]:
        from lxml import etree

        from pipeline.parse.archive import parse_xml

        for relation in self._document.part.rels.values():
            if relation.is_external or not relation.reltype.endswith(NOTES):
                continue
            part = relation.target_part
            root = part.element if hasattr(part, "element") else parse_xml(part.blob, str(part.partname))
            assert isinstance(root, etree._Element)
            for note in root:
                text = "\n".join(filter(None, (_text(p) for p in note.iter(f"{W}p"))))
                if text.strip():
                    yield Part("note", text)

    def _blocks(self, container: Any, part: Any) -> Iterator[Part | Picture]:
        for child in container:
            if child.tag == f"{W}p":
                yield from self._paragraph(child, part)
            elif child.tag == f"{W}tbl":
                yield from table_parts(_rows(child))
                yield from self._pictures(child, part)
            elif child.tag in (f"{W}sectPr", FALLBACK):
                continue
            elif len(child):  # content controls, insertions, alternate content, moved text
                yield from self._blocks(child, part)

    def _paragraph(self, paragraph: Any, part: Any) -> Iterator[Part | Picture]:
        text = _text(paragraph)
        if text.strip():
            self._last = text
            yield self._part(paragraph, text)
        for box in _boxes(paragraph):
            yield from self._blocks(box, part)
        yield from self._pictures(paragraph, part)

    def _part(self, paragraph: Any, text: str) -> Part:
        style = self._style_of(paragraph)
        outline = paragraph.find(f"{W}pPr/{W}outlineLvl")
        if found := HEADING.match(style):
            return Part("heading", text, level=min(max(int(found[1]), 1), 6))
        if style.lower() in ("title", "subtitle"):
            return Part("heading", text, level=1 if style.lower() == "title" else 2)
        if outline is not None and (outline.get(f"{W}val") or "9") in "01234":
            return Part("heading", text, level=int(outline.get(f"{W}val")) + 1)
        if style.lower().startswith("caption"):
            return Part("caption", text)
        if paragraph.find(f"{W}pPr/{W}numPr") is not None or style.lower().startswith("list"):
            return Part("list", text)
        return Part("text", text)

    def _style_of(self, paragraph: Any) -> str:
        """Name of the paragraph's style, or of the heading style it is based on."""
        tag = paragraph.find(f"{W}pPr/{W}pStyle")
        style = self._styles.get(tag.get(f"{W}val")) if tag is not None else None
        first = style.name or "" if style is not None else ""
        for _ in range(10):
            if style is None or HEADING.match(style.name or ""):
                break
            style = style.base_style
        return (style.name or "") if style is not None else first

    def _pictures(self, element: Any, part: Any) -> Iterator[Picture]:
        done: set[str] = set()
        for image in element.iter(A_BLIP, V_IMAGE):
            key = image.get(f"{R}embed") or image.get(f"{R}id") or ""
            relation = part.rels.get(key)
            if key in done or relation is None or relation.is_external:
                continue
            done.add(key)
            caption = f"{_alt_text(image)} {self._caption_after(element)}"
            picture = self._writer.write(relation.target_part.blob, caption, self._nearby(element))
            if picture is not None:
                yield picture

    def _caption_after(self, element: Any) -> str:
        after = element.getnext()
        captioned = after is not None and after.tag == f"{W}p" and self._style_of(after).lower().startswith("caption")
        return _text(after) if captioned else ""

    def _nearby(self, element: Any) -> str:
        after = element.getnext()
        following = _text(after)[:400] if after is not None and after.tag == f"{W}p" else ""
        return f"{self._last[-600:]} {following}"


def _text(paragraph: Any) -> str:
    """Text of a paragraph without its boxes; deleted text and field codes are no text."""
    out: list[str] = []
    for node in paragraph.iter(f"{W}t", f"{W}tab", f"{W}br", f"{W}cr", f"{W}noBreakHyphen", MATH_T):
        around = next(
            (a for a in node.iterancestors() if a is paragraph or a.tag in (f"{W}txbxContent", FALLBACK)), None
        )
        if around is not paragraph:
            continue
        if node.tag in (f"{W}t", MATH_T):
            out.append((node.text or "") + "".join(child.tail or "" for child in node))  # an entity may split it
        elif node.getparent().tag == f"{W}r":
            out.append({"tab": "\t", "noBreakHyphen": "-"}.get(node.tag.rpartition("}")[2], "\n"))
    return "".join(out).strip()


def _boxes(paragraph: Any) -> Iterator[Any]:
    """Text boxes right in this paragraph, without the copies for old programs and boxes in boxes."""
    for box in paragraph.iter(f"{W}txbxContent"):
        outer = next(a.tag for a in box.iterancestors() if a is paragraph or a.tag in (f"{W}txbxContent", FALLBACK))
        if outer == paragraph.tag:
            yield box


def _rows(table: Any) -> Iterator[list[str]]:
    """Cells of each row; a vertically merged cell is repeated, one over several columns stands in the first."""
    above: list[str] = []
    for row in _children(table, f"{W}tr"):
        cells: list[str] = []
        for cell in _children(row, f"{W}tc"):
            merge = cell.find(f"{W}tcPr/{W}vMerge")
            continued = merge is not None and merge.get(f"{W}val", "continue") == "continue"
            text = _cell(cell) or (above[len(cells)] if continued and len(cells) < len(above) else "")
            span = cell.find(f"{W}tcPr/{W}gridSpan")
            wide = span.get(f"{W}val", "1") if span is not None else "1"
            cells += [text] + [""] * (min(int(wide), 100) - 1 if wide.isdigit() else 0)
        above = cells
        yield cells


def _children(element: Any, tag: str) -> Iterator[Any]:
    """Children with the tag, those in content controls and insertions too."""
    for child in element:
        if child.tag == tag:
            yield child
        elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml"):
            yield from _children(child, tag)


def _cell(cell: Any) -> str:
    texts = [_text(p) for p in cell.iter(f"{W}p") if not any(a.tag == FALLBACK for a in p.iterancestors())]
    return " ".join(text for text in texts if text)


def _alt_text(image: Any) -> str:
    for around in image.iterancestors():
        for properties_ in around.iterchildren(DOC_PR):
            return properties_.get("descr") or properties_.get("title") or ""
        if around.tag == f"{W}p":
            break
        if alt := around.get("alt"):
            return str(alt)
    return ""
