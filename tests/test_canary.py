"""The canary sees when searches find less, says nothing of a corpus that changed, and moves the tag `good`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpus import NOW, Corpus
from fakes import WordPages, WordUnified

from pipeline.canary import Answered, Question, Verdict, judge, question_of, read_questions, run_canary
from pipeline.config import Canary, Settings
from pipeline.errors import CanaryDrop, UsageError
from pipeline.ingest.mend import mend_books
from pipeline.parse.sandbox import Sandbox
from pipeline.store import doc_id

WORDS = "tide wheel gate mill pond sluice river flour stone miller barge lock weir reed heron".split()  # noqa: SIM905


@pytest.fixture
def corpus(corpus: Corpus) -> Corpus:
    for number in range(12):
        corpus.write(f"{number:02}.txt", " ".join(f"{word}{number}" for word in WORDS))
    corpus.ingest()
    return corpus


def ask(corpus: Corpus, **canary: object) -> Verdict:
    settings = Settings.model_validate({"store": str(corpus.store_path), "canary": canary})
    store = corpus.store()
    with store.writer():
        return run_canary(settings, store, WordUnified(), WordPages(), now=NOW, folder=corpus.tmp_path)


def lose(corpus: Corpus, names: list[str]) -> None:
    """Rows that go without a word in the ledger, as a broken index or backfill would lose them."""
    uris = [(corpus.folder / name).as_uri() for name in names]
    corpus.store().replace(None, [doc_id(uri) for uri in uris])


def test_the_first_time_is_good_and_sets_the_tag(corpus: Corpus) -> None:
    """Every document of the corpus is asked for and found; nothing is there to compare with."""
    verdict = ask(corpus)

    assert (len(verdict.answers), verdict.recall, verdict.before, verdict.good) == (12, 1.0, None, True)
    assert verdict.tagged == verdict.version == corpus.store().version()


def test_the_same_corpus_gives_the_same_questions(corpus: Corpus) -> None:
    """So that two times can be compared."""
    first, second = ask(corpus), ask(corpus)

    assert [a.question for a in first.answers] == [a.question for a in second.answers]
    assert (second.compared, second.before, second.after) == (12, 1.0, 1.0)


def test_lost_rows_are_an_alarm_and_the_tag_stays(corpus: Corpus) -> None:
    """A third of the documents cannot be found any more: the run fails, and says which."""
    good = ask(corpus)
    lose(corpus, ["00.txt", "01.txt", "02.txt", "03.txt"])
    verdict = ask(corpus)

    with pytest.raises(CanaryDrop, match=r"fell from 1\.000 to 0\.667 on 12 questions.*no longer finds"):
        verdict.check()
    assert verdict.tagged == good.version < verdict.version
    assert len(verdict.lost) == 4


def test_rows_that_a_run_finds_missing_are_an_alarm(corpus: Corpus) -> None:
    """Upkeep, and runs over other folders, correct the ledger to the rows that are left: not the owner deleted them."""
    good = ask(corpus)
    lose(corpus, ["00.txt", "01.txt", "02.txt", "03.txt"])
    store = corpus.store()
    with store.writer():
        assert mend_books(store, "r", NOW) == 4
    verdict = ask(corpus)
    corpus.ingest()
    healed = ask(corpus)

    assert (verdict.good, verdict.after, verdict.tagged) == (False, pytest.approx(2 / 3), good.version)
    assert (healed.good, healed.recall) == (True, 1.0)


def test_the_alarm_stays_until_it_is_mended(corpus: Corpus) -> None:
    """A bad figure never becomes the one that later runs are compared with."""
    ask(corpus)
    lose(corpus, ["00.txt", "01.txt", "02.txt", "03.txt"])
    first, again = ask(corpus), ask(corpus)

    assert (first.good, again.good) == (False, False)
    assert ask(corpus, drop=0.5).good


def test_a_corpus_that_changes_is_no_alarm(corpus: Corpus) -> None:
    """Documents that were changed or deleted by their owner are not asked for any more; others take their place."""
    ask(corpus)
    for number in range(6):
        (corpus.folder / f"{number:02}.txt").unlink()
    corpus.write("06.txt", "quite another text with words enough to be asked for one day by somebody else")
    corpus.ingest(allow_mass_delete=True)
    verdict = ask(corpus)

    assert (verdict.compared, verdict.good, verdict.after) == (5, True, 1.0)
    assert len(verdict.answers) == 6


def test_own_questions(corpus: Corpus) -> None:
    """A line names the end of a source URI; a drop among them is an alarm, however many sampled ones are answered."""
    (corpus.tmp_path / "own.jsonl").write_text(json.dumps({"text": "tide3 wheel3", "source_uri": "03.txt"}) + "\n\n")
    first = ask(corpus, file="own.jsonl")
    lose(corpus, ["03.txt"])
    second = ask(corpus, file="own.jsonl", drop=0.2)

    assert (first.answers[0].rank, first.good) == (1, True)
    assert (second.answers[0].rank, second.good) == (None, False)


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "a"}', '{"text": "", "source_uri": "b"}', '{"text": 1}'])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    """With its number."""
    (tmp_path / "own.jsonl").write_text('{"text": "a", "source_uri": "b"}\n' + line)
    with pytest.raises(UsageError, match="line 2 is not"):
        read_questions(tmp_path / "own.jsonl")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_questions(tmp_path / "none.jsonl")


def test_a_drop_within_the_threshold_is_good() -> None:
    """One of ten lost is a drop of exactly 0.1."""
    before = [Answered(Question(str(number), "a", "c"), 1) for number in range(10)]
    after = [Answered(answer.question, None if answer.question.text == "3" else 2) for answer in before]

    assert judge(before, after, Canary(drop=0.1)).good
    assert not judge(before, after, Canary(drop=0.09)).good


def test_a_question_in_a_script_without_spaces() -> None:
    """Thirty letters from the middle."""
    assert question_of("潮" * 20 + "水車の修理は三月九日に行われ、費用は四千円であった" + "汐" * 20) is not None
    assert len(question_of("潮" * 100) or "") == 30


def test_an_empty_store_is_good_and_has_no_tag(tmp_path: Path, sandbox: Sandbox) -> None:
    """Nothing to ask, nothing to lose."""
    corpus = Corpus(tmp_path, sandbox)
    corpus.write("a.txt", "short")
    corpus.ingest()
    verdict = ask(corpus)

    assert (verdict.good, verdict.tagged, verdict.answers) == (True, None, ())
