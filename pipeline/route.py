"""The router: signals of a page or picture to the path it takes, with the reason. Pure; `docs/routing.md` explains it.

The first rule that matches wins. Nothing is read or measured in here, so a stored page can be routed again from its
stored signals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.types import PageSignals, PictureSignals, Route

ROUTER_VERSION = "5"  # part of the recipe: a new version means that pages may take another path

Rule = tuple[Callable[[PageSignals], bool], Route]


def route(signals: PageSignals | PictureSignals) -> Route:
    """The path of a page or standalone picture and a short reason.

    >>> route(PageSignals(chars=2400))
    Route(path='text', reason='text')
    >>> route(PageSignals(coverage=1.0, biggest=1.0))
    Route(path='page', reason='scan')
    """
    if isinstance(signals, PictureSignals):
        return _route_picture(signals)
    return next((chosen for matches, chosen in PAGE_RULES if matches(signals)), Route("text", "text"))


def route_query(signals: PageSignals | PictureSignals) -> Route:
    """The path of what is a query: a page is looked at as a whole and its words are read, whatever is on it.

    >>> route_query(PageSignals(chars=2400))
    Route(path='both', reason='query')
    """
    return route(signals) if isinstance(signals, PictureSignals) else Route("both", "query")


def _is_scan(page: PageSignals) -> bool:
    return page.coverage >= 0.80 or page.biggest >= 0.65


PAGE_RULES: tuple[Rule, ...] = (
    (lambda p: not p.readable, Route("page", "unreadable")),
    (lambda p: p.chars == 0 and p.coverage < 0.02 and p.drawings == 0, Route("text", "blank")),
    (lambda p: p.chars >= 1 and p.bad > 0.10, Route("page", "garbled-unmapped")),
    (lambda p: _is_scan(p) and p.invisible > 0.50 and p.gibberish > 0.50, Route("page", "scan+garbled-ocr-layer")),
    (lambda p: _is_scan(p) and p.invisible > 0.50, Route("page", "scan+ocr-layer")),
    (lambda p: p.gibberish > 0.50, Route("both", "suspect-text-layer")),
    (lambda p: _is_scan(p) and p.chars < 60, Route("page", "scan")),
    (lambda p: p.chars < 50 and (p.coverage > 0.20 or p.drawings >= 150), Route("page", "picture-page")),
    (lambda p: p.chars == 0, Route("page", "no-text")),
    (
        lambda p: (_is_scan(p) and p.chars < 250) or (p.coverage > 0.50 and p.chars < 400),
        Route("both", "mostly-picture"),
    ),
    (lambda p: p.coverage > 0.25 or p.drawings >= 400 or p.figure > 0.08, Route("both", "text+graphics")),
)


# Where the rules above and below change their mind, by signal: to tell which pages are near another route.
PAGE_THRESHOLDS: Mapping[str, tuple[float, ...]] = {
    "chars": (1, 50, 60, 250, 400),
    "bad": (0.10,),
    "coverage": (0.02, 0.20, 0.25, 0.50, 0.80),
    "biggest": (0.65,),
    "invisible": (0.50,),
    "drawings": (1, 150, 400),
    "figure": (0.08,),
    "gibberish": (0.50,),
}
PICTURE_THRESHOLDS: Mapping[str, tuple[float, ...]] = {
    "width_px": (32,),
    "height_px": (32,),
    "paper": (0.35, 0.40, 0.60),
    "colourful": (0.50,),
    "lines": (0.12, 0.35),
}


def _route_picture(picture: PictureSignals) -> Route:
    if min(picture.width_px, picture.height_px) < 32:
        return Route("image", "tiny-picture")
    if picture.lines >= 0.35 and picture.paper >= 0.40 and picture.colourful < 0.50:
        return Route("page", "scanned-page")
    if picture.lines >= 0.12 and picture.paper >= 0.35:
        return Route("both", "picture-with-text")
    return Route("image", "drawing" if picture.paper >= 0.60 else "photograph")
