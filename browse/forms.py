"""What a visitor asked for, read from the address and checked; every mistake is one line."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, quote

from starlette.datastructures import QueryParams
from starlette.requests import Request

from pipeline.errors import UsageError
from pipeline.filters import ROUTES, Filter
from pipeline.scope import KINDS, Scope
from pipeline.store import sql_literal
from pipeline.types import Modality

HITS, MOST_HITS = 20, 200
MOST_QUERY = 2_000  # characters
FORM_BYTES = 100_000


class Forged(UsageError):
    """A form that writes came without the key that our own pages give it."""


class TooLarge(UsageError):
    """More was sent than is taken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as its form says it. Dates are days of a document's last change, of UTC, the last one included."""

    q: str = ""
    kind: str = ""
    source: str = ""
    route: str = ""
    since: str = ""
    until: str = ""
    k: int = HITS
    like: str = ""  # id of a row

    @classmethod
    def read(cls, given: QueryParams) -> Asked:
        """Raises `UsageError` for what no form sends."""
        kind, route = given.get("kind", ""), given.get("route", "")
        if kind and kind not in KINDS:
            raise UsageError(f"kind: {kind[:40]!r} is none of {', '.join(KINDS)}")
        if route and route not in ROUTES:
            raise UsageError(f"route: {route[:40]!r} is none of {', '.join(ROUTES)}")
        k = whole(given, "k", HITS, least=1, most=MOST_HITS)
        since, until = (_day(given, name) for name in ("since", "until"))
        source = given.get("source", "").strip()
        return cls(
            given.get("q", "")[:MOST_QUERY], kind, source[:500], route, since, until, k, given.get("like", "")[:200]
        )

    @property
    def parameters(self) -> dict[str, object]:
        """As they stand in an address; the usual number of hits is left out."""
        names = ("q", "kind", "source", "route", "since", "until", "like")
        return {name: getattr(self, name) for name in names} | {"k": self.k if self.k != HITS else ""}

    @property
    def filters(self) -> int:
        """How many filters are set beside the kind."""
        return sum(bool(value) for value in (self.source, self.route, self.since, self.until))

    def scope(self) -> Scope:
        kind = cast(Modality, self.kind) if self.kind else None
        return Scope(self.k, kind, filter=self._filter())

    def _filter(self) -> Filter:
        """A part of a name is looked for whatever its case; a pattern with * is one over whole URIs."""
        until = dt.date.fromisoformat(self.until) + dt.timedelta(days=1) if self.until else None
        pattern = self.source if "*" in self.source else ""
        written = {self.source.lower(), quote(self.source, safe="/:!~?&=#+,;@").lower()}
        parts = (f"contains(lower(source_uri), {sql_literal(part)})" for part in sorted(written))
        where = " OR ".join(parts) if self.source and not pattern else None
        return Filter(pattern or (), since=self.since or None, until=until, route=self.route or None, where=where)


def whole(given: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
    """A whole number from an address. Raises `UsageError` for anything else."""
    value = given.get(name, "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or len(value) > 9 or not least <= int(value) <= most:
        raise UsageError(f"{name}: {value[:40]!r} is not a number from {least} to {most:,}")
    return int(value)


async def read_body(request: Request, most: int) -> bytes:
    """The body, up to `most` bytes. Raises `TooLarge`."""
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > most:
            raise TooLarge(f"more than {most:,} bytes were sent")
    return bytes(found)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent. Raises `TooLarge`, and `UsageError` for what no form sends."""
    try:
        return dict(parse_qsl((await read_body(request, FORM_BYTES)).decode(), max_num_fields=50))
    except ValueError as error:
        raise UsageError("the form cannot be read") from error


async def read_own_form(request: Request) -> dict[str, str]:
    """The fields of a form that writes. Raises `Forged` if it did not come from a page of ours."""
    fields = await read_form(request)
    if not request.app.state.keys.is_form_key(request.state.visitor, fields.get("key", "")):
        raise Forged("the form is not of this visit; load the page again, and send it once more")
    return fields


def way_back(fields: Mapping[str, str], default: str) -> str:
    """Where the form says to go on: a path of this site, never another site."""
    back = fields.get("back", "")
    return back if re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}", back) else default


def _day(given: QueryParams, name: str) -> str:
    value = given.get(name, "").strip()
    if value:
        try:
            dt.date.fromisoformat(value)
        except ValueError as error:
            raise UsageError(f"{name}: {value[:40]!r} is not a day, such as 2026-03-31") from error
    return value
