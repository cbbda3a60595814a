"""What the network sees of a picture: its centre, the whole, and the whole in twice the size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.errors import Unreadable

INPUT_PX = 224
CENTRE = 0.875  # share of the short side in the centre crop

Pixels = npt.NDArray[np.uint8]  # (side, side, 3) RGB
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Views:
    """One picture in squares of 224, 224 and 448 pixels."""

    centre: Pixels
    whole: Pixels
    large: Pixels


def read_views(path: Path) -> Views:
    """The views of a picture file; transparent parts become white. Raises Unreadable, naming the file."""
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (4 * INPUT_PX, 4 * INPUT_PX))  # a large JPEG is decoded at a fraction of its size
            picture = on_white(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the picture cannot be decoded ({error})") from error
    return views_of(picture)


def views_of(picture: Image.Image) -> Views:
    width, height = picture.size
    side = min(width, height) * CENTRE
    left, top = (width - side) / 2, (height - side) / 2
    return Views(
        _pixels(picture, INPUT_PX, (left, top, left + side, top + side)),
        _pixels(picture, INPUT_PX, (0, 0, width, height)),
        _pixels(picture, 2 * INPUT_PX, (0, 0, width, height)),
    )


def on_white(picture: Image.Image) -> Image.Image:
    """The picture in RGB, white where it was transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")


def _pixels(picture: Image.Image, side: int, box: Box) -> Pixels:
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0))
