"""The main content of a web page: what is left of the tree without navigation and other boilerplate.

Method: score the containers of running text by the length of their paragraphs, as Arc90's Readability did (2009), take
the best one, and drop around and inside it only what looks like boilerplate and holds little running text.
"""

from __future__ import annotations

import re
from collections import defaultdict

from lxml.html import HtmlElement

NEVER = {
    "script", "style", "noscript", "template", "iframe", "frame", "object", "embed", "applet", "svg", "canvas", "audio",
    "video", "button", "select", "textarea", "input", "datalist", "dialog", "noframes", "noembed", "head", "link",
    "meta", "title", "map", "param", "del",
}  # fmt: skip
MENUS = {"nav", "menu"}
ROLES = {"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar"}
UNLIKELY = re.compile(
    r"(?:^|[\s_-])(?:"
    r"ad|ads|affiliate\w*|advert\w*|banner|breadcrumbs?|byline-?social|comments?|commentlist|disqus\w*|cookies?|gdpr|consent|"
    r"dropdown|footer|foot|masthead|menu|metanav|modal|mw-editsection|mw-jump-link|nav|navi|navbar|navbox|navigation|"
    r"navlinks?|subnav|topnav|newsletter|noprint|"
    r"outbrain|pager|pagination|popup|popular|print-?only|promo\w*|recommend\w*|related\w*|replies|respond|"
    r"rss|screen-reader-text|search\w*|share\w*|sharing|shoutbox|sidebar\w*|signup|site-?header|skip\w*|social\w*|"
    r"sponsor\w*|subscribe|subscription|taboola\w*|tags?|taglist|toolbar|tooltip|topbar|trending|"
    r"visually-?hidden|vector-toc|widget\w*|recirc\w*|teaser-?list|kommentare?|commentaires?|comentarios|"
    r"relacionad[ao]s|similaires|more-?(?:stories|articles|news|from)|read-?(?:more|next)|also-?read"
    r")(?:$|[\s_\d-])",
    re.I,
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
LONGEST_NAMES = 1_000  # characters of an element's classes
MOSTLY_PROSE = 0.25  # share of a page's text that must be running text before any of it is chosen
ARTICLE_CHARS = 500  # of running text
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
PROSE = {"p", "pre", "blockquote", "dd", "li", "td", "figcaption"}
CONTAINERS = {"div", "section", "article", "main", "td", "body", "blockquote", "dl", "ul", "ol", "table", "form"}
BLOCKS = CONTAINERS | PROSE | {"h1", "h2", "h3", "h4", "h5", "h6", "aside", "header", "footer", "figure", "center"}


def main_content(root: HtmlElement, whole: bool = False) -> HtmlElement:
    """The element of `root` (changed in place) that holds the main text; the whole body if none stands out.

    With `whole`, only what is never shown is dropped: a mail or a book has no boilerplate to lose.
    """
    body = next(root.iter("body"), root)
    _drop_never_shown(body, keep_menus=whole)
    if whole:
        return body
    prose = _prose_lengths(body)
    _drop_boilerplate(body, prose, prose[body])
    prose = _prose_lengths(body)
    if prose[body] < MOSTLY_PROSE * len(visible_text(body)):  # a table, an index, a form: nothing stands out
        return body
    best = _best_container(body, prose)
    for block in [e for e in best.iter("ul", "ol", "div", "p", "section", "table") if e is not best]:
        if block.getparent() is not None and _is_link_list(block):
            _drop(block)
    return best


def visible_text(element: HtmlElement) -> str:
    """All text of an element, with single spaces between words."""
    return " ".join(" ".join(element.itertext()).split())


def _drop_never_shown(body: HtmlElement, keep_menus: bool) -> None:
    for element in list(body.iter()):
        if element is body or element.getparent() is None:
            continue
        menu = element.tag in MENUS or (element.get("role") or "").lower() in ROLES
        if not isinstance(element.tag, str) or element.tag in NEVER or _is_hidden(element) or (menu and not keep_menus):
            _drop(element)


def _is_hidden(element: HtmlElement) -> bool:
    if element.get("hidden") is not None or (element.get("aria-hidden") == "true" and element.tag != "img"):
        return not _holds_picture_only(element)
    return bool(HIDDEN.search(element.get("style") or ""))


def _holds_picture_only(element: HtmlElement) -> bool:
    return not visible_text(element) and next(element.iter("img"), None) is not None


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()  # keeps the tail


def _own_text(element: HtmlElement) -> int:
    """Characters of text in an element that stand in no block further down and in no link."""
    size, stack = len((element.text or "").strip()), [iter(element)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            continue
        at_top = len(stack) == 1
        inline = child.tag not in BLOCKS and child.tag != "a"
        if inline:
            size += len((child.text or "").strip())
            stack.append(iter(child))
        size += len((child.tail or "").strip()) if at_top or child.getparent().tag not in BLOCKS else 0
    return size


def _prose_lengths(body: HtmlElement) -> dict[HtmlElement, int]:
    """Characters of running text (blocks with at least 25 characters outside links) below each element."""
    sizes: dict[HtmlElement, int] = defaultdict(int)
    for element in body.iter(*BLOCKS):
        own = _own_text(element)
        if own < 25:
            continue
        node = element
        while node is not None:
            sizes[node] += own
            node = None if node is body else node.getparent()
    return sizes


def _drop_boilerplate(body: HtmlElement, prose: dict[HtmlElement, int], total: int) -> None:
    """Drops blocks named like boilerplate, unless much of the page's running text is inside, and no article beside."""
    article = _marked_article(body, prose)
    for element in list(body.iter(*BLOCKS, "span")):
        if element is body or element.getparent() is None or element.tag in ("td", "table"):
            continue
        share = prose.get(element, 0) / max(total, 1)
        if (
            _looks_like_boilerplate(element)
            and not _holds_main(element, prose, total)
            and (share < 0.4 or _is_beside(element, article))
        ):
            _drop(element)


def _marked_article(body: HtmlElement, prose: dict[HtmlElement, int]) -> HtmlElement | None:
    """The one element that the page itself says is its article, if it holds a few sentences."""
    for marked in (
        [e for e in body.iter(*BLOCKS) if e.get("itemprop") == "articleBody"],
        list(body.iter("article")),
    ):
        if len(marked) == 1 and prose.get(marked[0], 0) >= ARTICLE_CHARS:
            return marked[0]
    return None


def _is_beside(element: HtmlElement, article: HtmlElement | None) -> bool:
    """Neither inside the article nor around it."""
    if article is None or element is article:
        return False
    inside = any(around is article for around in element.iterancestors())
    return not inside and not any(around is element for around in article.iterancestors())


def _looks_like_boilerplate(element: HtmlElement) -> bool:
    if element.tag == "aside":
        return True
    if element.tag in ("footer", "header"):
        inside = any(a.tag in ("article", "main", "blockquote", "figure") for a in element.iterancestors())
        return not inside or (
            element.tag == "footer" and not any(a.tag == "blockquote" for a in element.iterancestors())
        )
    if element.tag in ("h1", "h2", "figcaption", "pre", "blockquote"):
        return False
    if element.tag in ("p", "span", "li") and _own_text(element) > 100:
        return False
    names = CAMEL.sub("-", f"{element.get('class') or ''} {element.get('id') or ''}"[:LONGEST_NAMES])
    return len(names) > 1 and UNLIKELY.search(names) is not None


def _holds_main(element: HtmlElement, prose: dict[HtmlElement, int], total: int) -> bool:
    """A list of related articles holds articles, too, but little of the page's running text."""
    if next(element.iter("main", "h1"), None) is not None:
        return True
    return any(prose.get(article, 0) > 0.2 * total for article in element.iter("article"))


def _best_container(body: HtmlElement, prose: dict[HtmlElement, int]) -> HtmlElement:
    """The smallest container that still holds nearly all the running text around the best-scored one."""
    total = prose[body]
    marked = [
        e for e in body.iter() if e.tag == "main" or e.get("role") == "main" or e.get("itemprop") == "articleBody"
    ]
    for element in marked:
        if prose.get(element, 0) >= 0.6 * total:
            body = element
    best = body
    while total:
        inner = max((e for e in best if e.tag in BLOCKS), key=lambda e: prose.get(e, 0), default=None)
        if inner is None or inner.tag not in CONTAINERS or prose.get(inner, 0) < 0.9 * total:
            return best
        best = inner
    return best


def _is_link_list(element: HtmlElement) -> bool:
    """Nearly all of it is link text, there are several links, and it is no table of data or paragraph of prose."""
    links = list(element.iter("a"))
    if len(links) < 3 or next(element.iter("h1", "img", "pre", "math"), None) is not None:
        return False
    text = len(visible_text(element))
    linked = sum(len(visible_text(link)) for link in links)
    return linked > 0.85 * text and text / len(links) < 40
