"""What is done with a source: decided from what was found and what the ledger says."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from pipeline.config import Settings
from pipeline.ingest.plan import Recipes, Versions, at_a_glance, decide, make_recipes
from pipeline.types import DocumentRecord, Found, ModelId, Outline

FOUND = Found("file:///a.txt", "5-1", 5, None)
INDEXED = DocumentRecord(FOUND.uri, "a", "indexed", revision="5-1", content_sha256="same", recipe="rows")
FAILED = replace(INDEXED, state="quarantined", recipe="attempt", error="Unreadable")
RECIPES = Recipes("rows", "attempt")


def never() -> str:
    raise AssertionError("the file was read")


def test_an_unknown_source_is_new() -> None:
    """What the ledger does not know is worked on, without reading it first."""
    assert decide(FOUND, None, RECIPES, never).why == "new"


def test_same_size_and_time_need_no_hashing() -> None:
    """An unchanged revision and recipe mean unchanged, and the file is not read."""
    assert decide(FOUND, INDEXED, RECIPES, never).action == "unchanged"


def test_a_touched_file_with_the_same_bytes_is_unchanged() -> None:
    """Content decides, not the clock; the ledger learns the new revision."""
    decision = decide(replace(FOUND, revision="5-2"), INDEXED, RECIPES, lambda: "same")

    assert (decision.action, decision.touched) == ("unchanged", True)


def test_other_bytes_are_work() -> None:
    """A changed file is worked on again."""
    assert decide(replace(FOUND, revision="5-2"), INDEXED, RECIPES, lambda: "other").why == "changed"


def test_another_recipe_makes_a_document_stale() -> None:
    """What another recipe made stays as it is and counts as stale, until it is to be refreshed."""
    left = decide(FOUND, INDEXED, Recipes("newer", "attempt"), never)

    assert (left.action, left.is_stale) == ("unchanged", True)
    assert decide(FOUND, INDEXED, Recipes("newer", "attempt", refresh=True), never).why == "recipe"


def test_a_changed_stale_document_is_work() -> None:
    """Changed bytes are taken whatever the recipe."""
    changed = replace(FOUND, revision="6-2")

    assert decide(changed, INDEXED, Recipes("newer", "attempt"), lambda: "other").why == "changed"


def test_a_skipped_file_is_looked_at_again_by_another_recipe() -> None:
    """A newer docmill may parse what an older one left out."""
    skipped = replace(INDEXED, state="skipped", message="not a format docmill parses")

    assert decide(FOUND, skipped, Recipes("newer", "attempt"), never).action == "work"
    assert decide(FOUND, skipped, RECIPES, never).action == "skipped"


def test_a_permanent_failure_is_left_alone() -> None:
    """A file that cannot be read is not tried again while nothing changed."""
    assert decide(FOUND, FAILED, RECIPES, never).action == "quarantined"


@pytest.mark.parametrize(
    ("known", "recipes"),
    [
        (replace(FAILED, transient=True), RECIPES),
        (FAILED, Recipes("rows", "higher limits")),
        (replace(FAILED, error="PasswordNeeded"), Recipes("rows", "attempt", has_passwords=True)),
    ],
)
def test_a_failure_is_tried_again_when_it_may_succeed(known: DocumentRecord, recipes: Recipes) -> None:
    """Transient errors, other limits and passwords bring a document back."""
    assert decide(FOUND, known, recipes, never).action == "work"


def test_a_deleted_document_that_came_back_is_new() -> None:
    """A file that was gone and is there again is ingested."""
    assert decide(FOUND, replace(INDEXED, state="deleted"), RECIPES, never).why == "new"


def test_limits_change_attempts_but_not_rows() -> None:
    """Raising a limit retries failures and leaves indexed documents alone."""
    models = (ModelId("a", "1", 4, "mean"), ModelId("b", "1", 4, "none"))
    plain = make_recipes(Settings(), models, versions=Versions("1", "1", "1", "1"))
    raised = make_recipes(
        Settings.model_validate({"limits": {"pages": 5}}), models, versions=Versions("1", "1", "1", "1")
    )

    assert (plain.rows == raised.rows, plain.attempt == raised.attempt) == (True, False)


def test_what_is_clear_at_a_glance_is_what_the_whole_record_says() -> None:
    """Whatever the record, the listing and the recipe: the outline decides as the record does, or leaves it to that;
    it decides for what is unchanged, stale, or left out as before."""
    states, revisions = ("indexed", "skipped", "quarantined"), ("5-1", "4-1", "")
    records = product(states, revisions, ("rows", "old"), ("", "retry", "ignore"))
    listings = product((None, "too large"), (None, "same", "other"))
    clear = set()
    for (state, revision, recipe, by_hand), (skip, sha256), refresh in product(records, [*listings], (False, True)):
        known = replace(INDEXED, state=state, revision=revision, recipe=recipe, by_hand=by_hand, message="too large")
        found, recipes = replace(FOUND, skip=skip, sha256=sha256), Recipes("rows", "attempt", refresh=refresh)
        outline = Outline(FOUND.uri, state, revision, recipe, known.message, by_hand)
        decision = at_a_glance(found, outline, recipes)
        clear.add(decision.action if decision else None)

        assert decision in (None, decide(found, known, recipes, lambda: "same"))
    assert clear == {None, "unchanged", "skipped"}
