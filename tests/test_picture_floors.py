"""Floors of the built-in picture search, on photos with captions: what was measured must not be lost unnoticed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data" / "dev"
ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "gold" / "photos").is_dir(), reason="the development photos are not here"),
    pytest.mark.timeout(3000),
]


@pytest.mark.parametrize(
    ("model", "photos", "least"),
    [
        ("builtin", "photos", 0.97),
        ("builtin", "photos_people", 0.73),
        ("builtin-multilingual", "photos", 0.97),
        ("builtin-multilingual", "photos_people", 0.71),
    ],
)
def test_captions_find_their_photos(model: str, photos: str, least: float) -> None:
    """All captions are asked; the own photo is among the first ten, as often as the floor says."""
    from benchmarks.photos import by_model, read_photos

    gold = read_photos(DATA / "gold" / photos)
    found = by_model(gold, gold.pairs(None), model)

    assert np.mean(found <= 10) >= least


def test_photos_are_found_among_texts_and_texts_do_not_suffer(tmp_path: Path) -> None:
    """One store of abstracts, documents and photos, no filter: what `benchmarks/mixed.py` demands."""
    command = [sys.executable, "-m", "benchmarks.mixed", str(DATA), "--store", str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr[-500:]
