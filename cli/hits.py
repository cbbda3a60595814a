"""Hits for people: where each is, why it was found, and the piece of its text around the words of the query."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.output import short_name, warn
from pipeline.scope import LEGS
from pipeline.search import Answer
from pipeline.types import Again, Hit
from pipeline.wording import marks, snippet, words_to_mark

SNIPPET_LINES = 2
INDENT = 4
ALSO_SHOWN = 3
SHOWN = (*LEGS, "rerank")
WRAPPED = 8  # columns a line may lose by breaking between words


def print_answer(out: Console, answer: Answer, query: str, explain: bool) -> None:
    """Notes go to standard error, hits to `out`."""
    for note in answer.notes:
        warn(note)
    if not answer.hits and not answer.notes:
        warn("nothing found")
    words = words_to_mark(query)
    for hit in answer.hits:
        out.print(_headline(hit), overflow="fold")
        piece = snippet(hit.text, words, (out.width - INDENT - WRAPPED) * SNIPPET_LINES)
        if piece:
            for line in _marked(piece, words).wrap(out, out.width - INDENT)[:SNIPPET_LINES]:
                out.print(Text(" " * INDENT) + line)
        if hit.also:
            out.print(Text(" " * INDENT + _also(hit), style="dim"), overflow="fold")
    if explain and answer.hits:
        out.print(_legs_table(answer.hits))
        if answer.pages:
            out.print(f"late interaction (maxsim): {answer.pages}")


def _headline(hit: Hit) -> Text:
    line = Text(f"{hit.rank:>2}  ", style="bold") + Text(f"{hit.modality:<5}", style="magenta")
    line += Text("  ") + Text(short_name(hit.source_uri), style="bold cyan")
    if hit.page is not None:
        line += Text(f", p. {hit.page}")
    return line + Text(f"  {hit.score:.4f}  {_why(hit)}", style="dim")


def _why(hit: Hit) -> str:
    return ", ".join(f"{leg} {hit.legs[leg]['rank']}" for leg in SHOWN if leg in hit.legs)


def _also(hit: Hit) -> str:
    """Where else the same is: "also: its page; other.pdf, p. 3; 2 more"."""
    said = list(dict.fromkeys(_place(hit, other) for other in hit.also))
    more = f"; {len(said) - ALSO_SHOWN} more" if len(said) > ALSO_SHOWN else ""
    return "also: " + "; ".join(said[:ALSO_SHOWN]) + more


def _place(hit: Hit, other: Again) -> str:
    page = f"p. {other.page}" if other.page is not None else ""
    if other.source_uri != hit.source_uri:
        return f"{short_name(other.source_uri)}{page and ', '}{page}"
    if other.page == hit.page and other.modality != hit.modality:
        return "its page" if other.modality == "page" else "a passage of it"
    return page or "again"


def _marked(piece: str, words: Sequence[str]) -> Text:
    marked = Text(piece)
    if words:
        marked.highlight_regex(marks(words), style="bold yellow")
    return marked


def _legs_table(hits: Sequence[Hit]) -> Table:
    """Rank and score of each hit in each leg."""
    legs = [leg for leg in SHOWN if any(leg in hit.legs for hit in hits)]
    table = Table(
        "hit", *legs, box=None, padding=(0, 2, 0, 0), title="rank and score in each leg", title_justify="left"
    )
    for hit in hits:
        found = [hit.legs.get(leg) for leg in legs]
        table.add_row(str(hit.rank), *(f"{leg['rank']} ({leg['score']:.3f})" if leg else "-" for leg in found))
    return table
