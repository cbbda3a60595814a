"""Pictures inside documents: measured, decoded and written again as PNG or JPEG, so that others may decode them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from pipeline.config import Limits
from pipeline.errors import LimitExceeded, to_failure
from pipeline.parse.svg import is_svg, rasterise
from pipeline.types import Failure, Picture

SMALLEST_PX = 48  # icons, bullets and tracking pixels are smaller
LONGEST_PX = 2048
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")


class PictureWriter:
    """Writes the pictures of one document below `work_dir`, as many as `limits.pictures` allows."""

    def __init__(self, work_dir: Path, limits: Limits) -> None:
        self._work_dir = work_dir
        self._limits = limits
        self._written = 0
        self._beyond = 0  # pictures beyond the number that is kept
        self._huge = 0  # pictures that were not decoded

    def write(self, data: bytes, caption: str = "", context: str = "") -> Picture | None:
        """The picture in `data`, its long side at most 2048 px, or None for an icon, a broken or a huge picture."""
        if self._written >= self._limits.pictures:
            self._beyond += 1
            return None
        try:
            written = _reencode(data, self._work_dir / f"picture-{self._written:05d}", self._limits.picture_mpx)
        except LimitExceeded:
            self._huge += 1
            return None
        if written is None:
            return None
        self._written += 1
        path, width, height = written
        return worded(Picture(path, width, height), caption, context)

    def left_out(self) -> Iterator[Failure]:
        """What the limits kept out of the document, once all its pictures were offered."""
        most, mpx = self._limits.pictures, self._limits.picture_mpx
        if self._beyond:
            problem = f"{self._beyond} pictures after the first {most} were left out (limits.pictures)"
            yield to_failure(LimitExceeded(problem), "parse")
        if self._huge:
            problem = f"{self._huge} pictures of more than {mpx:g} megapixels were left out (limits.picture_mpx)"
            yield to_failure(LimitExceeded(problem), "parse")


def worded(picture: Picture, caption: str, context: str) -> Picture:
    """The picture with its words, each on one line."""
    return replace(picture, caption=_line(caption), context=_line(context)[:1000])


def _reencode(data: bytes, stem: Path, most_mpx: float) -> tuple[Path, int, int] | None:
    if is_svg(data):
        drawn = rasterise(data)
        if drawn is None:
            return None
        data = drawn
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if min(width, height) < SMALLEST_PX:
                    return None
                if width * height > most_mpx * 1e6:
                    raise LimitExceeded(f"{width} x {height} pixels")
                return _save(image, stem)
    except (OSError, ValueError, SyntaxError, TypeError, EOFError, IndexError, OverflowError, ArithmeticError):
        return None  # Pillow's answers to broken files; a picture that cannot be decoded is left out
    except Image.DecompressionBombError as error:
        raise LimitExceeded(str(error)) from error


def _save(image: Image.Image, stem: Path) -> tuple[Path, int, int]:
    photo = image.format == "JPEG"
    if photo:
        image.draft("RGB", (LONGEST_PX, LONGEST_PX))
    image.thumbnail((LONGEST_PX, LONGEST_PX))
    upright = ImageOps.exif_transpose(image) if photo else image
    plain = upright.convert("RGB") if photo else _on_white(upright)
    path = stem.with_suffix(".jpg" if photo else ".png")
    plain.save(path, quality=90) if photo else plain.save(path)
    return path, plain.width, plain.height


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = image.convert("L")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    ground.alpha_composite(layer)
    return ground.convert("RGB")


def _line(text: str) -> str:
    return " ".join(text.split())
