"""The PNG files of rendered pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.parse import png


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (1, 1), (600, 800, 3)])
def test_what_is_written_is_read_again(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Grey and colour come back pixel by pixel, from a view with gaps as well."""
    made = np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)

    png.write(np.asfortranarray(made), tmp_path / "page.png")

    with Image.open(tmp_path / "page.png") as read:
        assert read.mode == ("L" if len(shape) == 2 else "RGB")
        assert np.array_equal(np.asarray(read), made)
