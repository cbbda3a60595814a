"""A checkpoint's own tokenizer, for counting and for cutting long texts; needs no weights and no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.embed.builtin.windows import encodable
from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a text that a model reads at once, and its tokens without special ones."""

    text: str
    tokens: int


class Tokens:
    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer` is one of the package tokenizers; neither cut nor padded."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.specials = len(tokenizer.encode("").ids)  # that a model puts around a text

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """The tokenizer of a model's folder, or of its first module. Raises UsageError if there is none."""
        from tokenizers import Tokenizer

        for place in (folder, _first_module(folder)):
            if (place / "tokenizer.json").is_file():
                return cls(Tokenizer.from_file(str(place / "tokenizer.json")))
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer)
        except (OSError, ValueError, ImportError, AttributeError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise UsageError(f"{folder}: its tokenizer cannot be loaded ({lines[0] if lines else error})") from error

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text without special tokens."""
        found = self._tokenizer.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
        return [len(encoding.ids) for encoding in found]

    def parts(self, text: str, budget: int) -> list[TextPart]:
        """The text cut after every `budget` tokens; a short text is one part."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids, spans = encoding.ids, encoding.offsets
        if len(ids) <= budget:
            return [TextPart(text, len(ids))]
        starts = range(0, len(ids), budget)
        ends = [spans[start][0] for start in starts[1:]] + [len(text)]
        bounds = zip([0, *ends[:-1]], ends, starts, strict=True)
        return [TextPart(text[a:b], min(budget, len(ids) - start)) for a, b, start in bounds if b > a]


def _first_module(folder: Path) -> Path:
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        return folder / str(modules[0]["path"])
    except (OSError, ValueError, LookupError, TypeError):
        return folder
