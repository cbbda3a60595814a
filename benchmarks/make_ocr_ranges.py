"""Makes `pipeline/embed/ocr_ranges.npz`: between what values the inputs of the recogniser's products lie.

They are measured on lines printed here: general English, sentences of other scripts, and characters that the recogniser
knows, drawn at random; large and small, dark on light and light on dark, coloured, blurred, noisy, and cut too wide.
A new recogniser in the wheel needs this again; until then it computes as other models do.

    python -m benchmarks.make_ocr_ranges
"""

from __future__ import annotations

import html
import random
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pymupdf

from benchmarks.make_page_basis import PASSAGES
from benchmarks.ocr_pages import SCRIPTS
from pipeline.embed.eight_bit import measured, save_ranges
from pipeline.embed.ocr_engine import RANGES, Pixels, characters_of, side_by_side
from pipeline.embed.ocr_models import digest, find_models
from pipeline.embed.openvino_core import core

SEED = 20
DRAWN = 400  # lines of characters at random
FONTS = ("serif", "sans-serif", "monospace")
STYLES = ("", "font-weight: bold", "font-style: italic")


def main() -> None:
    models = find_models()
    lines = list(_lines(characters_of(models)))
    ranges = measured(core().read_model(models.recognition), ((batch,) for _, batch in side_by_side(lines)))
    save_ranges(RANGES, digest(models.recognition), ranges)
    print(f"{RANGES.name}: {len(lines)} lines, {len(ranges)} products, {RANGES.stat().st_size:,} bytes")


def _lines(characters: Sequence[str]) -> Iterator[Pixels]:
    lot = random.Random(SEED)
    words = PASSAGES.split()
    texts = [" ".join(words[start : start + lot.randint(1, 14)]) for start in range(0, len(words), 7)]
    texts += list(SCRIPTS.values())
    texts += ["".join(lot.choices(characters, k=lot.randint(2, 40))) for _ in range(DRAWN)]
    yield from (_spoiled(_printed(text, lot), lot) for text in texts)


def _printed(text: str, lot: random.Random) -> Pixels:
    """(height, width, 3): black on white, cut to the ink with some room."""
    page = pymupdf.open().new_page(width=1600, height=60)
    style = f"* {{font-family: {lot.choice(FONTS)}; font-size: 14pt; {lot.choice(STYLES)}}}"
    page.insert_htmlbox((10, 10, 1590, 50), f"<p>{html.escape(text)}</p>", css=style)
    drawn = page.get_pixmap(dpi=lot.randint(50, 250))
    pixels = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)
    rows, columns = np.nonzero(pixels.min(axis=2) < 200)
    if not len(rows):
        return pixels
    room = max(1, round(lot.uniform(0.05, 0.4) * (rows.max() - rows.min() + 1)))
    top, left = max(0, rows.min() - room), max(0, columns.min() - room)
    return pixels[top : rows.max() + room, left : columns.max() + room]


def _spoiled(pixels: Pixels, lot: random.Random) -> Pixels:
    """Ink and paper of any colour, the paper mostly lighter; noise, blur, JPEG."""
    paper, ink = (np.array([lot.uniform(*ends) for _ in range(3)]) for ends in ((140, 255), (0, 110)))
    if lot.random() < 0.2:
        paper, ink = ink, paper
    share = pixels.astype(np.float32) / 255
    noise = np.random.default_rng(lot.randrange(2**32)).normal(0, lot.choice((0, 4, 12)), pixels.shape)
    coloured = np.clip(ink + (paper - ink) * share + noise, 0, 255).astype(np.uint8)
    if lot.random() < 0.3:
        coloured = cv2.GaussianBlur(coloured, (3, 3), 0)
    if lot.random() < 0.5:
        _, packed = cv2.imencode(".jpg", coloured, [cv2.IMWRITE_JPEG_QUALITY, lot.randint(30, 80)])
        coloured = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.asarray(coloured, np.uint8)


if __name__ == "__main__":
    main()
