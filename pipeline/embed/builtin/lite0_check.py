"""Whether an engine sees what torch sees: two drawings, and the probabilities that torch gave them.

They lie in a file, so that torch is not imported to check another engine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.lite0 import Probabilities
from pipeline.embed.builtin.views import INPUT_PX, Pixels, Views

SEEN = Path(__file__).parent / "lite0_seen.npz"

Classify = Callable[[Views], Probabilities]


def drawings() -> list[Views]:
    """A flower on a meadow, more or less, and a ball before stripes: what moves many classes, from arithmetic alone."""
    return [Views(*(draw(side) for side in (INPUT_PX, INPUT_PX, 2 * INPUT_PX))) for draw in (_flower, _ball)]


def expected() -> npt.NDArray[np.float32]:
    """(2, 1000): what torch saw on the drawings."""
    with np.load(SEEN) as file:
        return np.asarray(file["probabilities"], np.float32)


def seen(classify: Classify) -> npt.NDArray[np.float32]:
    """(2, 1000): what an engine sees on them."""
    return np.stack([classify(views) for views in drawings()])


def _flower(side: int) -> Pixels:
    y, x, distance, angle = _places(side)
    petals = distance < 0.25 + 0.1 * np.cos(8 * angle)
    meadow = np.stack([60 + 40 * np.sin(40 * x), 130 + 50 * np.cos(31 * y + 9 * x), 40 + 0 * x])
    coloured = np.where(petals, np.stack([250 - 300 * distance, 200 - 200 * distance, 30 + 0 * x]), meadow)
    return _pixels(np.where(distance < 0.1, np.stack([90 + 40 * np.sin(60 * x), 50 + 0 * x, 20 + 0 * x]), coloured))


def _ball(side: int) -> Pixels:
    y, x, distance, _ = _places(side)
    stripes = np.where(np.sin(25 * (x + 0.3 * y)) > 0, 220.0, 80.0)
    light = 255 * np.clip(1.1 - 2.5 * np.hypot(x - 0.4, y - 0.4), 0, 1)
    return _pixels(np.where(distance < 0.3, np.stack([light, 0.3 * light, 0.2 * light]), np.stack([stripes] * 3)))


def _places(side: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Of each pixel: y and x from 0 to 1, the distance from the middle, the angle."""
    y, x = np.indices((side, side)) / side
    return y, x, np.hypot(y - 0.5, x - 0.5), np.arctan2(y - 0.5, x - 0.5)


def _pixels(colours: npt.NDArray[np.float64]) -> Pixels:
    return np.ascontiguousarray(np.clip(colours, 0, 255).astype(np.uint8).transpose(1, 2, 0))
