"""A page of our own in an installed Chromium, without a network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.config import Web
from pipeline.sources.web.browser import chromium


@contextmanager
def opened(file: Path, *, width: int, height: int = 800, scheme: str = "light") -> Iterator[Any]:
    """The file as a tab of this size and colour scheme."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(Web()), args=["--no-sandbox"])
        size = {"width": width, "height": height}
        tab = browser.new_page(viewport=size, color_scheme=scheme, offline=True)
        tab.goto(file.as_uri())
        yield tab
        browser.close()


def contrast(ink: str, back: str) -> float:
    """The contrast of two colours as WCAG 2 counts it, 1 to 21.

    >>> round(contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)"))
    21
    """
    dark, light = sorted(_luminance(colour) for colour in (ink, back))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(share * weight for share, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))
