"""Pictures: those of the store, drawn anew in the size that is asked for, and pages drawn from their file."""

from __future__ import annotations

import io
from functools import partial

import anyio
import anyio.to_thread
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from browse.browsed import Browsed, as_jpeg
from browse.forms import whole
from browse.page_drawer import DrawnPage
from pipeline.drawing import drawn
from pipeline.errors import UsageError
from pipeline.types import Box

WIDTHS = (160, 320, 480, 960, 1280)
FOR_EVER = "private, max-age=31536000, immutable"  # the name of a stored picture is made from its bytes
A_WHILE = "private, max-age=300"
ALONE = "default-src 'none'; sandbox"  # opened by itself a picture is nothing but a picture
AT_ONCE = 2  # pictures that are drawn, so that searches find a free thread


async def stored(request: Request) -> Response:
    """A picture or page thumbnail of the store."""
    corpus: Browsed = request.app.state.corpus
    asset, width = request.path_params["asset_id"], _width(request)
    limiter = request.app.state.limiters["stored"]
    content = await anyio.to_thread.run_sync(partial(corpus.picture, asset, width), limiter=limiter)
    return _picture(content, FOR_EVER)


async def page_picture(request: Request) -> Response:
    """A page that has no picture in the store, drawn from its file; with `box`, a place on it."""
    corpus: Browsed = request.app.state.corpus
    width, box = _width(request), _box(request)
    limiter = request.app.state.limiters["drawn"]
    doc_id, number = request.path_params["doc_id"], request.path_params["number"]
    content = await anyio.to_thread.run_sync(partial(_page, corpus, doc_id, number, width, box), limiter=limiter)
    return _picture(content, A_WHILE)


def _page(corpus: Browsed, doc_id: str, number: int, width: int, box: Box | None) -> bytes:
    page = corpus.drawn_page(corpus.record(doc_id), number)
    return as_jpeg(page.jpeg if box is None else _with_box(page, box), width)


def _with_box(page: DrawnPage, box: Box) -> bytes:
    made = io.BytesIO()
    with Image.open(io.BytesIO(page.jpeg), formats=("JPEG",)) as picture:
        drawn(picture, (page.width_pt, page.height_pt), [box]).save(made, "JPEG", quality=90)
    return made.getvalue()


def limiters() -> dict[str, anyio.CapacityLimiter]:
    """How many of each may be made at once; stored pictures do not wait for pages, nor these for examples."""
    most = {"stored": AT_ONCE, "drawn": AT_ONCE, "example": 1}
    return {kind: anyio.CapacityLimiter(count) for kind, count in most.items()}


def _picture(content: bytes, keep: str) -> Response:
    headers = {"Cache-Control": keep, "Content-Security-Policy": ALONE, "Content-Disposition": "inline"}
    return Response(content, media_type="image/jpeg", headers=headers)


def _width(request: Request) -> int:
    """One of a few widths, so that few sizes of one picture are made."""
    asked = whole(request.query_params, "width", 480, least=1, most=10_000)
    return next((width for width in WIDTHS if width >= asked), WIDTHS[-1])


def _box(request: Request) -> Box | None:
    given = request.query_params.get("box", "")
    if not given:
        return None
    try:
        x0, y0, x1, y1 = (max(-1e5, min(1e5, float(side))) for side in given.split(","))
    except ValueError as error:
        raise UsageError(f"box: {given[:60]!r} is not four numbers") from error
    return x0, y0, x1, y1
