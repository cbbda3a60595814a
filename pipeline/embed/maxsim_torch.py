"""MaxSim on the device that a page model runs on: `score.maxsim` by torch, for a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.types import Vectors

BLOCK_ROWS = 1 << 20  # page vectors on the device at a time: 256 MB of 128 dimensions in float16


def maxsim_torch(
    query: Vectors,
    weights: npt.NDArray[np.floating[Any]] | None,
    documents: npt.NDArray[np.floating[Any]],
    offsets: npt.NDArray[np.integer[Any]],
    device: str = "cuda",
) -> npt.NDArray[np.float32]:
    """As `score.maxsim`, to which it is equal but for rounding: (pages,) float32, sums in float32."""
    import torch

    bounds = np.asarray(offsets, np.int64)
    shares = np.ones(len(query), np.float32) if weights is None else np.asarray(weights, np.float32)
    if len(shares) != len(query):
        raise ValueError(f"{len(query)} query vectors need as many weights, not {len(shares)}")
    if shares.sum() <= 0:
        return np.zeros(len(bounds) - 1, np.float32)
    asked = torch.from_numpy(np.ascontiguousarray(query, np.float32)).to(device)
    owner = torch.from_numpy(np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))).to(device)
    best = torch.full((len(bounds) - 1, len(query)), -torch.inf, device=device)
    for first in range(int(bounds[0]), int(bounds[-1]), BLOCK_ROWS):
        last = min(first + BLOCK_ROWS, int(bounds[-1]))
        rows = torch.from_numpy(np.ascontiguousarray(documents[first:last])).to(device).float()
        pages = owner[first - int(bounds[0]) : last - int(bounds[0])]
        best.scatter_reduce_(0, pages[:, None].expand(-1, len(query)), rows @ asked.T, "amax")
    best[torch.isneginf(best)] = 0  # pages without vectors
    scores = best @ torch.from_numpy(shares).to(device) / float(shares.sum())
    return np.asarray(scores.cpu().numpy(), np.float32)
