"""SVG to PNG. What an SVG names outside of itself is taken away first, and what would cost too much is refused.

The renderer (resvg) runs no scripts and knows no network, but would read pictures from the disk: only `data:` pictures
and references inside the document are left.
"""

from __future__ import annotations

import re

from lxml import etree

MOST_BYTES = 2_000_000
MOST_ELEMENTS = 20_000  # with every `use` counted as what it repeats
MOST_FILTERS = 20
SMALLEST = 48  # units of the shorter side; icons are smaller
SIDE_PX = 1024  # of the longer side of what is drawn
START = re.compile(
    rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>\s*)?<(?:\w+:)?svg[\s>]", re.S
)
ALLOWED = re.compile(r"\s*(?:#|data:image/(?:png|jpe?g|gif|webp)[;,])", re.I)
OUTSIDE = re.compile(r"url\(\s*[\"']?(?!#|[\"']#)[^)]*\)|@import[^;]*;?|expression\(", re.I)


def is_svg(data: bytes) -> bool:
    return START.match(data[:4096]) is not None


def rasterise(data: bytes) -> bytes | None:
    """A PNG of the drawing on a transparent ground, its longer side 1,024 px; None if it cannot or may not be drawn."""
    import resvg_py

    clean = _clean(data)
    if clean is None:
        return None
    text, wide = clean
    width, height = (SIDE_PX, None) if wide else (None, SIDE_PX)
    try:
        return bytes(resvg_py.svg_to_bytes(svg_string=text, width=width, height=height))
    except (ValueError, RuntimeError, OSError):
        return None


def _clean(data: bytes) -> tuple[str, bool] | None:
    """The document without anything from outside, and whether it is wider than high."""
    if len(data) > MOST_BYTES:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, recover=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root is None or _name(root) != "svg":
        return None
    for element in list(root.iter()):
        if not isinstance(element.tag, str) or _name(element) in ("script", "foreignObject"):
            if element.getparent() is not None:
                element.getparent().remove(element)
            continue
        _close(element)
    if _cost(root) > MOST_ELEMENTS or sum(1 for e in root.iter() if _name(e).startswith("fe")) > MOST_FILTERS:
        return None
    width, height = _size(root)
    if min(width, height) < SMALLEST or not 1 / 50 < width / height < 50:  # an icon or a rule, not a drawing
        return None
    return etree.tostring(root, encoding="unicode"), width >= height


def _close(element: etree._Element) -> None:
    for name, value in list(element.attrib.items()):
        local = str(name).rpartition("}")[2]
        if (local == "href" and not ALLOWED.match(str(value))) or local.startswith("on") or local == "base":
            del element.attrib[name]
        elif OUTSIDE.search(str(value)):
            element.attrib[name] = OUTSIDE.sub("none", str(value))
    if _name(element) == "style" and element.text:
        element.text = OUTSIDE.sub("none", element.text)


def _cost(root: etree._Element) -> int:
    """Elements that are drawn when every reference is followed; over the limit as soon as it is clear."""
    by_id = {str(e.get("id")): e for e in root.iter() if e.get("id")}
    costs: dict[etree._Element, int] = {}

    def cost(element: etree._Element, around: frozenset[etree._Element]) -> int:
        if element in around or len(around) > 100:
            return MOST_ELEMENTS + 1  # in a circle, or too deep
        if element not in costs:
            inside = around | {element}
            total = 1 + sum(cost(child, inside) for child in element if isinstance(child.tag, str))
            for value in element.attrib.values():
                for name in re.findall(r"^\s*#([^\s)]+)\s*$|url\(\s*[\"']?#([^\"')]+)", str(value)):
                    target = by_id.get(name[0] or name[1])
                    total += cost(target, inside) if target is not None else 0
            costs[element] = min(total, MOST_ELEMENTS + 1)
        return costs[element]

    return cost(root, frozenset())


def _size(root: etree._Element) -> tuple[float, float]:
    """Width and height by the attributes, or by the view box; 100 by 100 without them."""
    found = [_number(root.get(name) or "") for name in ("width", "height")]
    box = [_number(part) for part in re.split(r"[\s,]+", (root.get("viewBox") or "").strip())]
    if 0.0 in found and len(box) == 4:
        found = box[2:]
    return (found[0] or 100.0, found[1] or 100.0)


def _number(text: str) -> float:
    found = re.match(r"\s*(\d{1,7}(?:\.\d{1,6})?)\s*(?:px|pt|mm|cm|in)?\s*$", text)
    return float(found[1]) if found else 0.0


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""
