"""Which pages are near another route."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace

import pytest

from pipeline.doubt import doubt
from pipeline.route import PAGE_THRESHOLDS, PICTURE_THRESHOLDS, route
from pipeline.types import PageSignals, PictureSignals, Signals

SHARES = (0.0, 0.01, 0.05, 0.09, 0.11, 0.15, 0.22, 0.3, 0.38, 0.45, 0.55, 0.62, 0.7, 0.85, 1.0)
COUNTS = (0, 1, 2, 49, 50, 59, 60, 249, 250, 399, 400, 2000)


def drawn(choose: random.Random) -> Signals:
    """Signals of a page or of a picture, by chance."""
    share, count = lambda: choose.choice(SHARES), lambda: choose.choice(COUNTS)
    if choose.random() < 0.3:
        return PictureSignals(choose.choice((20, 31, 32, 90)), 400, share(), share(), share(), share())
    return PageSignals(count(), share(), share(), share(), share(), count(), share(), share())


def test_between_two_ways_there_is_a_known_threshold() -> None:
    """Two pages that differ in one signal and take different paths have one of its thresholds between them."""
    choose, crossed = random.Random(7), 0
    for _ in range(20_000):
        one, other = drawn(choose), drawn(choose)
        if type(one) is not type(other):
            continue
        known = PICTURE_THRESHOLDS if isinstance(one, PictureSignals) else PAGE_THRESHOLDS
        name = choose.choice(list(known))
        value = getattr(other, name)
        if route(one).path != route(replace(one, **{name: value})).path:
            low, high = sorted((getattr(one, name), value))
            crossed += 1

            assert any(low <= threshold <= high for threshold in known[name]), (one, name, value)
    assert crossed > 500


@pytest.mark.parametrize(
    ("signals", "name", "other"),
    [
        (PageSignals(chars=900, figure=0.076), "figure", "both"),
        (PageSignals(chars=900, figure=0.084), "figure", "text"),
        (PageSignals(chars=62, coverage=0.9), "chars", "page"),
        (PageSignals(chars=900, drawings=390), "drawings", "both"),
        (PictureSignals(600, 800, paper=0.9, lines=0.34), "lines", "page"),
    ],
)
def test_the_nearest_threshold_is_named(signals: Signals, name: str, other: str) -> None:
    """The doubt names the signal, and the path that the page would take on the other side."""
    found = doubt(json.dumps(asdict(signals)))

    assert found is not None
    assert (found.signal, found.other.path) == (name, other)
    assert found.distance < 0.1


@pytest.mark.parametrize(
    "signals", ["", "[]", "{", '{"chars": "x"}', json.dumps(asdict(PageSignals(chars=5000, figure=0.05)))]
)
def test_what_is_clear_or_unreadable_is_not_doubtful(signals: str) -> None:
    """No threshold is near, or nothing can be said."""
    assert doubt(signals) is None
