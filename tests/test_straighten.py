"""How a page was laid on the scanner, told from corners of lines."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.embed.straighten import Turn, turn_of


def lines(height: int, width: int, count: int = 20) -> np.ndarray:
    """Corners of lines on an upright page: (count, 4, 2), clockwise from the top left."""
    tops = np.linspace(60, height - 90, count)
    return np.array([[[70, y], [width - 70, y], [width - 70, y + 18], [70, y + 18]] for y in tops])


@pytest.mark.parametrize("quarters", [0, 1])
@pytest.mark.parametrize("skew", [-14.0, -3.0, -0.4, 0.0, 2.0, 9.0, 15.0])
def test_the_turn_is_told_from_the_lines(quarters: int, skew: float) -> None:
    """Lines laid down turned are told to be so, and the turn that is found makes them straight."""
    laid = Turn(1100, 800, quarters, skew)
    corners = laid.back(lines(800 if quarters else 1100, 1100 if quarters else 800))
    found = turn_of(corners, 1100, 800)
    straight = found.ahead(corners)

    assert (found.quarters, found.skew) == (quarters, pytest.approx(skew, abs=1e-6))
    assert np.ptp(straight[:, :2, 1], axis=1).max() < 1e-6
    assert np.allclose(found.back(straight), corners)


@pytest.mark.parametrize(("quarters", "skew"), [(0, 0), (1, 0), (2, 0), (3, 0), (0, 7), (1, -12), (2, 3)])
def test_places_follow_the_picture(quarters: int, skew: float) -> None:
    """A dark spot of the picture is where the turn says that it is on the straight one, and comes back from there."""
    pixels = np.full((300, 200, 3), 250, np.uint8)
    pixels[40:46, 150:156] = 0
    turn = Turn(300, 200, quarters, skew)
    turned = turn.picture(pixels)
    y, x = np.argwhere(turned[:, :, 0] < 100).mean(axis=0) + 0.5

    assert turn.ahead(np.array([[153.0, 43.0]]))[0].tolist() == pytest.approx([x, y], abs=1)
    assert turn.back(np.array([[x, y]]))[0].tolist() == pytest.approx([153, 43], abs=1)
    assert turned[0, 0].tolist() == [250, 250, 250]


def test_lines_without_a_common_direction_turn_nothing() -> None:
    """Scattered pieces, and none at all, leave a page as it is."""
    rng = np.random.default_rng(3)
    scattered = np.concatenate(
        [Turn(900, 900, 0, angle).back(lines(900, 900, 1)) for angle in rng.uniform(-44, 44, 30)]
    )

    assert turn_of(np.zeros((0, 4, 2)), 900, 900) == Turn(900, 900)
    assert turn_of(scattered, 900, 900) == Turn(900, 900)
