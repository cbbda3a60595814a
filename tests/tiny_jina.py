"""Tiny checkpoints of jina-embeddings-v4 in its published layout, and of a model with own code in its modules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_late import SMALL
from tiny_projected import IDS, qwen_words
from tiny_unified import framed
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel, Qwen2VLImageProcessorPil

TASKS = ("retrieval", "text-matching", "code")


def jina_v4(folder: Path) -> None:
    """Weights named as in Qwen2.5-VL with a head, adapters for three tasks, and code that must not run."""
    vision = {"depth": 2, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 16}
    vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    words = qwen_words()
    text = {**SMALL, "num_hidden_layers": 2, "num_key_value_heads": 1, "max_position_embeddings": 256}
    text |= {"vocab_size": len(words), "rope_parameters": rope, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = Qwen2_5_VLConfig(**IDS, text_config=text, vision_config=vision)
    random = torch.Generator().manual_seed(7)
    weights = {
        f"model.{name}": drawn(value.shape, random) for name, value in Qwen2_5_VLModel(config).state_dict().items()
    }
    weights |= {"multi_vector_projector.weight": torch.zeros(8, 16), "multi_vector_projector.bias": torch.zeros(8)}
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    told = json.loads(config.to_json_string()) | {"architectures": ["JinaEmbeddingsV4Model"], "truncate_dim": None}
    told["auto_map"] = {"AutoModel": "modeling_jina_embeddings_v4.JinaEmbeddingsV4Model"}
    told["auto_map"]["AutoConfig"] = "configuration_jina_embeddings_v4.JinaEmbeddingsV4Config"
    (folder / "config.json").write_text(json.dumps(told))
    (folder / "modeling_jina_embeddings_v4.py").write_text("raise SystemExit('this code must not run')\n")
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=784, max_pixels=12544).save_pretrained(folder)
    low = {}
    for name, value in weights.items():
        layer = name.removesuffix(".weight")
        if re.search(r"(layers\.\d+.*(q|v|down)_proj|multi_vector_projector)$", layer):
            for task in TASKS:
                low[f"base_model.model.{layer}.lora_A.{task}.weight"] = torch.randn(4, value.shape[1], generator=random)
                low[f"base_model.model.{layer}.lora_B.{task}.weight"] = torch.randn(value.shape[0], 4, generator=random)
    (folder / "adapters").mkdir()
    save_file(low, folder / "adapters" / "adapter_model.safetensors")
    adapter = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "use_dora": False}
    (folder / "adapters" / "adapter_config.json").write_text(json.dumps(adapter))


CODE = """
import numpy as np
import torch
from sentence_transformers.base.modules import InputModule

class Omni(InputModule):
    def __init__(self, default_task, modality):
        super().__init__()
        assert (default_task, modality) == ("retrieval", "vision"), (default_task, modality)
        self.words, self.patches = torch.nn.Embedding(256, 16), torch.nn.Linear(48, 16)
        self.tokenizer = None

    @property
    def modalities(self):
        return ["text", "image"]

    def preprocess(self, inputs, prompt=None, **kwargs):
        return {"rows": torch.stack([self.row(one, prompt or "") for one in inputs])}

    def row(self, one, prompt):
        if isinstance(one, str):
            return self.words(torch.tensor(list((prompt + one).encode()[:64]) or [0])).mean(0)
        small = np.asarray(one.convert("RGB").resize((4, 4)), np.float32).reshape(-1) / 255
        return self.patches(torch.tensor(small).to(self.patches.weight.dtype))

    def forward(self, features, **kwargs):
        return {**features, "sentence_embedding": features["rows"].detach()}

    def get_embedding_dimension(self):
        return 16

    def save(self, output_path, *args, **kwargs):
        raise NotImplementedError

    @classmethod
    def load(cls, model_name_or_path, model_kwargs=None, **kwargs):
        told = dict(model_kwargs or {})
        made = cls(told["default_task"], told["modality"])
        cls.load_torch_weights(model_name_or_path, model=made)
        return made.to(told["dtype"])
"""


def jina_v5(folder: Path) -> None:
    """Not jina-embeddings-v5-omni's own code, but code of ours where it has its own, asked in the same way."""
    folder.mkdir(parents=True)
    (folder / "custom_st.py").write_text(CODE)
    config = {
        "architectures": ["JinaEmbeddingsV5OmniModel"],
        "model_type": "jina_embeddings_v5_omni",
        "text_config": {"hidden_size": 16, "max_position_embeddings": 64},
        "vision_config": {},
        "auto_map": {"AutoModel": "custom_st.Omni"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    normal = "sentence_transformers.base.modules.normalize.Normalize"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "custom_st.Omni"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": normal},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    told = {"model_type": "SentenceTransformer", "prompts": {"query": "Query: ", "document": "Document: "}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told))
    random = torch.Generator().manual_seed(7)
    shapes = {"words.weight": (256, 16), "patches.weight": (16, 48), "patches.bias": (16,)}
    weights = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    framed(64).save_pretrained(folder)


def drawn(shape: torch.Size, random: torch.Generator) -> torch.Tensor:
    return 0.3 * torch.randn(shape, generator=random)


MAKERS = {"jina-v4": jina_v4, "jina-v5": jina_v5}
