"""Vectors of another model for rows that are stored, from what is stored of them: words and kept pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.embed import PageModel, Unified
from pipeline.errors import StoreError
from pipeline.ingest.context import Placed, in_context
from pipeline.layout import load_layout
from pipeline.page_vector import page_vectors
from pipeline.store import Filled, Store, VectorSet
from pipeline.types import Modality, PageImage, PageInput, PictureInput

Vector = npt.NDArray[np.float32] | None
KINDS: tuple[Modality, ...] = ("text", "image", "page")
Content = Mapping[str, Any]


@dataclass(slots=True)
class Refill:
    """Embeds rows by the models of a set of vectors that is not in force; pictures pass through `folder`."""

    store: Store
    target: VectorSet
    unified: Unified
    pages: PageModel
    folder: Path

    def embed(self, rows: Sequence[Content]) -> list[Filled]:
        """A value for each row. A passage longer than the model reads at once, and a page's words, become the mean of
        their windows; nothing is cut off. Raises `StoreError` for a picture that is not there."""
        live, target = self.store.sets.live.columns, self.target.columns
        kinds = {kind for kind in KINDS if live.of(kind) != target.of(kind)}
        dense: dict[str, Vector] = self._dense([row for row in rows if row["modality"] in kinds])
        late: dict[str, Any] = self._late(rows) if target.multivector != live.multivector else {}
        return [
            Filled(name, row["modality"], row["run_id"], row["ingested_at"], dense.get(name), late.get(name))
            for name, row in ((row["id"], row) for row in rows)
        ]

    def _dense(self, rows: Sequence[Content]) -> dict[str, Vector]:
        texts = [row for row in rows if row["modality"] == "text"]
        sheets = [row for row in rows if row["modality"] == "page" and (row["text"] or "").strip()]
        pictures = [row for row in rows if row["modality"] == "image"]
        found: dict[str, Vector] = {}
        if texts:
            placed = [Placed(row["text"], row["title"] or "", tuple(row["headings"] or ())) for row in texts]
            whole = in_context(placed, self.unified.count_tokens, self.unified.max_tokens)
            found |= self._passages([row["id"] for row in texts], whole)
        if sheets:
            made = page_vectors([row["text"] for row in sheets], self.unified)
            found |= dict(zip((row["id"] for row in sheets), made, strict=True))
        if pictures:
            inputs = [PictureInput(self._picture(row), *_words(row["text"] or "")) for row in pictures]
            found |= dict(zip((row["id"] for row in pictures), self.unified.embed_pictures(inputs), strict=True))
        return found

    def _passages(self, ids: Sequence[str], texts: Sequence[str]) -> dict[str, Vector]:
        tokens = self.unified.count_tokens(texts)
        fits = [count <= self.unified.max_tokens for count in tokens]
        short = [text for text, fit in zip(texts, fits, strict=True) if fit]
        long = [text for text, fit in zip(texts, fits, strict=True) if not fit]
        one = iter(self.unified.embed_texts(short) if short else ())
        mean = iter(page_vectors(long, self.unified))
        return {name: next(one) if fit else next(mean) for name, fit in zip(ids, fits, strict=True)}

    def _late(self, rows: Sequence[Content]) -> dict[str, Any]:
        sheets = [row for row in rows if row["modality"] == "page"]
        if not sheets:
            return {}
        made = self.pages.embed_pages([self._sheet(row) for row in sheets])
        return {row["id"]: one.vectors for row, one in zip(sheets, made, strict=True)}

    def _sheet(self, row: Content) -> PageInput:
        path = self._picture(row)
        with Image.open(path) as image:
            width, height = image.size
        box = row["bbox"] or (0, 0, width, height)
        lines = load_layout(row.get("layout") or "", row["text"] or "").lines
        return PageInput(PageImage(path, width, height, box[2] - box[0], box[3] - box[1]), lines or None)

    def _picture(self, row: Content) -> Path:
        """The kept picture of a row as a file, which the next one of the same row overwrites."""
        if row["asset_id"] is None:
            raise StoreError(
                f"{self.store.uri}: the row {row['id']} has no picture; `docmill backfill reparse` mends it"
            )
        path = self.folder / f"{row['id'].replace(':', '-')}.picture"
        self.folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.store.asset(row["asset_id"]))
        return path


def _words(text: str) -> tuple[str, str]:
    """A picture's caption and context, which its row has joined without a mark: the first line is the caption."""
    caption, _, context = text.partition("\n")
    return caption, context
