"""Tiny late-interaction checkpoints of the real classes with random weights: real in all but quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    ColModernVBertConfig,
    ColModernVBertForRetrieval,
    ColModernVBertProcessor,
    ColPaliConfig,
    ColPaliForRetrieval,
    ColPaliProcessor,
    ColQwen2Config,
    ColQwen2ForRetrieval,
    ColQwen2Processor,
    Idefics3ImageProcessorPil,
    ModernVBertConfig,
    PaliGemmaConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.utils.logging import disable_progress_bar

DIM = 8
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}


def tokenizer(specials: Sequence[str], **roles: Any) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that takes any text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300 + len(specials),
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["a red square"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=4096, **roles)


def colpali(folder: Path) -> None:
    """64 pixels in 4 x 4 patches."""
    roles = {"pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>"}
    words = tokenizer([*roles.values(), "<image>"], extra_special_tokens={"image_token": "<image>"}, **roles)
    pictures = SiglipImageProcessorPil(size={"height": 64, "width": 64})
    pictures.image_seq_length = 16
    processor = ColPaliProcessor(image_processor=pictures, tokenizer=words)
    text = {"model_type": "gemma", "vocab_size": len(processor.tokenizer), "num_key_value_heads": 1, "head_dim": 8}
    vision = {"model_type": "siglip_vision_model", "image_size": 64, "patch_size": 16, "projection_dim": 16}
    config = PaliGemmaConfig(
        image_token_id=processor.image_token_id,
        projection_dim=16,
        text_config={**SMALL, **text, "num_hidden_layers": 1, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1},
        vision_config={**SMALL, **vision, "num_hidden_layers": 1},
    )
    save(folder, processor, ColPaliForRetrieval, ColPaliConfig(vlm_config=config, embedding_dim=DIM))


def colqwen2(folder: Path) -> None:
    """Patches of 14 pixels, four of them a vector, up to 16 vectors a page; padding on the left."""
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
    words = tokenizer(
        [*specials, "<|video_pad|>"], pad_token="<|endoftext|>", eos_token="<|im_end|>", padding_side="left"
    )
    pictures = Qwen2VLImageProcessorPil(min_pixels=784, max_pixels=12544)
    processor = ColQwen2Processor(image_processor=pictures, tokenizer=words)
    ids = {"image_token_id": 5, "video_token_id": 6, "vision_start_token_id": 3, "vision_end_token_id": 4}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
    text = {"vocab_size": len(words), "num_key_value_heads": 1, "max_position_embeddings": 512, "rope_parameters": rope}
    config = Qwen2VLConfig(
        **ids,
        text_config={**SMALL, **text, "num_hidden_layers": 1, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2},
    )
    save(folder, processor, ColQwen2ForRetrieval, ColQwen2Config(vlm_config=config, embedding_dim=DIM))


def colmodernvbert(folder: Path) -> None:
    """Tiles of 32 pixels with 2 x 2 vectors, up to 4 tiles a side, then the whole page once more."""
    tags = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    marks = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
    roles = {"pad_token": "<pad>", "eos_token": "<eos>", "cls_token": "<cls>", "sep_token": "<sep>"}
    words = tokenizer([*roles.values(), *marks, *tags], **roles)
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 128}, max_image_size={"longest_edge": 32})
    processor = ColModernVBertProcessor(image_processor=pictures, tokenizer=words, image_seq_len=4)
    text = {"model_type": "modernbert", "vocab_size": len(words), "num_hidden_layers": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2, "cls_token_id": 2, "sep_token_id": 3}
    vision = {"model_type": "siglip_vision_model", "num_hidden_layers": 1, "image_size": 32, "patch_size": 8}
    config = ModernVBertConfig(
        pixel_shuffle_factor=2,
        image_token_id=processor.image_token_id,
        text_config={**SMALL, **text, **ids},
        vision_config={**SMALL, **vision},
    )
    save(folder, processor, ColModernVBertForRetrieval, ColModernVBertConfig(vlm_config=config, embedding_dim=DIM))


MAKERS = {"colpali": colpali, "colqwen2": colqwen2, "colmodernvbert": colmodernvbert}


def save(folder: Path, processor: Any, model_class: Any, config: Any) -> None:
    disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model_class(config).save_pretrained(folder)
    processor.save_pretrained(folder)
