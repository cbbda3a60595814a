"""Pictures of a web page that need no network: `data:` URIs and files inside the page's own folder."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from lxml.html import HtmlElement

from pipeline.parse.embedded_picture import PictureWriter, worded
from pipeline.parse.html_main import visible_text
from pipeline.types import Picture

Load = Callable[[str], bytes | None]  # the bytes of a picture by its relative or `cid:` address, if there are any
SOURCES = ("src", "data-src", "data-original", "data-lazy-src", "srcset", "data-srcset")
SPACE = re.compile(rb"\s+")
MOST_BYTES = 64 * 1024 * 1024


def read_pictures(content: HtmlElement, load: Load, writer: PictureWriter) -> Iterator[Picture]:
    """Pictures below `content` in document order; `caption` is alt text and figcaption, `context` the text around."""
    seen: set[str] = set()
    for image in content.iter("img"):
        for address in _addresses(image):
            if address in seen:
                break
            if (data := load_picture(address, load)) is None:
                continue
            seen.add(address)
            if (picture := writer.write(data)) is not None:  # its words only now: a page may hold thousands of icons
                yield worded(picture, _caption(image), _context(image, content))
                break


def load_picture(address: str, load: Load) -> bytes | None:
    """Bytes of a picture from its `data:` URI or through `load`, which refuses what is not its own."""
    return _data_uri(address) if address[:5].lower() == "data:" else load(address)


def beside(page: Path) -> Load:
    """Loads files whose address is relative and stays inside the folder of `page`, links resolved."""
    folder = page.parent.resolve()

    def load(address: str) -> bytes | None:
        return read_beside(folder, address)

    return load


def read_beside(folder: Path, address: str) -> bytes | None:
    """Bytes of the file at a relative address below `folder` (already resolved), or None."""
    try:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith(("/", "\\")):
            return None
        path = (folder / unquote(parts.path)).resolve()
        inside = path.is_relative_to(folder) and path.is_file() and path.stat().st_size <= MOST_BYTES
        return path.read_bytes() if inside else None
    except (OSError, ValueError):
        return None


def _addresses(image: HtmlElement) -> Iterator[str]:
    for name in SOURCES:
        value = (image.get(name) or "").strip()
        if value and name.endswith("srcset") and not value.startswith("data:"):
            value = value.split(",")[-1].split()[0] if value.split(",")[-1].split() else ""
        if value:
            yield value


def _data_uri(address: str) -> bytes | None:
    head, _, body = address.partition(",")
    if not head.lower().startswith("data:image/") or "svg" in head.lower():
        return None
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    raw = SPACE.sub(b"", raw)
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4))
    except binascii.Error:
        return None


def _caption(image: HtmlElement) -> str:
    figure = next(image.iterancestors("figure"), None)
    captions = [] if figure is None else [visible_text(caption) for caption in figure.iter("figcaption")]
    texts = [image.get("alt") or "", image.get("title") or "", *captions]
    return " ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))[:2000]


def _context(image: HtmlElement, content: HtmlElement) -> str:
    """Text of the closest blocks around that hold a sentence or two."""
    for around in image.iterancestors():
        if len(text := _beginning(around, 801)) >= 80:
            return text if len(text) <= 800 else _neighbours(image, around)
        if around is content:
            return text
    return ""


def _beginning(element: HtmlElement, most_chars: int) -> str:
    """The first characters of an element's visible text, without looking at all of a long one."""
    pieces, size = [], 0
    for piece in element.itertext():
        words = piece.split()
        pieces += words
        size += sum(map(len, words)) + len(words)
        if size > most_chars:
            break
    return " ".join(pieces)[:most_chars]


def _neighbours(image: HtmlElement, around: HtmlElement) -> str:
    child = image
    while child.getparent() is not around:
        child = child.getparent()
    before, after = child.getprevious(), child.getnext()
    return " ".join(
        _beginning(block, 400) for block in (before, child, after) if block is not None and isinstance(block.tag, str)
    )
