"""Hits as an Arrow table, for notebooks and data frames. Reads no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pipeline.types import Hit

TEXT = pa.string()
BOX = pa.list_(pa.float64())
PLACE = pa.struct([("leg", TEXT), ("rank", pa.int32()), ("score", pa.float64())])
AGAIN = pa.struct([("id", TEXT), ("modality", TEXT), ("source_uri", TEXT), ("page", pa.int32())])
REGION = pa.struct([("bbox", BOX), ("score", pa.float64())])
SCHEMA = pa.schema(
    [
        ("rank", pa.int32()),
        ("score", pa.float64()),
        ("modality", TEXT),
        ("source_uri", TEXT),
        ("page", pa.int32()),
        ("bbox", BOX),
        ("text", TEXT),
        ("route", TEXT),
        ("legs", pa.list_(PLACE)),
        ("id", TEXT),
        ("title", TEXT),
        ("headings", pa.list_(TEXT)),
        ("boxes", pa.list_(REGION)),
        ("page_size", BOX),
        ("also", pa.list_(AGAIN)),
    ]
)


def hits_table(hits: Sequence[Hit]) -> Any:
    """A `pyarrow.Table`, a row for each hit; `legs` is a list of {leg, rank, score}."""
    rows = []
    for hit in hits:
        row = asdict(hit)
        row["legs"] = [{"leg": leg, **place} for leg, place in hit.legs.items()]
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SCHEMA)
