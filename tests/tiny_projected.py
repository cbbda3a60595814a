"""Tiny checkpoints of NeoMME and of models that transformers has no class for, in the layout they are published in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tiny_late import SMALL, tokenizer
from transformers import (
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Model,
    Idefics3Processor,
    NeoMMEConfig,
    NeoMMEForRetrieval,
    Qwen2_5_VLConfig,
    Qwen2_5_VLModel,
    Qwen2VLImageProcessorPil,
    Qwen3_5Config,
    Qwen3_5Model,
)

DIM = 8
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
IDS = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 3, "vision_end_token_id": 4}


def colsmol(folder: Path) -> None:
    """Tiles of 32 pixels with 2 x 2 vectors, up to 4 tiles a side, then the whole page once more."""
    tags = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    marks = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
    roles = {"pad_token": "<|im_end|>", "eos_token": "<|endoftext|>", "bos_token": "<|im_start|>"}
    words = tokenizer([*roles.values(), *marks, *tags], **roles)
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 128}, max_image_size={"longest_edge": 32})
    processor = Idefics3Processor(pictures, words, image_seq_len=4)
    text = {**SMALL, "model_type": "llama", "vocab_size": len(words), "num_hidden_layers": 2, "num_key_value_heads": 1}
    vision = {**SMALL, "model_type": "idefics3_vision", "num_hidden_layers": 1, "image_size": 32, "patch_size": 8}
    config = Idefics3Config(
        text_config=text | {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1},
        vision_config=vision,
        scale_factor=2,
        image_token_id=processor.image_token_id,
        dim=DIM,
    )
    published(folder, "ColIdefics3", Idefics3Model, config, processor, lambda name: f"model.{name}", "linear")


def colqwen25(folder: Path) -> None:
    """Patches of 14 pixels, four of them a vector, up to 16 a page; weights named as before transformers 4.52."""
    vision = {"depth": 2, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 16}
    vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    text = {**SMALL, "num_hidden_layers": 2, "num_key_value_heads": 1, "max_position_embeddings": 512}
    words = qwen_words()
    text |= {"vocab_size": len(words), "rope_parameters": rope, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = Qwen2_5_VLConfig(**IDS, text_config=text, vision_config=vision, dim=DIM)
    pictures = Qwen2VLImageProcessorPil(min_pixels=784, max_pixels=12544)
    published(folder, "ColQwen2_5", Qwen2_5_VLModel, config, (pictures, words), old_qwen, "custom_text_proj")


def colqwen35(folder: Path) -> None:
    """Patches of 16 pixels, four of them a vector; a linear and a full attention layer."""
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 16}
    vision |= {"num_position_embeddings": 64}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    words = qwen_words()
    text = {**SMALL, "num_hidden_layers": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 512}
    text |= {"vocab_size": len(words), "rope_parameters": rope | {"partial_rotary_factor": 1.0}}
    text |= {"layer_types": ["linear_attention", "full_attention"], "pad_token_id": 0, "eos_token_id": 2}
    text |= {"linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2}
    text |= {"linear_num_value_heads": 2}
    config = Qwen3_5Config(**IDS, text_config=text, vision_config=vision, dim=DIM)
    pictures = Qwen2VLImageProcessorPil(patch_size=16, size={"shortest_edge": 1024, "longest_edge": 16384})
    published(folder, "ColQwen3_5", Qwen3_5Model, config, (pictures, words), str, "custom_text_proj")


def colqwen25_adapter(folder: Path) -> None:
    """ColQwen2.5 as it is published: a low-rank adapter, and its base beside it."""
    adapter(folder, colqwen25, r"layers\.\d+.*(q|v|down)_proj$|custom_text_proj$", "vidore/colqwen2.5-base")


def colsmol_adapter(folder: Path) -> None:
    """ColSmol as it is published: a low-rank adapter, and its base beside it."""
    adapter(folder, colsmol, r"text_model.*(q|v|down)_proj$|linear$", "vidore/ColSmolVLM-Instruct-256M-base")


TEMPLATE = (
    "{%- set said = messages[0].content -%}"
    "{%- if task == 'query' -%}"
    "{{ query_token + (said if said is string else said | map(attribute='text') | join) + mask_token * 10 }}"
    "{%- else -%}{{ document_token + image_token }}{%- endif -%}"
)


def neomme(folder: Path) -> None:
    """Patches of 8 pixels, a vector each, pages of up to 96 pixels."""
    marks = {"mask_token": "<mask>", "document_token": "<doc>", "image_token": "<img>", "query_token": "<query>"}
    words = tokenizer(
        ["<pad>", "<bos>", "<eos>", "<unk>", *marks.values(), "<row>"],
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        mask_token=marks.pop("mask_token"),
        extra_special_tokens={**marks, "row_token": "<row>"},
    )
    config = NeoMMEConfig(
        **{**SMALL, "vocab_size": len(words), "embedding_rank": 8, "num_hidden_layers": 2, "head_dim": 16},
        num_key_value_heads=1, max_position_embeddings=512, patch_size=8, embedding_dim=DIM,
        document_token_id=5, image_token_id=6,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = NeoMMEForRetrieval(config)
        for weight in model.parameters():  # many start as zeros, and would do nothing
            weight.data += 0.2 * torch.randn_like(weight)
        model.save_pretrained(folder)
    words.save_pretrained(folder)
    pictures = {"image_processor_type": "NeoMMEImageProcessor", "patch_size": 8, "max_side": 96}
    told = {"processor_class": "NeoMMEProcessor", "image_processor": pictures}
    (folder / "processor_config.json").write_text(json.dumps(told))
    (folder / "chat_template.jinja").write_text(TEMPLATE)


def qwen_words() -> Any:
    return tokenizer([*QWEN, "<|video_pad|>"], pad_token="<|endoftext|>", eos_token="<|im_end|>", padding_side="left")


def old_qwen(name: str) -> str:
    return re.sub(r"^language_model\.", "model.", name)


def published(
    folder: Path,
    architecture: str,
    body_class: Any,
    config: Any,
    processor: Any,
    renamed: Callable[[str], str],
    projection: str,
) -> None:
    """The weights of a body of transformers and of a projection under their published names."""
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        body, head = body_class(config), torch.nn.Linear(config.text_config.hidden_size, DIM)
    weights = {renamed(name): value.contiguous().clone() for name, value in body.state_dict().items()}
    weights |= {f"{projection}.weight": head.weight.detach(), f"{projection}.bias": head.bias.detach()}
    weights["lm_head.weight"] = torch.zeros(4, 16)  # some bases still have it
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [architecture]
    config.save_pretrained(folder)
    for part in processor if isinstance(processor, tuple) else (processor,):
        part.save_pretrained(folder)


def adapter(folder: Path, make_base: Callable[[Path], None], targets: str, base: str) -> None:
    make_base(folder / "base")
    weights, random = {}, torch.Generator().manual_seed(9)
    for name, value in load_file(folder / "base" / "model.safetensors").items():
        layer = name.removesuffix(".weight")
        if name.endswith(".weight") and re.search(targets, layer):
            rows, columns = value.shape
            key = f"base_model.model.{layer}"
            weights[f"{key}.lora_A.weight"] = torch.randn(4, columns, generator=random) / 4
            weights[f"{key}.lora_B.weight"] = torch.randn(rows, 4, generator=random) / 4
    save_file(weights, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "target_modules": targets, "use_dora": False}
    told |= {"base_model_name_or_path": base, "use_rslora": False, "rank_pattern": {}, "modules_to_save": None}
    (folder / "adapter_config.json").write_text(json.dumps(told))


MAKERS = {
    "colsmol": colsmol,
    "colqwen2.5": colqwen25,
    "colqwen3.5": colqwen35,
    "colsmol-adapter": colsmol_adapter,
    "colqwen2.5-adapter": colqwen25_adapter,
    "neomme": neomme,
}
