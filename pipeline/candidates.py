"""What the legs of a search find for one query before it is fused, and asking them side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.mix import Scored
from pipeline.types import Modality, QueryTokens

Vector = npt.NDArray[np.float32]  # one, (dim,)
Key = TypeVar("Key")
Found = TypeVar("Found")
AT_ONCE = 4  # things that are asked of the table and of the models side by side


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """One query as a vector to find passages and pages with, and as one to find pictures with: (dim,) each."""

    words: Vector
    pictures: Vector

    def of(self, leg: Modality) -> Vector:
        return self.pictures if leg == "image" else self.words


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found for one query before anything is fused: (id, score) by leg, and of BM25 by kind of row."""

    legs: Mapping[str, Scored] = field(default_factory=dict)
    words: Mapping[Modality, Scored] = field(default_factory=dict)
    pages: str = ""  # how MaxSim chose the pages it scored
    tokens: QueryTokens | None = None
    embedded: bool = False
    notes: tuple[str, ...] = ()

    def of(self, kind: Modality) -> Candidates:
        """Those among rows of one kind."""
        own = {leg: ids for leg, ids in self.legs.items() if ("page" if leg == "maxsim" else leg) == kind}
        return replace(self, legs=own, words={kind: self.words[kind]} if kind in self.words else {})


def at_once(tasks: Mapping[Key, Callable[[], Found]]) -> dict[Key, Found]:
    """What each of the tasks gives, done side by side: the table and the models work outside of Python's lock."""
    if len(tasks) < 2:
        return {key: task() for key, task in tasks.items()}
    return ended(begun(tasks))


def begun(tasks: Mapping[Key, Callable[[], Found]]) -> dict[Key, Future[Found]]:
    """The tasks at work, while the caller does something else."""
    return {key: _pool().submit(task) for key, task in tasks.items()}


def ended(waiting: Mapping[Key, Future[Found]]) -> dict[Key, Found]:
    return {key: task.result() for key, task in waiting.items()}


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="docmill-search")
