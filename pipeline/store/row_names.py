"""The ids of all rows of one version of the corpus, by LanceDB's row numbers, held so that a search reads none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MOST_ROWS = 500_000  # whose ids are held: about 30 MB; reading them takes as long as one search


@dataclass(frozen=True, slots=True)
class RowNames:
    """Row numbers of LanceDB and the ids that stand there, both in order of the numbers."""

    numbers: npt.NDArray[np.uint64]  # (rows,), ascending
    ids: Any  # the id of each, an Arrow array of strings

    @classmethod
    def read(cls, batches: Iterable[Any]) -> RowNames:
        """Of record batches with `id` and `_rowid`.

        >>> batch = pa.record_batch({"id": ["b", "a"], "_rowid": pa.array([7, 3], pa.uint64())})
        >>> RowNames.read([batch]).of(pa.array([7, 3, 7], pa.uint64()))
        ['b', 'a', 'b']
        """
        held = [(batch["_rowid"].to_numpy(), batch["id"]) for batch in batches]
        numbers = np.concatenate([np.zeros(0, np.uint64), *(numbers for numbers, _ in held)])
        order = np.argsort(numbers)
        ids = pa.concat_arrays([pa.array([], pa.string()), *(ids for _, ids in held)])
        return cls(numbers[order], ids.take(pa.array(order)))

    def of(self, numbers: Any) -> list[str]:
        """The ids of rows that are there, in the order of their numbers as they are given."""
        places = np.searchsorted(self.numbers, numbers.to_numpy())
        found: list[str] = self.ids.take(pa.array(places)).to_pylist()
        return found
