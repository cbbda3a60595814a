"""How near a page is to another route: the smallest change of one signal that would send it another way. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from pipeline.route import PAGE_THRESHOLDS, PICTURE_THRESHOLDS, route
from pipeline.types import PageSignals, PictureSignals, Route, Signals

NEAR = 0.25  # a signal further from a threshold than a quarter of it is not near
A_HAIR = 1e-6


@dataclass(frozen=True, slots=True)
class Doubt:
    """`signal` is `value` and would, on the other side of `threshold`, lead to the route `other`.

    `distance` is the way there as a share of the threshold: 0 is right beside it.
    """

    distance: float
    signal: str
    value: float
    threshold: float
    other: Route


@lru_cache(maxsize=100_000)
def doubt(signals: str) -> Doubt | None:
    """What makes the route of a page with these stored signals doubtful; None if nothing is near, or for what cannot be
    read.

    >>> doubt('{"chars": 900, "figure": 0.076}').other
    Route(path='both', reason='text+graphics')
    >>> doubt('{"chars": 2400}') is None
    True
    """
    read = read_signals(signals)
    try:
        return None if read is None else _nearest(read)
    except TypeError:  # a signal is no number
        return None


def read_signals(signals: str) -> Signals | None:
    """Stored signals as a value; None for what cannot be read. What was not measured then counts as its default."""
    try:
        values: dict[str, Any] = json.loads(signals)
        kind: type[PageSignals] | type[PictureSignals] = PictureSignals if "width_px" in values else PageSignals
        return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
    except (ValueError, TypeError):
        return None


def _nearest(signals: Signals) -> Doubt | None:
    now = route(signals)
    known: Mapping[str, tuple[float, ...]]
    known = PICTURE_THRESHOLDS if isinstance(signals, PictureSignals) else PAGE_THRESHOLDS
    best: Doubt | None = None
    for name, thresholds in known.items():
        value = getattr(signals, name)
        for threshold in thresholds:
            distance = abs(value - threshold) / threshold
            if distance <= (NEAR if best is None else best.distance):
                other = route(_with(signals, name, _across(value, threshold)))
                if other.path != now.path and (best is None or distance < best.distance):
                    best = Doubt(distance, name, value, threshold, other)
    return best


def _with(signals: Signals, name: str, value: float) -> Signals:
    changed: dict[str, Any] = {name: value}
    return replace(signals, **changed)


def _across(value: float, threshold: float) -> float:
    """The nearest value on the other side of a threshold; signals that count are whole numbers."""
    step = 1 if isinstance(threshold, int) else A_HAIR
    if isinstance(threshold, int):
        return threshold if value < threshold else threshold - step
    return threshold + step if value <= threshold else threshold - step
