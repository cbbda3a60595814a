"""The tokenizer of multilingual-e5-small, built from the word pieces in its file. Needs no weights and no torch."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.normalizers import NFKC, Nmt, Replace, Sequence
from tokenizers.pre_tokenizers import Metaspace, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as Splits

from pipeline.embed.builtin.e5_file import E5File, e5_file

WAVE = "～"  # the one character that NFKC would change and the model's own table does not
PARKED = "\ue000"  # where it waits meanwhile
MASK = "<mask>"


@cache
def e5_tokenizer() -> Tokenizer:
    """Text to ids without special tokens; a document that says "<s>" means these letters."""
    return build(e5_file())


def build(file: E5File) -> Tokenizer:
    """Unigram over pieces after NMT and NFKC normalisation, words marked by a leading U+2581.

    Special pieces get a name with a space in it, which no word can hold, so that no text can spell them.
    """
    specials = {*file.specials, *(id for id, (piece, _) in enumerate(file.pieces) if piece == MASK)}
    pieces = [(f" {piece}" if id in specials else piece, score) for id, (piece, score) in enumerate(file.pieces)]
    return tokenizer_of(pieces, file.specials[3])


def tokenizer_of(pieces: list[tuple[str, float]], unknown: int) -> Tokenizer:
    """Over these pieces and their scores; the one with the index `unknown` stands for what no piece fits."""
    tokenizer = Tokenizer(Unigram(pieces, unk_id=unknown, byte_fallback=False))
    tokenizer.normalizer = Sequence([Replace(WAVE, PARKED), Nmt(), NFKC(), Replace(PARKED, WAVE)])
    tokenizer.pre_tokenizer = Splits([WhitespaceSplit(), Metaspace(replacement="▁", prepend_scheme="always")])
    return tokenizer
