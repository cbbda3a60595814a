"""Embedders that compute: small, exact, and without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.embed import Frequencies
from pipeline.embed.notes import too_long
from pipeline.types import (
    ModelId,
    PageEmbedding,
    PageImage,
    PageInput,
    PictureInput,
    QueryTokens,
    Reading,
    TextLine,
    TokenVectors,
    Vectors,
)

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
    pictures_id: ModelId | None = None

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.pictures: list[PictureInput] = []

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def notes(self, query: str) -> tuple[str, ...]:
        return too_long(self.count_tokens([query])[0], self.max_tokens)

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


class InkReader:
    """A reader of pictures: it says how much ink is on them. Keeps what it was given."""

    def __init__(self, id: str = "ink 1", dark: int = 128) -> None:
        self.id, self.dark = id, dark
        self.pictures: list[Path] = []

    def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
        self.pictures.append(path)
        with Image.open(path) as picture:
            dark = int((np.asarray(picture.convert("L")) < self.dark).sum())
        return Reading((TextLine(f"ink {dark}", (0, 0, width_pt, height_pt), 0.9),) if dark else ())


class WordPages:
    """One vector a line of the page's text layer, or of what the reader says. Keeps what it was given."""

    id = ModelId("word-pages", "1", DIM, "none")
    device = "cpu"
    uses_frequencies = False

    def __init__(self, reader: InkReader | None = None) -> None:
        self.embedded: list[PageInput] = []
        self.reader = reader or InkReader()

    def embed_pages(self, pages: Sequence[PageInput]) -> list[PageEmbedding]:
        self.embedded += pages
        return [self._page(page) for page in pages]

    def count_frequencies(self, texts: Iterable[str]) -> Frequencies:
        raise NotImplementedError

    def embed_query(self, text: str, frequencies: Frequencies | None = None) -> QueryTokens:
        vectors = np.stack([word_vector(word) for word in text.split()])
        return QueryTokens(vectors, np.ones(len(vectors), np.float32))

    def line_owners(self, text: str) -> list[tuple[int, ...]]:
        return [(number,) for number in range(len(text.split("\n")))]

    def _page(self, page: PageInput) -> PageEmbedding:
        lines = page.lines if page.lines is not None else self._read(page.image)
        return PageEmbedding(
            self.vectors_of([line.text for line in lines]), "\n".join(line.text for line in lines), lines
        )

    def vectors_of(self, lines: Sequence[str]) -> TokenVectors:
        """(lines, DIM): one vector a line."""
        return np.array([word_vector(line) for line in lines], np.float16).reshape(len(lines), DIM)

    def _read(self, image: PageImage) -> tuple[TextLine, ...]:
        return self.reader.read(image.path, image.width_pt, image.height_pt).lines
