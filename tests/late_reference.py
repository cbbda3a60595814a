"""What late-interaction models give without any code of ours: by transformers' classes, weights read by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

TILED = "<|im_start|>User:<image>Describe the image.<end_of_utterance>\nAssistant:"
BODIES = {"ColIdefics3": "Idefics3Model", "ColQwen2_5": "Qwen2_5_VLModel", "ColQwen3_5": "Qwen3_5Model"}


def library(folder: Path, *, images: list[Image.Image] | None = None, text: list[str] | None = None) -> Any:
    """Embeddings of all tokens, and which of them look at the page: of pictures, or of questions, in one batch."""
    base = folder / "base" if (folder / "base").is_dir() else folder
    architecture = json.loads((base / "config.json").read_text())["architectures"][0]
    with torch.inference_mode():
        if architecture in BODIES:
            return projected(folder, base, architecture, images, text)
        if architecture == "NeoMMEForRetrieval":
            return neomme(folder, images, text)
        model = getattr(transformers, architecture).from_pretrained(folder).eval()
        processor = transformers.AutoProcessor.from_pretrained(folder)
        batch = processor.process_images(images) if images else processor.process_queries(text)
        return model(**batch).embeddings, looking(batch, processor.image_token_id)


def looking(batch: Any, image_token_id: int) -> torch.Tensor:
    return (batch["input_ids"] == image_token_id) & batch["attention_mask"].bool()


def projected(folder: Path, base: Path, architecture: str, images: Any, text: Any) -> Any:
    """A body of transformers, a projection after it, and an adapter beside each layer that it changes, unmerged."""
    weights = {bare(name): value for name, value in load_file(base / "model.safetensors").items()}
    body = getattr(transformers, BODIES[architecture])(transformers.AutoConfig.from_pretrained(base)).eval()
    head = {name.split(".")[-1]: weights.pop(name) for name in list(weights) if name.split(".")[0] in HEADS}
    body.load_state_dict({name: value for name, value in weights.items() if not name.startswith("lm_head")})
    low = load_file(folder / "adapter_model.safetensors") if base is not folder else {}
    low = {bare(name.removeprefix("base_model.model.")): value for name, value in low.items()}
    for name, layer in body.named_modules():
        if f"{name}.lora_A.weight" in low:
            layer.register_forward_hook(beside(low[f"{name}.lora_A.weight"], low[f"{name}.lora_B.weight"]))
    batch, image_token_id = idefics3(base, images, text) if architecture == "ColIdefics3" else qwen(base, images, text)
    states = body(**batch).last_hidden_state
    rows = functional.linear(states, head["weight"], head["bias"])
    for name in HEADS:
        if f"{name}.lora_A.weight" in low:
            rows = rows + 2 * states @ low[f"{name}.lora_A.weight"].T @ low[f"{name}.lora_B.weight"].T
    return functional.normalize(rows, dim=-1), looking(batch, image_token_id)


HEADS = ("linear", "custom_text_proj")


def bare(name: str) -> str:
    """The body's own name of a weight that is published under another."""
    if name.startswith(("model.text_model", "model.vision_model", "model.connector")):
        return name.removeprefix("model.")
    return re.sub(r"^model\.", "language_model.", name)


def beside(down: torch.Tensor, up: torch.Tensor) -> Callable[[Any, Any, Any], torch.Tensor]:
    """What a low-rank adapter adds to the output of a layer, alpha / r = 2 in the tiny ones."""

    def added(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output + 2 * inputs[0] @ down.T @ up.T

    return added


def idefics3(base: Path, images: Any, text: Any) -> tuple[Any, int]:
    processor = transformers.Idefics3Processor.from_pretrained(base, backend="pil")
    processor.tokenizer.padding_side = "left"
    if images:
        batch = processor(
            text=[TILED] * len(images), images=[[one] for one in images], padding=True, return_tensors="pt"
        )
    else:
        asked = [f"Query: {words}" + "<end_of_utterance>" * 10 for words in text]
        batch = processor.tokenizer(asked, padding=True, return_tensors="pt")
    return batch, processor.image_token_id


def qwen(base: Path, images: Any, text: Any) -> tuple[Any, int]:
    """Pages by the processor of ColQwen2, whose prompt is the same; questions as they were trained."""
    pictures = transformers.AutoImageProcessor.from_pretrained(base, backend="pil")
    processor = transformers.ColQwen2Processor(pictures, transformers.AutoTokenizer.from_pretrained(base))
    if images:
        batch = dict(processor.process_images(images))
        kinds = processor.create_mm_token_type_ids(batch["input_ids"].tolist())
        lengths = batch["image_grid_thw"].prod(1).tolist()
        rows = [padded[:length] for padded, length in zip(batch["pixel_values"], lengths, strict=True)]
        batch |= {"pixel_values": torch.cat(rows), "mm_token_type_ids": torch.tensor(kinds)}
        batch.pop("token_type_ids", None)
    else:
        lead = "Query: " if "2_5" in json.loads((base / "config.json").read_text())["architectures"][0] else ""
        asked = [lead + words + "<|endoftext|>" * 10 for words in text]
        batch = dict(processor.tokenizer(asked, padding=True, return_tensors="pt", return_token_type_ids=False))
    return batch, processor.image_token_id


def neomme(folder: Path, images: Any, text: Any) -> Any:
    """Pages cut into patches by hand, one at a time; questions by the tokenizer."""
    model = transformers.NeoMMEForRetrieval.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if text:
        ids = tokenizer([f"<query>{words}" + "<mask>" * 10 for words in text], padding=True, return_tensors="pt")
        return model(**ids, output_dense=False).embeddings, None
    found = [neomme_page(model, tokenizer, picture) for picture in images]
    longest = max(len(rows) for rows, _ in found)
    rows = torch.stack([functional.pad(rows, (0, 0, 0, longest - len(rows))) for rows, _ in found])
    return rows, torch.stack([functional.pad(seen, (0, longest - len(seen))) for _, seen in found])


def neomme_page(model: Any, tokenizer: Any, picture: Image.Image, side: int = 8, most: int = 96) -> Any:
    scale = min(1.0, most / max(picture.size))
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BILINEAR)
    columns, rows = -(-small.width // side), -(-small.height // side)
    canvas = Image.new("RGB", (columns * side, rows * side))
    canvas.paste(small)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).reshape(rows * side, columns * side, 3)
    cells = [
        pixels[r * side : (r + 1) * side, c * side : (c + 1) * side].reshape(-1)
        for r in range(rows)
        for c in range(columns)
    ]
    image, row = tokenizer.convert_tokens_to_ids(["<img>", "<row>"])
    ids = torch.tensor([[tokenizer.convert_tokens_to_ids("<doc>"), image, *([image] * columns + [row]) * rows]])
    where = [(0, 0), (1, 1), *((2 + r, 2 + c) for r in range(rows) for c in range(columns + 1))]
    found = model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        position_ids=torch.tensor(where).T[:, None],
        pixel_values=torch.stack(cells).float() / 127.5 - 1,
    )
    seen = ids[0] == image
    seen[1] = False  # the mark before the patches
    return found.embeddings[0], seen
