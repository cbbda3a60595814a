"""Parts and pictures of a format without pages, gathered into `Page` values of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.types import Page, Part, Picture, Route

SLICE_PARTS = 200
SLICE_CHARS = 200_000
NO_PAGES = Route("text", "no-pages")


def slices(pieces: Iterable[Part | Picture], number: int | None = None, route: Route = NO_PAGES) -> Iterator[Page]:
    """Pages of at most 200 parts or about 200,000 characters, in document order; nothing for no pieces.

    `number` is that of the sheet or slide all of them stand on.
    """
    parts: list[Part] = []
    pictures: list[Picture] = []
    size = 0
    for piece in pieces:
        if isinstance(piece, Picture):
            pictures.append(piece)
            continue
        parts.append(piece)
        size += len(piece.text)
        if len(parts) >= SLICE_PARTS or size >= SLICE_CHARS:
            yield Page(number, route, parts=tuple(parts), pictures=tuple(pictures))
            parts, pictures, size = [], [], 0
    if parts or pictures:
        yield Page(number, route, parts=tuple(parts), pictures=tuple(pictures))
