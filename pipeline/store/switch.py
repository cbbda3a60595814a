"""Which model's vectors are in force: said by the table's metadata, with the columns they are in, in one commit.

A table may hold the vectors of a second model: of the next one while it is being filled, or of the last one until its
columns are dropped. Readers go by what they found when they opened the store, so they never see a mix.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import StoreError
from pipeline.store.edge import retrying
from pipeline.store.rowfile import named, vector_array
from pipeline.store.schema import (
    CORPUS,
    MODELS_KEY,
    PICTURES,
    Columns,
    Models,
    corpus_schema,
    dump_models,
    load_models,
    multivector_type,
    pictures_type,
    vector_type,
)
from pipeline.store.tables import GROUP, Tables, groups
from pipeline.store.where import both, is_one_of
from pipeline.types import Modality

SETS_KEY = b"docmill.vectors"
TAG = "before-reembed"
KINDS: tuple[Modality, ...] = ("text", "image", "page")
CONTENT = (
    "id",
    "doc_id",
    "modality",
    "text",
    "title",
    "headings",
    "asset_id",
    "bbox",
    "layout",
    "run_id",
    "ingested_at",
)


@dataclass(frozen=True, slots=True)
class Names:
    """What the settings call the models."""

    unified: str
    pages: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class VectorSet:
    """Vectors of one pair of models: the columns they are in, and what the settings call the models ("" if nobody
    knows)."""

    models: Models
    columns: Columns = field(default_factory=Columns)
    names: Names = field(default_factory=lambda: Names("", ""))


@dataclass(frozen=True, slots=True)
class VectorSets:
    """The vectors in force, those that are being filled, and those that were in force until `switched`.

    `labelled` says that rows and ledger name the models in force; `former` are names that settings may still have.
    """

    live: VectorSet
    next: VectorSet | None = None
    before: VectorSet | None = None
    switched: str = ""
    labelled: bool = True
    former: tuple[Names, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """Vectors for a row, as it was when `run_id` wrote it at `ingested_at`."""

    id: str
    modality: Modality
    run_id: str
    ingested_at: dt.datetime
    vector: npt.NDArray[np.float32] | None = None
    multivector: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a row says of the models in force."""

    id: str
    run_id: str
    ingested_at: dt.datetime
    recipe: str
    token_count: int | None


def read_sets(tables: Tables) -> VectorSets:
    """What the newest version of the table says."""
    stored = (tables.fresh(CORPUS).schema.metadata or {}).get(SETS_KEY)
    if stored is None:
        models = tables.models()
        return VectorSets(VectorSet(models, Columns(pictures=PICTURES if models.pictures else "")))
    try:
        values = json.loads(stored)
        sets = {name: _set(values[name]) for name in ("live", "next", "before")}
        former = tuple(Names(**names) for names in values["former"])
        assert sets["live"] is not None
        return VectorSets(sets["live"], sets["next"], sets["before"], values["switched"], values["labelled"], former)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise StoreError(f"{tables.uri}: the table's note of its vectors is damaged ({error})") from error


def write_sets(tables: Tables, sets: VectorSets) -> None:
    """One commit: models, columns and the rest become these."""
    value = asdict(sets)
    note = {MODELS_KEY.decode(): dump_models(sets.live.models).decode(), SETS_KEY.decode(): json.dumps(value)}
    retrying(lambda: tables.fresh(CORPUS).to_lance().update_schema_metadata(note))


def begin(tables: Tables, models: Models, live: Names, coming: Names) -> VectorSets:
    """Make columns for the vectors of the models that differ, and note that they are to be filled."""
    sets = read_sets(tables)
    table = tables.fresh(CORPUS)
    columns, fields = sets.live.columns, []
    if models.unified != sets.live.models.unified:
        columns = replace(columns, vector=_free(table, "vector"))
        fields.append(pa.field(columns.vector, vector_type(models)))
    if models.pictures != sets.live.models.pictures:
        columns = replace(columns, pictures=_free(table, PICTURES) if models.pictures else "")
        fields += [pa.field(columns.pictures, pictures_type(models))] if models.pictures else []
    if models.pages != sets.live.models.pages:
        columns = replace(columns, multivector=_free(table, "multivector"))
        fields.append(pa.field(columns.multivector, multivector_type(models)))
    if fields:
        table.add_columns(fields)
    sets = replace(sets, live=replace(sets.live, names=live), next=VectorSet(models, columns, coming))
    write_sets(tables, sets)
    return sets


def switch(tables: Tables, now: dt.datetime) -> VectorSets:
    """The next vectors are in force from this commit on; those until now are kept."""
    sets = read_sets(tables)
    assert sets.next is not None
    former = tuple(dict.fromkeys(names for names in (*sets.former, sets.live.names) if names != sets.next.names))
    sets = VectorSets(sets.next, None, sets.live, now.isoformat(), labelled=False, former=former)
    write_sets(tables, sets)
    return sets


def drop(tables: Tables, columns: Columns, sets: VectorSets) -> None:
    """Forget vectors that are not in force: first the note, in `sets`, then the columns."""
    write_sets(tables, sets)
    names = [name for name in columns.names() if name not in sets.live.columns.names()]
    table = tables.fresh(CORPUS)
    for index in table.list_indices():
        if index.columns[0] in names:
            table.drop_index(index.name)
    if there := [name for name in names if name in table.schema.names]:
        table.drop_columns(there)


def changes(live: Columns, target: Columns, modality: Modality) -> dict[str, str]:
    """Of rows of a kind, the columns that the target has other vectors in, with those in force."""
    pairs = {target.of(modality): live.of(modality)}
    if modality == "page":
        pairs[target.multivector] = live.multivector
    return {new: old for new, old in pairs.items() if new != old}


def missing(sets: VectorSets, target: VectorSet) -> str:
    """The condition of rows that have a vector in force, but none of the target's."""
    found = [
        f"(modality = '{kind}' AND {new} IS NULL AND {old} IS NOT NULL)"
        for kind in KINDS
        for new, old in changes(sets.live.columns, target.columns, kind).items()
    ]
    return " OR ".join(found) or "FALSE"


def count_missing(tables: Tables, sets: VectorSets, target: VectorSet) -> dict[Modality, int]:
    table, condition = tables.open(CORPUS), missing(sets, target)
    return {kind: int(table.count_rows(both(f"modality = '{kind}'", condition))) for kind in KINDS}


def to_fill(
    tables: Tables, sets: VectorSets, target: VectorSet, doc_ids: Collection[str] | None, size: int
) -> Iterator[list[dict[str, Any]]]:
    """Content of the rows without the target's vectors, streamed from one version of the table."""
    table = tables.fresh(CORPUS)
    table.checkout(table.version)
    few = doc_ids is not None and len(doc_ids) <= GROUP
    condition = both(missing(sets, target), is_one_of("doc_id", sorted(doc_ids)) if few and doc_ids else None)
    if doc_ids is not None and not doc_ids:
        return
    for batch in table.search().where(condition).select(_there(table, CONTENT)).to_batches(batch_size=size):
        rows = batch.to_pylist()
        yield rows if few or doc_ids is None else [row for row in rows if row["doc_id"] in doc_ids]


def fill(tables: Tables, target: VectorSet, live: Columns, filled: Sequence[Filled]) -> int:
    """Write vectors, in one commit for each kind of row, save those of rows that were written anew since they were
    read; gives how many."""
    same = _unchanged(tables, filled)
    for kind in KINDS:
        values = [value for value in filled if value.id in same and value.modality == kind]
        if values and (changed := changes(live, target.columns, kind)):
            fields, arrays = [_id_field(tables)], [pa.array([value.id for value in values])]
            for name in changed:
                fields.append(pa.field(name, tables.open(CORPUS).schema.field(name).type))
                late = name == target.columns.multivector
                arrays.append(
                    vector_array(fields[-1].type, [value.multivector if late else value.vector for value in values])
                )
            _merge(tables, pa.Table.from_arrays(arrays, schema=pa.schema(fields)))
    return len(same)


def to_label(tables: Tables, models: Models, size: int) -> Iterator[list[dict[str, Any]]]:
    """Rows that name other models than these, streamed from one version of the table."""
    table = tables.fresh(CORPUS)
    table.checkout(table.version)
    unified, pages = (is_one_of(name, [model]) for name, model in named(models).items())
    columns = ["id", "modality", "text", "recipe", "run_id", "ingested_at", "token_count"]
    query = table.search().where(f"NOT (({unified}) AND ({pages}))").select(columns)
    for batch in query.to_batches(batch_size=size):
        yield batch.to_pylist()


def label(tables: Tables, models: Models, labels: Sequence[Label]) -> None:
    """Have rows name these models, their new recipe and token count; not those that were written anew meanwhile."""
    same = _unchanged(tables, labels)
    rows = [
        {"id": one.id, "recipe": one.recipe, "token_count": one.token_count, **named(models)}
        for one in labels
        if one.id in same
    ]
    if rows:
        schema = corpus_schema(models)
        fields = [_id_field(tables), *(schema.field(name) for name in (*named(models), "recipe", "token_count"))]
        _merge(tables, pa.Table.from_pylist(rows, schema=pa.schema(fields)))


def restore(tables: Tables) -> None:
    """The corpus becomes what it was at the tag."""
    table = tables.fresh(CORPUS)
    table.checkout(TAG)
    table.restore()


def _unchanged(tables: Tables, values: Sequence[Filled] | Sequence[Label]) -> set[str]:
    stamps = {value.id: (value.run_id, value.ingested_at) for value in values}
    found: set[str] = set()
    for group in groups(stamps, GROUP):
        for batch in tables.batches(CORPUS, is_one_of("id", group), ["id", "run_id", "ingested_at"]):
            found.update(r["id"] for r in batch.to_pylist() if stamps[r["id"]] == (r["run_id"], r["ingested_at"]))
    return found


def _merge(tables: Tables, part: Any) -> None:
    def merge() -> None:
        tables.fresh(CORPUS).merge_insert("id").when_matched_update_all().execute(part, on_bad_vectors="null")

    retrying(merge)


def _id_field(tables: Tables) -> Any:
    return tables.open(CORPUS).schema.field("id")


def _free(table: Any, name: str) -> str:
    number = 2
    while f"{name}_{number}" in table.schema.names:
        number += 1
    return f"{name}_{number}"


def _there(table: Any, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in table.schema.names]


def _set(value: dict[str, Any] | None) -> VectorSet | None:
    if value is None:
        return None
    models = load_models(json.dumps(value["models"]).encode())
    return VectorSet(models, Columns(**value["columns"]), Names(**value["names"]))
