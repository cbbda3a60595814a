"""The late-interaction architectures that docmill loads, as data. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.embed.late_grid import merged_patches, patches, square, tiles
from pipeline.types import PageGrid


@dataclass(frozen=True, slots=True)
class Architecture:
    """`grid` tells which part of a page each vector stands for, from what the processor made of the page.

    `loader` is "module:function": (folder, base folder or None, architecture, dtype) -> (model, processor, report), and
    `marks` the tokens at the beginning of a picture's that stand for no part of it.
    """

    grid: Callable[[Any, Any, int], PageGrid]
    loader: str = "pipeline.embed.late_native:load"
    marks: int = 0


PROJECTED = "pipeline.embed.late_projected:load"
ARCHITECTURES = {
    "ColPaliForRetrieval": Architecture(square),
    "ColQwen2ForRetrieval": Architecture(merged_patches),
    "ColModernVBertForRetrieval": Architecture(tiles),
    "NeoMMEForRetrieval": Architecture(patches, "pipeline.embed.late_neomme:load", marks=1),
    "ColIdefics3": Architecture(tiles, PROJECTED),
    "ColQwen2_5": Architecture(merged_patches, PROJECTED),
    "ColQwen3_5": Architecture(merged_patches, PROJECTED),
}
BY_BASE = {"idefics3": "ColIdefics3", "qwen2_5_vl": "ColQwen2_5", "qwen3_5": "ColQwen3_5"}  # of adapters' bases
