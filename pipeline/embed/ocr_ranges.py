"""Between what values the inputs of the recogniser in the wheel lie, by which it may compute in 8 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.embed.eight_bit import Ranges
from pipeline.embed.ocr_models import digest

RANGES = Path(__file__).parent / "ocr_ranges.npz"


def ranges_of(recogniser: Path) -> Ranges:
    """By the name of the product; none for any other file than the one they were measured with."""
    with np.load(RANGES) as file:
        if str(file["sha256"]) != digest(recogniser):
            return {}
        return {name: file[name] for name in file.files if name != "sha256"}
