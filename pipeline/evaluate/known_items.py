"""Questions made from the corpus itself: headings, titles, captions, and lines of pages. Pure: rows in, items out.

An item is text that its author wrote above something, and the rows it stands above. Asking the corpus with it is fair
only if these rows no longer hold it, so an item says what its rows are without it (`hold_out` makes them searchable);
other rows that hold it word for word count neither as right nor as wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.evaluate.places import Place
from pipeline.layout import load_layout
from pipeline.types import Modality, TextLine

Kind = Literal["heading", "title", "caption", "line"]
TO: Mapping[Kind, Modality] = {"heading": "text", "title": "text", "caption": "image", "line": "page"}
NAMES: Mapping[Kind, tuple[str, str]] = {
    "heading": ("heading", "headings"),
    "title": ("title", "titles"),
    "caption": ("caption", "captions"),
    "line": ("line of a page", "lines of pages"),
}
SHARE: Mapping[Kind, float] = {"heading": 1.0, "title": 0.5, "caption": 1.0, "line": 1.0}  # of the questions of a kind
COLUMNS = ("id", "doc_id", "source_uri", "title", "modality", "page", "headings", "text", "asset_id", "bbox", "layout")
SECTION_ROWS, DOCUMENT_ROWS = 8, 12  # more rows under one heading or title cost too much to embed again
FEWEST_LETTERS = 80  # of a passage that a question can be about
FIRST_LINES, PAGE_LINES = 5, 8  # a page's line is one of its first five; a page has eight at least
MOST_WORDS, MOST_LETTERS = 15, 150

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Without:
    """A row as it is without an item's text; `lines` are those of a page that are left."""

    row: Content
    title: str
    headings: tuple[str, ...]
    text: str
    lines: tuple[TextLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A question, and the rows that answer it."""

    kind: Kind
    text: str
    rows: tuple[Without, ...]
    left_out: frozenset[str] = field(default=frozenset(), compare=False)  # ids of other rows that hold it word for word

    @property
    def places(self) -> dict[Place, float]:
        """The document of a title, else the pages that its rows stand on."""
        whole = self.kind == "title"
        return {Place(without.row["source_uri"], None if whole else without.row["page"]): 1.0 for without in self.rows}


def known_items(rows: Sequence[Content], count: int, *, with_pages: bool = True) -> list[Item]:
    """Up to `count` items of each kind of row, the same for the same rows; a row is part of one item at most.

    Items come by a hash of their text, so that they are spread over the corpus. `with_pages` is False for page models
    that look at the picture: no line can be taken out of that.
    """
    makers: dict[Kind, Callable[[Sequence[Content]], Iterator[Item]]] = {
        "heading": _headings,
        "title": _titles,  # of documents that no heading asks for: a title goes with all rows of its document
        "caption": _captions,
        "line": _lines,
    }
    taken: set[str] = set()
    found: list[Item] = []
    for kind, make in makers.items():
        if kind == "line" and not with_pages:
            continue
        chosen: list[Item] = []
        for item in sorted(_unique(make(rows)), key=lambda item: hashlib.sha256(item.text.encode()).digest()):
            ids = {without.row["id"] for without in item.rows}
            if len(chosen) < round(count * SHARE[kind]) and not ids & taken:
                chosen.append(item)
                taken |= ids
        found += chosen
    return _with_left_out(found, rows)


def is_telling(text: str) -> bool:
    """Whether a text says enough to be asked with: some words, or some letters of a script without spaces.

    >>> [is_telling(text) for text in ("3.2 Results", "Repair of the sluice gate", "IMG 2034", "水車の修理について")]
    [False, True, False, True]
    """
    words = [word for word in re.findall(r"[^\W\d_]+", text) if len(word) > 2]
    long = [word for word in words if len(word) > 3 or not word.isascii()]
    enough = (len(words) >= 2 and len(long) >= 2) or any(len(word) >= 6 and not _has_spaces(word) for word in words)
    return enough and len(text.split()) <= MOST_WORDS and len(text) <= MOST_LETTERS


# kinds of items ---------------------------------------------------------------------------------------------


def _titles(rows: Sequence[Content]) -> Iterator[Item]:
    texts: dict[str, list[Content]] = {}
    for row in rows:
        if row["modality"] == "text":
            texts.setdefault(row["doc_id"], []).append(row)
    for own in texts.values():
        title = " ".join((own[0]["title"] or "").split())
        if len(own) <= DOCUMENT_ROWS and is_telling(title):
            yield from _item("title", title, own)


def _headings(rows: Sequence[Content]) -> Iterator[Item]:
    sections: dict[tuple[str, str], list[Content]] = {}
    for row in rows:
        if row["modality"] == "text":
            for heading in dict.fromkeys(row["headings"] or ()):
                sections.setdefault((row["doc_id"], heading), []).append(row)
    for (_, heading), own in sections.items():
        if len(own) <= SECTION_ROWS and is_telling(heading):
            yield from _item("heading", heading, own)


def _captions(rows: Sequence[Content]) -> Iterator[Item]:
    for row in rows:
        caption = (row["text"] or "").split("\n", 1)[0].strip()
        if row["modality"] == "image" and row["asset_id"] and is_telling(caption):
            context = without(row["text"], caption)
            if not holds(context, caption):
                yield Item("caption", caption, (_without(row, caption),))


def _lines(rows: Sequence[Content]) -> Iterator[Item]:
    for row in rows:
        if row["modality"] != "page" or not row["asset_id"]:
            continue
        lines = load_layout(row.get("layout") or "", row["text"] or "").lines
        telling = [line for line in lines[:FIRST_LINES] if is_telling(line.text)]
        if len(lines) >= PAGE_LINES and telling:
            text = " ".join(telling[0].text.split())
            left = tuple(line for line in lines if not holds(line.text, text))
            rest = "\n".join(line.text for line in left)
            if not holds(rest, text):
                yield Item("line", text, (Without(row, row["title"] or "", (), rest, left),))


def _item(kind: Kind, text: str, rows: Sequence[Content]) -> Iterator[Item]:
    """The item, if its rows can do without the text and still have something to say."""
    left = [_without(row, text) for row in rows]
    if any(len(one.text) >= FEWEST_LETTERS for one in left) and not any(holds(one.text, text) for one in left):
        yield Item(kind, text, tuple(one for one in left if one.text))


def _without(row: Content, text: str) -> Without:
    """The row with the text taken from its title, its headings, and once from the beginning of what it says."""
    title = "" if holds(row["title"] or "", text) or holds(text, row["title"] or "-") else row["title"]
    headings = tuple(heading for heading in row["headings"] or () if not holds(heading, text))
    return Without(row, title or "", headings, without(row["text"] or "", text))


def without(passage: str, text: str) -> str:
    """The passage without the first occurrence of a text, whatever the spaces and line ends in it.

    >>> without("# Repair of\\n the gate\\n\\nWe looked at it.", "Repair of the gate")
    'We looked at it.'
    """
    pattern = r"#*\s*" + r"\s+".join(map(re.escape, text.split()))
    return re.sub(pattern, "", passage, count=1, flags=re.IGNORECASE).strip()


def holds(passage: str, text: str) -> bool:
    """Whether the words of a text stand in a passage, in order, whatever the case and the spaces."""
    return plain(text) in plain(passage)


def plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _unique(items: Iterable[Item]) -> list[Item]:
    """Those whose text stands above one thing only: "Introduction" asks for nothing in particular."""
    several = list(items)
    times = Counter(plain(item.text) for item in several)
    return [item for item in several if times[plain(item.text)] == 1]


def _with_left_out(items: Sequence[Item], rows: Sequence[Content]) -> list[Item]:
    texts = [(row["id"], plain(" ".join((row["text"] or "", *(row["headings"] or ()))))) for row in rows]
    found = []
    for item in items:
        own = {without.row["id"] for without in item.rows}
        wanted = plain(item.text)
        others = frozenset(id for id, text in texts if wanted in text and id not in own)
        found.append(Item(item.kind, item.text, item.rows, others))
    return found


def _has_spaces(word: str) -> bool:
    """Whether a word is of a script that puts spaces between words."""
    return not any(
        "\u0e00" <= letter <= "\u0eff" or "\u1780" <= letter <= "\u17ff" or "\u3040" <= letter <= "\u9fff"
        for letter in word
    )
