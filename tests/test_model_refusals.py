"""What is refused before anything is written: one line, exit code 2, no store."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from command import docmill

from cli.main import run

NC = "forbids commercial use"
FAKE = "0123456789abcdef0123456789abcdef01234567"


def folder(path: Path, architecture: str, **config: object) -> str:
    """A model's folder with its configuration and a file where weights would be."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"architectures": [architecture], **config}))
    (path / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return str(path)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "a.txt").write_text("The mill grinds slowly.")
    return tmp_path


def refused(corpus: Path, capsys: pytest.CaptureFixture[str], command: str = "plan") -> str:
    """The one line that a command ends with, as exit code 2, leaving nothing behind."""
    code = run([command, str(corpus / "a.txt"), "--store", str(corpus / "store")])
    line = capsys.readouterr().err

    assert code == 2
    assert line.count("\n") == 1
    assert not (corpus / "store").exists()
    return line


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"UNIFIED": "clip-vit-l-14"}, 'reads captions of 77 tokens.*text = "builtin"'),
        ({"UNIFIED": "siglip-so400m"}, "reads captions of 64 tokens"),
        ({"UNIFIED": "clip-vit-l-14", "TEXT": "siglip-so400m"}, 'no embedder is called "siglip-so400m"'),
        ({"UNIFIED": "bge-base-en-v1.5@" + FAKE}, "embeds texts, but no pictures; set `text` to it"),
        ({"UNIFIED": "nomic-text-v1.5", "TEXT": "builtin"}, "embeds no pictures"),
        ({"UNIFIED": "jina-clip-v2"}, f"jina-clip-v2: its licence .CC-BY-NC-4.0. {NC}"),
        ({"UNIFIED": "metaclip2-b-32@" + FAKE, "TEXT": "builtin"}, NC),
        (
            {"UNIFIED": "jina-clip-v2", "ACCEPT_NONCOMMERCIAL": "true"},
            r"would execute Python code of jinaai/jina-clip-implementation.*remote_code = \[\"344d954d[0-9a-f]*:COMMIT",
        ),
        ({"UNIFIED": "bge-base-en-v1.5", "TEXT": "builtin"}, "embeds no pictures|40 hexadecimal digits"),
        ({"UNIFIED": "siglip2-base", "TEXT": "builtin"}, '`unified` to "google/siglip2-base-patch16-naflex@COMMIT"'),
        ({"UNIFIED": "builtin", "TEXT": "bge-base-en-v1.5"}, '`text` to "BAAI/bge-base-en-v1.5@COMMIT"'),
        ({"UNIFIED": "acme/model@main"}, "40 hexadecimal digits"),
        ({"UNIFIED": "builtin@" + FAKE}, "has no commits"),
        ({"UNIFIED": "nomic-v1.5", "MODEL__DIMS": "100"}, "model.dims is 100; it was trained for 768"),
        ({"UNIFIED": "embeddinggemma-2", "MODEL__DEVICE": "cuda"}, 'model.device is "cuda", but torch finds none'),
        ({"PAGES": "colqwen2.5-v0.2"}, f"colqwen2.5-v0.2: its licence .*Qwen research licence.* {NC}"),
        ({"PAGES": "colqwen3.5-v3"}, '`pages` to "athrael-soju/colqwen3.5-4.5B-v3@COMMIT"'),
        ({"PAGES": f"acme/adapter@{FAKE}+acme/base@main"}, 'acme/base: .* 40 hexadecimal digits, found "main"'),
        ({"PAGES": "colsmol-256m"}, "vidore/colSmol-256M@a59110fdf114: the model is not on this machine"),
        ({"UNIFIED": "./nothing"}, "there is no such folder"),
    ],
)
def test_a_choice_that_would_disappoint_is_refused(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    """Caption-only models alone, licences without consent, code without a pin, and names that do not say enough."""
    for name, value in variables.items():
        monkeypatch.setenv(f"DOCMILL_{name}", value)

    assert re.search(message, refused(corpus, capsys))


def test_a_folder_is_judged_by_what_is_in_it(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions, licences and code are seen in a folder's configuration as well."""
    clip = folder(corpus / "c", "CLIPModel", text_config={"max_position_embeddings": 77}, projection_dim=8)
    jina = folder(corpus / "j", "JinaCLIPModel", auto_map={"AutoModel": "code.JinaCLIPModel"})
    late = folder(corpus / "l", "ColPaliForRetrieval")
    code = folder(corpus / "x", "OwnModel", auto_map={"AutoModel": "acme/other--code.OwnModel"}, hidden_size=8)
    module = folder(corpus / "m", "OmniModel", hidden_size=8, vision_config={})
    (corpus / "m" / "modules.json").write_text('[{"path": "", "type": "mine.Transformer"}]')
    (corpus / "m" / "mine.py").write_text("raise SystemExit")
    lines = []
    for name in (clip, jina, late, code, module):
        monkeypatch.setenv("DOCMILL_UNIFIED", name)
        lines.append(refused(corpus, capsys))

    assert "reads captions of 77 tokens" in lines[0]
    assert NC in lines[1]
    assert "name it with `pages`" in lines[2]
    assert "its code is in another repository (acme/other)" in lines[3]
    assert "would execute Python code in" in lines[4]
    assert "(mine.py)" in lines[4]


def test_folders_of_every_kind_go_together(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for pictures, a model of one's own for passages and a folder for pages are judged by their settings."""
    monkeypatch.setenv("DOCMILL_PAGES", folder(corpus / "l", "ColPaliForRetrieval"))
    monkeypatch.setenv("DOCMILL_UNIFIED", folder(corpus / "c", "CLIPModel", projection_dim=8))
    own = {"task": "text", "repository": folder(corpus / "t", "BertModel", hidden_size=8), "query": "q: "}
    monkeypatch.setenv("DOCMILL_MODELS", json.dumps({"mine": own}))
    monkeypatch.setenv("DOCMILL_TEXT", "mine")

    from pipeline.ingest.open import models_of, models_to_pin
    from pipeline.settings_file import load_settings

    settings = load_settings(None, os.environ, {"store": str(corpus / "store")}, corpus).settings
    pinned = models_to_pin(settings, *models_of(settings))

    assert pinned.pages.name == "l/ColPaliForRetrieval"
    assert (pinned.unified.name, pinned.pictures and pinned.pictures.name) == ("t/BertModel", "c/CLIPModel")
    assert pinned.unified.prompt == "q: /"
    assert pinned.accepted == ()


def test_a_changed_code_is_another_code(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin that a refusal names lets that code run, and no other."""
    own = folder(corpus / "x", "OwnModel", auto_map={"AutoModel": "code.OwnModel"}, hidden_size=8)
    (corpus / "x" / "code.py").write_text("print('hello')")
    monkeypatch.setenv("DOCMILL_UNIFIED", own)
    first = refused(corpus, capsys)
    monkeypatch.setenv("DOCMILL_REMOTE_CODE", first.split('remote_code = ["')[1].split('"')[0])
    taken = run(["plan", str(corpus / "a.txt"), "--store", str(corpus / "store")])
    capsys.readouterr()
    (corpus / "x" / "code.py").write_text("print('other')")

    assert "would execute Python code in" in first
    assert "(code.py)" in first
    assert taken == 0
    assert "would execute Python code in" in refused(corpus, capsys)


def test_a_hub_that_is_not_there_is_found_out_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again for minutes; the line names the folder layout that would work."""
    from huggingface_hub import constants

    from pipeline.embed import hub
    from pipeline.errors import UsageError

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"acme/model@0123456789ab.*config.json, model.safetensors"):
        hub.check_there(hub.on_hub("acme/model", FAKE, "unified"))

    assert time.monotonic() - started < 30


@pytest.mark.models
@pytest.mark.parametrize("more", [{}, {"HF_HUB_OFFLINE": "1"}])
def test_an_ingest_without_its_model_writes_nothing(tmp_path: Path, more: dict[str, str]) -> None:
    """The real command ends with one line and exit code 2 before there is a store."""
    (tmp_path / "a.txt").write_text("The mill grinds slowly.")
    nowhere = {"HF_HOME": str(tmp_path / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9", "DOCMILL_UNIFIED": "nomic-v1.5"}
    done = docmill("ingest", str(tmp_path / "a.txt"), "--store", str(tmp_path / "store"), **nowhere, **more)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "config.json, model.safetensors" in done.stderr
    assert not (tmp_path / "store").exists()


def test_two_models_are_never_mixed(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal dimensions hide nothing: ingest, plan and search name both models and what would embed again."""
    from pipeline.config import Settings
    from pipeline.ingest.open import models_of, models_to_pin
    from pipeline.store import open_store

    settings = Settings(store=str(corpus / "store"))
    open_store(settings.store, create=models_to_pin(settings, *models_of(settings)))
    monkeypatch.setenv("DOCMILL_UNIFIED", "builtin-multilingual")
    codes = [run([command, str(corpus / "a.txt"), "--store", settings.store]) for command in ("plan", "ingest")]
    lines = capsys.readouterr().err.splitlines()

    assert codes == [2, 2]
    for line in lines:
        assert "all-MiniLM-L6-v2" in line
        assert "multilingual-e5-small" in line
        assert "docmill backfill reembed" in line
    assert not any(open_store(settings.store).count().values())
