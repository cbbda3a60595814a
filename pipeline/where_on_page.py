"""Where on a page a query is answered: reads what the store knows of page hits and makes their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.embed import PageModel
from pipeline.layout import Layout, load_layout
from pipeline.regions import PageMap, line_similarities, map_of_cells, map_of_lines, query_words
from pipeline.score import similarity_map
from pipeline.store import RowVectors, Store
from pipeline.types import QueryTokens

AT_ONCE = 32  # pages whose vectors are held
PLACED = 100  # page hits of one answer that are looked into; the others stand for the whole page


def page_maps(
    store: Store, model: PageModel, rows: Sequence[Mapping[str, Any]], tokens: QueryTokens | None, text: str
) -> dict[str, PageMap]:
    """The maps of the first 100 of these page rows, by id.

    `tokens` are the query as the pages' model sees it, None if it was not asked; `text` its words, "" for a picture. A
    row has no map if it holds no layout or the query has nothing to compare with it.
    """
    found: dict[str, PageMap] = {}
    for first in range(0, min(len(rows), PLACED), AT_ONCE):
        group = {row["id"]: row for row in rows[first : min(first + AT_ONCE, PLACED)]}
        for id, stored in store.vectors(list(group)).items():
            made = _map(model, group[id], stored, tokens, query_words(text))
            if made is not None:
                found[id] = made
    return found


def _map(
    model: PageModel, row: Mapping[str, Any], stored: RowVectors, tokens: QueryTokens | None, words: Sequence[str]
) -> PageMap | None:
    layout = load_layout(stored.layout, stored.text)
    asked = tokens if tokens is not None and len(tokens.vectors) and stored.multivector is not None else None
    if asked is not None and layout.grid is not None and stored.multivector is not None:
        _, _, width, height = row["bbox"]
        weights = asked.weights if asked.own is None else asked.weights * asked.own
        scores = similarity_map(stored.multivector, layout.grid, asked.vectors, weights)
        return map_of_cells(scores, width, height)
    if not layout.lines or (asked is None and not words):
        return None
    return _map_of_text(model, layout, stored, asked, words)


def _map_of_text(
    model: PageModel, layout: Layout, stored: RowVectors, tokens: QueryTokens | None, words: Sequence[str]
) -> PageMap:
    if tokens is not None and stored.multivector is not None:
        owners = model.line_owners(stored.text)
        if len(owners) == len(stored.multivector):
            near = line_similarities(stored.multivector, owners, len(layout.lines), tokens.vectors)
            return map_of_lines(layout.lines, words, near, tokens.weights)
    return map_of_lines(layout.lines, words, None, np.zeros(0, np.float32))
