"""Labels of routes: which path a page can be said to take, and the routes that labels ask for. Pure."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from pipeline.doubt import read_signals
from pipeline.errors import UsageError
from pipeline.store import RoutedPage, RouteLabel
from pipeline.types import PictureSignals, Route

LABELLED = "labelled"  # the reason of a route that a person asked for
Labelled = Mapping[tuple[str, str], Mapping[int, Route]]  # (doc_id, content hash) -> page -> route


def paths_of(signals: str) -> tuple[str, ...]:
    """The paths that a page with these stored signals can take.

    >>> paths_of('{"chars": 900}'), paths_of('{"width_px": 90}')
    (('text', 'page', 'both'), ('image', 'page', 'both'))
    """
    return ("image" if isinstance(read_signals(signals), PictureSignals) else "text", "page", "both")


def label_of(page: RoutedPage, path: str, now: dt.datetime) -> RouteLabel:
    """That the page should have taken this path. Raises `UsageError` for one that it cannot take."""
    if page.page is None:
        raise UsageError("only pages with a number can be labelled")
    if path not in paths_of(page.signals):
        raise UsageError(f"{path[:40]!r}: this page can take {', '.join(paths_of(page.signals))}")
    return RouteLabel(
        doc_id=page.doc_id,
        source_uri=page.source_uri,
        content_sha256=page.content_sha256,
        page=page.page,
        path=path,
        was=page.route.path,
        reason=page.route.reason,
        signals=page.signals,
        labelled_at=now,
    )


def routes_of(labels: Iterable[RouteLabel]) -> Labelled:
    """What the labels ask for."""
    found: dict[tuple[str, str], dict[int, Route]] = {}
    for label in labels:
        route = Route(label.path, LABELLED)  # type: ignore[arg-type]  # checked when the label was made
        found.setdefault((label.doc_id, label.content_sha256), {})[label.page] = route
    return found


def label_value(label: RouteLabel) -> dict[str, Any]:
    """A label as programs get it, its signals as an object: {} where they cannot be read."""
    values = {field.name: getattr(label, field.name) for field in fields(label)}
    try:
        signals = json.loads(label.signals)
    except ValueError:
        signals = {}
    return values | {"signals": signals}
