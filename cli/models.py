"""`docmill models`: every embedder there is to choose from, with what it costs and what it may be used for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table

from cli.output import Common, common_options, console, json_line, one_line, print_line
from pipeline.embed.catalog import TASKS, Entry, Task, catalog, nearest
from pipeline.embed.choices import choices_of
from pipeline.errors import UsageError

TITLES: Mapping[Task, str] = {
    "unified": "unified = NAME: passages and pictures in one space, one index",
    "pictures": "unified = NAME and text = NAME: pictures by one model, passages by another (two vector columns)",
    "text": "text = NAME: passages, beside a model for pictures",
    "pages": "pages = NAME: pages as pictures, many vectors a page",
}
COSTS: Mapping[Task, str] = {
    "unified": "one vector a row and one model in memory; one vector for each question",
    "pictures": "its text side reads captions only, so a second model is needed for passages: two vector columns in "
    "the one table, two models in memory, two vectors for each question; cosines of the two cannot be compared, so "
    "pictures get places by rank",
    "text": "a second vector column for the pictures of the model beside it",
    "pages": "many vectors a page (see note), scored by MaxSim, beside one vector and the words of the page",
}

SHOWN = {"remote_code": "own code", "GPU": "GPU"}
WIDE = 150  # columns from which on licences and notes have room


@click.group(invoke_without_command=True)
@common_options
@click.pass_context
def models(context: click.Context, common: Common) -> int | None:
    """The embedders there are: what each can find, how long a text it reads, its licence, and what it needs.

    `docmill models show NAME` tells all of one. Names go into the settings `unified`, `text` and `pages`; a repository
    of the hub at a commit (REPOSITORY@COMMIT) and a folder ("./my-model") work there as well.
    """
    if context.invoked_subcommand is not None:
        return None
    known = _known(common)
    if common.json:
        for task, entries in known.items():
            for name, entry in entries.items():
                print_line(json_line(_plain(task, name, entry)))
        return None
    out = console()
    for task, entries in known.items():
        if entries:
            out.print(table_of(task, entries, is_wide=out.width >= WIDE))
            out.print()
    return None


@models.command()
@click.argument("name")
@common_options
def show(common: Common, name: str) -> int | None:
    """Tell all of one embedder."""
    known = _known(common)
    found = [(task, entries[name]) for task, entries in known.items() if name in entries]
    if not found:
        everything = {known_name: entry for entries in known.values() for known_name, entry in entries.items()}
        raise UsageError(f'no embedder is called "{name}"; the nearest are {", ".join(nearest(name, everything)[:3])}')
    for task, entry in found:
        values = _plain(task, name, entry)
        if common.json:
            print_line(json_line(values))
        else:
            table = Table.grid(padding=(0, 2))
            for key, value in values.items():
                table.add_row(key, one_line(_text(value)))
            console().print(table)
    return None


def table_of(task: Task, entries: Mapping[str, Entry], *, is_wide: bool = False) -> Table:
    """The models of one task as people see them; a wide table has licences and notes as well."""
    table = Table(title=TITLES[task], title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading, right in (("name", False), ("finds", False), ("tokens", True), ("dims", True), ("size", False)):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    table.add_column("languages", no_wrap=True)
    table.add_column("commercial", no_wrap=True)
    table.add_column("needs", no_wrap=is_wide)
    for heading in ("fits", "licence") if is_wide else ():
        table.add_column(heading)
    for name, entry in entries.items():
        more = (entry.fits, entry.licence) if is_wide else ()
        table.add_row(*_cells(name, entry), *more, style="" if entry.commercial else "yellow")
    return table


def _cells(name: str, entry: Entry) -> tuple[str, ...]:
    return (
        one_line(name),
        " ".join(entry.legs),
        f"{entry.context:,}" if entry.context else "",
        str(entry.dim or ""),
        entry.parameters.partition(",")[0],
        one_line(entry.languages.partition(";")[0]),
        "yes" if entry.commercial else "NO",
        ", ".join(_needs(entry)) or "-",
    )


def _known(common: Common) -> dict[Task, dict[str, Entry]]:
    """The catalog, and the user's own models among those of their task."""
    own = choices_of(common.settings).own
    return {
        task: {**catalog(task), **{name: entry for name, entry in own.items() if entry.task == task}} for task in TASKS
    }


def _needs(entry: Entry) -> list[str]:
    """What decides a choice; smaller packages are told by `show`."""
    needs = [SHOWN[need] for need in entry.needs if need in SHOWN]
    return needs if entry.is_built_in or entry.commit else [*needs, "@COMMIT"]


def _plain(task: Task, name: str, entry: Entry) -> dict[str, Any]:
    return {"name": name, **asdict(entry), "task": task, "cost": COSTS[task]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in ("", None, 0) else str(value)
