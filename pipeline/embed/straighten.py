"""How a page was laid on the scanner, by quarters and by some degrees askew, from the lines found on it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LONG = 3.0  # length over height from which a piece of text shows its direction
UNSURE_DEG = 4.0  # lines that differ by more than this have no common direction

Floats = npt.NDArray[np.floating[Any]]  # (n, 4 corners, 2) or (n, 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """What makes a picture of (`height`, `width`) pixels straight: quarters to the left, then `skew` degrees."""

    height: int
    width: int
    quarters: int = 0
    skew: float = 0.0

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """(2, 3): from the picture as it is to the straight one, which has room for all of it."""
        size = np.array([self.height, self.width] if self.quarters % 2 else [self.width, self.height], np.float64)
        angle = np.radians(90 * self.quarters + self.skew)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        middle = np.array([self.width, self.height]) / 2
        return np.column_stack([turn, self._room(size) / 2 - turn @ middle])

    def picture(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The straight picture; the corners that are laid bare have the colour of most of the border."""
        import cv2

        if not self.skew:
            return np.ascontiguousarray(np.rot90(pixels, self.quarters))
        size = [self.height, self.width] if self.quarters % 2 else [self.width, self.height]
        width, height = (int(side) for side in self._room(np.array(size, np.float64)))
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        paper = [float(value) for value in np.median(border, axis=0)]
        matrix = self.matrix
        matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from the middle of the first pixel
        turned = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=paper)
        return np.asarray(turned, np.uint8)

    def ahead(self, corners: Floats) -> Floats:
        """Where places of the picture as it is are on the straight one."""
        return np.asarray(corners @ self.matrix[:, :2].T + self.matrix[:, 2])

    def back(self, corners: Floats) -> Floats:
        """Where places of the straight picture are on the picture as it is."""
        return np.asarray((corners - self.matrix[:, 2]) @ self.matrix[:, :2])

    def _room(self, size: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        angle = abs(np.radians(self.skew))
        return np.asarray(np.ceil(size * np.cos(angle) + size[::-1] * np.sin(angle) - 1e-6))


def turn_of(quads: Floats, height: int, width: int) -> Turn:
    """The turn after which lines with these corners (clockwise) run from left to right, or upside down.

    The median over the lines, by their length; none if they have no common direction.
    """
    edges = np.stack([quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0]], axis=1)
    lengths = np.linalg.norm(edges, axis=2)
    long = lengths.max(axis=1) >= LONG * np.maximum(lengths.min(axis=1), 1)
    if not long.any():
        return Turn(height, width)
    edges, lengths = edges[long], lengths[long]
    x, y = edges[np.arange(len(edges)), lengths.argmax(axis=1)].T
    angles, weights = np.degrees(np.arctan2(y, x)), lengths.max(axis=1)
    skews = (angles + 45) % 90 - 45
    skew = _median(skews, weights)
    if _median(np.abs(skews - skew), weights) > UNSURE_DEG:
        return Turn(height, width)
    sideways = np.abs((angles - skew) % 180 - 90) < 45
    return Turn(height, width, int(weights[sideways].sum() > weights.sum() / 2), float(skew))


def _median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulated, cumulated[-1] / 2)])
