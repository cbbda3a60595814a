"""Tiny checkpoints of the real classes for passages and pictures, with random weights: real in all but quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny_late import SMALL, tokenizer
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    MetaClip2Config,
    MetaClip2Model,
    NomicBertConfig,
    NomicBertModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    Siglip2Processor,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
)
from transformers.utils.logging import disable_progress_bar

DIM = 12
ROLES = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
TEXT = {**SMALL, "num_hidden_layers": 2}
VISION = {**SMALL, "num_hidden_layers": 2, "image_size": 32, "patch_size": 16}


def framed(length: int) -> PreTrainedTokenizerFast:
    """A tokenizer that puts <bos> and <eos> around a text."""
    from tokenizers.processors import TemplateProcessing

    made = tokenizer(list(ROLES.values()), **ROLES)
    made.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 2), ("<eos>", 1)]
    )
    made.model_max_length = length
    made.model_input_names = ["input_ids", "attention_mask"]
    return made


def clip(folder: Path) -> None:
    words = framed(32)
    text = {**TEXT, "vocab_size": len(words), "max_position_embeddings": 32, "eos_token_id": 1, "bos_token_id": 2}
    config = CLIPConfig(text_config={**text, "pad_token_id": 0}, vision_config=VISION, projection_dim=DIM)
    save(folder, CLIPModel(config), CLIPProcessor(pictures(CLIPImageProcessorPil), words))


def metaclip2(folder: Path) -> None:
    words = framed(32)
    text = {**TEXT, "vocab_size": len(words), "max_position_embeddings": 32, "eos_token_id": 1, "bos_token_id": 2}
    config = MetaClip2Config(text_config={**text, "pad_token_id": 0}, vision_config=VISION, projection_dim=DIM)
    save(folder, MetaClip2Model(config), CLIPProcessor(pictures(CLIPImageProcessorPil), words))


def siglip(folder: Path) -> None:
    words = framed(16)
    text = {**TEXT, "vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 16}
    config = SiglipConfig(text_config=text, vision_config=VISION)
    save(folder, SiglipModel(config), SiglipProcessor(pictures(SiglipImageProcessorPil), words))


def siglip2(folder: Path) -> None:
    words = framed(16)
    text = {**TEXT, "vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 16}
    vision = {**SMALL, "num_hidden_layers": 2, "patch_size": 16, "num_patches": 16}
    processor = Siglip2Processor(Siglip2ImageProcessorPil(patch_size=16, max_num_patches=16), words)
    save(folder, Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)), processor)


def nomic(folder: Path) -> None:
    """Two towers: the text side in transformers' layout, the picture side in the one it is published in."""
    words = framed(64)
    config = NomicBertConfig(
        **{**SMALL, "vocab_size": len(words), "num_hidden_layers": 2, "max_position_embeddings": 64}
    )
    save(folder / "text", NomicBertModel(config), words)
    nomic_vision(folder / "vision")


def cross_encoder(folder: Path, labels: int = 1) -> None:
    """A cross-encoder as sentence-transformers loads one, with a score for each pair that depends on both texts."""
    from transformers import BertForSequenceClassification

    words = framed(48)
    config = BertConfig(
        **{**SMALL, "vocab_size": len(words), "num_hidden_layers": 2, "max_position_embeddings": 48},
        num_labels=labels, initializer_range=0.5,
    )  # fmt: skip
    save(folder, BertForSequenceClassification(config), words)


NOMIC_VISION: dict[str, Any] = {
    "architectures": ["NomicVisionModel"],
    "model_type": "nomic_bert",
    "auto_map": {"AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicVisionModel"},
    "activation_function": "swiglu",
    "prenorm": True,
    "use_rotary_pos_emb": True,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_inner": 40,
    "img_size": 32,
    "patch_size": 8,
    "ref_feat_shape": [4, 4],
    "layer_norm_epsilon": 1e-6,
    "qkv_proj_bias": True,
    "mlp_fc1_bias": True,
    "mlp_fc2_bias": True,
    "patch_embed_bias": True,
    "norm_mlp": True,
    "num_channels": 3,
    "register_tokens": 0,
}


def nomic_vision_names(layers: int = 2) -> dict[str, tuple[int, ...]]:
    """The published names of the picture tower's weights, with shapes at a width of 16, written down by hand."""
    width, inner = 16, 256
    names: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.pos_embed": (1, 17, width),
        "embeddings.proj.weight": (width, 192),
        "embeddings.proj.bias": (width,),
        "selector.attn.latent": (1, 1, width),
        "selector.attn.Wq.weight": (width, width),
        "selector.attn.Wq.bias": (width,),
        "selector.attn.Wkv.weight": (2 * width, width),
        "selector.attn.Wkv.bias": (2 * width,),
    }
    for block in [*(f"layers.{n}" for n in range(layers)), "selector"]:
        names |= {f"{block}.attn.out_proj.weight": (width, width), f"{block}.attn.out_proj.bias": (width,)}
        names |= {f"{block}.norm1.weight": (width,), f"{block}.norm1.bias": (width,)}
        names |= {f"{block}.mlp.{gate}.weight": (inner, width) for gate in ("fc11", "fc12")}
        names |= {f"{block}.mlp.{gate}.bias": (inner,) for gate in ("fc11", "fc12")}
        names |= {f"{block}.mlp.fc2.weight": (width, inner), f"{block}.mlp.fc2.bias": (width,)}
        if block != "selector":
            names |= {f"{block}.attn.Wqkv.weight": (3 * width, width), f"{block}.attn.Wqkv.bias": (3 * width,)}
            names |= {f"{block}.norm2.weight": (width,), f"{block}.norm2.bias": (width,)}
            names |= {f"{block}.mlp.norm.weight": (inner,), f"{block}.mlp.norm.bias": (inner,)}
    return names


def nomic_vision(folder: Path) -> None:
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(7)
    weights = {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in nomic_vision_names().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(NOMIC_VISION))
    pictures(CLIPImageProcessorPil).save_pretrained(folder)


def sentences(folder: Path, **prompts: str) -> None:
    """A text embedder of sentence-transformers: BERT, mean pooling, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    bare = folder.with_name(f"{folder.name}-bare")
    bert(bare)
    transformer = Transformer(str(bare), max_seq_length=48)
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), "mean"), Normalize()]
    SentenceTransformer(modules=modules, prompts=prompts or None, device="cpu").save_pretrained(str(folder))


def bert(folder: Path) -> None:
    words = framed(64)
    config = BertConfig(**SMALL, vocab_size=len(words), num_hidden_layers=2, max_position_embeddings=64)
    save(folder, BertModel(config), words)


CODE = """
import numpy as np, torch
from transformers import PreTrainedConfig, PreTrainedModel, AutoTokenizer

class JinaCLIPConfig(PreTrainedConfig):
    model_type = "jina_clip"

class JinaCLIPModel(PreTrainedModel):
    config_class = JinaCLIPConfig
    def __init__(self, config):
        super().__init__(config)
        self.words = torch.nn.Embedding(400, config.projection_dim)
        self.patches = torch.nn.Linear(48, config.projection_dim)
        self.post_init()
    def encode_text(self, texts, convert_to_numpy=True, task=None):
        rows = [self.words(torch.tensor(list(text.encode()[:64]) or [0])).mean(0) for text in texts]
        return torch.stack(rows).float().numpy()
    def encode_image(self, pictures, convert_to_numpy=True):
        small = [np.asarray(p.convert("RGB").resize((4, 4)), np.float32).reshape(-1) / 255 for p in pictures]
        return self.patches(torch.tensor(np.stack(small)).to(self.patches.weight.dtype)).float().numpy()
"""


def jina_clip(folder: Path) -> None:
    """A model whose class is code in its own folder, as a vendored snapshot of Jina CLIP v2 is."""
    folder.mkdir(parents=True)
    (folder / "modeling_clip.py").write_text(CODE)
    config = {
        "architectures": ["JinaCLIPModel"],
        "model_type": "jina_clip",
        "projection_dim": 16,
        "auto_map": {"AutoConfig": "modeling_clip.JinaCLIPConfig", "AutoModel": "modeling_clip.JinaCLIPModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(7)
    shapes = {"words.weight": (400, 16), "patches.weight": (16, 48), "patches.bias": (16,)}
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    framed(64).save_pretrained(folder)


MAKERS = {
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "metaclip2": metaclip2,
    "nomic": nomic,
    "jina-clip": jina_clip,
    "sentences": sentences,
}


def pictures(processor: Any) -> Any:
    size = {"shortest_edge": 32} if processor is CLIPImageProcessorPil else {"height": 32, "width": 32}
    more = {"crop_size": {"height": 32, "width": 32}} if processor is CLIPImageProcessorPil else {}
    return processor(size=size, **more)


def save(folder: Path, model: Any, words: Any) -> None:
    """With weights large enough that different inputs give different vectors."""
    disable_progress_bar()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    model.save_pretrained(folder)
    words.save_pretrained(folder)
