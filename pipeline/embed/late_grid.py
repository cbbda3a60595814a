"""Which part of the page each vector of a picture model stands for, read from what its processor made of the page.

Most processors stretch a page to the sizes that their models take, so that equal cells of the stretched picture are
equal cells of the page.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import PageGrid

TAG = re.compile(r"<row_(\d+)_col_(\d+)>")  # goes before each tile of a page in the prompt


def row_major(rows: int, columns: int) -> PageGrid:
    """One vector a cell, row by row.

    >>> row_major(2, 3).owner.tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    return PageGrid(np.arange(rows * columns, dtype=np.int32).reshape(rows, columns))


def tiled(rows: int, columns: int, side: int) -> PageGrid:
    """Tiles row by row, each of `side` by `side` cells, row by row.

    >>> tiled(1, 2, 2).owner.tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7]]
    """
    order = np.arange(rows * columns * side * side, dtype=np.int32).reshape(rows, columns, side, side)
    return PageGrid(order.transpose(0, 2, 1, 3).reshape(rows * side, columns * side))


def regrouped(grid: PageGrid, group: npt.NDArray[np.int32]) -> PageGrid:
    """The grid after vector i became a part of vector `group[i]`.

    >>> regrouped(row_major(1, 3), np.array([1, 0, 1], np.int32)).owner.tolist()
    [[1, 0, 1]]
    """
    return PageGrid(np.where(grid.owner < 0, grid.owner, group[grid.owner]).astype(np.int32))


def square(processor: Any, batch: Any, place: int) -> PageGrid:
    """ColPali: the whole page in as many rows as columns."""
    vectors = int((batch["input_ids"][place] == processor.image_token_id).sum())
    return row_major(math.isqrt(vectors), math.isqrt(vectors))


def merged_patches(processor: Any, batch: Any, place: int) -> PageGrid:
    """ColQwen2, 2.5 and 3.5: patches in the page's own proportions; neighbours are merged into one vector."""
    _, rows, columns = (int(number) for number in batch["image_grid_thw"][place])
    merge = int(processor.image_processor.merge_size)
    return row_major(rows // merge, columns // merge)


def patches(processor: Any, batch: Any, place: int) -> PageGrid:
    """NeoMME: patches row by row, with a mark at the end of each row.

    It pads a page to whole patches instead of stretching it, so that a cell is off by less than its own size.
    """
    ids = batch["input_ids"][place]
    rows = int((ids == processor.row_token_id).sum())
    return row_major(rows, (int((ids == processor.image_token_id).sum()) - 1) // rows)


def tiles(processor: Any, batch: Any, place: int) -> PageGrid:
    """ColModernVBERT, ColSmol: tiles of the page, then the whole page once more, small, which is left out of the grid.

    A page that is not cut into tiles is there once, and that is its grid.
    """
    ids = batch["input_ids"][place]
    tags = TAG.findall(processor.tokenizer.decode(ids[ids != processor.image_token_id]))
    side = math.isqrt(processor.image_seq_len)
    rows, columns = (max((int(tag[axis]) for tag in tags), default=1) for axis in (0, 1))
    return tiled(rows, columns, side)
