"""What of a page's text layer is taken: for its passages, and in place of reading its picture. Pure."""

from __future__ import annotations

from dataclasses import replace

from pipeline.types import Page, PageSignals, TextLine

GARBLED = ("garbled-unmapped", "suspect-text-layer", "scan+garbled-ocr-layer")  # routes whose text layer is no text


def trusted_lines(page: Page) -> tuple[TextLine, ...] | None:
    """The text layer's lines, if it can stand for what is seen on the page picture; None asks for OCR.

    A garbled layer never can. Where pictures cover half of the page or more, only a real OCR layer can.
    """
    lines = tuple(TextLine(text, box) for part in page.parts for text, box in part.lines)
    signals = page.signals
    if not isinstance(signals, PageSignals) or page.route.reason in GARBLED:
        return None
    layered = page.route.reason == "scan+ocr-layer"
    enough = sum(len(line.text) for line in lines) >= (60 if layered else 250)
    return lines if enough and (layered or signals.coverage < 0.5) else None


def for_passages(page: Page) -> Page:
    """The page without the text that its picture will tell; form values and notes stand in no picture's words."""
    if page.route.path != "page":
        return page
    return replace(page, parts=tuple(part for part in page.parts if part.kind in ("form", "note")))
