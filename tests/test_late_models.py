"""Late-interaction models that look at pages, on tiny checkpoints of the real classes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from cli.main import run
from pipeline.config import Settings
from pipeline.embed import PageModel
from pipeline.embed.choices import Choices
from pipeline.embed.late import LatePages
from pipeline.embed.late_checkpoint import from_folder
from pipeline.embed.pages import load_pages
from pipeline.errors import Unreadable, UsageError
from pipeline.ingest.open import models_of
from pipeline.ingest.run import Ingest
from pipeline.layout import load_layout
from pipeline.regions import map_of_cells
from pipeline.score import similarity_map
from pipeline.store import Models, Store, open_store
from pipeline.types import Box, PageImage, PageInput, TextLine

pytestmark = pytest.mark.models  # torch and transformers are imported within tests: collecting must stay quick
NATIVE = ("colpali", "colqwen2", "colmodernvbert")
ADAPTERS = ("colsmol-adapter", "colqwen2.5-adapter")
NAMES = (*NATIVE, "neomme", "colsmol", "colqwen2.5", "colqwen3.5", *ADAPTERS)
DIM = 8  # of the tiny checkpoints
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIZES = {"tall": (96, 128), "wide": (300, 100), "small": (56, 56)}
WHOLE = {"tall": (72, 96), "wide": (96, 32), "small": (56, 56)}  # what NeoMME takes as it is, and makes of the others
TILES = {"tall": (8, 6), "wide": (4, 8), "small": (8, 8)}
MERGED = {"tall": (5, 3), "wide": (2, 6), "small": (2, 2)}
SHAPES = {  # rows and columns of the grid by the processors' own rules
    "colpali": {"tall": (4, 4), "wide": (4, 4), "small": (4, 4)},
    "colqwen2": MERGED,
    "colqwen2.5": MERGED,
    "colqwen2.5-adapter": MERGED,
    "colqwen3.5": {"tall": (4, 3), "wide": (2, 6), "small": (2, 2)},
    "colmodernvbert": TILES,
    "colsmol": TILES,
    "colsmol-adapter": TILES,
    "neomme": {"tall": (12, 9), "wide": (4, 12), "small": (7, 7)},
}
MORE = {name: 4 if shapes is TILES else 0 for name, shapes in SHAPES.items()}  # vectors that stand for no cell


@pytest.fixture(scope="session", params=NAMES)
def folder(request: pytest.FixtureRequest, checkpoints: dict[str, Path]) -> Path:
    return checkpoints[request.param]


@pytest.fixture(scope="session")
def model(folder: Path) -> PageModel:
    return load_pages(str(folder))


def page(path: Path, size: tuple[int, int] = (96, 128), words: str = "", odd: Box | None = None) -> PageInput:
    """A white page with its words in a text layer, and an odd patch where it is said."""
    picture = Image.new("RGB", size, "white")
    if odd:
        picture.paste((255, 0, 0), tuple(round(side) for side in odd))
    picture.save(path)
    line = TextLine(words, (0.0, 0.0, 9.0, 9.0))
    return PageInput(PageImage(path, *size, float(size[0]), float(size[1])), (line,) if words else ())


def noisy(path: Path, size: tuple[int, int], seed: int) -> PageInput:
    made = page(path, size)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)).save(path)
    return made


def library(folder: Path, **inputs: Any) -> tuple[Any, Any]:
    from late_reference import library as by_library

    found: tuple[Any, Any] = by_library(folder, **inputs)
    return found


def reference(folder: Path, pages: list[PageInput]) -> list[npt.NDArray[np.float32]]:
    """The vectors of the pictures' own tokens."""
    found, seen = library(folder, images=[Image.open(page.image.path).convert("RGB") for page in pages])
    return [rows[mask].numpy() for rows, mask in zip(found, seen, strict=True)]


def test_vectors_are_the_library_s_own(folder: Path, model: PageModel, tmp_path: Path) -> None:
    """Unpooled, a page's vectors are those of its picture's tokens, whatever else is in the batch."""
    pages = [noisy(tmp_path / f"{name}.png", size, 3) for name, size in SIZES.items()]
    expected = reference(folder, pages)
    alone = [found for one in pages for found in model.embed_pages([one])]
    together = LatePages(from_folder(folder), pictures=3).embed_pages(pages)

    for name, one, other, wanted in zip(SIZES, alone, together, expected, strict=True):
        assert one.vectors.dtype == np.float16
        assert one.vectors.shape == (np.prod(SHAPES[folder.name][name]) + MORE[folder.name], DIM)
        np.testing.assert_allclose(one.vectors.astype(np.float32), wanted, atol=2e-3)
        np.testing.assert_allclose(other.vectors.astype(np.float32), wanted, atol=2e-3)


def test_one_at_a_time_is_eight_at_a_time(folder: Path, tmp_path: Path) -> None:
    """Order is kept, padding leaves no trace, rows are of unit length, and no two pages are alike."""
    shapes = list(SIZES.values())
    pages = [noisy(tmp_path / f"{seed}.png", shapes[seed % 3], seed) for seed in range(8)]
    one, eight = (
        [found.vectors.astype(np.float32) for found in LatePages(from_folder(folder), pictures=n).embed_pages(pages)]
        for n in (1, 8)
    )

    for alone, together in zip(one, eight, strict=True):
        np.testing.assert_allclose(alone, together, atol=2e-3)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=2e-3)
    assert len({rows.tobytes() for rows in eight}) == 8


def test_a_page_that_is_no_whole_patches_is_padded_as_the_library_does(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """NeoMME adds black below and on the right; its cells are off by less than their own size then."""
    pages = [noisy(tmp_path / "a.png", (90, 61), 8), noisy(tmp_path / "b.png", (700, 331), 8)]
    found = LatePages(from_folder(checkpoints["neomme"]), pictures=2).embed_pages(pages)

    for one, wanted in zip(found, reference(checkpoints["neomme"], pages), strict=True):
        np.testing.assert_allclose(one.vectors.astype(np.float32), wanted, atol=2e-3)
    assert [one.grid.owner.shape for one in found if one.grid] == [(8, 12), (6, 12)]


def test_marks_in_a_question_are_words(model: PageModel) -> None:
    """What means a picture or an end to the model is read as other words are, and breaks nothing."""
    said = model.embed_query("red <image> <|image_pad|> <img> <mask> <|endoftext|> square")

    assert len(said.vectors) > len(model.embed_query("red square").vectors)
    assert np.isfinite(said.vectors).all()


def test_pooled_vectors_are_the_means_of_ward_s_clusters(folder: Path, tmp_path: Path) -> None:
    """With `page.pooling` n, the vectors are what sentence-transformers makes of the unpooled ones."""
    import torch
    from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling

    pages = [noisy(tmp_path / "a.png", (300, 100), 4)]
    pooling = HierarchicalTokenPooling(pool_factor=3, num_protected_tokens=0)
    expected = pooling.pool([torch.tensor(rows) for rows in reference(folder, pages)])[0].numpy()
    (found,) = load_pages(str(folder), pooling=3).embed_pages(pages)
    assert found.grid is not None
    owners = np.unique(found.grid.owner)

    np.testing.assert_allclose(found.vectors.astype(np.float32), expected, atol=2e-3)
    assert found.grid.owner.shape == SHAPES[folder.name]["wide"]
    assert owners.min() >= 0
    assert owners.max() < len(expected) < found.grid.owner.size


def test_a_query_is_the_library_s_own(folder: Path, model: PageModel) -> None:
    """All tokens that the processor makes of a question, each of weight 1; an empty question has none."""
    expected = library(folder, text=["a red square"])[0][0].numpy()
    query, empty = model.embed_query("a red square"), model.embed_query(" ")

    np.testing.assert_allclose(query.vectors, expected, atol=1e-5)
    assert (query.vectors.dtype, query.weights.tolist()) == (np.float32, [1.0] * len(expected))
    assert (empty.vectors.shape, empty.weights.shape) == ((0, DIM), (0,))
    assert not model.uses_frequencies
    assert len(model.embed_query("word " * 50_000).vectors) < 3000


@pytest.mark.parametrize("shape", list(SIZES))
def test_a_cell_belongs_to_the_vector_that_looks_at_it(
    folder: Path, model: PageModel, tmp_path: Path, shape: str
) -> None:
    """Paint one cell of the page: the vector that changes most is the cell's owner, for every cell."""
    width, height = WHOLE[shape] if folder.name == "neomme" else SIZES[shape]
    (blank,) = model.embed_pages([page(tmp_path / "blank.png", (width, height))])
    assert blank.grid is not None
    rows, columns = blank.grid.owner.shape
    changed = np.zeros((rows, columns), int)
    for row, column in np.ndindex(rows, columns):
        left, right = (round(side * width / columns) for side in (column, column + 1))
        top, bottom = (round(side * height / rows) for side in (row, row + 1))
        odd = page(tmp_path / "odd.png", (width, height), odd=(left, top, right, bottom))
        moved = model.embed_pages([odd])[0].vectors.astype(np.float32) - blank.vectors.astype(np.float32)
        changed[row, column] = np.linalg.norm(moved, axis=1)[: rows * columns].argmax()

    assert (rows, columns) == SHAPES[folder.name][shape]
    assert changed.tolist() == blank.grid.owner.tolist()


def test_a_question_lights_up_a_part_of_the_page(model: PageModel, tmp_path: Path) -> None:
    """Vectors, grid and question make a map of the page, and the map a box in page points."""
    (found,) = model.embed_pages([noisy(tmp_path / "a.png", (300, 100), 5)])
    query = model.embed_query("a red square")
    assert found.grid is not None
    scores = similarity_map(found.vectors, found.grid, query.vectors, query.weights)
    x0, y0, x1, y1 = map_of_cells(scores, 300.0, 100.0).regions[0].bbox

    assert (scores.shape, scores.dtype) == (found.grid.owner.shape, np.float32)
    assert np.abs(scores).max() <= 1.001
    assert 0 <= x0 < x1 <= 300
    assert 0 <= y0 < y1 <= 100


def test_the_text_is_the_text_layer_s_or_what_ocr_reads(model: PageModel, tmp_path: Path) -> None:
    """A page with a text layer keeps its lines; without one OCR reads them, with their boxes."""
    written = page(tmp_path / "a.png", words="from the text layer")
    picture = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(picture).text((80, 100), "Invoice for repairs", "black", ImageFont.load_default(48))
    picture.save(tmp_path / "b.png")
    scanned = PageInput(PageImage(tmp_path / "b.png", 800, 600, 400.0, 300.0))
    first, second = model.embed_pages([written, scanned])

    assert (first.text, first.lines) == ("from the text layer", written.lines)
    assert second.text == "Invoice for repairs"
    assert second.lines[0].bbox[0] == pytest.approx(40, abs=6)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (20_000, 40), (20_000, 2_000)])
def test_any_shape_of_page_has_vectors_in_bounded_time(model: PageModel, tmp_path: Path, size: tuple[int, int]) -> None:
    """One pixel, a stripe and a page of 20,000 pixels become as many finite vectors as other pages have."""
    started = time.monotonic()
    (found,) = model.embed_pages([page(tmp_path / "a.png", size, odd=(0, 0, 1, 1))])

    assert time.monotonic() - started < 20
    assert 1 <= len(found.vectors) <= 144
    assert np.isfinite(found.vectors).all()


def test_a_black_page_has_vectors_and_a_broken_one_a_reason(model: PageModel, tmp_path: Path) -> None:
    """Black is a page like others; what cannot be decoded is named."""
    black = page(tmp_path / "black.png", odd=(0, 0, 1, 1))
    Image.new("RGB", (96, 128)).save(tmp_path / "black.png")
    (found,) = model.embed_pages([black])
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing more")
    with pytest.raises(Unreadable, match=r"broken\.png: the page picture cannot be decoded"):
        model.embed_pages([PageInput(PageImage(tmp_path / "broken.png", 9, 9, 9.0, 9.0), ())])

    np.testing.assert_allclose(np.linalg.norm(found.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


def test_the_id_is_known_without_weights(folder: Path) -> None:
    """Name, size and pooling come from the folder alone; neither torch nor transformers is imported for them."""
    code = (
        "import sys; from pipeline.embed.pages import load_pages; print(load_pages(sys.argv[1]).id);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'rapidocr')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    id = load_pages(str(folder)).id

    assert (done.returncode, done.stdout.strip()) == (0, str(id)), done.stderr
    assert id.name == f"{folder.name}/{from_folder(folder).architecture}"
    assert (id.dim, id.pooling, load_pages(str(folder), pooling=1).id) == (DIM, "none", id)
    assert load_pages(str(folder), pooling=3).id.pooling == "hierarchical-3"


def test_precision_is_part_of_a_model_s_name(folder: Path, model: PageModel, tmp_path: Path) -> None:
    """Half precision is another model with vectors close by; a table that was made in it is kept in it."""
    half = load_pages(str(folder), Choices(precision="bfloat16"))
    kept = load_pages(str(folder), Choices(dtypes={half.id.name: "bfloat16"}))
    one = [noisy(tmp_path / "a.png", SIZES["wide"], 3)]
    full, less = (found.embed_pages(one)[0].vectors.astype(np.float32) for found in (model, half))

    assert half.id == kept.id != model.id
    assert (model.id.dtype, half.id.dtype) == ("float32", "bfloat16")
    assert (full * less).sum(axis=1).mean() > 0.98


def test_a_model_that_was_trained_on_is_another_one(folder: Path, tmp_path: Path) -> None:
    """Same layout, other numbers: another revision; a copy elsewhere keeps its own."""
    copy = shutil.copytree(folder, tmp_path / folder.name)
    before = load_pages(str(copy)).id
    file = copy / ("adapter_model.safetensors" if folder.name in ADAPTERS else "model.safetensors")
    weights = bytearray(file.read_bytes())
    weights[-3] ^= 1
    file.write_bytes(weights)

    assert before == load_pages(str(folder)).id
    assert load_pages(str(copy)).id.revision != before.revision


def test_weights_that_are_missing_are_not_made_up(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """A checkpoint without its projection, and a damaged one, are refused when they load."""
    from safetensors.torch import load_file, save_file

    lacking = shutil.copytree(checkpoints["colqwen2"], tmp_path / "lacking")
    kept = {k: v for k, v in load_file(lacking / "model.safetensors").items() if "embedding_proj" not in k}
    save_file(kept, lacking / "model.safetensors", metadata={"format": "pt"})
    damaged = shutil.copytree(checkpoints["colqwen2"], tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\x00" * 99)

    with pytest.raises(UsageError, match=r"2 weights are missing .*embedding_proj_layer"):
        load_pages(str(lacking)).embed_query("x")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_pages(str(damaged)).embed_query("x")


def offline(tmp_path: Path, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hub = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **hub, **environment},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_a_network_a_hub_model_is_refused_at_once(tmp_path: Path) -> None:
    """The command ends with one line that names the model; no store is made."""
    (tmp_path / "a.txt").write_text("words")
    code = "import sys; from cli.main import run; sys.exit(run(sys.argv[1:]))"
    store = str(tmp_path / "store")
    done = offline(tmp_path, code, "plan", str(tmp_path / "a.txt"), "--store", store, DOCMILL_PAGES="colqwen2-v1.0")

    assert done.returncode == 2
    assert "vidore/colqwen2-v1.0-hf@ddc07d2317c8: the model is not on this machine" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path(store).exists()


def test_a_hub_model_that_is_here_needs_no_network(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """From the hub's own cache, at the commit that is asked for."""
    snapshot = tmp_path / "hub" / "models--acme--pages" / "snapshots" / COMMIT
    shutil.copytree(checkpoints["colmodernvbert"], snapshot)
    code = (
        "import sys; from pipeline.embed.pages import load_pages; model = load_pages(sys.argv[1]);"
        "print(model.id, model.embed_query('a red square').vectors.shape)"
    )
    done = offline(tmp_path, code, f"acme/pages@{COMMIT}")

    assert done.stdout == f"acme/pages@0123456789ab dim={DIM} pooling=none dtype=float32 (13, {DIM})\n", done.stderr


def test_an_adapter_of_the_hub_is_found_beside_its_base(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Two repositories, each at its commit; both are in the model's revision, and the vectors are those of a folder."""
    whole, other = checkpoints["colqwen2.5-adapter"], "f" * 40
    low = tmp_path / "hub" / "models--acme--low" / "snapshots" / COMMIT
    shutil.copytree(whole, low, ignore=shutil.ignore_patterns("base"))
    shutil.copytree(whole / "base", tmp_path / "hub" / "models--acme--base" / "snapshots" / other)
    code = (
        "import sys; from pipeline.embed.pages import load_pages; model = load_pages(sys.argv[1]);"
        "print(model.id, model.embed_query('a red square').vectors.sum())"
    )
    done = offline(tmp_path, code, f"acme/low@{COMMIT}+acme/base@{other}")
    expected = load_pages(str(whole)).embed_query("a red square").vectors.sum()
    id, _, total = done.stdout.strip().rpartition(" ")

    assert id == f"acme/low@0123456789ab+ffffffffffff dim={DIM} pooling=none dtype=float32", done.stderr
    assert float(total) == pytest.approx(float(expected), abs=1e-4)


def scan(path: Path) -> None:
    picture = Image.new("RGB", (850, 1100), "white")
    for number in range(12):
        words = f"Line {number} of a letter about rivers"
        ImageDraw.Draw(picture).text((80, 80 + 60 * number), words, "black", ImageFont.load_default(36))
    path.parent.mkdir()
    picture.save(path)


def ingested(tmp_path: Path, folder: Path) -> Store:
    """A store of `tmp_path / "corpus"`, its pages by the model in `folder`."""
    settings = Settings.model_validate({"workers": 1, "pages": str(folder)})
    unified, pages = models_of(settings)
    store = open_store(str(tmp_path / "store"), create=Models(unified.id, pages.id))
    now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    ingest = Ingest(settings, store, unified, pages, run_id="r", now=lambda: now, work_dir=tmp_path / "w", cwd=tmp_path)
    with store.writer(), contextlib.closing(ingest):
        plan = ingest.plan(["corpus"])
        ingest.write(ingest.embed(ingest.prepare(plan.batches[0], 0), 0), 0)
        ingest.finish(plan)
    return store


def test_a_store_is_filled_and_searched_by_the_model_of_a_folder(
    checkpoints: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan becomes a page row with vectors and a grid; the page leg finds it; another model is refused."""
    scan(tmp_path / "corpus" / "letter.png")
    store = ingested(tmp_path, checkpoints["colqwen2"])
    monkeypatch.setenv("DOCMILL_PAGES", str(checkpoints["colqwen2"]))
    code = run(["search", "rivers", "--store", store.uri, "--json", "--legs", "maxsim"])
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    (row,) = (row for row in store.rows() if row["modality"] == "page")
    (stored,) = store.vectors([row["id"]]).values()
    monkeypatch.setenv("DOCMILL_PAGES", str(checkpoints["colpali"]))
    refused = run(["search", "rivers", "--store", store.uri])

    assert (code, hit["modality"], list(hit["legs"])) == (0, "page", ["maxsim"])
    assert "letter about rivers" in row["text"]
    assert load_layout(stored.layout, row["text"]).grid is not None
    assert stored.multivector is not None
    assert stored.multivector.shape == (12, DIM)
    assert refused == 2
    assert "colqwen2/ColQwen2ForRetrieval" in capsys.readouterr().err


def test_a_model_that_does_not_load_ends_the_run(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """No document is put into quarantine for it."""
    damaged = shutil.copytree(checkpoints["colqwen2"], tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\x00" * 99)
    scan(tmp_path / "corpus" / "letter.png")
    with pytest.raises(UsageError, match=r"damaged/ColQwen2ForRetrieval: the model in .* cannot be loaded"):
        ingested(tmp_path, damaged)

    assert list(open_store(str(tmp_path / "store")).rows()) == []
