"""Pages of a run as small pictures with the reason of their route, for the eye of an operator."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from PIL import Image
from prefect.artifacts import create_markdown_artifact

from flows.reports import cell
from pipeline.errors import DocmillError
from pipeline.store import Store, sql_literal

SHOWN = 6
LOOKED_AT = 300  # pages of the run that the sample is taken from
SIDE_PX = 240
QUALITY = 60  # about 10 kB a picture
COLUMNS = ("source_uri", "page", "route", "route_reason", "asset_id")


def publish_routes(store: Store, run_id: str) -> None:
    """Some pages that this run sent to late interaction, each reason at least once while there is room; none if there
    are no such pages."""
    condition = f"run_id = {sql_literal(run_id)} AND modality = 'page' AND asset_id IS NOT NULL"
    chosen = sample(store.some(condition, COLUMNS, LOOKED_AT))
    entries = [entry for row in chosen if (entry := _entry(store, row))]
    if entries:
        text = "## Pages that went to late interaction, and why\n\n" + "\n\n".join(entries)
        create_markdown_artifact(text, key="routed-pages", description=f"A sample of {len(entries)} pages")


def sample(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most six rows: first one of each reason, then others, in order of source and page."""
    ordered = sorted(rows, key=lambda row: (row["source_uri"], row["page"] or 0))
    firsts: dict[str, Mapping[str, Any]] = {}
    for row in ordered:
        firsts.setdefault(row["route_reason"] or "", row)
    others = [row for row in ordered if firsts[row["route_reason"] or ""] is not row]
    return [*firsts.values(), *others][:SHOWN]


def _entry(store: Store, row: Mapping[str, Any]) -> str | None:
    with suppress(DocmillError, OSError, ValueError):  # a picture that cannot be shown is not worth a failed run
        name = PurePosixPath(unquote(row["source_uri"])).name
        where = f", p. {row['page']}" if row["page"] is not None else ""
        picture = small(store.asset(row["asset_id"]))
        return f"**{cell(name)}{where}**: {row['route']}, {cell(row['route_reason'] or '')}\n\n![page]({picture})"
    return None


def small(content: bytes) -> str:
    """A picture of the store, at most 240 pixels long, as a data URI."""
    target = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.thumbnail((SIDE_PX, SIDE_PX))
        picture.convert("RGB").save(target, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(target.getvalue()).decode()
