"""Low-rank adapters of late-interaction models: what is added to which weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.embed.pages import load_pages
from pipeline.errors import UsageError

pytestmark = pytest.mark.models  # torch is imported within tests: collecting must stay quick


def merged(folder: Path, config: dict[str, Any], weights: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The weights of two layers of ones after an adapter, and those that it has whole."""
    import torch
    from safetensors.torch import save_file

    from pipeline.embed.low_rank import merge

    model = torch.nn.ModuleDict({name: torch.nn.Linear(3, 2, bias=False) for name in ("inner", "outer")})
    for weight in model.parameters():
        torch.nn.init.ones_(weight)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 1, "lora_alpha": 4, **config}))
    save_file(weights, folder / "adapter_model.safetensors")
    whole = merge(model, folder, {"^old": "outer"})
    return {name: weight.detach() for name, weight in model.named_parameters()}, whole


def low(name: str, rank: int = 1) -> dict[str, Any]:
    import torch

    key = f"base_model.model.{name}"
    return {f"{key}.lora_A.weight": torch.ones(rank, 3), f"{key}.lora_B.weight": torch.ones(2, rank)}


@pytest.mark.parametrize(
    ("config", "rank", "added"),
    [
        ({}, 1, 4.0),
        ({"r": 4}, 4, 4.0),  # 4 times 4 / 4
        ({"r": 4, "use_rslora": True}, 4, 8.0),  # 4 times 4 / 2
        ({"alpha_pattern": {"inner": 1}}, 1, 1.0),
        ({"rank_pattern": {"inner": 2}}, 2, 4.0),  # 2 times 4 / 2
        ({"rank_pattern": {"nner": 2}}, 1, 4.0),  # of another layer
    ],
)
def test_a_layer_gets_alpha_over_r_times_b_a(tmp_path: Path, config: dict[str, Any], rank: int, added: float) -> None:
    """The layer that the adapter names changes by that, the others not at all."""
    found, whole = merged(tmp_path, config, low("inner", rank))

    assert found["inner.weight"].tolist() == [[1 + added] * 3] * 2
    assert found["outer.weight"].tolist() == [[1.0] * 3] * 2
    assert whole == frozenset()


def test_layers_that_were_trained_whole_take_the_place_of_the_base_s(tmp_path: Path) -> None:
    """As they are in the adapter; names of before are those of now."""
    import torch

    more = {"base_model.model.inner.weight": torch.full((2, 3), 7.0)}
    found, whole = merged(tmp_path, {}, low("old") | more)

    assert found["inner.weight"].tolist() == [[7.0] * 3] * 2
    assert found["outer.weight"].tolist() == [[5.0] * 3] * 2
    assert whole == {"inner.weight"}


@pytest.mark.parametrize(
    ("config", "name", "message"),
    [
        ({"use_dora": True}, "inner", "LORA, use_dora"),
        ({"bias": "all"}, "inner", "LORA, bias"),
        ({"peft_type": "IA3"}, "inner", "IA3"),
        ({}, "nowhere", "its adapter does not fit its base: nowhere"),
    ],
)
def test_an_adapter_that_would_be_added_wrongly_is_refused(
    tmp_path: Path, config: dict[str, Any], name: str, message: str
) -> None:
    """Other kinds, and layers that the base does not have."""
    with pytest.raises(ValueError, match=message):
        merged(tmp_path, config, low(name))


def test_an_adapter_and_its_base_are_one_model(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Another base is another model; without its weights, and with an adapter of another model, it is refused."""
    copy = shutil.copytree(checkpoints["colqwen2.5-adapter"], tmp_path / "colqwen2.5-adapter")
    before = load_pages(str(copy)).id
    base = bytearray((copy / "base" / "model.safetensors").read_bytes())
    base[-3] ^= 1
    (copy / "base" / "model.safetensors").write_bytes(base)
    after = load_pages(str(copy)).id
    shutil.copy(checkpoints["colsmol-adapter"] / "adapter_model.safetensors", copy)
    with pytest.raises(UsageError, match="its adapter does not fit its base"):
        load_pages(str(copy)).embed_query("x")
    (copy / "base" / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"base: it has no weights \(model\.safetensors\)"):
        load_pages(str(copy))

    assert before == load_pages(str(checkpoints["colqwen2.5-adapter"])).id
    assert after.revision != before.revision
