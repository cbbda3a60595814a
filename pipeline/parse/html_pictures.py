"""Pictures of a web page: which there are, and those that need no network, `data:` URIs and files beside the page."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from lxml.html import HtmlElement

from pipeline.parse.embedded_picture import PictureWriter, worded
from pipeline.parse.html_main import visible_text
from pipeline.types import Picture

Load = Callable[[str], bytes | None]  # the bytes of a picture by its relative or `cid:` address, if there are any
SOURCES = (
    "data-srcset",
    "data-lazy-srcset",
    "srcset",
    "data-src",
    "data-original",
    "data-lazy-src",
    "data-lazy",
    "src",
)
CANDIDATE = re.compile(r"(\S*[^\s,])(?:\s+([\d.]+)([wx]))?\s*(?:,|$)")
ENOUGH_PX = 1600  # a wider candidate of a srcset is not needed
SMALLEST_PX = 48
DECORATION = re.compile(  # words of a file's name
    r"(?:^|[^a-z])(?:favicon|icons?|sprites?|pixel|spacer|blank|transparent|track(?:er|ing)?|beacon|counter|1x1|emojis?|"
    r"smil(?:ey|ies)|avatars?|gravatar|badges?|buttons?|bullet|arrows?|load(?:er|ing)|spinner|placeholder|separator)"
    r"(?:[^a-z]|$)",
    re.I,
)
TRACKERS = re.compile(
    r"//(?:[\w.-]+\.)?(?:doubleclick\.net|google-analytics\.com|googletagmanager\.com|facebook\.com|scorecardresearch\.com|"
    r"quantserve\.com|pixel\.wp\.com|stats\.wp\.com|gravatar\.com|feedburner\.com|vgwort\.de|ioam\.de)/",
    re.I,
)
SPACE = re.compile(rb"\s+")
PICTURES, SCREENSHOT = "pictures.json", "screenshot"  # files beside a page that was fetched
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


def fetched(page: Path) -> Load:
    """Loads pictures that were fetched with the page: `PICTURES` beside it names their files by address."""
    try:
        names = json.loads((page.parent / PICTURES).read_bytes())
    except (OSError, ValueError):
        names = {}

    def load(address: str) -> bytes | None:
        name = names.get(address)
        return (page.parent / name).read_bytes() if isinstance(name, str) else None

    return load


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


def addresses_of(content: HtmlElement) -> Iterator[tuple[str, ...]]:
    """For every picture below `content` that may show something its addresses outside the page, the best first."""
    for image in content.iter("img"):
        addresses = tuple(a for a in _addresses(image) if a[:5].lower() != "data:" and not _is_decoration(a))
        if addresses and not _is_small(image):
            yield addresses


def best_of_srcset(value: str) -> str:
    """The smallest candidate that is wide enough, or the widest.

    >>> best_of_srcset("small,1.jpg 400w, large.jpg 1700w, huge.jpg 4000w")
    'large.jpg'
    """
    found = []
    for address, size, unit in CANDIDATE.findall(value):
        try:
            found.append((float(size or 1) * (1 if unit == "w" else 800), address))
        except ValueError:
            continue
    enough = [candidate for candidate in found if candidate[0] >= ENOUGH_PX]
    return min(enough)[1] if enough else max(found, default=(0.0, ""))[1]


def _addresses(image: HtmlElement) -> Iterator[str]:
    yield from dict.fromkeys(filter(None, (_address(image, name) for name in SOURCES)))
    picture = next(image.iterancestors("picture"), None)  # the parser nests an image in a source without an end tag
    if picture is not None:
        for source in picture.iter("source"):
            yield from filter(None, (_address(source, name) for name in ("srcset", "data-srcset")))


def _address(element: HtmlElement, name: str) -> str:
    value = (element.get(name) or "").strip()
    return best_of_srcset(value) if name.endswith("srcset") and value[:5].lower() != "data:" else value


def _is_small(image: HtmlElement) -> bool:
    sizes = [value for name in ("width", "height") if (value := _pixels(image.get(name) or "")) is not None]
    return bool(sizes) and min(sizes) < SMALLEST_PX


def _pixels(value: str) -> float | None:
    found = re.fullmatch(r"\s*(\d{1,6})(?:\.\d*)?\s*(?:px)?\s*", value)
    return float(found[1]) if found else None


def _is_decoration(address: str) -> bool:
    name = unquote(address.partition("?")[0].rstrip("/").rpartition("/")[2])
    return bool(DECORATION.search(name) or TRACKERS.search(address))


def _data_uri(address: str) -> bytes | None:
    head, _, body = address.partition(",")
    if not head.lower().startswith("data:image/"):
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
