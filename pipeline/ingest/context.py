"""The text a passage is embedded as: under its title and headings, for a piece of a page seldom says what it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

CONTEXT_VERSION = "1"  # part of the recipe: raise it when the same passages are embedded as other texts


@dataclass(frozen=True, slots=True)
class Placed:
    """A passage, the title of its document and the headings above it, outermost first."""

    text: str
    title: str = ""
    headings: tuple[str, ...] = ()


def in_context(
    passages: Sequence[Placed], count_tokens: Callable[[Sequence[str]], list[int]], budget: int
) -> list[str]:
    """One text a passage, in order: as much of its context as fits the budget together with it, and the passage, whole.

    Least dispensable are the title and then the nearest heading. What the passage says itself is not said again.
    """
    choices = [_choices(passage) for passage in passages]
    texts = [next(choice) for choice in choices]
    open_ones = [i for i, text in enumerate(texts) if text != passages[i].text]
    while open_ones:
        counts = count_tokens([texts[i] for i in open_ones])
        too_long = [i for i, tokens in zip(open_ones, counts, strict=True) if tokens > budget]
        for i in too_long:
            texts[i] = next(choices[i])
        open_ones = [i for i in too_long if texts[i] != passages[i].text]
    return texts


def _choices(passage: Placed) -> Iterator[str]:
    """The passage under less and less context, at last alone."""
    said = " ".join(passage.text.split())
    title = [part for part in (" ".join(passage.title.split()),) if part and part not in said]
    headings = [part for part in passage.headings if part and part not in said and part not in title]
    for parts in dict.fromkeys(map(tuple, ([*title, *headings], [*title, *headings[-1:]], title, headings[-1:]))):
        if parts:
            yield f"{'. '.join(parts)}\n\n{passage.text}"
    yield passage.text
