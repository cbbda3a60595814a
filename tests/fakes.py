"""Embedders that compute: small, exact, and without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.embed import Frequencies
from pipeline.types import ModelId, PageEmbedding, PageInput, PictureInput, QueryTokens, Vectors

DIM = 32


def word_vector(text: str) -> Vectors:
    """(DIM,) unit vector of the text's words, each word on one axis by its hash; a constant for no words."""
    vector = np.full(DIM, 1e-6, np.float32)
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIM] += 1
    return vector / np.float32(np.linalg.norm(vector))


class WordUnified:
    """One vector of word counts for texts, and for pictures by their caption. Keeps what it was given."""

    id = ModelId("words", "1", DIM, "counts")
    max_tokens = 40
    one_scale = True

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.pictures: list[PictureInput] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return np.stack([word_vector(text) for text in texts]) if texts else np.zeros((0, DIM), np.float32)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed_texts(texts)

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:
        return queries

    def embed_pictures(self, pictures: Sequence[PictureInput]) -> Vectors:
        self.pictures += pictures
        return np.stack([word_vector(f"{p.caption} {p.context}") for p in pictures])


class WordPages:
    """One vector a line of the page's text layer; a page without one has the text "scan". Keeps what it was given."""

    id = ModelId("word-pages", "1", DIM, "none")
    uses_frequencies = False

    def __init__(self) -> None:
        self.embedded: list[PageInput] = []

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        self.embedded += pages
        return [self._page(page) for page in pages]

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        raise NotImplementedError

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:
        vectors = np.stack([word_vector(word) for word in text.split()])
        return QueryTokens(vectors, np.ones(len(vectors), np.float32))

    def _page(self, page: PageInput) -> PageEmbedding:
        texts = [line.text for line in page.lines or ()] or ["scan"]
        return PageEmbedding(np.stack([word_vector(text) for text in texts]).astype(np.float16), "\n".join(texts))
