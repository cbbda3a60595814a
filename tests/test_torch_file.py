"""Weights that torch wrote, read without it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embed.builtin.torch_file import read_weights


def write(path: Path, weights: object) -> Path:
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    return path


def test_arrays_are_what_torch_reads(tmp_path: Path) -> None:
    """Numbers, views of one storage, transposed ones, and none, by their names."""
    whole = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    weights = {"whole": whole, "part": whole[1:3, ::2], "turned": whole.T, "count": torch.tensor(7)}

    found = read_weights(write(tmp_path / "w.pth", weights))

    assert list(found) == list(weights)
    assert found["count"] == 7
    for name, tensor in weights.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    """Nothing of it is run."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    with pytest.raises(ValueError, match=r"w\.pth: the weights cannot be read \(posix.mkdir is no weight\)"):
        read_weights(write(tmp_path / "w.pth", {"a": Trap()}))
    assert not (tmp_path / "trapped").exists()


def test_damaged_files_are_named(tmp_path: Path) -> None:
    """Cut off anywhere, in another format, or no file of torch's at all."""
    whole = write(tmp_path / "w.pth", {"a": torch.ones(50), "b": torch.ones(3)}).read_bytes()
    torch.save({"a": torch.ones(2)}, tmp_path / "zip.pth")
    damaged = [whole[:size] for size in range(0, len(whole), 11)] + [pickle.dumps(1), b"\xff" * 40]
    for content in [*damaged, (tmp_path / "zip.pth").read_bytes()]:
        (tmp_path / "w.pth").write_bytes(content)

        with pytest.raises(ValueError, match=r"w\.pth: the weights cannot be read"):
            read_weights(tmp_path / "w.pth")
