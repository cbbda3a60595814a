"""Which files OCR reads with: those inside RapidOCR's wheel, or a folder of the user's. Nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.errors import UsageError

ENGINE = "rapidocr==3.10.0"
DETECTION, RECOGNITION = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
DEFAULT = "default"
# What the models inside the wheel read: RapidOCR's list of PP-OCRv6 small, without Vietnamese, most of whose letters
# are not among the characters of the model.
BUNDLED = tuple(
    "ch chinese_cht zh en japan ja latin french german af az bs ca cs cy da de es et eu fi fr ga gl hr hu id is it ku "  # noqa: SIM905
    "la lb lt lv mi ms mt nl no oc pl pt qu rm ro rs_latin sk sl sq sv sw tl tr uz".split()
)
# Names that the models of other scripts begin with, as RapidOCR and PaddleOCR publish them.
OTHERS = ("korean", "eslav", "cyrillic", "el", "arabic", "devanagari", "th", "ta", "te", "ka")


@dataclass(frozen=True, slots=True)
class OcrModels:
    """Two networks, and the recogniser's characters where they are in a file of their own."""

    language: str
    detection: Path
    recognition: Path
    characters: Path | None = None

    @property
    def id(self) -> str:
        """Engine and the content of the files, which tells the language too: "rapidocr==3.10.0 1f0c...".

        Cheap: the files are hashed once in a process, and nothing is loaded.
        """
        files = [path for path in (self.detection, self.recognition, self.characters) if path is not None]
        content = hashlib.blake2b("".join(map(digest, files)).encode(), digest_size=8).hexdigest()
        return f"{ENGINE} {content}"


def find_models(language: str = DEFAULT, folder: str = "") -> OcrModels:
    """The models for `language` in `folder`; without a folder those inside the wheel.

    A folder needs a recogniser, LANGUAGE_..._rec_....onnx; it may hold a detector (..._det_....onnx, otherwise the
    wheel's is used, which finds lines in any script) and a list of characters (..._dict.txt), for a recogniser that
    does not carry one. Raises UsageError, in one line that says which file to put where.
    """
    if folder:
        return _in_folder(language, Path(folder).expanduser())
    if language != DEFAULT and language not in BUNDLED:
        known = "" if language in OTHERS else f" (known: {DEFAULT}, {', '.join(OTHERS)})"
        raise UsageError(
            f'ocr.language "{language}": the OCR models that come with docmill do not read it{known}; put '
            f"{language}_PP-OCRv5_rec_mobile.onnx of RapidOCR's model list into a folder and set ocr.models to it "
            "(nothing is downloaded)"
        )
    wheel = _wheel()
    return OcrModels(language, _there(wheel / DETECTION), _there(wheel / RECOGNITION))


def _in_folder(language: str, folder: Path) -> OcrModels:
    if not folder.is_dir():
        raise UsageError(f"ocr.models {folder}: there is no such folder; make it, or leave ocr.models empty")
    networks = sorted(folder.glob("*.onnx"))
    recognisers = [path for path in networks if "rec" in path.stem.split("_")]
    chosen = _of_language(recognisers, language)
    if chosen is None:
        begin = "LANGUAGE" if language == DEFAULT else language
        raise UsageError(
            f'ocr.models {folder}: no model in it reads "{language}" (found: {_names(networks)}); put '
            f"{begin}_PP-OCRv5_rec_mobile.onnx of RapidOCR's model list there (nothing is downloaded)"
        )
    detectors = [path for path in networks if "det" in path.stem.split("_")]
    dictionaries = sorted([*folder.glob("*dict*.txt"), *folder.glob("*keys*.txt")])
    return OcrModels(
        language,
        detectors[0] if detectors else _there(_wheel() / DETECTION),
        chosen,
        _of_language(dictionaries, language),
    )


def _of_language(files: Sequence[Path], language: str) -> Path | None:
    """The file with the language among the words of its name; the only file, if no language is asked for."""
    named = [path for path in files if language in path.stem.split("_")]
    return named[0] if named else files[0] if language == DEFAULT and len(files) == 1 else None


def _names(files: Sequence[Path]) -> str:
    return ", ".join(path.name for path in files[:5]) or "no .onnx files"


def _wheel() -> Path:
    """The folder of models in the installed wheel; finding it imports nothing."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"OCR is missing; install it with: pip install {ENGINE}")
    return Path(spec.submodule_search_locations[0]) / "models"


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UsageError(
            f"the OCR model {path} is missing; install it again: pip install --force-reinstall --no-deps {ENGINE}"
        )
    return path


@cache
def digest(path: Path) -> str:
    """SHA-256 of a model file in hex. Raises UsageError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"ocr.models: {path} cannot be read ({error.strerror or error})") from error
