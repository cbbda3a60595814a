"""Templates and what they need: everything is escaped, and what is marked up is made of escaped pieces here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from pipeline import __version__
from pipeline.wording import marks, one_line, short_name, size_text, without_controls

LONGEST = 20_000  # characters of one text that a page shows
TABLE_ROWS = 300
KIND_NAMES = {"text": "passage", "image": "picture", "page": "page"}
KINDS_NAMES = {"text": "passages", "image": "pictures", "page": "pages"}
STATES = {"indexed": "indexed", "skipped": "left out", "quarantined": "in quarantine", "deleted": "deleted"}
TYPES = {
    "application/pdf": "PDF",
    "text/html": "web page",
    "text/markdown": "Markdown",
    "text/plain": "text",
    "text/csv": "CSV",
    "message/rfc822": "mail",
    "application/vnd.ms-outlook": "mail",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "slides",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.oasis.opendocument.text": "OpenDocument",
    "application/epub+zip": "EPUB",
    "application/rtf": "RTF",
}
RULE = re.compile(r"^\|(\s*:?-+:?\s*\|)+\s*$")
CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table as cells; `more` rows are not in it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int


@dataclass(frozen=True, slots=True)
class Pager:
    """Where one is in a long list; `first` counts from 0."""

    first: int
    size: int
    total: int

    @property
    def last(self) -> int:
        return min(self.first + self.size, self.total)

    @property
    def before(self) -> int | None:
        return max(0, self.first - self.size) if self.first > 0 else None

    @property
    def after(self) -> int | None:
        return self.first + self.size if self.first + self.size < self.total else None


def marked(text: str, words: Sequence[str]) -> Markup:
    """The text, escaped, with the words in <mark>.

    >>> marked("a <b> wheel", ["wheel"])
    Markup('a &lt;b&gt; <mark>wheel</mark>')
    """
    text = without_controls(text)
    if not words:
        return escape(text)
    pieces, at = Markup(), 0
    for found in marks(words).finditer(text):
        end = found.end()
        pieces += escape(text[at : found.start()]) + Markup("<mark>{}</mark>").format(text[found.start() : end])
        at = end
    return pieces + escape(text[at:])


def table_of(text: str) -> Table | None:
    r"""The cells of a Markdown table as parsers write it, or None for other text.

    >>> table_of("| a | b |\n| --- | --- |\n| 1 | x\\|y |").rows
    (('1', 'x|y'),)
    """
    lines = text.strip().split("\n")
    start = next((number for number, line in enumerate(lines[1:4], 1) if RULE.match(line)), None)
    if start is None or not all(line.startswith("|") for line in lines[start - 1 :]):
        return None
    rows = tuple(_cells(line) for line in lines[start + 1 : start + 1 + TABLE_ROWS])
    return Table(_cells(lines[start - 1]), rows, max(0, len(lines) - start - 1 - len(rows)))


def before_table(text: str) -> str:
    """What stands above the table in the same text, such as its caption."""
    lines = text.strip().split("\n")
    start = next((number for number, line in enumerate(lines[1:4], 1) if RULE.match(line)), 1)
    return "\n".join(lines[: start - 1])


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("\\|", "|") for cell in CELL.split(line.strip())[1:-1])


def shown(text: str | None) -> str:
    """A text without control characters, cut where it is absurdly long."""
    text = without_controls(text or "")
    return text if len(text) <= LONGEST else text[:LONGEST] + " […]"


def file_name(uri: str) -> str:
    """The last part of a source's name."""
    name = one_line(unquote(uri.rstrip("/").rsplit("/", 1)[-1]))
    return name or one_line(uri)


def folder_name(uri: str) -> str:
    """Where the source lies, without its own name."""
    name = short_name(uri)
    return name.rpartition("/")[0]


def type_name(media_type: str) -> str:
    """A media type for people.

    >>> type_name("image/png"), type_name("application/pdf")
    ('PNG picture', 'PDF')
    """
    if media_type.startswith("image/"):
        return f"{media_type.removeprefix('image/').upper()[:8]} picture"
    return TYPES.get(media_type, one_line(media_type)[:60] or "unknown type")


def when(moment: dt.datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def number(value: float) -> str:
    """A signal's value, short.

    >>> number(0.07400), number(1872), number(True)
    ('0.074', '1,872', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def numbered(things: Mapping[str, int], names: Mapping[str, str]) -> str:
    """Counts as a phrase: "2 passages, 1 page"; nothing counts as "nothing"."""
    parts = [f"{count:,} {names.get(name, name).removesuffix('s' * (count == 1))}" for name, count in things.items()]
    return ", ".join(part for part, count in zip(parts, things.values(), strict=True) if count) or "nothing"


def query_string(parameters: Mapping[str, Any], **changes: Any) -> str:
    """The parameters with changes, without empty ones, as a query string with its question mark."""
    values = {name: value for name, value in {**parameters, **changes}.items() if value not in (None, "", False)}
    return "?" + urlencode(values) if values else ""


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("browse"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "marked": marked,
        "shown": shown,
        "one_line": one_line,
        "short_name": short_name,
        "file_name": file_name,
        "folder_name": folder_name,
        "type_name": type_name,
        "size": size_text,
        "when": when,
        "number": number,
        "table_of": table_of,
        "before_table": before_table,
    }
    made.globals |= {
        "version": __version__,
        "kind_names": KIND_NAMES,
        "kinds_names": KINDS_NAMES,
        "states": STATES,
        "query_string": query_string,
        "numbered": numbered,
    }
    return made


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page, or a part of one, from its template."""
    visitor = getattr(request.state, "visitor", "")
    keys = request.app.state.keys
    common = {
        "path": request.url.path,
        "form_key": keys.form_key(visitor) if visitor else "",
        "has_token": bool(keys.browse.token),
    }
    return HTMLResponse(environment().get_template(template).render(common | values), status)
