"""Bytes of a web page to a tree, and what the page says of itself. Loads nothing that the page names."""

from __future__ import annotations

import json
import re
from typing import Any

import lxml.html
from lxml import etree
from lxml.html import HtmlElement

from pipeline.parse.charset import declared_in_html, decode, fits
from pipeline.types import Info

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
NESTING = re.compile(r"</?(?:div|span|font|section|table|tbody|tr|td|b|i|u|em|strong|blockquote|center)\b[^<>]*>", re.I)
KEPT = r"html|head|body|title|meta|script|style|template|p|h[1-6]|li|pre|br|img|hr"  # they do not nest, or hold no text
ENDS = re.compile(r"</(?:body|html)\s*>", re.I)  # what follows them is shown, but the parser drops it
UNKEPT = re.compile(rf"</?(?!(?:{KEPT})\b)[a-z][^<>]*>", re.I)
DECLARATIONS = re.compile(r"<!DOCTYPE[^\[>]*\[.*?\]\s*>", re.I | re.S)  # of entities: no browser reads them
META_NAMES = {
    "author": ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author", "parsely-author"),
    "date": ("article:published_time", "date", "dc.date", "dcterms.created", "citation_publication_date", "pubdate"),
    "description": ("description", "og:description", "dc.description"),
    "keywords": ("keywords", "news_keywords"),
    "site": ("og:site_name", "application-name"),
}


def page_text(data: bytes, charset: str = "") -> str:
    """The text of a page. Of what the server (`charset`) and the page itself declare, the first that fits counts."""
    within = declared_in_html(data)
    if charset and fits(data, charset):
        within = charset
    return decode(data, within or charset or None)


def parse_page(data: bytes | str) -> HtmlElement | None:
    """The tree of a page, however broken, or None when there is nothing in it."""
    text = data if isinstance(data, str) else page_text(data)
    text = ENDS.sub(" ", DECLARATIONS.sub("", CONTROL.sub("", text), count=1))
    if not text.strip():
        return None
    root, too_deep = _tree(text)
    for nesting in (NESTING, UNKEPT):  # first the usual tags, then all that could nest
        if too_deep:
            root, too_deep = _tree(nesting.sub(" ", text))
    return root


def _tree(text: str) -> tuple[HtmlElement | None, bool]:
    """The tree, and whether the parser gave up below a depth of some hundred elements."""
    parser = lxml.html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        root = lxml.html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:  # only comments or the like
        root = None
    return root, any("depth" in entry.message for entry in parser.error_log)


def page_info(root: HtmlElement) -> Info:
    """Title, author and metadata (`language`, `date`, `description`, ...) by what the page's head says."""
    meta = _meta(root)
    found = {key: _first(meta, names) for key, names in META_NAMES.items()}
    linked = _linked_data(root)
    found["date"] = found["date"] or linked.get("datePublished", "") or _time(root)
    found["language"] = root.get("lang") or root.get("xml:lang") or meta.get("content-language", "")
    author = found.pop("author") or linked.get("author", "")
    return Info(_title(root, meta), author, metadata={key: value[:1000] for key, value in found.items() if value})


def _meta(root: HtmlElement) -> dict[str, str]:
    meta: dict[str, str] = {}
    for element in root.iter("meta"):
        name = element.get("name") or element.get("property") or element.get("itemprop") or element.get("http-equiv")
        content = " ".join((element.get("content") or "").split())
        if name and content and not content.startswith(("http:", "https:")):
            meta.setdefault(name.lower(), content)
    return meta


def _first(meta: dict[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if name in meta), "")


def _title(root: HtmlElement, meta: dict[str, str]) -> str:
    """<title>, or og:title or the only h1 when it is the same without the name of the site."""
    headings: list[str] = [" ".join(h.text_content().split()) for h in root.iter("h1")]
    titles: list[str] = [" ".join((t.text_content() or "").split()) for t in root.iter("title")]
    full = next((title for title in titles if title), "")
    for short in (meta.get("og:title", ""), *(headings if len(headings) == 1 else ())):
        if short and (not full or short.lower() in full.lower()):
            return str(short[:500])
    longest = full or next((h for h in headings if h), "")
    return longest[:500]


def _time(root: HtmlElement) -> str:
    return next((t.get("datetime") or "" for t in root.iter("time") if t.get("pubdate") is not None), "")


def _linked_data(root: HtmlElement) -> dict[str, str]:
    """`datePublished` and `author` of the first schema.org object that has them."""
    for script in root.iter("script"):
        if (script.get("type") or "").lower() != "application/ld+json":
            continue
        try:
            loaded: Any = json.loads(script.text_content()[:200_000])
        except (ValueError, RecursionError):
            continue
        for item in _objects(loaded):
            if isinstance(item.get("datePublished"), str):
                return {"datePublished": item["datePublished"], "author": _person(item.get("author"))}
    return {}


def _objects(loaded: Any) -> list[dict[str, Any]]:
    graph = loaded.get("@graph", [loaded]) if isinstance(loaded, dict) else loaded
    return [item for item in graph if isinstance(item, dict)] if isinstance(graph, list) else []


def _person(value: Any) -> str:
    people = value if isinstance(value, list) else [value]
    names = [person.get("name") if isinstance(person, dict) else person for person in people]
    return ", ".join(name for name in names if isinstance(name, str) and not name.startswith("http"))
