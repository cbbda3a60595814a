"""The three tables as Arrow schemas, the models they are pinned to, the names of rows. Reads and writes nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from lance import blob_field

from pipeline.types import Modality, ModelId

CORPUS, DOCUMENTS, ASSETS = "corpus", "documents", "assets"
TABLES = (DOCUMENTS, ASSETS, CORPUS)  # the order of creation: a store is whole once it has a corpus
PICTURES = "picture_vector"  # a column of stores whose pictures have a model of their own
VECTORS = ("vector", "multivector", PICTURES)
MODELS_KEY = b"docmill.models"
KEY = {
    b"lance-schema:unenforced-primary-key": b"true"
}  # two writers of the same new row conflict instead of both adding
INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True)
class Models:
    """The models a store is pinned to, and licences without commercial use that were accepted for them."""

    unified: ModelId
    pages: ModelId
    pictures: ModelId | None = None  # where pictures have a model and a space of their own
    accepted: tuple[str, ...] = field(default=(), compare=False)

    def dtypes(self) -> dict[str, str]:
        """What each model computed in, by its name, where that was a choice."""
        return {id.name: id.dtype for id in (self.unified, self.pages, self.pictures) if id is not None and id.dtype}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the vectors in force; others hold those of a model to come, or of the last one."""

    vector: str = "vector"
    multivector: str = "multivector"
    pictures: str = ""  # where pictures have a model of their own

    def of(self, modality: Modality) -> str:
        """The column of the one vector of such rows."""
        return self.pictures if modality == "image" and self.pictures else self.vector

    def names(self) -> list[str]:
        return [name for name in (self.vector, self.multivector, self.pictures) if name]


def is_vector_column(name: str) -> bool:
    """True for the columns of vectors, and for the numbered ones that other models were given.

    >>> [is_vector_column(name) for name in ("vector", "picture_vector_2", "multivector_3", "vector_model")]
    [True, True, True, False]
    """
    return re.fullmatch(rf"({'|'.join(VECTORS)})(_\d+)?", name) is not None


def doc_id(uri: str) -> str:
    """The name of a document: the first 32 hex digits of the SHA-256 of its canonical source URI.

    >>> doc_id("file:///a.pdf")
    '27a0132cb610b7b14b06963746d00199'
    """
    return hashlib.sha256(clean(uri).encode()).hexdigest()[:32]


def row_id(document: str, modality: Modality, ordinal: int) -> str:
    return f"{document}:{modality}:{ordinal}"


def clean(text: str) -> str:
    """The text as valid UTF-8: lone surrogates, which no table can hold, are written out as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def corpus_schema(models: Models, columns: Columns = Columns()) -> pa.Schema:
    text = pa.string()
    own = [] if models.pictures is None else [pa.field(columns.pictures or PICTURES, pictures_type(models))]
    return pa.schema(
        [
            pa.field("id", text, nullable=False, metadata=KEY),
            pa.field("doc_id", text, nullable=False),
            pa.field("source_uri", text, nullable=False),
            pa.field("content_sha256", text),
            pa.field("media_type", text),
            pa.field("title", text),
            pa.field("modality", text, nullable=False),
            pa.field("page", pa.int32()),
            pa.field("bbox", pa.list_(pa.float32(), 4)),
            pa.field("headings", pa.list_(text)),
            pa.field("text", text),
            pa.field("token_count", pa.int32()),
            pa.field(columns.vector, vector_type(models)),
            pa.field(columns.multivector, multivector_type(models)),
            pa.field("asset_id", text),
            pa.field("route", text),
            pa.field("route_reason", text),
            pa.field("route_signals", text),
            pa.field("unified_model", text),
            pa.field("page_model", text),
            pa.field("recipe", text),
            pa.field("run_id", text),
            pa.field("ingested_at", INSTANT),
            pa.field("source_modified_at", INSTANT),
            pa.field("metadata", text),  # JSON object of strings, as `to_json` writes it
            pa.field("layout", text),  # of a page row: JSON, as `pipeline.layout` writes it; an older store lacks it
            *own,
        ],
        metadata={MODELS_KEY: dump_models(models)},
    )


def vector_type(models: Models) -> pa.DataType:
    return pa.list_(pa.float32(), models.unified.dim)


def pictures_type(models: Models) -> pa.DataType:
    assert models.pictures is not None
    return pa.list_(pa.float32(), models.pictures.dim)


def multivector_type(models: Models) -> pa.DataType:
    return pa.list_(pa.list_(pa.float16(), models.pages.dim))


def documents_schema() -> pa.Schema:
    text, count = pa.string(), pa.int32()
    return pa.schema(
        [
            pa.field("source_uri", text, nullable=False, metadata=KEY),
            *(pa.field(name, text) for name in ("doc_id", "state", "revision", "content_sha256")),
            pa.field("size_bytes", pa.int64()),
            *(pa.field(name, text) for name in ("media_type", "title", "recipe", "parent")),
            *(pa.field(name, count) for name in ("text_rows", "image_rows", "page_rows", "attempts")),
            pa.field("error", text),
            pa.field("stage", text),
            pa.field("page", count),
            pa.field("message", text),
            pa.field("transient", pa.bool_()),
            pa.field("fingerprint", text),
            pa.field("warnings", pa.list_(text)),
            pa.field("run_id", text),
            *(pa.field(name, INSTANT) for name in ("first_seen", "last_seen", "modified_at")),
            pa.field("seconds", pa.float64()),
            pa.field("metadata", text),
            pa.field("by_hand", text),  # this and what follows may be missing from an older store
            pa.field("embed_seconds", pa.float64()),
        ]
    )


def assets_schema() -> pa.Schema:
    return pa.schema(
        [
            pa.field("asset_id", pa.string(), nullable=False, metadata=KEY),
            pa.field("doc_id", pa.string(), nullable=False),
            pa.field("media_type", pa.string()),
            blob_field("bytes"),
        ]
    )


def dump_models(models: Models) -> bytes:
    return json.dumps(asdict(models), sort_keys=True).encode()


def load_models(stored: bytes) -> Models:
    """Inverse of `dump_models`; raises ValueError, KeyError or TypeError for anything else."""
    values: dict[str, Any] = json.loads(stored)
    pictures = values.get("pictures")
    return Models(
        ModelId(**values["unified"]),
        ModelId(**values["pages"]),
        None if pictures is None else ModelId(**pictures),
        tuple(values.get("accepted", ())),
    )


def to_json(values: Mapping[str, str]) -> str:
    """One canonical JSON text, so that `"key":"value"` can be looked for in it.

    >>> to_json({"b": "2", "a": "x"})
    '{"a":"x","b":"2"}'
    """
    strings = {clean(str(key)): clean(str(value)) for key, value in values.items()}
    return json.dumps(strings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
