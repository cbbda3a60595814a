"""Tiny checkpoints of models for texts, pictures and videos, with the files that they are published with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiny_late import SMALL, tokenizer
from tiny_unified import save
from transformers import (
    EmbeddingGemma2Config,
    EmbeddingGemma2Model,
    Gemma4AudioFeatureExtractor,
    Gemma4ImageProcessorPil,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLModel,
)

CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
    "{% for c in m.content %}{% if c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}"
    "{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
)


def embeddinggemma2(folder: Path) -> None:
    """sentence-transformers: the model, the mean of its tokens, unit length."""
    marks = {"image_token": "<img>", "boi_token": "<boi>", "eoi_token": "<eoi>", "audio_token": "<aud>"}
    marks |= {"boa_token": "<boa>", "eoa_token": "<eoa>"}
    roles = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    words = tokenizer([*roles.values(), *marks.values(), "<|video|>"], extra_special_tokens=marks, **roles)
    pictures = Gemma4ImageProcessorPil(patch_size=16, max_soft_tokens=70, pooling_kernel_size=3)
    processor = {
        "processor_class": "EmbeddingGemma2Processor",
        "image_processor": json.loads(pictures.to_json_string()) | {"image_processor_type": "Gemma4ImageProcessor"},
        "feature_extractor": json.loads(Gemma4AudioFeatureExtractor().to_json_string()),
        "video_processor": {"video_processor_type": "Gemma4VideoProcessor", "patch_size": 16, "max_soft_tokens": 70},
        "image_seq_length": 70,
    }
    id_of = words.convert_tokens_to_ids
    text = {**SMALL, "num_hidden_layers": 2, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": len(words)}
    text |= {
        "hidden_size_per_layer_input": 8,
        "embedding_dim": 12,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    text |= {"per_layer_config": {}, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1, "sliding_window": 64}
    vision = {**SMALL, "model_type": "gemma4_vision", "num_hidden_layers": 1, "num_key_value_heads": 2, "head_dim": 8}
    vision |= {"patch_size": 16, "pooling_kernel_size": 3, "position_embedding_size": 1024}
    config = EmbeddingGemma2Config(
        text_config=text,
        vision_config=vision,
        audio_config=None,
        image_token_id=id_of("<img>"),
        boi_token_id=id_of("<boi>"),
        eoi_token_id=id_of("<eoi>"),
        video_token_id=id_of("<|video|>"),
        audio_token_id=id_of("<aud>"),
    )
    as_sentences(folder, EmbeddingGemma2Model(config), words, processor, ("text", "image", "audio", "video"), "mean")


def qwen3vl(folder: Path) -> None:
    """sentence-transformers: the model, its last token, unit length."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
    words = tokenizer([*specials, "<|video_pad|>"], pad_token="<|endoftext|>", eos_token="<|im_end|>")
    pictures = Qwen2VLImageProcessorPil(patch_size=16, size={"shortest_edge": 1024, "longest_edge": 16384})
    processor = {
        "processor_class": "Qwen3VLProcessor",
        "image_processor": json.loads(pictures.to_json_string()) | {"image_processor_type": "Qwen2VLImageProcessor"},
        "video_processor": {"video_processor_type": "Qwen3VLVideoProcessor", "patch_size": 16},
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "mrope_interleaved": True}
    text = {**SMALL, "num_hidden_layers": 2, "num_key_value_heads": 1, "head_dim": 8, "vocab_size": len(words)}
    text |= {"rope_parameters": rope, "max_position_embeddings": 512, "pad_token_id": 0, "eos_token_id": 2}
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 32, "out_hidden_size": 16}
    vision |= {"patch_size": 16, "deepstack_visual_indexes": [0], "num_position_embeddings": 64}
    ids = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 3, "vision_end_token_id": 4}
    config = Qwen3VLConfig(**ids, text_config=text, vision_config=vision)
    as_sentences(folder, Qwen3VLModel(config), words, processor, ("text", "image", "video", "message"), "lasttoken")
    (folder / "chat_template.jinja").write_text(CHAT)


def as_sentences(
    folder: Path, model: Any, words: Any, processor: Mapping[str, Any], modalities: tuple[str, ...], pooling: str
) -> None:
    """As sentence-transformers saves it: the model, the pooling of its tokens, unit length."""
    save(folder, model, words)
    way = {"method": "forward", "method_output_name": "last_hidden_state"}
    ways = {name: way | ({"format": "structured"} if name == "message" else {}) for name in modalities}
    types = {
        "": "base.modules.transformer.Transformer",
        "1_Pooling": "sentence_transformer.modules.pooling.Pooling",
        "2_Normalize": "base.modules.normalize.Normalize",
    }
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.{name}"}
        for index, (path, name) in enumerate(types.items())
    ]
    files = {
        "processor_config.json": processor,
        "modules.json": modules,
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction",
            "modality_config": ways,
            "module_output_name": "token_embeddings",
        },
        "config_sentence_transformers.json": {"model_type": "SentenceTransformer", "prompts": {}},
        "1_Pooling/config.json": {"embedding_dimension": 16, "pooling_mode": pooling, "include_prompt": True},
        "2_Normalize/config.json": {},
    }
    for name, told in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(told))


MAKERS = {"embeddinggemma2": embeddinggemma2, "qwen3vl": qwen3vl}
