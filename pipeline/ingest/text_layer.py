"""What of a page's text layer is taken: for its passages, and in place of reading its picture. Pure.

A layer that looks garbled is compared with what OCR reads on the picture. `route_reason` then says which was kept: the
router's reason with "+ocr" or "+layer" at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from pipeline.labelled import LABELLED
from pipeline.types import Page, PageSignals, Reading, Route, TextLine

GARBLED = ("garbled-unmapped", "suspect-text-layer", "scan+garbled-ocr-layer")  # routes whose text layer may be no text
CONFIDENT = 0.8  # mean confidence of OCR from which it is believed against the layer
ENOUGH = 0.4  # share of the layer's letters that OCR must find before it can stand for the layer
AGREES = 0.5  # share of OCR's words that stand in the layer, too, from which the layer says what is seen


def trusted_lines(page: Page) -> tuple[TextLine, ...] | None:
    """The text layer's lines, if it can stand for what is seen on the page picture; None asks for OCR.

    A garbled layer never can. Where pictures cover half of the page or more, only a real OCR layer can.
    """
    lines = layer_lines(page)
    signals = page.signals
    if not isinstance(signals, PageSignals) or page.route.reason in GARBLED:
        return None
    if page.route == Route("page", LABELLED):
        return None  # who says that a page should go by its picture alone does not trust its layer
    layered = page.route.reason == "scan+ocr-layer"
    enough = sum(len(line.text) for line in lines) >= (60 if layered else 250)
    return lines if enough and (layered or signals.coverage < 0.5) else None


def is_suspect(page: Page) -> bool:
    """True if the page has a text layer that looks garbled, and a picture to compare it with."""
    return page.image is not None and page.route.reason in GARBLED and bool(layer_lines(page))


def judged(page: Page, reading: Reading) -> tuple[Page, tuple[TextLine, ...]]:
    """A suspect page with the reason that says whose text was kept, and the lines of its picture.

    OCR's text wins over a layer that says something else than what is seen, and then there are no passages of the
    layer. The layer wins if OCR finds its words too, finds far fewer letters, or is itself not sure what it reads.
    """
    layer = layer_lines(page)
    if is_better(reading.lines, layer):
        return replace(page, route=Route("page", f"{page.route.reason}+ocr")), reading.lines
    return replace(page, route=replace(page.route, reason=f"{page.route.reason}+layer")), layer


def routers_reason(reason: str) -> str:
    """The reason without what the comparison added to it.

    >>> routers_reason("suspect-text-layer+ocr"), routers_reason("scan+ocr-layer")
    ('suspect-text-layer', 'scan+ocr-layer')
    """
    bare, _, kept = reason.rpartition("+")
    return bare if kept in ("ocr", "layer") and bare in GARBLED else reason


def is_better(read: tuple[TextLine, ...], layer: tuple[TextLine, ...]) -> bool:
    """True if what OCR read should stand for a garbled layer."""
    letters = sum(len(line.text) for line in read)
    if letters < ENOUGH * sum(len(line.text) for line in layer):
        return False
    if sum(len(line.text) * line.confidence for line in read) < CONFIDENT * letters:
        return False
    seen, said = _words(read), _words(layer)
    return not seen or len(seen & said) < AGREES * len(seen)


def layer_lines(page: Page) -> tuple[TextLine, ...]:
    return tuple(TextLine(text, box) for part in page.parts for text, box in part.lines)


def _is_drawing(page: Page) -> bool:
    """A page of lines and shapes, with a few words that nothing hides."""
    signals = page.signals
    return page.route.reason == "picture-page" and isinstance(signals, PageSignals) and signals.coverage == 0


def _words(lines: Iterable[TextLine]) -> set[str]:
    return {word for line in lines for word in re.findall(r"[^\W\d_]{3,}", line.text.casefold())}


def for_passages(page: Page) -> Page:
    """The page without the text that its picture will tell; form values and notes stand in no picture's words, nor may
    the few words of a drawing that is too large for its letters to be read."""
    if page.route.path != "page" or _is_drawing(page):
        return page
    return replace(page, parts=tuple(part for part in page.parts if part.kind in ("form", "note")))
