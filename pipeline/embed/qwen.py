"""What models on Qwen's vision-language models share: names of their weights, and pictures between words.

transformers' processors of them ask for a video processor, and that for torchvision; these do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

IMAGE = "<|image_pad|>"
PAGE = f"<|im_start|>user\n<|vision_start|>{IMAGE}<|vision_end|>Describe the image.<|im_end|>"
NAMES = {  # of weights in Qwen2.5-VL, as checkpoints have them, to those of transformers' body without a head
    r"^model\.language_model\.": "language_model.",
    r"^model\.visual\.": "visual.",
    r"^model\.(?=layers|embed_tokens|norm)": "language_model.",
}


class Inputs:
    """Pictures in patches, a prompt around each, and texts, padded on the left."""

    def __init__(self, image_processor: Any, tokenizer: Any, page: str) -> None:
        """`page` is the prompt, with `IMAGE` where the picture stands."""
        self.image_processor, self.tokenizer, self._page = image_processor, tokenizer, page
        self.image_token_id = int(tokenizer.convert_tokens_to_ids(IMAGE))
        tokenizer.padding_side = "left"

    def pictures(self, images: Sequence[Image.Image]) -> dict[str, Any]:
        seen = self.image_processor(images=list(images), return_tensors="pt")
        counts = (seen["image_grid_thw"].prod(1) // self.image_processor.merge_size**2).tolist()
        batch = self.texts([self._page.replace(IMAGE, IMAGE * count) for count in counts])
        kinds = (batch["input_ids"] == self.image_token_id).int()
        return {**batch, "mm_token_type_ids": kinds, **seen}

    def texts(self, texts: Sequence[str], **options: Any) -> dict[str, Any]:
        options |= {"padding": "longest", "return_tensors": "pt", "return_token_type_ids": False}
        return dict(self.tokenizer(list(texts), **options))
