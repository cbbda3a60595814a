"""What a search is narrowed to: sources, pages, dates, routes, the user's metadata. Values in, a condition out.

Every value is written as an escaped literal, and the whole goes through the reader of `--where` as well
(`pipeline.store.where`), which knows the columns and lets no other SQL through.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import UsageError
from pipeline.sources.local import uri_of
from pipeline.store import alone, sql_literal

ROUTES = ("text", "image", "page", "both")
MOMENT = "a date is such as 2026-01-31 or 2026-01-31T12:00"
When = dt.datetime | dt.date | str
Source = str | Path


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows that meet all that is given; an empty one lets everything through.

    `source` is one source or several: a file, a folder or a URI, each with what is below or inside it, or a pattern
    with `*` over URIs. `page` is a number or a range ("3", "3-7"). `since` and `until` are about the time a source was
    last changed, or was ingested where no change is known; `until` itself is left out. `metadata` holds keys and their
    values. `where` is a condition in SQL. Raises `UsageError` for a value that makes no sense.
    """

    source: Source | Sequence[Source] = ()
    page: int | str | None = None
    since: When | None = None
    until: When | None = None
    route: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None

    def __post_init__(self) -> None:
        if self.route is not None and self.route not in ROUTES:
            raise UsageError(f"no route is called {self.route!r}; the routes are {', '.join(ROUTES)}")
        self.sql()

    def sql(self) -> str | None:
        """The condition, in the language of `--where`; None if everything is let through.

        >>> Filter(page="3-7", route="text").sql()
        "(page >= 3 AND page <= 7) AND (route = 'text')"
        """
        sources = (self.source,) if isinstance(self.source, str | Path) else tuple(self.source)
        parts = [
            " OR ".join(map(_of_source, sources)),
            "" if self.page is None else _of_page(self.page),
            "" if self.since is None else _of_time(">=", moment(self.since)),
            "" if self.until is None else _of_time("<", moment(self.until)),
            "" if self.route is None else f"route = {sql_literal(self.route)}",
            *(f"{_key(key)} = {sql_literal(str(value))}" for key, value in self.metadata.items()),
        ]
        given = [f"({part})" for part in parts if part]
        given += [alone(self.where)] if self.where and self.where.strip() else []
        return " AND ".join(given) or None


def moment(value: When) -> dt.datetime:
    """A time in UTC; without a zone it is taken for UTC. Raises `UsageError`.

    >>> moment("2026-01-31")
    datetime.datetime(2026, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise UsageError(f"{text[:60]!r} is no date; {MOMENT}") from error
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def _of_source(source: Source) -> str:
    text = str(source)
    if not text.strip():
        raise UsageError("a source is empty; name a file, a folder, a URI or a pattern with *")
    if "*" in text:
        try:
            encoded = quote(text, safe="*/:?&=#~+,;@!$'()[]%")
        except UnicodeError as error:
            raise UsageError(f"source {text[:200]!r}: not a pattern ({error})") from error
        pattern = re.sub(r"([\\%_])", r"\\\1", encoded).replace("*", "%")
        return f"source_uri LIKE {sql_literal(pattern)}"
    uri = (text if "://" in text else _uri_of_path(text)).rstrip("/")
    inside = (f"starts_with(source_uri, {sql_literal(uri + sign)})" for sign in ("/", "!/"))
    return " OR ".join((f"source_uri = {sql_literal(uri)}", *inside))


def _uri_of_path(text: str) -> str:
    """As an ingest names the file, whose folder is resolved and whose own name is kept, even if it is a link."""
    try:
        path = Path.cwd() / Path(text).expanduser()
        return uri_of(path.parent.resolve() / path.name if path.name != ".." else path.resolve())
    except (ValueError, OSError, RuntimeError) as error:
        raise UsageError(f"source {text[:200]!r}: not a path ({error})") from error


def _of_page(page: int | str) -> str:
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", str(page))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last:
        raise UsageError(f"{str(page)[:60]!r} is no page; a page counts from 1, a range is such as 3-7")
    return f"page >= {first} AND page <= {last}"


def _of_time(sign: str, when: dt.datetime) -> str:
    literal = f"timestamp '{when:%Y-%m-%dT%H:%M:%S.%fZ}'"
    return f"source_modified_at {sign} {literal} OR (source_modified_at IS NULL AND ingested_at {sign} {literal})"


def _key(key: str) -> str:
    if not key.strip() or not isinstance(key, str):
        raise UsageError("a metadata key is empty; metadata is given as KEY=VALUE")
    return 'metadata."' + key.replace('"', '""') + '"'
