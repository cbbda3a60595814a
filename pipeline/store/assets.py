"""Pictures and page thumbnails as bytes, and the page model's token counts; apart from the corpus, for cheap merges."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lance import blob_array

from pipeline.errors import StoreError
from pipeline.store.schema import ASSETS, assets_schema
from pipeline.store.tables import GROUP, Tables, groups
from pipeline.store.where import is_one_of, sql_literal

COUNTS = "token-counts"  # assets that belong to no document have no `doc_id`
NOTES = "note:"
BATCH_BYTES = 16 << 20
SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"RIFF", "image/webp"),
    (b"GIF8", "image/gif"),
)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """On how many of `pages` pages each token of the page model stands; `counts` is (vocabulary,) int64."""

    pages: int
    counts: npt.NDArray[np.int64]


class Assets:
    """The `assets` table. An asset's bytes never change: its id is made from them."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def ids(self, doc_ids: Sequence[str]) -> set[str]:
        """Ids of all assets of some documents."""
        found: set[str] = set()
        for group in groups(doc_ids, GROUP):
            for batch in self._tables.batches(ASSETS, is_one_of("doc_id", group), ["asset_id"]):
                found.update(batch["asset_id"].to_pylist())
        return found

    def add(self, pictures: Iterable[tuple[str, str, Path]]) -> None:
        """Store (asset_id, doc_id, path) of pictures that are not there yet; files are read a few at a time."""
        for ids, doc_ids, contents in _groups(pictures):
            kinds = [_media_type(content) for content in contents]
            columns = [pa.array(ids), pa.array(doc_ids), pa.array(kinds), blob_array(contents)]
            self._tables.open(ASSETS).add(pa.table(columns, schema=assets_schema()))

    def drop(self, ids: Iterable[str]) -> None:
        for group in groups(sorted(ids), GROUP):
            self._tables.open(ASSETS).delete(is_one_of("asset_id", group))

    def read(self, asset_id: str) -> bytes | None:
        table = self._tables.open(ASSETS)
        query = table.search().where(f"asset_id = {sql_literal(asset_id)}").select(["asset_id"]).with_row_id(True)
        rows = query.limit(1).to_arrow()
        if rows.num_rows == 0:
            return None
        return bytes(table.fetch_blobs("bytes", row_ids=rows["_rowid"].to_pylist())[0].as_py())

    def read_note(self, name: str) -> bytes | None:
        return self.read(NOTES + name)

    def write_note(self, name: str, content: bytes) -> None:
        """Replace a note in one commit."""
        self._put(NOTES + name, "application/octet-stream", content)

    def read_counts(self, column: str) -> TokenCounts | None:
        """Of the page model that made the vectors of a column."""
        stored = self.read(_counts(column))
        if stored is None:
            return None
        with np.load(io.BytesIO(stored), allow_pickle=False) as values:
            return TokenCounts(int(values["pages"]), values["counts"].astype(np.int64))

    def write_counts(self, counted: TokenCounts, column: str) -> None:
        """Replace the counts in one commit; the same counts again are not written."""
        before = self.read_counts(column)
        if before and before.pages == counted.pages and np.array_equal(before.counts, counted.counts):
            return
        buffer = io.BytesIO()
        np.savez_compressed(buffer, pages=np.int64(counted.pages), counts=counted.counts.astype(np.int64))
        self._put(_counts(column), "application/x-npz", buffer.getvalue())

    def _put(self, name: str, media_type: str, content: bytes) -> None:
        columns = [pa.array([name]), pa.array([""]), pa.array([media_type]), blob_array([content])]
        merge = self._tables.open(ASSETS).merge_insert("asset_id")
        merge.when_matched_update_all().when_not_matched_insert_all().execute(pa.table(columns, schema=assets_schema()))


def _counts(column: str) -> str:
    return COUNTS if column == "multivector" else f"{COUNTS}:{column}"


def _groups(pictures: Iterable[tuple[str, str, Path]]) -> Iterator[tuple[list[str], list[str], list[bytes]]]:
    ids: list[str] = []
    doc_ids: list[str] = []
    contents: list[bytes] = []
    for asset_id, document, path in pictures:
        ids.append(asset_id)
        doc_ids.append(document)
        contents.append(_read(path))
        if sum(map(len, contents)) >= BATCH_BYTES:
            yield ids, doc_ids, contents
            ids, doc_ids, contents = [], [], []
    if ids:
        yield ids, doc_ids, contents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot read the picture that is to be stored: {error.strerror}") from error


def _media_type(content: bytes) -> str:
    return next((kind for start, kind in SIGNATURES if content.startswith(start)), "application/octet-stream")
