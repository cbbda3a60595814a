"""`docmill search`: hits for people or as JSON, for one query or a file of them. Imports no Prefect and no parser."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import click

from cli.hits import print_answer
from cli.narrowed import scope_options
from cli.output import Common, common_options, console, json_line, one_line, print_line, warn
from cli.save_pages import Saved, check_folder, save_pages
from pipeline.config import Settings
from pipeline.corpus import open_searcher
from pipeline.errors import UsageError
from pipeline.scope import Scope, split_phrases
from pipeline.search import Answer, Searcher
from pipeline.types import Hit

TOGETHER = 64  # queries of a batch that are embedded at once


@dataclass(frozen=True, slots=True)
class BatchQuery:
    """A line of a batch file."""

    id: str | int
    text: str
    phrases: tuple[str, ...] = ()


@click.command()
@click.argument("query", required=False)
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="Search by this picture or PDF page.")
@click.option("--page", "number", type=click.IntRange(1), metavar="N", help="The page of FILE.  [default: 1]")
@click.option(
    "--batch",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='Search for each line {"id": ..., "text": ...} of this file; prints a line of JSON for each.',
)
@click.option(
    "--rerank",
    metavar="MODEL",
    help="Have the best passages read again by this cross-encoder: a folder or REPOSITORY@COMMIT.",
)
@click.option("--explain", is_flag=True, help="Show rank and score of each hit in each leg.")
@click.option(
    "--save-pages",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the pages of the hits as pictures into DIR, with the places that fit QUERY drawn in.",
)
@scope_options
@common_options
def search(
    common: Common,
    scope: Scope,
    query: str | None,
    image: Path | None,
    number: int | None,
    batch: Path | None,
    rerank: str | None,
    explain: bool,
    folder: Path | None,
) -> int | None:
    """Find the passages, pictures and pages that answer QUERY best.

    What stands in double quotes in QUERY must be in a row in these very words: '"sluice gate" repair'. Rows that show
    the same (a passage and its page, a text or a figure that is there twice) are one hit, the best of them.

    With --json one line {"id": null, "hits": [...]}; --batch prints such a line for each query, with its id; a line of
    it may have "phrases": [...], too, and quotes in its text mean nothing. A hit has
    rank, score, modality, source_uri, page, bbox, text, route, legs, id, title, headings, boxes, page_size and also;
    bbox is x0, y0, x1, y1 in page points from the top left. Of a page, boxes are the up to three regions that fit QUERY
    best, [{"bbox": [...], "score": ...}, ...], and bbox is the first of them; page_size is its width and height in
    points. also are the rows that show the same as this hit, [{"id", "modality", "source_uri", "page"}, ...].
    With --save-pages the line has "saved", too: [{"rank": ..., "path": ...}, ...].
    Scores are for ordering hits of one query, or regions of one page, not for comparing queries.
    """
    if sum(given is not None for given in (query, image, batch)) != 1:
        raise click.UsageError("give one of QUERY, --image FILE and --batch FILE")
    if number is not None and image is None:
        raise click.UsageError("--page goes with --image FILE")
    if folder is not None:
        if batch is not None:
            raise click.UsageError("--save-pages goes with one QUERY or --image FILE, not with --batch")
        check_folder(folder)
    queries = None if batch is None else check_batch(batch)
    if rerank is not None and image is not None:
        raise click.UsageError("--rerank goes with words, not with --image FILE")
    settings = common.load({"rerank": rerank}).settings
    searcher = open_searcher(settings)
    if queries is not None:
        _print_batch(searcher, queries, scope)
        return None
    if image is not None:
        answer = _answer_example(searcher, image, number or 1, scope, settings)
    else:
        words, phrases = split_phrases(query or "")
        answer = searcher.answer_many([words], replace(scope, phrases=phrases))[0]
    saved = None if folder is None else save_pages(searcher.store, answer, folder)
    if common.json:
        print_json(None, answer, saved)
    else:
        print_answer(console(), answer, query or "", explain)
        if folder is not None and saved is not None:
            print_line(_saved(folder, saved))
    return None


def _answer_example(searcher: Searcher, image: Path, number: int, scope: Scope, settings: Settings) -> Answer:
    if not image.is_file():
        raise UsageError(f"{image}: there is no such file")
    from pipeline.example import read_example  # with the parse workers' machinery

    with read_example(image, number, settings) as example:
        return searcher.answer_picture(example.picture.path, scope, example.page)


def read_batch(path: Path) -> Iterator[BatchQuery]:
    """Queries of a file of JSON lines; empty lines are passed over. Raises UsageError that names the line."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _batch_query(f"{path}, line {number}", line)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def check_batch(path: Path) -> Iterator[BatchQuery]:
    """The queries, after a look at all lines: a mistake in the last line costs no search."""
    for _ in read_batch(path):
        pass
    return read_batch(path)


def _batch_query(place: str, line: str) -> BatchQuery:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UsageError(f"{place}: not JSON ({error})") from error
    if not isinstance(value, dict) or not isinstance(value.get("id"), str | int) or "text" not in value:
        raise UsageError(f'{place}: found {line.strip()[:60]}; a query is {{"id": "...", "text": "..."}}')
    if not isinstance(value["text"], str) or not value["text"].strip():
        raise UsageError(f"{place}: the query is empty; `text` needs at least one word")
    phrases = value.get("phrases", [])
    if not isinstance(phrases, list) or not all(isinstance(phrase, str) and phrase.strip() for phrase in phrases):
        raise UsageError(f'{place}: phrases are a list of texts, such as "phrases": ["sluice gate"]')
    return BatchQuery(value["id"], value["text"], tuple(phrases))


def _print_batch(searcher: Searcher, queries: Iterable[BatchQuery], scope: Scope) -> None:
    for phrases, alike in groupby(queries, key=lambda query: query.phrases):
        while group := list(islice(alike, TOGETHER)):
            answers = searcher.answer_many([query.text for query in group], replace(scope, phrases=phrases))
            for query, answer in zip(group, answers, strict=True):
                print_json(query.id, answer)


def _saved(folder: Path, saved: Sequence[Saved]) -> str:
    if not saved:
        return "no page pictures: none of the hits stands on a page whose picture is stored"
    names = ", ".join(Path(one.path).name for one in saved[:3]) + (", ..." if len(saved) > 3 else "")
    return f"{len(saved)} page picture{'s' * (len(saved) > 1)} in {one_line(str(folder))}: {names}"


def print_json(id: str | int | None, answer: Answer, saved: Sequence[Saved] | None = None) -> None:
    """Notes go to standard error, the answer to standard output as one line."""
    for note in answer.notes:
        warn(note if id is None else f"query {id}: {note}")
    values: dict[str, Any] = {"id": id, "hits": [_hit(hit) for hit in answer.hits]}
    if saved is not None:
        values["saved"] = [asdict(one) for one in saved]
    print_line(json_line(values))


def _hit(hit: Hit) -> dict[str, Any]:
    """A hit as programs get it: the keys of the contract first."""
    values = asdict(hit)
    first = ("rank", "score", "modality", "source_uri", "page", "bbox", "text", "route", "legs")
    return {name: values.pop(name) for name in first} | values
