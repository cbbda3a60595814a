"""The built-in unified embedder: MiniLM for words, EfficientNet's classes in MiniLM's space for pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.embed.builtin.pictures import PictureModel
from pipeline.embed.builtin.text import DIM, MAX_TOKENS, minilm, unit
from pipeline.embed.notes import too_long
from pipeline.types import ModelId, PictureInput, Vectors

CAPTION_SHARE = 0.5  # of words that belong to the picture
CONTEXT_SHARE = 0.3  # of words that only stand near it


class BuiltinUnified:
    """`Unified` with pip alone, on a CPU, for English. Weights load at the first vector of their kind."""

    one_scale = True
    pictures_id: ModelId | None = None

    def __init__(self, *, threads: int = 0) -> None:
        self._text = minilm(threads)
        self._pictures = PictureModel(self._text.id, threads)

    @property
    def id(self) -> ModelId:
        text = self._text.id
        revision = f"{text.revision}+{self._pictures.revision}"
        return ModelId(f"{text.name}+efficientnet-lite0", revision, DIM, text.pooling)

    @property
    def max_tokens(self) -> int:
        return MAX_TOKENS

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._text.count_tokens(texts)

    def notes(self, query: str) -> tuple[str, ...]:
        return too_long(self.count_tokens([query])[0], self.max_tokens)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Passages of at most `max_tokens`; raises ValueError for a longer one."""
        return self._text.embed_texts(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries of any length; a long one is the mean of its windows."""
        return self._text.embed_queries(texts)

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:  # noqa: ARG002
        return queries

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        """Pictures with their words: caption if there is one, else context, of which the first 254 tokens count.

        Raises Unreadable for a picture that cannot be decoded.
        """
        seen = self._pictures.embed([picture.path for picture in pictures])
        return with_words(seen, pictures, self._text.embed_starts)


def with_words(seen: Vectors, pictures: Sequence[PictureInput], embed: Callable[[Sequence[str]], Vectors]) -> Vectors:
    """What was seen of each picture, with its words where it has some: its caption, or else its context."""
    words = [picture.caption.strip() or picture.context.strip() for picture in pictures]
    told = [index for index, text in enumerate(words) if text]
    if not told:
        return seen
    shares = [CAPTION_SHARE if pictures[index].caption.strip() else CONTEXT_SHARE for index in told]
    fused = seen.copy()
    fused[told] = fuse(seen[told], embed([words[index] for index in told]), shares)
    return fused


def fuse(pictures: Vectors, words: Vectors, shares: Sequence[float]) -> Vectors:
    """Unit rows of `(1 - share) * picture + share * words`.

    >>> print(fuse(np.float32([[1, 0]]), np.float32([[0, 1]]), [0.5]).round(2))
    [[0.71 0.71]]
    """
    share = np.asarray(shares, dtype=np.float32)[:, None]
    return unit((1 - share) * pictures + share * words)
