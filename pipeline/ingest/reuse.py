"""Vectors that need not be made again: those of stored rows that the same models made of the same input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.ingest.context import Placed
from pipeline.ingest.records import has_rows
from pipeline.store import RowVectors, Store, picture_name
from pipeline.types import Box, PageInput, Prepared, Row

MAX_ROWS = 200_000  # known rows of a batch, some 50 MB of keys; what lies beyond is embedded again


class Known:
    """Names of stored rows by the key of what they were made of.

    Vectors are read when they are asked for, so that a long document's never lie in memory together.
    """

    def __init__(
        self, ids: Mapping[bytes, str], read_vectors: Callable[[Sequence[str]], Mapping[str, RowVectors]]
    ) -> None:
        self._ids, self._read = ids, read_vectors

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, keys: Sequence[bytes]) -> list[RowVectors | None]:
        """What was made of each input, None for an input that is new. Raises `StoreError`."""
        ids = [self._ids.get(key) for key in keys]
        wanted = [name for name in dict.fromkeys(ids) if name is not None]
        found = self._read(wanted) if wanted else {}
        return [found.get(name) if name is not None else None for name in ids]


NOTHING = Known({}, lambda _: {})


def load_known(store: Store, prepared: Sequence[Prepared], embedding: str) -> Known:
    """The rows of these documents' earlier versions, and of one indexed document with the same bytes each, as far as
    their recipe begins with `embedding`.

    That part names models, context and rendering, so under it equal inputs give equal vectors, whoever parsed them.
    """
    rows = store.inputs(_sources(store, prepared, embedding), embedding)
    ids = {key: row["id"] for row in islice(rows, MAX_ROWS) for key in _keys(row)}
    return Known(ids, store.vectors)


def text_key(passage: Placed) -> bytes:
    """Of all that the embedded text is made of."""
    return _key("text", passage.title, list(passage.headings), passage.text)


def picture_key(thumbnail: Path, words: str) -> bytes:
    """Of the picture, as it is kept, and its words."""
    return _key("image", picture_name(thumbnail), words)


def page_key(thumbnail: Path, row: Row, page: PageInput) -> bytes:
    """Of the page's picture, size and signals, and of its text layer if that is what stands for the picture."""
    text = None if page.lines is None else "\n".join(line.text for line in page.lines)
    return _page_key(picture_name(thumbnail), row.bbox, (row.route, row.route_reason, row.route_signals), text)


def _sources(store: Store, prepared: Sequence[Prepared], embedding: str) -> list[str]:
    """Documents whose rows come into question; of many copies one."""
    blobs = [item.blob for item in prepared if item.spool is not None and not item.failure and not item.skip]
    earlier = [record.doc_id for record in store.documents([blob.uri for blob in blobs]) if has_rows(record)]
    copies = store.copies([blob.sha256 for blob in blobs])
    copies = (record for record in copies if record.recipe.startswith(f"{embedding}."))
    one_each = {record.content_sha256: record.doc_id for record in copies}
    return list(dict.fromkeys([*earlier, *one_each.values()]))


def _keys(row: Mapping[str, Any]) -> Iterator[bytes]:
    """Keys of a stored row. A page has two, for nothing says whether its text was its layer's or was read by OCR."""
    picture = (row["asset_id"] or "").rpartition(":")[2]
    if row["modality"] == "text":
        yield _key("text", row["title"], row["headings"], row["text"])
    elif row["modality"] == "image":
        yield _key("image", picture, row["text"])
    else:
        route = (row["route"], row["route_reason"], row["route_signals"])
        yield from (_page_key(picture, row["bbox"], route, text) for text in (None, row["text"]))


def _page_key(picture: str, bbox: Box | None, route: tuple[str, str, str], text: str | None) -> bytes:
    """The signals decide with the layer's length whether the layer is trusted: the same signals, the same decision."""
    return _key("page", picture, None if bbox is None else np.asarray(bbox, np.float32).tolist(), route, text)


def _key(*parts: object) -> bytes:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
