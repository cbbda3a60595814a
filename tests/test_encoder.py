"""The layers of the built-in text models, on whichever engine computes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.embed.builtin import encoder
from pipeline.embed.builtin.bert import Bert, torch_bert
from pipeline.embed.builtin.bert_openvino import OpenVinoBert
from pipeline.embed.builtin.bert_short import ShortBert
from pipeline.embed.builtin.encoder import Encoder, Measured, agreement, fastest
from pipeline.embed.builtin.windows import WordBatch
from pipeline.embed.openvino_core import has_openvino

DIM, HEADS, EPSILON = 64, 4, 1e-12
LENGTHS = ([30, 29, 5], [12], [40, 1], [7, 7], [3])

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed (extra `fast`)")


@pytest.mark.parametrize("make", [pytest.param(OpenVinoBert, marks=needs_openvino), torch_bert])
def test_engines_give_the_states_of_exact_layers(make: type[Encoder]) -> None:
    """More batches than streams, in order, of any length, padded or not; places and masks come back as they were."""
    weights, batches = random_weights(), list(random_batches())
    exact = ShortBert(weights, HEADS, EPSILON)
    found = list(make(weights, HEADS, EPSILON, 2)(iter(batches)))

    assert [places for places, *_ in found] == [places for places, *_ in batches]
    for (_, states, mask), (_, words, _) in zip(found, batches, strict=True):
        assert states.dtype == np.float32
        assert states.shape == words.shape
        for row, tokens in enumerate(mask.sum(axis=1)):
            wanted = exact(words[row, :tokens])
            assert cosines(states[row, :tokens], wanted).min() > 0.998  # of single tokens, in half precision


@needs_openvino
def test_what_nobody_takes_does_no_harm() -> None:
    """A caller that stops after the first batch leaves an engine that works."""
    engine = OpenVinoBert(random_weights(), HEADS, EPSILON, 2)
    batches = list(random_batches())
    states = engine(iter(batches))
    next(states)
    del states
    ((places, *_), *_) = engine(iter(batches))

    assert places == batches[0][0]


@needs_openvino
def test_openvino_is_taken_where_it_computes_the_same() -> None:
    """With a cosine of .999 to float32 and more it is the engine of the built-in text models."""
    weights = random_weights()
    found = fastest(weights, HEADS, EPSILON)

    assert isinstance(found, OpenVinoBert)
    assert agreement(found, ShortBert(weights, HEADS, EPSILON)) >= encoder.LEAST_COSINE


@needs_openvino
@pytest.mark.parametrize("wide", [True, False])
def test_8_bits_are_taken_where_they_are_exact(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wide: bool
) -> None:
    """With ranges that cut most values off they are not, and one line says so; OpenVINO computes all the same."""
    monkeypatch.setattr(encoder, "multiplies_bytes", lambda: True)
    weights, text = random_weights(), random_batches()[0][1][0]
    ends = np.array([[-6], [6]]) if wide else np.array([[-0.1], [0.1]])
    ranges = {f"encoder.layer.{layer}.intermediate.dense": np.repeat(ends, DIM, axis=1) for layer in (0, 1)}
    with caplog.at_level(logging.WARNING):
        found = fastest(weights, HEADS, EPSILON, measured=Measured(ranges, text))

    exact, plain = ShortBert(weights, HEADS, EPSILON), OpenVinoBert(weights, HEADS, EPSILON)
    assert agreement(found, exact, text) >= encoder.LEAST_COSINE
    assert (agreement(found, exact, text) != agreement(plain, exact, text)) is wide
    assert ["8 bits" in line for line in caplog.messages] == [True] * (not wide)


@needs_openvino
def test_openvino_computes_what_it_cannot_in_8_bits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A graph that it does not take leads to the same without 8 bits, and one line says so."""

    def without(*shape: Any) -> Encoder:
        if shape[-1]:
            raise RuntimeError("no such\nkernel")
        return OpenVinoBert(*shape)

    monkeypatch.setattr(encoder, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(encoder, "OpenVinoBert", without)
    ranges = {"encoder.layer.0.intermediate.dense": np.repeat([[-6], [6]], DIM, axis=1)}
    with caplog.at_level(logging.WARNING):
        found = fastest(random_weights(), HEADS, EPSILON, measured=Measured(ranges, random_batches()[0][1][0]))

    assert isinstance(found, OpenVinoBert)
    assert caplog.messages == ["OpenVINO in 8 bits cannot run the text model here (no such kernel); it is not used"]


@pytest.mark.parametrize("fault", [None, RuntimeError("no such\nkernel")])
def test_torch_computes_what_openvino_cannot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Exception | None
) -> None:
    """An engine that is wrong, or refuses the model, is not used, and one line says so."""

    def other(weights: Mapping[str, npt.NDArray[np.float32]], *shape: float) -> Encoder:
        if fault is not None:
            raise fault
        return torch_bert({name: -weight for name, weight in weights.items()}, HEADS, EPSILON)

    monkeypatch.setattr(encoder, "has_openvino", lambda: True)
    monkeypatch.setattr(encoder, "OpenVinoBert", other)
    with caplog.at_level(logging.WARNING):
        found = fastest(random_weights(), HEADS, EPSILON)

    assert isinstance(found, Bert)
    (line,) = caplog.messages
    assert line.endswith("it is not used")
    assert ("no such kernel" if fault else "other text vectors") in line


def test_without_openvino_torch_computes(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is an extra; nobody is told that they lack it."""
    monkeypatch.setattr(encoder, "has_openvino", lambda: False)

    assert isinstance(fastest(random_weights(), HEADS, EPSILON), Bert)
    assert not caplog.messages


def random_weights(layers: int = 2) -> dict[str, npt.NDArray[np.float32]]:
    lot = np.random.default_rng(5)
    shapes = {"position_embeddings.weight": (48, DIM), "token_type_embeddings.weight": (2, DIM)}
    found = {f"embeddings.{name}": lot.normal(0, 0.1, shape) for name, shape in shapes.items()}
    parts = {"attention.output.dense": (DIM, DIM), "intermediate.dense": (4 * DIM, DIM), "output.dense": (DIM, 4 * DIM)}
    parts |= {f"attention.self.{part}": (DIM, DIM) for part in ("query", "key", "value")}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}" for number in range(layers)):
        for name, shape in parts.items():
            found[f"{layer}.{name}.weight"] = lot.normal(0, 0.2, shape)
            found[f"{layer}.{name}.bias"] = lot.normal(0, 0.2, shape[0])
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        found[f"{name}.weight"], found[f"{name}.bias"] = lot.normal(1, 0.1, DIM), lot.normal(0, 0.1, DIM)
    return {name: values.astype(np.float32) for name, values in found.items()}


def random_batches() -> list[WordBatch]:
    lot, batches, place = np.random.default_rng(6), [], 0
    for lengths in LENGTHS:
        words = lot.normal(0, 0.3, (len(lengths), max(lengths), DIM)).astype(np.float32)
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        batches.append((list(range(place, place + len(lengths))), words, mask))
        place += len(lengths)
    return batches


def cosines(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: npt.NDArray[np.float32] = (one * other).sum(axis=1) / lengths
    return found
