"""The built-in unified embedder: MiniLM for words, EfficientNet's classes in MiniLM's space for pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.embed.builtin.pictures import PictureModel
from pipeline.embed.builtin.text import DIM, MAX_TOKENS, minilm, unit
from pipeline.types import ModelId, PictureInput, Vectors

CAPTION_SHARE = 0.5  # of words that belong to the picture
CONTEXT_SHARE = 0.3  # of words that only stand near it


class BuiltinUnified:
    """`Unified` with pip alone, on a CPU, for English. Weights load at the first vector of their kind."""

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

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Passages of at most `max_tokens`; raises ValueError for a longer one."""
        return self._text.embed_texts(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Queries of any length; a long one is the mean of its windows."""
        return self._text.embed_queries(texts)

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        """Pictures with their words: caption if there is one, else context, of which the first 254 tokens count.

        Raises Unreadable for a picture that cannot be decoded.
        """
        seen = self._pictures.embed([picture.path for picture in pictures])
        words = [picture.caption.strip() or picture.context.strip() for picture in pictures]
        with_words = [index for index, text in enumerate(words) if text]
        if not with_words:
            return seen
        read = self._text.embed_starts([words[index] for index in with_words])
        shares = [CAPTION_SHARE if pictures[index].caption.strip() else CONTEXT_SHARE for index in with_words]
        seen[with_words] = fuse(seen[with_words], read, shares)
        return seen


def fuse(pictures: Vectors, words: Vectors, shares: Sequence[float]) -> Vectors:
    """Unit rows of `(1 - share) * picture + share * words`.

    >>> print(fuse(np.float32([[1, 0]]), np.float32([[0, 1]]), [0.5]).round(2))
    [[0.71 0.71]]
    """
    share = np.asarray(shares, dtype=np.float32)[:, None]
    return unit((1 - share) * pictures + share * words)
