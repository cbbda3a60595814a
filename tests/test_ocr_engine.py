"""The networks of OCR, on both runtimes, and which files they come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cli.main import run
from pipeline.embed.ocr_engine import MOST_LINES, OcrEngine
from pipeline.embed.ocr_models import DEFAULT, find_models
from pipeline.embed.openvino_core import has_openvino
from pipeline.errors import UsageError

LOADS_OCR = """
from pipeline.embed.ocr_engine import OcrEngine
from pipeline.embed.ocr_models import find_models
OcrEngine(find_models())
"""
LOADS_TEXT = "from pipeline.embed.builtin.text import minilm; minilm().embed_texts(['the mill ' * 120] * 3)"

WORDS = ["Harbour dues are paid at noon", "Forty seven", "The pond, its gates and the wheel of the mill"]


def line(words: str) -> np.ndarray:
    picture = Image.new("RGB", (24 + 22 * len(words), 48), "white")
    ImageDraw.Draw(picture).text((12, 4), words, "black", ImageFont.load_default(32))
    return np.asarray(picture)


def test_the_models_are_those_of_the_wheel() -> None:
    """Their identity does not depend on the language that is asked for, as long as the same files read it."""
    models = find_models()

    assert models.recognition.parts[-3:] == ("rapidocr", "models", "PP-OCRv6_rec_small.onnx")
    assert models.id == find_models("de").id == find_models("ch").id


@pytest.mark.parametrize("language", ["korean", "cyrillic", "klingon"])
def test_a_language_that_needs_other_models_says_which(language: str) -> None:
    """One line names the file, the setting, and that nothing is fetched."""
    with pytest.raises(UsageError) as error:
        find_models(language)

    message = str(error.value)
    assert f"{language}_PP-OCRv5_rec_mobile.onnx" in message
    assert "ocr.models" in message
    assert "nothing is downloaded" in message
    assert "\n" not in message


def test_a_folder_of_models(tmp_path: Path) -> None:
    """The recogniser of the language is taken, with its own detector and characters if they are there."""
    wheel = find_models()
    for name in ("korean_PP-OCRv5_rec_mobile.onnx", "el_PP-OCRv5_rec_mobile.onnx"):
        (tmp_path / name).write_bytes(name.encode())
    korean = find_models("korean", str(tmp_path))
    (tmp_path / "ch_PP-OCRv5_det_mobile.onnx").write_bytes(b"detector")
    (tmp_path / "ppocrv5_korean_dict.txt").write_text("가\n나\n")
    full = find_models("korean", str(tmp_path))

    assert (korean.detection, korean.recognition.name) == (wheel.detection, "korean_PP-OCRv5_rec_mobile.onnx")
    assert (full.detection.name, full.characters.name) == ("ch_PP-OCRv5_det_mobile.onnx", "ppocrv5_korean_dict.txt")
    assert len({wheel.id, korean.id, full.id, find_models("el", str(tmp_path)).id}) == 4


@pytest.mark.parametrize(
    ("language", "files", "said"),
    [
        (DEFAULT, [], "no .onnx files"),
        (DEFAULT, ["a_rec_x.onnx", "b_rec_x.onnx"], "a_rec_x.onnx, b_rec_x.onnx"),
        ("korean", ["el_PP-OCRv5_rec_mobile.onnx"], "korean_PP-OCRv5_rec_mobile.onnx"),
    ],
)
def test_a_folder_without_the_model_is_refused(tmp_path: Path, language: str, files: list[str], said: str) -> None:
    """The message says what was found and what is missing; a folder that is not there is refused, too."""
    for name in files:
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(UsageError, match=said):
        find_models(language, str(tmp_path))
    with pytest.raises(UsageError, match="no such folder"):
        find_models(language, str(tmp_path / "nowhere"))


@pytest.mark.models
def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    """A file that is no network is one line that names it, on whichever runtime."""
    wheel = find_models()
    shutil.copy(wheel.detection, tmp_path / "x_det_x.onnx")
    (tmp_path / "x_rec_x.onnx").write_bytes(b"not a network")

    with pytest.raises(UsageError, match=r"x_rec_x\.onnx cannot be loaded"):
        OcrEngine(find_models("x", str(tmp_path)))


@pytest.mark.models
@pytest.mark.parametrize("openvino", [False, True])
def test_both_runtimes_read_the_same(openvino: bool) -> None:
    """Lines of any length, alone or together, with every letter of the printed words."""
    if openvino and not has_openvino():
        pytest.skip("OpenVINO is not installed")
    engine = OcrEngine(find_models(), threads=1, openvino=openvino)
    together = engine.recognise([line(words) for words in WORDS])

    assert [words.text for words in together] == WORDS
    assert min(words.confidence for words in together) > 0.9
    assert [engine.recognise([line(words)])[0].text for words in WORDS] == WORDS
    assert engine.recognise([]) == []


@pytest.mark.models
def test_only_so_many_pieces_are_looked_at() -> None:
    """A page that is full of specks gives at most 2,000 lines, the largest, and says how many are left out."""
    engine = OcrEngine(find_models(), threads=1)
    heat = np.zeros((1, 1, 640, 960), np.float32)
    heat[..., ::8, ::8] = heat[..., 1::8, ::8] = heat[..., 2::8, ::8] = 0.9  # too thin to be text
    for row in range(3, 635, 10):
        for column in range(3, 950, 10):
            heat[0, 0, row : row + 5, column : column + 5] = 0.9
    engine._detect = lambda _: [(heat,)]
    quads, dropped = engine.detect(np.zeros((640, 960, 3), np.uint8), 1.0)

    assert 0 < len(quads) <= MOST_LINES
    assert dropped > 1000


@pytest.mark.models
@pytest.mark.parametrize("code", [LOADS_OCR, LOADS_TEXT])
def test_loading_sends_nothing(tmp_path: Path, code: str) -> None:
    """A telemetry package that lies beside OpenVINO is not even imported."""
    if not has_openvino():
        pytest.skip("OpenVINO is not installed")
    (tmp_path / "openvino_telemetry.py").write_text("raise SystemExit('telemetry was imported')\n")
    command = [sys.executable, "-c", f"{code}\nprint('loaded')"]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, cwd=Path.cwd())

    assert (done.returncode, done.stdout, done.stderr) == (0, "loaded\n", "")


def test_a_missing_language_ends_a_command_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and one line; nothing is written and nothing is fetched."""
    (tmp_path / "a.txt").write_text("words")
    monkeypatch.setenv("DOCMILL_OCR__LANGUAGE", "korean")
    code = run(["plan", str(tmp_path / "a.txt"), "--store", str(tmp_path / "store")])
    said = capsys.readouterr().err.strip()

    assert code == 2
    assert said.count("\n") == 0
    assert "korean_PP-OCRv5_rec_mobile.onnx" in said
    assert not (tmp_path / "store").exists()
