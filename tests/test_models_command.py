"""`docmill models`, and that the documents show every model of the catalog."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from pipeline.embed.catalog import TASKS, catalog

ROOT = Path(__file__).parents[1]
NAMES = [(task, name) for task in TASKS for name in catalog(task)]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_table_shows_every_model_with_its_legs_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    """A row a model; those without commercial use say NO."""
    code = run(["models"])
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.split()}

    assert code == 0
    for task, name in NAMES:
        assert name in rows
        if name != "builtin":
            assert (" NO " in rows[name]) == (not catalog(task)[name].commercial)
    assert "image" in rows["clip-vit-l-14"]
    assert "text" not in rows["clip-vit-l-14"]


def test_json_holds_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a model, for programs; `show` gives the same for one, and what it costs."""
    run(["models", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    run(["models", "show", "siglip-so400m", "--json"])
    shown = json.loads(capsys.readouterr().out)

    assert [(line["task"], line["name"]) for line in lines] == NAMES
    assert shown in lines
    assert "two vector columns" in shown["cost"]
    assert (shown["context"], shown["commercial"], len(shown["commit"])) == (64, True, 40)


def test_a_name_that_is_none_has_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the nearest names."""
    assert run(["models", "show", "siglip"]) == 2
    assert "siglip" in capsys.readouterr().err.split("nearest are")[1]


def test_own_models_stand_among_the_others(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`[models.NAME]` of the settings; a field that is none is refused."""
    (tmp_path / "docmill.toml").write_text('[models.mine]\ntask = "text"\nrepository = "./mine"\ndims = [8, 4]\n')
    assert run(["models", "show", "mine", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (tmp_path / "docmill.toml").write_text('[models.mine]\ntask = "text"\nrepository = "./mine"\nsize = 3\n')

    assert (shown["task"], shown["dims"], shown["licence"]) == ("text", [8, 4], "not told")
    assert run(["models"]) == 2
    assert "models" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["README.md", "docs/models.svg"])
def test_the_documents_show_every_model(path: str) -> None:
    """A new model of the catalog needs its row; python -m tools.models_svg draws the picture."""
    text = (ROOT / path).read_text(encoding="utf-8")

    assert [name for _, name in NAMES if name not in text] == []
