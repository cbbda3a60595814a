"""Pages that are no pages: every one as a picture file and as a page of a PDF. Made, never stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFont

A4 = (1240, 1754)
WORDS = "the keeper opens the sluice at noon and closes it when the tide turns"


def bad_pages(folder: Path) -> None:
    """Write all of them below `folder`."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "pdf").mkdir()
    for name, picture in pictures():
        form = "tif" if picture.mode == "1" else "jpg" if picture.mode == "CMYK" else "png"
        path = folder / "pictures" / f"{name}.{form}"
        picture.save(path)
        as_pdf(path, folder / "pdf" / f"{name}.pdf")


def pictures() -> Iterator[tuple[str, Image.Image]]:
    lot = np.random.default_rng(5)
    yield "blank", Image.new("RGB", A4, "white")
    yield "black", Image.new("RGB", A4, "black")
    yield "pixel", Image.new("RGB", (1, 1), "white")
    yield "row", Image.new("L", (20_000, 1), 90)
    yield "noise", Image.fromarray(lot.integers(0, 256, (A4[1], A4[0], 3), np.uint8))
    yield "specks", Image.fromarray((lot.random((A4[1], A4[0])) > 0.12).astype(np.uint8) * 255)
    yield (
        "blobs",
        Image.fromarray((lot.random((170, 120)) > 0.5).astype(np.uint8) * 255).resize(A4, Image.Resampling.NEAREST),
    )
    yield "wide", written((20_000, 300), 60, 2)
    yield "tall", written((300, 20_000), 30, 100)
    yield "tiny", written(A4, 9, 60)
    yield "crowded", written((3000, 4200), 14, 60)
    page = written(A4, 30, 40)
    yield "plain", page
    clear = Image.new("RGBA", A4, (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), mask=page.convert("L").point(lambda value: 255 - value))
    yield "transparent", clear
    yield "palette", page.convert("P")
    yield "cmyk", page.convert("CMYK")
    yield "deep", Image.fromarray(np.asarray(page.convert("L")).astype(np.uint16) * 257)
    yield "bilevel", page.convert("1")


def written(size: tuple[int, int], height: int, lines: int) -> Image.Image:
    """As many lines of words as fit, letters `height` pixels high."""
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(height)
    words = " ".join([WORDS] * 12)
    step = max(int(1.3 * height), size[1] // lines)
    for number in range(min(lines, (size[1] - height) // step)):
        draw.text((20, 10 + number * step), f"{number} {words}", "black", font)
    return picture


def as_pdf(picture: Path, target: Path) -> None:
    """One page, at 150 dpi and no larger than a PDF may be."""
    with Image.open(picture) as opened:
        width, height = (min(14_000.0, max(3.0, side * 0.48)) for side in opened.size)
    with pymupdf.open() as document:
        document.new_page(width=width, height=height).insert_image((0, 0, width, height), filename=str(picture))
        document.save(target)
