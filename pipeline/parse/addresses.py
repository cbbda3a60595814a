"""What a page, a sitemap or a feed leads to: links, pictures, further listings. Runs in a worker; follows nothing.

`parse` writes one JSON object, `FILE`, with addresses as they stand in the document:

    kind        "page", "sitemap" or "feed"; "file" for what leads nowhere
    base        what relative addresses of a page are relative to, if it says so
    links       of a page those that may be followed, of a listing what it lists
    listings    further sitemaps that a sitemap index names
    pictures    for every picture of the main content its addresses, the best first
    browser     why the page shows nothing without a browser, or ""
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from lxml import etree
from lxml.html import HtmlElement

from pipeline.errors import LimitExceeded, Unreadable
from pipeline.parse import ParseOptions
from pipeline.parse.html_main import NEVER, main_content, visible_text
from pipeline.parse.html_pictures import addresses_of
from pipeline.parse.html_tree import page_text, parse_page
from pipeline.types import Attachment, Blob, Event

FILE = "addresses.json"
MOST_LINKS = 50_000  # a sitemap may list so many
MOST_PAGE_LINKS = 5_000
ROOTS = re.compile(rb"<(?:\w+:)?(urlset|sitemapindex|rss|feed|RDF)[\s>]")
APP_ROOTS = {"root", "app", "__next", "__nuxt", "___gatsby", "svelte", "q-app", "main-app", "react-root", "app-root"}
ASKS_FOR_SCRIPTS = re.compile(
    r"(?:enable|activate|turn on|requires?|need|without|supports?)\W+(?:\w+\W+){0,4}javascript|"
    r"javascript\W+(?:\w+\W+){0,4}(?:enabled|disabled|required|activated|aktivieren|activer|habilitar)",
    re.I,
)
FEW_CHARS = 250  # of visible text; a page with more shows something


@dataclass(slots=True)
class Addresses:
    """See the head of this file."""

    kind: str = "file"
    base: str = ""
    links: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    pictures: tuple[tuple[str, ...], ...] = ()
    browser: str = ""


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """Writes `FILE` and yields it. Raises `LimitExceeded` for more than `limits.text_mb`."""
    data = _unpacked(blob, options.limits.text_mb << 20)
    root = ROOTS.search(data[:4096])
    if root and b"<html" not in data[:4096].lower():
        found = _listing(io.BytesIO(data), root[1].decode())
    else:
        found = _page(data, blob.charset)
    path = work_dir / FILE
    path.write_text(json.dumps(asdict(found)), encoding="utf-8")
    yield Attachment(FILE, path)


def _unpacked(blob: Blob, most_bytes: int) -> bytes:
    data = blob.path.read_bytes()[: most_bytes + 1]
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(most_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{blob.name}: is a damaged gzip file ({error})") from error
    if len(data) > most_bytes:
        raise LimitExceeded(f"{blob.name}: more than {most_bytes >> 20} MB of text (limits.text_mb)")
    return data


def _listing(file: IO[bytes], root: str) -> Addresses:
    """Element by element: what was read is thrown away. A damaged listing is read up to the damage."""
    found: dict[str, None] = {}
    items = {"urlset": "url", "sitemapindex": "sitemap", "rss": "item", "RDF": "item", "feed": "entry"}
    options: dict[str, Any] = {"resolve_entities": False, "no_network": True, "recover": True, "huge_tree": False}
    try:
        for _, element in etree.iterparse(file, events=("end",), **options):
            if _name(element) != items[root]:
                continue
            if address := _address(element):
                found[address] = None
            element.clear()
            while element.getprevious() is not None and element.getparent() is not None:
                del element.getparent()[0]
            if len(found) >= MOST_LINKS:
                break
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"a damaged sitemap or feed ({error.msg})") from error
    kind = "sitemap" if root in ("urlset", "sitemapindex") else "feed"
    return Addresses(kind, listings=tuple(found)) if root == "sitemapindex" else Addresses(kind, links=tuple(found))


def _address(item: Any) -> str:
    """`<loc>` of a sitemap, `<link>` of RSS, `<link rel="alternate" href>` of Atom."""
    for child in item:
        if _name(child) == "loc" or (_name(child) == "link" and child.get("href") is None):
            return (child.text or "").strip()
        if _name(child) == "link" and (child.get("rel") or "alternate") == "alternate":
            return (child.get("href") or "").strip()
    return ""


def _name(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _page(data: bytes, charset: str) -> Addresses:
    root = parse_page(page_text(data, charset))
    if root is None:
        return Addresses("page")
    base = next((b.get("href") for b in root.iter("base") if b.get("href")), "")
    links = dict.fromkeys(a.get("href").strip() for a in root.iter("a", "area") if _may_be_followed(a))
    if any((m.get("name") or "").lower() == "robots" and "nofollow" in _content(m) for m in root.iter("meta")):
        links = {}
    browser = _needs_browser(root)
    pictures = tuple(addresses_of(main_content(root)))
    return Addresses("page", base, tuple(links)[:MOST_PAGE_LINKS], (), pictures, browser)


def _may_be_followed(link: HtmlElement) -> bool:
    href = (link.get("href") or "").strip()
    told_not_to = "nofollow" in (link.get("rel") or "").lower()
    return bool(href) and href[0] != "#" and len(href) <= 2000 and not told_not_to


def _content(meta: HtmlElement) -> str:
    return (meta.get("content") or "").lower()


def _needs_browser(root: HtmlElement) -> str:
    """Why nothing of the page is in its HTML, or "": next to no text, and scripts that would make it."""
    if next(root.iter("script"), None) is None:
        return ""
    body = next(root.iter("body"), root)
    if _shows_text(body):
        return ""
    asks = [n for n in root.iter("noscript") if ASKS_FOR_SCRIPTS.search(visible_text(n))]
    empty = [e for e in body.iter("div", "main", *APP_ROOTS) if _is_app_root(e) and len(visible_text(e)) < FEW_CHARS]
    if asks or ASKS_FOR_SCRIPTS.search(visible_text(body)):
        return "the page asks for JavaScript"
    return "its text is made by scripts" if empty else ""


def _shows_text(body: HtmlElement) -> bool:
    """More than `FEW_CHARS` outside of what is never shown."""
    size, waiting = 0, [body]
    while waiting and size <= FEW_CHARS:
        element = waiting.pop()
        if isinstance(element.tag, str) and element.tag not in NEVER:
            size += len((element.text or "").strip())
            waiting.extend(element)
        size += len((element.tail or "").strip()) if element is not body else 0
    return size > FEW_CHARS


def _is_app_root(element: HtmlElement) -> bool:
    return (element.get("id") or "").lower() in APP_ROOTS or element.tag in APP_ROOTS
