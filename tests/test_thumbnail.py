"""Small copies of pictures for the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.thumbnail import thumbnail, thumbnails


def test_several_at_a_time_are_what_each_is_alone(tmp_path: Path) -> None:
    """The same bytes, in the order of the pictures, whatever their kind and size."""
    noise = np.random.default_rng(1).integers(0, 256, (400, 1500, 3), np.uint8)
    paths = [tmp_path / f"{number}.{'png' if number % 2 else 'jpg'}" for number in range(9)]
    for number, path in enumerate(paths):
        Image.fromarray(noise[: 40 * (number + 1), : 1500 - 90 * number]).save(path)
    alone = [thumbnail(path).read_bytes() for path in paths]

    together = thumbnails(paths)

    assert [path.name for path in together] == [f"{path.name}.thumbnail.jpg" for path in paths]
    assert [path.read_bytes() for path in together] == alone


def test_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    """It is not left out silently."""
    Image.new("RGB", (60, 60)).save(tmp_path / "good.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")

    with pytest.raises(OSError, match=r"torn\.png"):
        thumbnails([tmp_path / "good.png", tmp_path / "torn.png", tmp_path / "good.png"])
