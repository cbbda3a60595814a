"""Reads queries and what is right for each: JSON lines, tables with tabs, TREC judgements, folders in BEIR's layout."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast, get_args

from pipeline.errors import UsageError
from pipeline.types import Modality

ID_KEYS, TEXT_KEYS = ("_id", "id", "query-id", "qid"), ("text", "query", "question")
ANSWER_KEYS = ("answer", "corpus-id", "document")
GRADE_KEYS = ("score", "grade", "relevance")
JUDGEMENT_FILES = ("qrels/{split}.tsv", "qrels.tsv")  # of a BEIR folder, the first that is there


@dataclass(frozen=True, slots=True)
class Query:
    """A question and what answers it: names of documents or of pages of them, each with its grade, above 0.

    With `modality` only rows of that kind count as answers, so that it is asked of them alone.
    """

    id: str
    text: str
    answers: Mapping[str, float] = field(default_factory=dict)
    modality: Modality | None = None


@dataclass(frozen=True, slots=True)
class QuerySet:
    """Queries that have at least one answer; `notes` says what was left out."""

    name: str
    queries: tuple[Query, ...]
    notes: tuple[str, ...] = ()


def read_set(path: Path, judgements: Path | None = None, split: str = "test") -> QuerySet:
    """The queries of a file, or of a folder in BEIR's layout (`queries.jsonl`, `qrels/SPLIT.tsv` or `qrels.tsv`).

    Answers stand with the queries, in the file `judgements`, or in the folder. Raises `UsageError` that names file and
    line for what cannot be read, and for a set without any answer.
    """
    if path.is_dir():
        judgements = judgements or _judgements_of(path, split)
        path = path / "queries.jsonl"
    queries = read_queries(path)
    if judgements is None:
        return with_answers(path, queries)
    return join(path, queries, judgements, read_judgements(judgements))


def read_queries(path: Path) -> dict[str, Query]:
    """Queries by id, with the answers that stand beside them. A query may have several lines, each with answers."""
    rows = _json_lines(path) if path.suffix.lower() in (".jsonl", ".json", ".ndjson") else _table(path)
    queries: dict[str, Query] = {}
    for place, row in rows:
        query = _query(place, row)
        known = queries.get(query.id)
        if known is not None and (known.text != query.text or not query.answers):
            raise UsageError(f"{place}: there is another query with the id {query.id[:60]!r}")
        answers = query.answers if known is None else {**known.answers, **query.answers}
        queries[query.id] = replace(query, answers=answers)
    if not queries:
        raise UsageError(f"{path}: no queries in it")
    return queries


def read_judgements(path: Path) -> dict[str, dict[str, float]]:
    """Grades by query and document: TREC's `query 0 document grade`, or a table `query-id corpus-id score`, or JSON
    lines with these keys."""
    found: dict[str, dict[str, float]] = {}
    for place, query, document, grade in _judged(path):
        found.setdefault(query, {})[document] = _grade(place, grade)
    if not found:
        raise UsageError(f"{path}: no judgements in it")
    return found


def with_answers(path: Path, queries: Mapping[str, Query]) -> QuerySet:
    """The queries with answers above grade 0; the others are counted in a note."""
    kept = [replace(q, answers={a: g for a, g in q.answers.items() if g > 0}) for q in queries.values()]
    judged = tuple(query for query in kept if query.answers)
    if not judged:
        raise UsageError(
            f"{path}: no query has an answer; put them beside the queries as `answers`, or give --qrels FILE"
        )
    left = len(kept) - len(judged)
    return QuerySet(str(path), judged, (f"{left} of {len(kept)} queries have no answer and are left out",) * bool(left))


def join(
    path: Path, queries: Mapping[str, Query], judgements: Path, grades: Mapping[str, Mapping[str, float]]
) -> QuerySet:
    """Queries with the answers that a file of judgements gives them, beside their own."""
    both = {id: replace(q, answers={**q.answers, **grades.get(id, {})}) for id, q in queries.items()}
    strange = [id for id in grades if id not in queries]
    if len(strange) == len(grades):
        raise UsageError(f"{judgements}: judges queries such as {strange[0][:60]!r}, of which none is in {path}")
    found = with_answers(path, both)
    note = f"{len(strange)} judged queries are not in {path} (the first: {strange[0][:60]!r})" if strange else ""
    return replace(found, notes=(*found.notes, *([note] if note else [])))


# lines ------------------------------------------------------------------------------------------------------


def _judgements_of(folder: Path, split: str) -> Path | None:
    if not (folder / "queries.jsonl").is_file():
        raise UsageError(
            f"{folder}: has no queries.jsonl, so it is no set of queries in BEIR's layout; to measure with questions "
            "taken from the corpus itself leave QUERIES out"
        )
    places = [folder / name.format(split=split) for name in JUDGEMENT_FILES]
    return next((place for place in places if place.is_file()), None)


def _query(place: str, row: Mapping[str, Any]) -> Query:
    text = _first(row, TEXT_KEYS)
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{place}: the query has no text; it stands under `text` (or `query`)")
    id = _first(row, ID_KEYS)
    if id is not None and not isinstance(id, str | int):
        raise UsageError(f"{place}: `_id` is {json.dumps(id)[:60]}; it must be a text or a number")
    kind = row.get("modality") or None
    if kind is not None and kind not in get_args(Modality):
        raise UsageError(f"{place}: modality is {str(kind)[:60]!r}; it must be one of {', '.join(get_args(Modality))}")
    answers = dict(_answers(place, row))
    return Query(text if id is None else str(id), text, answers, cast("Modality | None", kind))


def _answers(place: str, row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    single = _first(row, ANSWER_KEYS)
    grade = _first(row, GRADE_KEYS)
    if isinstance(single, str) and single:
        yield _named(place, single, row.get("page")), _grade(place, 1 if grade in (None, "") else grade)
    several = row.get("answers", [])
    if not isinstance(several, list):
        raise UsageError(f"{place}: `answers` must be a list")
    for answer in several:
        if isinstance(answer, str) and answer.strip():
            yield answer, 1.0
        elif isinstance(answer, dict) and isinstance(name := _first(answer, ANSWER_KEYS), str):
            own = _first(answer, GRADE_KEYS)
            yield _named(place, name, answer.get("page")), _grade(place, 1 if own is None else own)
        else:
            raise UsageError(
                f"{place}: found the answer {json.dumps(answer)[:60]}; an answer is a name, such as "
                '"report.pdf#3", or {"document": "report.pdf", "page": 3, "grade": 1}'
            )


def _named(place: str, name: str, page: Any) -> str:
    if page in (None, ""):
        return name
    try:
        return f"{name}#{int(page)}"
    except (ValueError, TypeError) as error:
        raise UsageError(f"{place}: page is {str(page)[:60]!r}; pages are numbers from 1") from error


def _judged(path: Path) -> Iterator[tuple[str, str, str, Any]]:
    if path.suffix.lower() in (".jsonl", ".json", ".ndjson"):
        for place, row in _json_lines(path):
            query, document = _first(row, ("query-id", "qid", "query_id")), _first(row, (*ANSWER_KEYS, "corpus_id"))
            if query is None or document is None:
                raise UsageError(f'{place}: a judgement is {{"query-id": ..., "corpus-id": ..., "score": ...}}')
            yield place, str(query), str(document), row.get("score", 1)
        return
    for number, line in enumerate(_text(path).splitlines(), 1):
        fields = line.split("\t") if "\t" in line else line.split()
        place = f"{path}, line {number}"
        if not line.strip() or (number == 1 and _is_header(fields)):
            continue
        if len(fields) == 4:  # as TREC writes it, with an unused second column
            fields = [fields[0], *fields[2:]]
        if len(fields) != 3:
            raise UsageError(f"{place}: has {len(fields)} columns; a judgement has query, document and grade")
        yield place, *(part.strip() for part in fields)  # type: ignore[misc]


def _is_header(fields: Sequence[str]) -> bool:
    try:
        float(fields[-1])
    except ValueError:
        return len(fields) > 2
    return False


def _grade(place: str, value: Any) -> float:
    try:
        grade = float(value)
    except (ValueError, TypeError):
        grade = math.nan
    if not math.isfinite(grade) or isinstance(value, bool):
        raise UsageError(f"{place}: the grade is {str(value)[:60]!r}; grades are numbers, above 0 for what is right")
    return grade


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((row[key] for key in keys if row.get(key) not in (None, "")), None)


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{place}: not JSON ({error})") from error
        if not isinstance(value, dict):
            raise UsageError(f'{place}: found {line.strip()[:60]}; a line is an object, such as {{"text": "..."}}')
        yield place, value


def _table(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lines = _text(path).split("\n")
    names = [name.strip().lower() for name in lines[0].split("\t")]
    if not set(names) & set(TEXT_KEYS):
        raise UsageError(
            f"{path}, line 1: the first line of a table names its columns, with tabs between; `text` must be one, "
            "`id`, `answer`, `page`, `grade` and `modality` may be"
        )
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            fields = line.rstrip("\r").split("\t")
            if len(fields) > len(names):
                raise UsageError(f"{path}, line {number}: has {len(fields)} columns, the first line {len(names)}")
            yield f"{path}, line {number}", dict(zip(names, fields, strict=False))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read as UTF-8 text ({cause})") from error
