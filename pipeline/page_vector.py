"""The one dense vector of a page: the mean over all of its text, however many windows of the embedder that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.embed import Unified

PAGE_VECTOR_VERSION = "2"  # part of the recipe: raise it when the same text gives another vector
MOST_WINDOWS = 64  # evenly over a longer text; a page full of print has three


def page_vectors(texts: Sequence[str], unified: Unified) -> list[npt.NDArray[np.float32] | None]:
    """(dim,) float32 of unit length for each text, None for one without words.

    A vector is the mean of the vectors of the text's windows, each weighted by its tokens: what stands at the foot of
    a page counts as much as what stands at its head.
    """
    cut = [_evenly(windows(text, unified.count_tokens, unified.max_tokens)) for text in texts]
    flat = [window for found in cut for window in found]
    if not flat:
        return [None] * len(texts)
    weights = np.array(unified.count_tokens(flat), np.float32).clip(min=1)
    parts = iter(unified.embed_texts(flat) * weights[:, None])
    return [_unit(np.sum([next(parts) for _ in found], axis=0)) if found else None for found in cut]


def windows(text: str, count_tokens: Callable[[Sequence[str]], list[int]], budget: int) -> list[str]:
    """The words of the text in consecutive pieces of at most `budget` tokens; a longer word is cut.

    >>> windows("to be or not", lambda texts: [len(text.split()) for text in texts], 3)
    ['to be or', 'not']
    """
    words = text.split()
    pieces: list[list[str]] = []
    room = 0
    for word, tokens in zip(words, count_tokens(words) if words else (), strict=True):
        if tokens > room or not pieces:
            pieces.append([])
            room = budget
        pieces[-1].append(word)
        room -= tokens
    return [window for piece in pieces for window in _fitting(" ".join(piece), count_tokens, budget)]


def _fitting(text: str, count_tokens: Callable[[Sequence[str]], list[int]], budget: int) -> Iterator[str]:
    """The text, in halves while it does not fit: words may have more tokens together than one by one."""
    if len(text) == 1 or count_tokens([text])[0] <= budget:
        yield text
        return
    space = text.find(" ", len(text) // 2)
    middle = space if space > 0 else len(text) // 2
    yield from _fitting(text[:middle], count_tokens, budget)
    yield from _fitting(text[middle:].lstrip(), count_tokens, budget)


def _evenly(found: Sequence[str]) -> list[str]:
    """At most `MOST_WINDOWS` of them, at equal distances."""
    few = min(len(found), MOST_WINDOWS)
    return [found[place * len(found) // few] for place in range(few)]


def _unit(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length > 0 else vector, np.float32)
