"""Low-rank adapters (LoRA), added to the weights that they were trained for. Source: Hu et al. 2021, arXiv:2106.09685.

W + s B A, with s = alpha / r. Only what the published adapters of known models use is here, and what asks for more is
refused: no other library is needed, and the model that runs is a plain one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

PREFIX = "base_model.model."
REFUSED = ("use_dora", "fan_in_fan_out", "lora_bias", "layer_replication", "trainable_token_indices")


def merge(
    model: torch.nn.Module,
    folder: Path,
    renamed: Mapping[str, str],
    *,
    task: str = "",
    unused: tuple[str, ...] = (),
) -> frozenset[str]:
    """Adds the adapter of a folder to the model's weights, in place; tells the weights that it has instead of the base.

    `renamed` are patterns of the names that weights had when the adapter was trained. Of an adapter for several tasks
    `task` is taken; layers in `unused` are none of the model's. Raises ValueError for an adapter of another kind, and
    for one that does not fit.
    """
    config = json.loads((folder / "adapter_config.json").read_bytes())
    _check(config)
    stored = load_file(folder / "adapter_model.safetensors")
    tensors = {name: value for key, value in stored.items() if (name := _name(key, renamed, task, unused))}
    weights = dict(model.named_parameters())
    halves = {name for name in tensors if ".lora_" in name}
    whole = {name: value for name, value in tensors.items() if name not in halves}  # trained with the adapter
    unknown = [name for name in whole if name not in weights]
    for name in sorted(name.removesuffix(".lora_A.weight") for name in halves if name.endswith(".lora_A.weight")):
        up = tensors.get(f"{name}.lora_B.weight")
        if up is None or f"{name}.weight" not in weights:
            unknown.append(name)
            continue
        with torch.no_grad():
            weight = weights[f"{name}.weight"]
            change = _scale(config, name) * (up.float() @ tensors[f"{name}.lora_A.weight"].float())
            weight.copy_((weight.float() + change.to(weight.device)).to(weight.dtype))
    if unknown or not halves:
        raise ValueError(f"its adapter does not fit its base: {unknown[0] if unknown else 'it has no weights'}")
    for name, value in whole.items():
        with torch.no_grad():
            weights[name].copy_(value)
    return frozenset(whole)


def _check(config: Mapping[str, Any]) -> None:
    kind = str(config.get("peft_type", "LORA")).upper()
    asked = [name for name in REFUSED if config.get(name)]
    if config.get("bias", "none") != "none":
        asked.append("bias")
    if kind != "LORA" or asked:
        raise ValueError(f"its adapter is of a kind that docmill does not know: {', '.join([kind, *asked])}")


def _name(key: str, renamed: Mapping[str, str], task: str, unused: tuple[str, ...]) -> str:
    """The name of the model's own layer and of the half of it, "" for what belongs to another task or to no layer."""
    name = key.removeprefix(PREFIX).replace(".modules_to_save.default.", ".").replace(".base_layer.", ".")
    name = re.sub(r"(\.lora_[AB])\.default\b", r"\1", name)
    if task and ".lora_" in name:
        name, _, rest = name.replace(f"_A.{task}.", "_A.").replace(f"_B.{task}.", "_B.").rpartition(".")
        name = f"{name}.{rest}" if name.endswith((".lora_A", ".lora_B")) else ""
    if name.startswith(unused):
        return ""
    for old, new in renamed.items():
        name = re.sub(old, new, name)
    return name


def _scale(config: Mapping[str, Any], name: str) -> float:
    """alpha / r, or alpha over the root of r; single layers may have their own."""
    rank, alpha = (
        next((value for pattern, value in own.items() if re.search(rf"(^|\.){pattern}$", name)), general)
        for own, general in (
            (config.get("rank_pattern") or {}, config["r"]),
            (config.get("alpha_pattern") or {}, config["lora_alpha"]),
        )
    )
    return float(alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)
