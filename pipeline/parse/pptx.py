"""PowerPoint presentations: one page a slide; text in reading order, tables, notes, charts, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import LimitExceeded, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.archive import parse_xml
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.markdown_table import table_parts
from pipeline.parse.office_file import FOREIGN, damaged_is_unreadable, document_info, opened
from pipeline.types import Blob, Event, Page, Part, Picture, Route

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
R_EMBED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
SLIDE = Route("text", "slide")
ROW_POINTS = 24  # boxes whose tops differ by less stand side by side
EMU = 12_700  # English metric units a point


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then one page a slide. A broken slide is a `Failure` with its number. Raises as `office_file.opened`."""
    import pptx

    path = opened(blob, work_dir, options)
    with damaged_is_unreadable(blob):
        presentation = pptx.Presentation(str(path))
        core, slides = presentation.core_properties, presentation.slides
        first = next((_title(slide) for slide in slides), "")
        info = document_info(core, path, core.author or "", len(slides))
        yield info if info.title else replace(info, title=first)
    writer = PictureWriter(work_dir, options.limits)
    for number, key in enumerate(slides._sldIdLst, start=1):
        if number > options.limits.pages:
            error = LimitExceeded(f"{blob.name}: slides after {options.limits.pages} are over limits.pages")
            yield to_failure(error, "parse", number)
            break
        if number < options.first_page:
            continue
        try:
            slide = presentation.part.related_slide(key.rId)
            pieces = list(SlideReader(slide, writer).pieces())
        except FOREIGN as error:
            yield to_failure(type(error)(f"{blob.name}: slide {number} is damaged ({error})"), "parse", number)
            continue
        parts = tuple(piece for piece in pieces if isinstance(piece, Part))
        pictures = tuple(piece for piece in pieces if isinstance(piece, Picture))
        yield Page(number, SLIDE, parts=parts, pictures=pictures)
    yield from writer.left_out()


class SlideReader:
    def __init__(self, slide: Any, writer: PictureWriter) -> None:
        self._slide = slide
        self._writer = writer
        self._heading = _title(slide)

    def pieces(self) -> Iterator[Part | Picture]:
        if self._heading:
            yield Part("heading", self._heading, level=1)
        parts = [part for element in self._in_order(self._slide.shapes._spTree) for part in self._shape(element)]
        yield from parts
        nearby = " ".join([self._heading, *(part.text for part in parts)])
        yield from self._pictures(nearby)
        if self._slide.has_notes_slide and (notes := self._slide.notes_slide.notes_text_frame) is not None:
            text = _body(notes._txBody)
            if text:
                yield Part("note", "\n".join(line for line, _ in text))

    def _in_order(self, tree: Any) -> list[Any]:
        """Shapes from top to bottom, and from left to right where they stand side by side."""
        found = list(_leaves(tree))
        places = [_place(element) for element in found]
        order = sorted(range(len(found)), key=lambda i: (places[i][1] // ROW_POINTS, places[i][0]))
        return [found[i] for i in order]

    def _shape(self, element: Any) -> Iterator[Part]:
        if element.tag == f"{P}graphicFrame":
            yield from self._frame(element)
            return
        holder = element.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
        kind = holder.get("type", "") if holder is not None else ""
        body = element.find(f"{P}txBody")
        if body is None or kind in ("sldNum", "dt"):
            return
        if kind in ("title", "ctrTitle") and " ".join(line for line, _ in _body(body)) == self._heading:
            return
        for line, is_list in _body(body):
            yield Part("list" if is_list and kind in ("body", "obj", "") and holder is not None else "text", line)

    def _frame(self, frame: Any) -> Iterator[Part]:
        for table in frame.iter(f"{A}tbl"):
            yield from table_parts(_rows(table))
            return
        chart = next((e for e in frame.iter() if str(e.tag).endswith("/chart}chart")), None)
        if chart is not None:
            relation = next((value for name, value in chart.attrib.items() if name.endswith("}id")), "")
            yield from _chart(self._slide.part.related_part(relation).blob)
            return
        for data in frame.iter():  # SmartArt keeps its text in a part of its own
            if str(data.tag).endswith("/diagram}relIds"):
                key = next((value for name, value in data.attrib.items() if name.endswith("}dm")), "")
                yield from _smart_art(self._slide.part.related_part(key).blob)

    def _pictures(self, nearby: str) -> Iterator[Picture]:
        done: set[str] = set()
        for blip in self._slide.shapes._spTree.iter(f"{A}blip"):
            key = blip.get(R_EMBED) or ""
            relation = self._slide.part.rels.get(key)
            if key in done or relation is None or relation.is_external:
                continue
            done.add(key)
            picture = self._writer.write(relation.target_part.blob, _alt_text(blip), nearby)
            if picture is not None:
                yield picture


def _title(slide: Any) -> str:
    shape = slide.shapes.title
    body = shape._element.find(f"{P}txBody") if shape is not None else None
    return " ".join(line for line, _ in _body(body)) if body is not None else ""


def _leaves(tree: Any) -> Iterator[Any]:
    for child in tree:
        if child.tag in (f"{P}sp", f"{P}graphicFrame", f"{P}cxnSp"):
            yield child
        elif child.tag != FALLBACK and child.tag != f"{P}pic" and len(child):
            yield from _leaves(child)


def _place(element: Any) -> tuple[float, float]:
    """(x, y) in points, placed in its groups; a placeholder without a place of its own comes after the title."""
    offset = next(element.iter(f"{A}off", f"{P}off"), None)
    x, y = _offset(offset) if offset is not None else (0.0, 100.0)
    for group in element.iterancestors(f"{P}grpSp"):
        frame = group.find(f"{P}grpSpPr/{A}xfrm")
        if frame is None or (child := frame.find(f"{A}chOff")) is None or (own := frame.find(f"{A}off")) is None:
            continue
        x, y = x - _offset(child)[0] + _offset(own)[0], y - _offset(child)[1] + _offset(own)[1]
    return x, y


def _offset(tag: Any) -> tuple[float, float]:
    return int(tag.get("x", "0")) / EMU, int(tag.get("y", "0")) / EMU


def _body(body: Any) -> list[tuple[str, bool]]:
    """Paragraphs of a text body, each with whether it stands in a list (a body of several paragraphs)."""
    lines = [_paragraph(paragraph) for paragraph in body.iter(f"{A}p")]
    filled = [line for line in lines if line]
    return [(line, len(filled) > 1) for line in filled]


def _paragraph(paragraph: Any) -> str:
    pieces = [node.text or "" if node.tag == f"{A}t" else " " for node in paragraph.iter(f"{A}t", f"{A}br", f"{A}tab")]
    return " ".join("".join(pieces).split())


def _rows(table: Any) -> Iterator[list[str]]:
    above: list[str] = []
    for row in table.iter(f"{A}tr"):
        cells = [" ".join(_paragraph(p) for p in cell.iter(f"{A}p")) for cell in row.iterchildren(f"{A}tc")]
        for i, cell in enumerate(row.iterchildren(f"{A}tc")):
            if cell.get("vMerge") in ("1", "true") and i < len(above) and not cells[i].strip():
                cells[i] = above[i]
        above = cells
        yield cells


def _chart(blob: bytes) -> Iterator[Part]:
    """The chart's title and labels, and its numbers as a table: a row a category, a column a series."""
    root = parse_xml(blob, "chart")
    if texts := [text for p in root.iter(f"{A}p") if (text := _paragraph(p))]:
        yield Part("caption", " ".join(texts))
    series = list(root.iter(f"{C}ser"))
    names = next((found for one in series for tag in ("cat", "xVal") if (found := _points(one, tag))), {})
    columns = [next((found for tag in ("val", "yVal") if (found := _points(one, tag))), {}) for one in series]
    heads = [" ".join(_points(one, "tx").values()) for one in series]
    keys = sorted({*names, *(key for column in columns for key in column)}, key=lambda key: (len(key), key))
    yield from table_parts(
        [["", *heads], *([names.get(k, ""), *(column.get(k, "") for column in columns)] for k in keys)]
    )


def _points(series: Any, tag: str) -> dict[str, str]:
    """Cached values below the tag by their index."""
    found = series.find(f"{C}{tag}")
    points = [] if found is None else [(v.getparent().get("idx", "0"), v.text or "") for v in found.iter(f"{C}v")]
    return dict(points)


def _smart_art(blob: bytes) -> Iterator[Part]:
    for paragraph in parse_xml(blob, "SmartArt").iter(f"{A}p"):
        if text := _paragraph(paragraph):
            yield Part("list", text)


def _alt_text(blip: Any) -> str:
    for around in blip.iterancestors():
        for tag in ("nvPicPr", "nvSpPr"):
            named = around.find(f"{P}{tag}/{P}cNvPr")
            if named is not None:
                return named.get("descr") or named.get("title") or ""
    return ""
