"""The main content of a page as parts in reading order: unstructured reads the blocks, tables are ours and whole.

unstructured drops figures, forms and details and flattens tables, so the tree is put into simpler terms first. If words
are lost all the same, or it fails on a strange tree, a plainer reading of the same tree takes its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from pipeline.parse.html_main import visible_text
from pipeline.parse.markdown_table import padded, table_parts
from pipeline.parse.unstructured_setup import prepare
from pipeline.types import Part

RENAMED = {
    "figure": "div", "details": "div", "form": "div", "fieldset": "div", "label": "span", "header": "div",
    "footer": "div", "aside": "div", "nav": "div", "menu": "ul", "dir": "ul", "figcaption": "p", "summary": "p",
    "legend": "p", "caption": "p", "listing": "pre", "xmp": "pre", "plaintext": "pre", "hgroup": "div", "dt": "p",
}  # fmt: skip
MARK = re.compile("^\ue000(\\d+)\ue001$")
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
BREAKS = HEADINGS | {
    "p", "div", "li", "dd", "dt", "ul", "ol", "dl", "pre", "blockquote", "section", "article", "main", "body",
    "address", "center", "tr", "td",
}  # fmt: skip
KINDS = {"ListItem": "list", "CodeSnippet": "code", "Title": "heading"}
MOST_SPAN = 50  # rows or columns of one cell, so that a small page cannot become a huge table
MOST_REPEATED_CHARS = 200
MOST_COLUMNS = 1_000  # beyond it a cell is one cell, whatever it says
LOST_SHARE = 0.005


def read_blocks(content: HtmlElement) -> list[Part]:
    """Parts of `content` (changed in place): headings with level, paragraphs, list items, code, tables as Markdown."""
    tables = _simplify(content)
    words = Counter(visible_text(content).split())
    parts = _by_unstructured(content)
    if parts is None or _lost(words, parts) > LOST_SHARE * words.total():
        parts = list(_by_tags(content))
    return [part for found in parts for part in _with_tables(found, tables)]


def _simplify(content: HtmlElement) -> list[list[Part]]:
    """Replaces data tables by marked paragraphs and returns their parts; renames what unstructured drops."""
    tables: list[list[Part]] = []
    for table in list(content.iter("table")):  # outer tables first; those inside a data table go with it
        if table is not content and not any(around is content for around in table.iterancestors()):
            continue
        if table is not content and is_data_table(table):
            _replace_table(table, tables)
        else:
            cells = list(table.iter("thead", "tbody", "tfoot", "tr", "td", "th", "colgroup"))
            own = [element for element in cells if next(element.iterancestors("table"), None) is table]
            for element in [table, *own]:
                element.tag = "div"
    for element in content.iter(*RENAMED):
        element.tag = RENAMED[element.tag]
    for image in list(content.iter("img", "picture", "hr", "source")):
        image.drop_tag()
    return tables


def _replace_table(table: HtmlElement, tables: list[list[Part]]) -> None:
    caption = next((visible_text(c) for c in table.iter("caption")), "")
    parts = [Part("caption", caption)] if caption else []
    parts += table_parts(table_rows(table))
    mark = etree.Element("p")
    mark.text, mark.tail = f"\ue000{len(tables)}\ue001", table.tail
    table.getparent().replace(table, mark)
    tables.append(parts)


def is_data_table(table: HtmlElement) -> bool:
    """False for a table that only lays out the page: one column, tables inside, or long text in its cells."""
    rows = table_rows(table)
    layout = (table.get("role") or "").lower() in ("presentation", "none")
    if layout or max((len(row) for row in rows), default=0) < 2:
        return False
    if next(table.iterchildren("caption"), None) is not None:
        return True
    if any(cell.tag == "th" for row in _own_rows(table) for cell in row):
        return True
    if next(table.iterdescendants("table"), None) is not None:
        return False
    cells = [len(cell) for row in rows for cell in row if cell]
    return len(cells) > 1 and sum(cells) / len(cells) < 250 and max(cells) < 2000


def table_rows(table: HtmlElement) -> list[list[str]]:
    """Cells as text; a cell over several rows is repeated in each, one over several columns stands in the first."""
    rows: list[list[str]] = []
    open_spans: dict[int, tuple[int, str]] = {}
    for tr in _own_rows(table):
        row: list[str] = []
        for cell in tr.iterchildren("td", "th"):
            _fill_spans(row, open_spans)
            text, across, down = visible_text(cell), _span(cell, "colspan"), _span(cell, "rowspan")
            if len(row) + across > MOST_COLUMNS:
                across = down = 1
            if down > 1:
                repeated = text if len(text) <= MOST_REPEATED_CHARS else ""
                open_spans.update({len(row) + i: (down - 1, repeated if i == 0 else "") for i in range(across)})
            row += [text] + [""] * (across - 1)
        _fill_spans(row, open_spans)
        rows.append(row)
    width = max(map(len, rows), default=0)
    return [padded(row, width) for row in rows]


def _own_rows(table: HtmlElement) -> list[HtmlElement]:
    return [tr for tr in table.iter("tr") if next(tr.iterancestors("table"), None) is table]


def _fill_spans(row: list[str], open_spans: dict[int, tuple[int, str]]) -> None:
    while len(row) in open_spans:
        left, text = open_spans.pop(len(row))
        if left > 1:
            open_spans[len(row)] = (left - 1, text)
        row.append(text)


def _span(cell: HtmlElement, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    return min(max(int(value), 1), MOST_SPAN) if value.isascii() and value.isdigit() else 1


def _by_unstructured(content: HtmlElement) -> list[Part] | None:
    prepare()
    from unstructured.partition.html import partition_html

    body = lxml.html.tostring(content, encoding="unicode", with_tail=False)
    try:
        elements = partition_html(text=f"<html><body>{body}</body></html>", languages=[""])
    except (RecursionError, ValueError, AttributeError, TypeError, etree.LxmlError):
        return None  # deep or odd trees
    parts = []
    for element in elements:
        kind = KINDS.get(element.category, "text")
        text = element.text if kind == "code" else " ".join(element.text.split())
        level = min((element.metadata.category_depth or 0) + 1, 6) if kind == "heading" else 0
        parts.append(Part(kind, text, level=level))  # type: ignore[arg-type]
    return parts


def _lost(words: Counter[str], parts: list[Part]) -> int:
    """How many words are in none of the parts; a word glued to its neighbour is not lost."""
    missing = words - Counter(word for part in parts for word in part.text.split())
    whole = "".join("".join(part.text.split()) for part in parts) if missing else ""
    return sum(max(0, words[word] - whole.count(word)) for word in list(missing)[:2000])


def _by_tags(content: HtmlElement) -> Iterator[Part]:
    """A plain reading: text runs up to the next block tag, with the kind of the innermost block around them."""
    run: list[str] = []
    inside: list[HtmlElement] = []
    for event, element in etree.iterwalk(content, events=("start", "end")):
        if element.tag in BREAKS or (element.tag == "br" and event == "end"):
            yield from _flush(run, inside)
        if event == "start":
            if element.tag in BREAKS:
                inside.append(element)
            run.append(element.text or "")
        else:
            if element.tag in BREAKS:
                inside.pop()
            run.append(element.tail or "" if element is not content else "")
    yield from _flush(run, inside)


def _flush(run: list[str], inside: list[HtmlElement]) -> Iterator[Part]:
    text = "".join(run)
    run.clear()
    if not text.strip():
        return
    tag = inside[-1].tag if inside else ""
    if tag == "pre":
        yield Part("code", text.strip("\n"))
    elif tag in HEADINGS:
        yield Part("heading", " ".join(text.split()), level=int(tag[1]))
    else:
        yield Part("list" if tag in ("li", "dd") else "text", " ".join(text.split()))


def _with_tables(part: Part, tables: list[list[Part]]) -> list[Part]:
    mark = MARK.match(part.text.strip())
    if mark and int(mark[1]) < len(tables):
        return tables[int(mark[1])]
    return [part] if part.text.strip() else []
