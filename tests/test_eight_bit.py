"""Products in 8 bits: what they give is close to what the same products give in float32."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.embed.builtin import e5, text
from pipeline.embed.builtin.bert_openvino import bert_model
from pipeline.embed.eight_bit import in_eight_bits, load_ranges, measured, multiplies_bytes, save_ranges
from pipeline.embed.ocr_engine import RANGES
from pipeline.embed.ocr_models import digest, find_models
from pipeline.embed.openvino_core import compiled, core, has_openvino, openvino

pytestmark = pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")

LOT = np.random.default_rng(3)
MATRIX = LOT.normal(0, 1, (16, 24)).astype(np.float32)
KERNELS = LOT.normal(0, 1, (24, 8, 3, 3)).astype(np.float32)
UNEVEN = np.array([1, 1, 60, 1, 1, 0.1, 1, 1], np.float32).reshape(1, 8, 1, 1)  # one channel is far beyond the others


def network(transposed: bool) -> Any:
    """A convolution of eight channels, and a product of what it gives with a matrix."""
    ops, make = openvino().opset13, openvino().Model
    picture = ops.parameter([1, 8, -1, -1], np.float32)
    convolved = ops.convolution(picture, ops.constant(KERNELS), [1, 1], [1, 1], [1, 1], [1, 1])
    convolved.set_friendly_name("convolution")
    rows = ops.transpose(ops.relu(convolved), np.array([0, 2, 3, 1]))
    product = ops.matmul(rows, ops.constant(MATRIX if transposed else MATRIX.T.copy()), False, transposed)
    product.set_friendly_name("product")
    return make([product], [picture])


def pictures(count: int, seed: int = 4) -> list[np.ndarray]:
    lot = np.random.default_rng(seed)
    return [UNEVEN * lot.normal(0, 1, (1, 8, 12, 9)).astype(np.float32) for _ in range(count)]


def given(model: Any, picture: np.ndarray) -> np.ndarray:
    return np.array(compiled(model, threads=1, precise=True)([picture])[0])


@pytest.mark.parametrize("transposed", [True, False])
def test_products_stay_close(transposed: bool) -> None:
    """Within 3 % of the spread of the exact values, though one channel is sixty times as large as others."""
    ranges = measured(network(transposed), ((picture,) for picture in pictures(20)))
    rounded, (picture,) = network(transposed), pictures(1, seed=5)
    exact = given(network(transposed), picture)

    assert in_eight_bits(rounded, ranges) == 2
    off = np.sqrt(((given(rounded, picture) - exact) ** 2).mean()) / exact.std()
    assert 1e-4 < off < 0.03


def test_only_what_was_measured_is_changed() -> None:
    """A product without ranges stays exact."""
    model, (picture,) = network(True), pictures(1)
    exact = given(network(True), picture)

    assert in_eight_bits(model, {}) == 0
    assert np.array_equal(given(model, picture), exact)


def test_ranges_are_of_channels() -> None:
    """Lowest and highest value of each channel that goes into a product, over all inputs."""
    (first, second) = pictures(2)
    ranges = measured(network(True), ((first,), (second,)))

    both = np.concatenate([first, second])
    assert ranges["convolution"] == pytest.approx(np.stack([both.min((0, 2, 3)), both.max((0, 2, 3))]), rel=1e-3)
    assert ranges["product"].shape == (2, 24)
    assert (ranges["product"][0] == 0).all()


@pytest.mark.models
def test_the_recogniser_of_the_wheel_was_measured(tmp_path: Path) -> None:
    """All of its products are known by their names; any other file has no ranges, and computes as it is."""
    wheel = find_models().recognition
    other = tmp_path / "x_rec_x.onnx"
    shutil.copy(wheel, other)
    with other.open("ab") as file:
        file.write(b"\x00")

    ranges = load_ranges(RANGES, digest(wheel))
    assert in_eight_bits(core().read_model(wheel), ranges) == len(ranges) == 42
    assert not load_ranges(RANGES, digest(other))


@pytest.mark.models
def test_the_text_models_were_measured() -> None:
    """Two products of each layer are known by their names, in the ranges of the release that is installed."""
    minilm = load_ranges(text.RANGES, str(text.minilm().id))
    multilingual = load_ranges(e5.RANGES, str(e5.e5().id))

    assert in_eight_bits(bert_model(text.minilm_layers(), *text.minilm_shape()), minilm) == len(minilm) == 12
    assert in_eight_bits(bert_model(e5.e5_layers(), *e5.e5_shape()), multilingual) == len(multilingual) == 24


def test_ranges_belong_to_a_model(tmp_path: Path) -> None:
    """They come back for the model that they were saved for, and for no other release of it."""
    ranges = {"layer.0": np.array([[-1, 0], [1, 2]], np.float16)}
    save_ranges(tmp_path / "x.npz", "model 1.0", ranges)

    assert load_ranges(tmp_path / "x.npz", "model 1.0")["layer.0"].tolist() == [[-1, 0], [1, 2]]
    assert not load_ranges(tmp_path / "x.npz", "model 1.1")


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads what Linux says of the processor")
def test_a_processor_says_whether_it_multiplies_bytes() -> None:
    """Only where Linux finds VNNI, too."""
    known = Path("/proc/cpuinfo").read_text()

    assert not multiplies_bytes() or "avx512_vnni" in known
    assert multiplies_bytes() or "avx512_vnni" not in known or "avx512_bitalg" not in known
