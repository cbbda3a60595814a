"""A note on passages in languages that the model does not know: where it is due, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from corpus import NOW, Corpus

from pipeline.config import Settings
from pipeline.ingest.preview import preview
from pipeline.languages import FEWEST, Sample, identify, knows_many, language_note, looks_english

ENGLISH = "The wheel of the mill was repaired in the spring, and it is now as good as it was when it was built."
GERMAN = "Das Rad der Mühle wurde im Frühjahr ausgebessert und ist nun wieder so gut wie zu der Zeit, als man es baute."
CHINESE = (
    "磨坊的水车在春天得到了修理,现在它和刚刚建成的时候一样好用。村里的人都来看它转动,"
    "孩子们在岸边奔跑,老人坐在树下谈论往事,说起从前洪水冲走木桥的那一年。"
)
TABLE = "| Net sales | 8,412 | 7,901 | Q4 | USD mn | EBITDA | 12.4 % | AMCOR PLC | NYSE: AMCR | ISIN JE00BJ1F3079 |"


def texts(**counts: int) -> list[str]:
    kinds = {"english": ENGLISH, "german": GERMAN, "chinese": CHINESE, "table": TABLE}
    return [f"{kinds[kind]} {n}" for kind, count in counts.items() for n in range(count)]


def test_the_note_tells_the_share_the_languages_and_what_to_set() -> None:
    """One line, with the command that moves a store."""
    note = language_note(texts(english=70, german=20, chinese=10), Settings())

    assert "about 30% of the passages are not in English (German 20%, Chinese 10%; 100 were looked at)" in note
    assert 'unified = "builtin-multilingual"' in note
    assert "docmill backfill reembed --unified builtin-multilingual" in note
    assert "\n" not in note


@pytest.mark.parametrize(
    ("counts", "settings"),
    [
        ({"english": 95, "german": 5}, {}),
        ({"german": 15}, {}),
        ({"english": 50, "table": 50}, {}),
        ({"german": 100}, {"unified": "builtin-multilingual"}),
        ({"german": 100}, {"unified": "clip-vit-b-32", "text": "multilingual-e5-base@abc"}),
        ({"german": 100}, {"unified": "./some-folder"}),
    ],
)
def test_there_is_none_where_none_is_due(counts: dict[str, int], settings: dict[str, str]) -> None:
    """Small shares, few passages, tables of names and numbers, models of many languages or that nobody knows."""
    assert language_note(texts(**counts), Settings.model_validate(settings)) == ""


def test_english_models_are_known_by_the_catalog() -> None:
    """The embedder of passages counts, not the one of pictures; a model of the user's own says it itself."""
    own = {"mine": {"task": "unified", "repository": "a/b", "languages": "English"}}

    assert not knows_many(Settings())
    assert not knows_many(Settings(unified="nomic-v1.5"))
    assert not knows_many(Settings(unified="metaclip2-b-32@abc", text="nomic-text-v1.5"))
    assert not knows_many(Settings.model_validate({"unified": "mine", "models": own}))
    assert knows_many(Settings(unified="jina-clip-v2"))


def test_english_alone_loads_no_identifier() -> None:
    """Nor does a run with nothing to say."""
    code = (
        "import sys; from pipeline.languages import language_note; from pipeline.config import Settings\n"
        f"assert language_note([{ENGLISH!r}] * 50, Settings()) == ''; assert language_note([], Settings()) == ''\n"
        "assert 'py3langid' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_sample_is_the_same_in_any_order() -> None:
    """And holds no more than it should."""
    one, other = Sample(), Sample()
    one.add(f"text {n}" for n in range(1000))
    other.add(f"text {n}" for n in reversed(range(1000)))

    assert sorted(one.texts) == sorted(other.texts)
    assert len(one.texts) == 200


def test_languages_are_told_apart() -> None:
    """Sure of prose, silent about tables."""
    assert [identify(text) for text in (GERMAN, CHINESE, TABLE)] == ["de", "zh", ""]
    assert [looks_english(text) for text in (ENGLISH, GERMAN, CHINESE, TABLE)] == [True, False, False, False]


def test_ingest_and_plan_say_it(tmp_path: Path) -> None:
    """Of what this run reads; a run with nothing to do says nothing."""
    corpus = Corpus(tmp_path)
    for number in range(FEWEST):
        corpus.write(f"{number:02}.txt", f"{GERMAN} {number}")
    settings = Settings(store=str(tmp_path / "none"), workers=1)
    planned = preview(settings, ["corpus"], cwd=tmp_path, now=lambda: NOW)
    first, second = corpus.ingest(), corpus.ingest()

    assert [note for note in planned.warnings if "German 100%" in note]
    assert [note for note in first.notes if "German 100%" in note]
    assert second.notes == ()
