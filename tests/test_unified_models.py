"""One contract for every embedder of passages and pictures, on tiny checkpoints of the real classes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.embed import Unified
from pipeline.embed.choices import Choices
from pipeline.embed.remote_code import code_of
from pipeline.embed.unified import load_unified
from pipeline.errors import Unreadable, UsageError
from pipeline.types import PictureInput

pytestmark = pytest.mark.models  # torch and transformers are imported within tests: collecting must stay quick
CAPTIONS = ("clip", "siglip", "siglip2", "metaclip2")
WITH_VIDEO = ("embeddinggemma2", "qwen3vl")
OWN_CODE = ("jina-clip", "jina-v5")
NAMES = (*CAPTIONS, "nomic", *OWN_CODE, "jina-v4", "sentences", *WITH_VIDEO)
TEXTS = ["a red square", "x", "the mill and its wheel " * 3, "", "été 水车", "mill", "a", "two blue squares"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import tiny_jina
    import tiny_unified
    import tiny_vlm

    folder = tmp_path_factory.mktemp("unified")
    makers = {**tiny_unified.MAKERS, **tiny_vlm.MAKERS, **tiny_jina.MAKERS}
    for name in NAMES:
        makers[name](folder / name)
    return {name: folder / name for name in NAMES}


def choices_for(folder: Path, **more: Any) -> Choices:
    """What each of the tiny models needs beside its name."""
    from pipeline.embed.spec import from_folder

    chosen = Choices(device="cpu", **more)
    if folder.name in CAPTIONS:
        chosen = replace(chosen, text="builtin", accept_noncommercial=True)
    if folder.name == "jina-v4":
        chosen = replace(chosen, accept_noncommercial=True)
    if folder.name in OWN_CODE:
        code = f"{from_folder(folder, 'unified').revision}:{code_of(folder)}"
        chosen = replace(chosen, accept_noncommercial=True, remote_code=(code,))
    return chosen


def load(folder: Path, **more: Any) -> Unified:
    if folder.name == "sentences":
        return load_unified("builtin", choices_for(folder, text=str(folder), **more))
    return load_unified(str(folder), choices_for(folder, **more))


@pytest.fixture(scope="session", params=NAMES)
def folder(request: pytest.FixtureRequest, tiny: dict[str, Path]) -> Path:
    return tiny[request.param]


def captions(model: Unified, texts: list[str]) -> npt.NDArray[np.float32]:
    """Texts as the model under test embeds them: those beside captions models are of another one."""
    return model.embed_picture_queries(texts, model.embed_queries(texts))


def drawings(folder: Path) -> list[PictureInput]:
    made = []
    for seed in range(8):
        path = folder / f"{seed}.png"
        noise = np.random.default_rng(seed).integers(0, 255, (20 + 9 * seed, 48, 3), np.uint8)
        Image.fromarray(noise).save(path)
        made.append(PictureInput(path))
    return made


def by_library(folder: Path, texts: list[str], paths: list[Path]) -> tuple[Any, Any]:
    """Unit vectors by the libraries alone, one input at a time."""
    import torch
    import transformers

    if folder.name == "sentences":
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(folder), device="cpu").encode(texts), None
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    model = getattr(transformers, architecture).from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    length = model.config.text_config.max_position_embeddings
    padding: Any = "max_length" if architecture.startswith("Siglip") else True
    with torch.inference_mode():
        words = [
            model.get_text_features(
                **processor(text=[t], return_tensors="pt", padding=padding, max_length=length, truncation=True)
            ).pooler_output[0]
            for t in texts
        ]
        seen = [
            model.get_image_features(
                **processor(images=Image.open(p).convert("RGB"), return_tensors="pt")
            ).pooler_output[0]
            for p in paths
        ]
    return unit(torch.stack(words).numpy()), unit(torch.stack(seen).numpy())


def unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_one_at_a_time_is_eight_at_a_time(folder: Path, tmp_path: Path) -> None:
    """Order is kept, padding leaves no trace, rows are of unit length and differ from each other."""
    one, eight = load(folder, batch=1), load(folder, batch=8)
    pictures = drawings(tmp_path)
    words = [(model.embed_texts(TEXTS), captions(model, TEXTS)) for model in (one, eight)]
    seen = [model.embed_pictures(pictures) for model in (one, eight)]

    for alone, together in [*zip(*words, strict=True), seen]:
        np.testing.assert_allclose(alone, together, atol=2e-3 if alone.shape[1] == 384 else 1e-5)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
        assert len(np.unique(together.round(4), axis=0)) == 8
    assert seen[0].dtype == np.float32


@pytest.mark.parametrize("name", [*CAPTIONS, "sentences"])
def test_vectors_are_the_library_s_own(tiny: dict[str, Path], name: str, tmp_path: Path) -> None:
    """Texts and pictures have the vectors that transformers or sentence-transformers alone give them."""
    texts, pictures = [text for text in TEXTS if text and len(text) < 14], drawings(tmp_path)
    model = load(tiny[name])
    words, seen = by_library(tiny[name], texts, [picture.path for picture in pictures])

    if name == "sentences":
        np.testing.assert_allclose(model.embed_texts(texts), words, atol=1e-5)
    else:
        np.testing.assert_allclose(captions(model, texts), words, atol=1e-5)
        np.testing.assert_allclose(model.embed_pictures(pictures), seen, atol=1e-5)


def by_transformers(folder: Path, inputs: dict[str, Any], pooling: str) -> npt.NDArray[np.float32]:
    """A unit vector by the model's class alone: the mean of its tokens, or the last of them."""
    import torch
    import transformers

    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    with torch.inference_mode():
        states = getattr(transformers, architecture).from_pretrained(folder).eval()(**inputs).last_hidden_state[0]
    return unit((states.mean(0) if pooling == "mean" else states[-1])[None].numpy())[0]


def test_embeddinggemma_is_the_mean_of_its_tokens(tiny: dict[str, Path], tmp_path: Path) -> None:
    """Texts behind the prompt of its catalog entry, pictures between their marks; no video part is asked for."""
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer

    folder, picture = tiny["embeddinggemma2"], drawings(tmp_path)[4]
    words, model = AutoTokenizer.from_pretrained(folder), load(tiny["embeddinggemma2"])
    said = by_transformers(folder, dict(words(["title: none | text: mill wheel"], return_tensors="pt")), "mean")
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")
    seen = pictures(images=[Image.open(picture.path).convert("RGB")], return_tensors="pt")
    count = int(seen.pop("num_soft_tokens_per_image")[0])
    marks = words(["<boi>" + "<img>" * count + "<eoi>"], return_tensors="pt")
    kinds = {"mm_token_type_ids": (marks["input_ids"] == words.convert_tokens_to_ids("<img>")).to(torch.int64)}
    looked = by_transformers(folder, {**marks, **seen, **kinds}, "mean")

    np.testing.assert_allclose(model.embed_texts(["mill wheel"])[0], said, atol=1e-5)
    np.testing.assert_allclose(model.embed_pictures([picture])[0], looked, atol=1e-5)


def test_qwen3_vl_is_the_last_of_its_tokens(tiny: dict[str, Path], tmp_path: Path) -> None:
    """Texts and pictures in the checkpoint's own chat template; no video part is asked for."""
    from transformers import AutoImageProcessor, AutoTokenizer

    folder, picture = tiny["qwen3vl"], drawings(tmp_path)[4]
    words, model = AutoTokenizer.from_pretrained(folder), load(tiny["qwen3vl"])
    asked = words(["<|im_start|>user\nmill wheel<|im_end|>\n"], return_tensors="pt", return_token_type_ids=False)
    said = by_transformers(folder, dict(asked), "last")
    pictures = AutoImageProcessor.from_pretrained(folder, backend="pil")
    seen = pictures(images=[Image.open(picture.path).convert("RGB")], return_tensors="pt")
    count = int(seen["image_grid_thw"].prod()) // 4
    chat = "<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * count + "<|vision_end|><|im_end|>\n"
    marks = words([chat], return_tensors="pt", return_token_type_ids=False)
    kinds = {"mm_token_type_ids": (marks["input_ids"] == 5).int()}
    looked = by_transformers(folder, {**marks, **seen, **kinds}, "last")

    np.testing.assert_allclose(model.embed_texts(["mill wheel"])[0], said, atol=1e-5)
    np.testing.assert_allclose(model.embed_pictures([picture])[0], looked, atol=1e-5)


def test_jina_v4_is_the_mean_of_its_tokens_with_the_adapter_for_retrieval(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    """As its own code has it: texts behind a prompt, pictures from mark to mark, one adapter of three."""
    import torch
    from late_reference import beside
    from safetensors.torch import load_file
    from transformers import AutoImageProcessor, AutoTokenizer, Qwen2_5_VLConfig, Qwen2_5_VLModel

    folder, picture = tiny["jina-v4"], drawings(tmp_path)[4]
    body = Qwen2_5_VLModel(Qwen2_5_VLConfig.from_pretrained(folder)).eval()
    weights = load_file(folder / "model.safetensors")
    body.load_state_dict({k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")})
    low = load_file(folder / "adapters" / "adapter_model.safetensors")
    for name, layer in body.named_modules():
        key = f"base_model.model.model.{name}"
        if f"{key}.lora_A.retrieval.weight" in low:
            layer.register_forward_hook(
                beside(low[f"{key}.lora_A.retrieval.weight"], low[f"{key}.lora_B.retrieval.weight"])
            )
    words = AutoTokenizer.from_pretrained(folder)
    seen = AutoImageProcessor.from_pretrained(folder, backend="pil")(
        images=[Image.open(picture.path).convert("RGB")], return_tensors="pt"
    )
    patches = "<|image_pad|>" * (int(seen["image_grid_thw"].prod()) // 4)
    chat = f"<|im_start|>user\n<|vision_start|>{patches}<|vision_end|>Describe the image.<|im_end|>\n"
    marks = words([chat], return_tensors="pt", return_token_type_ids=False)
    ids = marks["input_ids"][0].tolist()
    with torch.inference_mode():
        said = body(**words(["Query: mill wheel"], return_tensors="pt", return_token_type_ids=False))
        looked = body(**marks, **seen, mm_token_type_ids=(marks["input_ids"] == 5).int())
    query = said.last_hidden_state[0].mean(0)
    whole = looked.last_hidden_state[0][ids.index(3) : ids.index(4) + 1].mean(0)
    model = load(folder)

    np.testing.assert_allclose(model.embed_queries(["mill wheel"])[0], unit(query[None].numpy())[0], atol=1e-5)
    np.testing.assert_allclose(model.embed_pictures([picture])[0], unit(whole[None].numpy())[0], atol=1e-5)


def test_the_id_pins_weights_and_precision(folder: Path) -> None:
    """Naming a model twice gives one id; half precision is another model."""
    first, again, half = load(folder), load(folder), load(folder, precision="bfloat16")
    ids = [model.id if folder.name == "sentences" else model.pictures_id or model.id for model in (first, again, half)]

    assert ids[0] == ids[1] != ids[2]
    assert folder.name in ids[0].name
    assert (ids[0].dtype, ids[2].dtype) == ("float32", "bfloat16")
    assert (first.pictures_id is not None) == (folder.name in (*CAPTIONS, "sentences"))


def test_half_precision_is_close(folder: Path, tmp_path: Path) -> None:
    """Cosine of .98 and more to float32, on weights that nobody trained."""
    full, half = load(folder), load(folder, precision="bfloat16")
    pictures = drawings(tmp_path)

    assert (full.embed_pictures(pictures) * half.embed_pictures(pictures)).sum(axis=1).min() > 0.98
    assert (captions(full, TEXTS) * captions(half, TEXTS)).sum(axis=1).min() > 0.98


def test_a_damaged_picture_is_named(folder: Path, tmp_path: Path) -> None:
    """The others of its group are not to blame, so the error says which file it is."""
    good, bad = drawings(tmp_path)[0], tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(Unreadable, match=r"bad\.png"):
        load(folder).embed_pictures([good, PictureInput(bad)])


def test_pictures_of_every_shape(folder: Path, tmp_path: Path) -> None:
    """One pixel, a stripe, a transparent one, a large one: all have vectors."""
    shapes = {"dot": (1, 1), "stripe": (3000, 4), "large": (3000, 2500)}
    paths = [PictureInput(tmp_path / f"{name}.png") for name in shapes]
    for picture, size in zip(paths, shapes.values(), strict=True):
        Image.new("RGBA", size, (200, 0, 0, 90)).save(picture.path)

    vectors = load(folder).embed_pictures(paths)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert load(folder).embed_pictures([]).shape == (0, vectors.shape[1])


def test_long_texts_are_read_in_parts(tiny: dict[str, Path]) -> None:
    """A question beyond the model's context is the mean of its parts, and a note says so."""
    model = load(tiny["nomic"])
    budget = model.max_tokens
    long = "mill wheel " * 60
    note = model.notes(long)

    assert budget == 64 - 2 - max(model.count_tokens(["search_query: ", "search_document: "]))
    assert model.notes("mill") == ()
    assert f"the model reads {budget} at once" in note[0]
    assert f"the query has {model.count_tokens([long])[0]} tokens" in note[0]
    np.testing.assert_allclose(np.linalg.norm(model.embed_queries([long])), 1, atol=1e-5)
    assert any("pictures: " in line for line in load(tiny["clip"]).notes(long))


def test_a_matryoshka_cut_is_of_unit_length(tiny: dict[str, Path]) -> None:
    """The first values of the whole vector, scaled to length 1; the id says how many. Other cuts are refused."""
    own = tiny["jina-clip"]
    from pipeline.embed.hub_unified import HubUnified
    from pipeline.embed.spec import from_folder

    spec = from_folder(own, "unified")
    trained = replace(spec, entry=replace(spec.entry, dims=(8,)))
    whole, cut = HubUnified(trained, choices_for(own)), HubUnified(trained, choices_for(own, dims=8))

    np.testing.assert_allclose(cut.embed_texts(TEXTS), unit(whole.embed_texts(TEXTS)[:, :8]), atol=1e-5)
    assert (whole.id.dim, cut.id.dim) == (16, 8)
    with pytest.raises(UsageError, match=r"model.dims is 5; it was trained for 16, 8"):
        HubUnified(trained, choices_for(own, dims=5))


def test_prompts_stand_before_the_texts(tiny: dict[str, Path], tmp_path: Path) -> None:
    """Questions and passages of a model with prompts differ; the prompts are part of its id."""
    from tiny_unified import sentences

    sentences(tmp_path / "asked", query="find: ", document="keep: ")
    plain, asked = load(tiny["sentences"]), load_unified("builtin", Choices(text=str(tmp_path / "asked"), device="cpu"))

    np.testing.assert_allclose(asked.embed_queries(["mill"]), plain.embed_texts(["find: mill"]), atol=1e-5)
    np.testing.assert_allclose(asked.embed_texts(["mill"]), plain.embed_texts(["keep: mill"]), atol=1e-5)
    assert asked.id.prompt == "find: / keep:"
    assert plain.id.prompt == ""


def test_memory_that_runs_out_makes_smaller_passes() -> None:
    """Items are done in order whatever fits; one that is too much alone is the user's to solve."""
    from pipeline.embed.device import Passes

    tried: list[int] = []

    def embed(group: Any) -> Any:
        tried.append(len(group))
        if len(group) > 3:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 MiB")
        return np.array([[item] for item in group], np.float32)

    made = np.concatenate(Passes("cpu").run(list(range(20)), embed, "m"))

    assert made[:, 0].tolist() == list(range(20))
    assert tried[:3] == [8, 4, 2]
    with pytest.raises(UsageError, match="not even one item at a time"):
        Passes("cpu").run([1], lambda group: embed([group] * 4), "m")


def test_the_picture_tower_of_nomic_has_the_published_layout(tiny: dict[str, Path]) -> None:
    """Names and shapes of its parameters are those of the published state, no more and no fewer."""
    from tiny_unified import NOMIC_VISION, nomic_vision_names

    from pipeline.embed.towers.nomic_vision import NomicVision, VisionConfig

    made = {
        name: tuple(value.shape) for name, value in NomicVision(VisionConfig.read(NOMIC_VISION)).state_dict().items()
    }

    assert made == nomic_vision_names()
    with pytest.raises(ValueError, match="activation_function = 'gelu'"):
        VisionConfig.read({**NOMIC_VISION, "activation_function": "gelu"})


def test_the_picture_tower_of_nomic_computes_what_is_published(tiny: dict[str, Path]) -> None:
    """Vectors equal those of a plain transcription of the architecture, token by token, in float64."""
    import torch
    from safetensors.numpy import load_file
    from tiny_vision import published

    from pipeline.embed.towers.nomic import load_vision

    folder = tiny["nomic"] / "vision"
    pixels = np.random.default_rng(3).normal(size=(3, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        found = load_vision(folder)(torch.from_numpy(pixels)).numpy()
    expected = [
        published(load_file(folder / "model.safetensors"), picture, layers=2, heads=2, patch=8) for picture in pixels
    ]

    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-3, atol=1e-4)


def test_nomic_texts_are_normalised_means_of_their_tokens(tiny: dict[str, Path]) -> None:
    """What the model page of the picture tower says of texts that are to meet pictures."""
    import torch
    import transformers

    folder = tiny["nomic"] / "text"
    model, words = (
        transformers.NomicBertModel.from_pretrained(folder).eval(),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    expected = []
    for text in TEXTS[:2]:
        with torch.inference_mode():
            states = model(**words(f"search_document: {text}", return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(0).numpy()
        expected.append((mean - mean.mean()) / mean.std())

    np.testing.assert_allclose(load(tiny["nomic"]).embed_texts(TEXTS[:2]), unit(np.stack(expected)), atol=1e-4)
