"""Hits that show the same thing, put together under the best of them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.types import Modality

LEAST_WORDS = 5  # a text of fewer words ("see above") says different things in different places


@dataclass(slots=True)
class Group:
    """The best row, and the others in order of their rank."""

    first: Mapping[str, Any]
    others: list[Mapping[str, Any]] = field(default_factory=list)


class Grouping:
    """Takes rows best first. Groups: a passage and its page, the same text twice, the same picture twice.

    A page takes in all passages that stand on it and come after it; a passage takes in its page, and not the other
    passages there. A picture and the page that it is on, or that it is as a whole, stay apart: they are found by what
    is seen and by what is read.
    """

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._known: dict[Hashable, Group] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        keys = list(_keys(row))
        known = [*keys, *_page_key(row, "page" if row["modality"] == "text" else "text")]
        group = next((self._known[key] for key in known if key in self._known), None)
        if group is not None:
            group.others.append(row)
        else:
            group = Group(row)
            self.groups.append(group)
            keys += _page_key(row, row["modality"])
        for key in keys:
            self._known.setdefault(key, group)


def _keys(row: Mapping[str, Any]) -> Iterator[tuple[Hashable, ...]]:
    """What another row has in common with this one if the two show the same."""
    kind = row["modality"]
    if kind != "image" and (words := same_words(row["text"] or "")):
        yield "words", kind, words
    if kind != "text" and row["asset_id"]:
        yield "picture", kind, str(row["asset_id"]).rpartition(":")[2]


def _page_key(row: Mapping[str, Any], leader: Modality) -> list[tuple[Hashable, ...]]:
    """Of the group on this row's page whose best row is a `leader`."""
    stands_on_one = row["modality"] != "image" and row["page"] is not None
    return [("page", leader, row["doc_id"], row["page"])] if stands_on_one else []


def same_words(text: str) -> str:
    """The same for texts of the same words, whatever their case, spaces and punctuation; "" for few words.

    >>> same_words("The mill, at the river.\\n") == same_words("the mill at  the river")
    True
    >>> same_words("see above")
    ''
    """
    words: Sequence[str] = re.findall(r"\w+", text.casefold())
    return hashlib.sha256(" ".join(words).encode("utf-8", "replace")).hexdigest() if len(words) >= LEAST_WORDS else ""
