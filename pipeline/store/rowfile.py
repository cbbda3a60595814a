"""The rows of a batch of documents in one Arrow file on disk, so that no document has to fit into memory."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from pipeline.errors import StoreError
from pipeline.store.edge import translated
from pipeline.store.schema import (
    MODELS_KEY,
    PICTURES,
    VECTORS,
    Models,
    clean,
    corpus_schema,
    load_models,
    row_id,
    to_json,
)
from pipeline.types import DocumentRecord, Row

BATCH_ROWS = 128  # rows held before they go to disk
BATCH_BYTES = 32 << 20  # of their multi-vectors


class RowFile:
    """Rows to be written to the corpus, and the pictures that belong to them (as paths, read when they are stored).

    `create` and `add`, then `close`; later, also in another process, `open`, which refuses a file that was not closed.
    """

    def __init__(self, path: Path, models: Models, writer: Any = None, left_out: Set[str] = frozenset()) -> None:
        self.path, self.models, self._left_out = path, models, left_out
        self._writer = writer
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = 0

    @classmethod
    def create(cls, path: Path, models: Models) -> Self:
        """An empty file at `path`; what was there is overwritten."""
        with translated(str(path), "create the file of rows"):
            return cls(path, models, pa.ipc.new_file(str(path), _schema(models)))

    @classmethod
    def open(cls, path: Path, left_out: Set[str] = frozenset()) -> Self:
        """A file that was written and closed before, without the rows of the documents `left_out`, by `doc_id`.

        Raises `StoreError` if it is missing or unfinished.
        """
        with translated(str(path), "open the file of rows"), pa.memory_map(str(path)) as source:
            return cls(path, load_models(pa.ipc.open_file(source).schema.metadata[MODELS_KEY]), left_out=left_out)

    def add(
        self,
        record: DocumentRecord,
        rows: Sequence[Row],
        ingested_at: dt.datetime,
        *,
        recipe: str | None = None,
        run_id: str | None = None,
    ) -> None:
        """Add some rows of a document, in one or several calls. `recipe` and `run_id` override the record's.

        Raises `StoreError` for a vector of another dimension or with a value that is not finite, and for a picture that
        cannot be read.
        """
        shared = _shared(record, self.models) | {"ingested_at": ingested_at}
        shared |= {k: v for k, v in (("recipe", recipe), ("run_id", run_id)) if v is not None}
        for row in rows:
            self._pending.append(shared | self._own(record, row))
            self._pending_bytes += 0 if row.multivector is None else row.multivector.nbytes
            if len(self._pending) >= BATCH_ROWS or self._pending_bytes >= BATCH_BYTES:
                self._flush()

    def close(self) -> None:
        """Finish the file. Closing twice is harmless."""
        if self._writer is not None:
            self._flush()
            with translated(str(self.path), "write the file of rows"):
                self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        unfinished = kind is not None and self._writer is not None
        self._pending = [] if unfinished else self._pending
        self.close()
        if unfinished:
            self.path.unlink(missing_ok=True)  # nobody shall take half of a batch for all of it

    # reading, for the store -----------------------------------------------------------------------------------

    def reader(self) -> Any:
        """A new stream of the corpus columns as a `pyarrow.RecordBatchReader`; one batch in memory at a time."""
        schema = corpus_schema(self.models)
        return pa.RecordBatchReader.from_batches(schema, (batch.select(schema.names) for batch in self._batches()))

    def is_empty(self) -> bool:
        return all(batch.num_rows == 0 for batch in self._batches())

    def column(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """The values of some columns, row by row."""
        for batch in self._batches():
            yield from zip(*(batch[name].to_pylist() for name in names), strict=True)

    def _batches(self) -> Iterator[Any]:
        self.close()
        with pa.memory_map(str(self.path)) as source:
            file = pa.ipc.open_file(source)
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                if self._left_out:
                    batch = batch.filter(pc.invert(pc.is_in(batch["doc_id"], pa.array(sorted(self._left_out)))))
                yield batch

    # writing --------------------------------------------------------------------------------------------------

    def _own(self, record: DocumentRecord, row: Row) -> dict[str, Any]:
        identity = row_id(record.doc_id, row.modality, row.ordinal)
        name = f"{record.source_uri}: {row.modality} row {row.ordinal}"
        vector, multivector = row.vector, row.multivector
        own = self.models.pictures if row.modality == "image" else None
        if vector is not None:
            dim = (own or self.models.unified).dim
            vector = _checked(np.asarray(vector, np.float32)[None, :], dim, name)[0]
        if multivector is not None:
            multivector = _checked(np.asarray(multivector, np.float16), self.models.pages.dim, name)
        return {
            "id": identity,
            "modality": row.modality,
            "page": row.page,
            "bbox": None if row.bbox is None else list(row.bbox),
            "headings": [clean(heading) for heading in row.headings],
            "text": clean(row.text),
            "token_count": row.token_count,
            "vector": None if own else vector,
            "multivector": multivector,
            PICTURES: vector if own else None,
            "asset_id": None if row.picture is None else f"{record.doc_id}:{picture_name(row.picture)}",
            "route": row.route,
            "route_reason": row.route_reason,
            "route_signals": row.route_signals,
            "layout": row.layout or None,
            "picture": None if row.picture is None else str(row.picture),
        }

    def _flush(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if not pending:
            return
        if self._writer is None:
            raise StoreError(f"{self.path}: the file of rows is closed")
        arrays = [_array(field, [row[field.name] for row in pending]) for field in _schema(self.models)]
        with translated(str(self.path), "write the file of rows"):
            self._writer.write_batch(pa.record_batch(arrays, schema=_schema(self.models)))


def _schema(models: Models) -> Any:
    return corpus_schema(models).append(pa.field("picture", pa.string()))


def _shared(record: DocumentRecord, models: Models) -> dict[str, Any]:
    return {
        "doc_id": record.doc_id,
        "source_uri": clean(record.source_uri),
        "content_sha256": record.content_sha256,
        "media_type": record.media_type,
        "title": clean(record.title),
        **named(models),
        "recipe": record.recipe,
        "run_id": record.run_id,
        "source_modified_at": record.modified_at,
        "metadata": to_json(record.metadata),
    }


def _checked(vectors: npt.NDArray[Any], dim: int, name: str) -> npt.NDArray[Any]:
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise StoreError(f"{name}: its vectors are {vectors.shape}, the store's model makes (n, {dim})")
    if not np.isfinite(vectors).all():
        raise StoreError(f"{name}: its vectors hold values that are not finite numbers")
    return vectors


def named(models: Models) -> dict[str, str]:
    """What every row says of the models that made its vectors."""
    unified = " / ".join(str(id) for id in (models.unified, models.pictures) if id is not None)
    return {"unified_model": unified, "page_model": str(models.pages)}


def picture_name(picture: Path) -> str:
    """What follows the document in an `asset_id`: 24 hex digits of the SHA-256 of the picture's bytes.

    Named by content, so that old and new versions of a document never share a name for different bytes.
    """
    with translated(str(picture), "read the picture"), picture.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:24]


def _array(field: Any, values: list[Any]) -> Any:
    return vector_array(field.type, values) if field.name in VECTORS else pa.array(values, field.type)


def vector_array(kind: Any, values: Sequence[Any]) -> Any:
    """Vectors, or multi-vectors, or None each, as an Arrow array of a vector column's type."""
    missing = pa.array([value is None for value in values])
    if pa.types.is_fixed_size_list(kind):
        dim = kind.list_size
        dense = np.concatenate([np.zeros(dim, np.float32) if value is None else value for value in values])
        return pa.FixedSizeListArray.from_arrays(pa.array(dense), dim, mask=missing)
    inner = kind.value_type
    lengths = [0 if value is None else len(value) for value in values]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    full = [value for value in values if value is not None]
    flat = np.concatenate(full).reshape(-1) if full else np.zeros(0, np.float16)
    tokens = pa.FixedSizeListArray.from_arrays(pa.array(flat), inner.list_size)
    return pa.ListArray.from_arrays(pa.array(offsets), tokens, type=kind, mask=missing)
