"""Small copies of pictures for the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.thumbnail import LONG_SIDE_PX, shrunk, thumbnail, thumbnails


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


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
@pytest.mark.parametrize("size", [(1281, 1279), (900, 3500), (2, 40_000), (1280, 7), (1, 1)])
def test_any_picture_becomes_one_in_colour_of_at_most_1280_pixels(
    tmp_path: Path, mode: str, size: tuple[int, int]
) -> None:
    """Whatever its mode and however narrow, in the same proportions."""
    path = tmp_path / "picture.png"
    Image.new(mode, size).save(path)

    with Image.open(thumbnail(path)) as small:
        assert small.mode == "RGB"
        assert max(small.size) == min(LONG_SIDE_PX, max(size))
        assert min(small.size) == max(1, round(min(size) * min(1, LONG_SIDE_PX / max(size))))


@pytest.mark.parametrize("long_px", [1400, 1755, 2200, 2560, 3500])
def test_small_text_stays_as_it_is_by_lanczos(long_px: int) -> None:
    """At least 29 dB on a page full of letters, which bilinear pixels do not reach at any of these sizes."""
    page = Image.new("L", (long_px, long_px * 7 // 10), 255)
    words = "The pond was drained in March, and 4,162 eels went down the weir. " * 3
    for line in range(20, page.height - 20, 24):
        ImageDraw.Draw(page).text((20, line), words, font=ImageFont.load_default(18), fill=0)
    exact = np.asarray(page.resize((1280, round(1280 * page.height / long_px)), Image.Resampling.LANCZOS), np.float32)

    error = np.asarray(shrunk(page, 1280), np.float32) - exact

    assert 10 * np.log10(255**2 / np.square(error).mean()) > 29


def test_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    """It is not left out silently."""
    Image.new("RGB", (60, 60)).save(tmp_path / "good.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG torn")

    with pytest.raises(OSError, match=r"torn\.png"):
        thumbnails([tmp_path / "good.png", tmp_path / "torn.png", tmp_path / "good.png"])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_large_one_that_ends_early_is_an_error(tmp_path: Path, suffix: str) -> None:
    """What there is of it is not kept as if it were the whole."""
    path = tmp_path / f"page{suffix}"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (1800, 1300, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200_000])

    with pytest.raises(OSError, match="truncated"):
        thumbnail(path)


def test_one_that_is_far_too_large_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before it is decoded, by an error that costs one picture and not the run."""
    path = tmp_path / "page.png"
    Image.new("RGB", (300, 300)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)

    with pytest.raises(OSError, match="90000 pixels"):
        thumbnail(path)
