"""Where settings come from, which place wins, and what a mistake says."""

import json
from contextlib import chdir

import pytest
from click.testing import CliRunner

from cli.config import config
from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.settings_file import describe, load_settings, setting_fields, variable_of


def load(tmp_path, toml=None, env=None, flags=None, config=None):
    if toml is not None:
        (tmp_path / "docmill.toml").write_text(toml, "utf-8")
    return load_settings(config, env or {}, flags or {}, tmp_path)


def test_without_anything_the_defaults_hold(tmp_path):
    """Every setting has an origin, and it is "default"."""
    loaded = load(tmp_path, env={"PATH": "/bin", "DOCMILL_STORE": ""}, flags={"store": None})

    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert {"store", "pages", "limits.page_s", "search.bm25"} <= set(loaded.origins)


def test_the_later_place_wins_and_the_origin_tells_which(tmp_path):
    """Defaults, file, variables, flags, in rising order."""
    toml = 'store = "a"\nunified = "file"\nworkers = 2\npages = "p"\n[limits]\npage_s = 5\n'
    env = {"DOCMILL_STORE": "b", "DOCMILL_UNIFIED": "env", "DOCMILL_LIMITS__PAGE_S": "2.5"}

    loaded = load(tmp_path, toml, env, {"store": "c", "limits": {"pages": 7}, "limits.file_mb": 9})

    settings, origins = loaded.settings, loaded.origins
    assert (settings.store, settings.unified, settings.workers, settings.pages_model) == ("c", "env", 2, "p")
    assert (settings.limits.page_s, settings.limits.pages, settings.limits.file_mb) == (2.5, 7, 9)
    assert [origins[key] for key in ("store", "unified", "workers")] == ["--store", "DOCMILL_UNIFIED", "docmill.toml"]
    assert origins["limits.page_s"] == "DOCMILL_LIMITS__PAGE_S"
    assert origins["limits.pages"] == "--limits-pages"


def test_lists_in_variables_are_commas_or_json(tmp_path):
    """JSON is for values with a comma in them."""
    env = {
        "DOCMILL_SOURCES__INCLUDE": "*.pdf, *.md",
        "DOCMILL_SOURCES__EXCLUDE": '["a,b"]',
        "DOCMILL_SOURCES__HIDDEN": "Yes",
    }

    sources = load(tmp_path, env=env).settings.sources

    assert (sources.include, sources.exclude, sources.hidden) == (("*.pdf", "*.md"), ("a,b",), True)


@pytest.mark.parametrize("key", [key for key, _ in setting_fields()])
def test_every_setting_can_come_from_a_variable(tmp_path, key):
    """The value that is printed can be given back, and its origin is the variable."""
    defaults = {row.key: row.value for row in describe(Settings(), {})}
    filled = {
        "workers": 3,
        "page.pooling": 2,
        "web.depth": 2,
        "sources.hidden": True,
        "web.browser": True,
        "schedule.ingest": "0 * * * *",
    }
    filled |= {
        "web.screenshot": True,
        "schedule.retry": "0 1 * * *",
        "schedule.canary": "0 2 * * *",
        "canary.gate": True,
    }
    filled |= {"accept_noncommercial": True, "model.dims": 256, "model.batch": 4, "models": "{}"}
    value = defaults[key] or filled.get(key, ["x"])

    loaded = load(tmp_path, env={variable_of(key): ",".join(value) if isinstance(value, list) else str(value)})

    assert loaded.origins[key] == variable_of(key)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("page_s = 3", "page_s (docmill.toml): no such setting; did you mean limits.page_s?"),
        ("[limits]\npage_secs = 3", "limits.page_secs (docmill.toml): no such setting; did you mean limits.page_s?"),
        ("zzz = 3", "zzz (docmill.toml): no such setting; `docmill config` lists all settings"),
        ("pages_model = 'x'", "pages_model (docmill.toml): no such setting"),
        ("limits = 3", "limits = 3 (docmill.toml): is a section; write it as the table [limits]"),
        ("[limits]\npage_s = -1", "limits.page_s = -1 (docmill.toml): must be greater than 0"),
        ("[limits]\npage_s = inf", "limits.page_s = Infinity (docmill.toml): must be a finite number"),
        ("workers = true", "workers = true (docmill.toml): must be a valid integer"),
        ("workers = '3'", 'workers = "3" (docmill.toml): must be a valid integer'),
        ("[store]\nx = 1", 'store = {"x": 1} (docmill.toml): must be a valid string'),
        ("store = 2026-01-01", 'store = "2026-01-01" (docmill.toml): must be a valid string'),
        ("[page]\ndpi = 601", "page.dpi = 601 (docmill.toml): must be less than or equal to 600"),
        ("[sources]\ninclude = '*.pdf'", 'sources.include = "*.pdf" (docmill.toml): must be a valid list'),
        ("[sources]\ninclude = [1]", "sources.include = [1] (docmill.toml): must be a valid string"),
        ("a = = 1", "docmill.toml: not valid TOML: Invalid value (at line 1, column 5)"),
    ],
)
def test_a_mistake_in_the_file_is_one_clear_line(tmp_path, toml, message):
    """Path, value, what is allowed, and the file."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, toml)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DOCMILL_STROE", "x", "DOCMILL_STROE: no setting has this variable; did you mean DOCMILL_STORE?"),
        ("DOCMILL_LIMITS_PAGE_S", "1", "no setting has this variable; did you mean DOCMILL_LIMITS__PAGE_S?"),
        ("DOCMILL_WORKERS", "many", 'workers = "many" (DOCMILL_WORKERS): must be a valid integer'),
        ("DOCMILL_WORKERS", "2.5", "workers = 2.5 (DOCMILL_WORKERS): must be a valid integer"),
        (
            "DOCMILL_SOURCES__HIDDEN",
            "maybe",
            'sources.hidden = "maybe" (DOCMILL_SOURCES__HIDDEN): must be a valid boolean',
        ),
        ("DOCMILL_STORE", "\udcff", "store = "),
    ],
)
def test_a_mistake_in_a_variable_names_it(tmp_path, name, value, message):
    """So that nobody looks for it in the file."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, env={name: value})

    assert message in str(caught.value)
    str(caught.value).encode()


def test_all_mistakes_are_told_at_once(tmp_path):
    """In one line, so that one look at the file mends them."""
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "workers = -1\n[page]\ndpi = 1\n[chunks]\ntokens = 'many'")

    mistakes = str(caught.value).split("; also ")
    assert [mistake.split(" ")[0] for mistake in mistakes] == ["workers", "chunks.tokens", "page.dpi"]


def test_a_settings_file_that_was_asked_for_must_be_there(tmp_path):
    """`--config` names a file; only docmill.toml may be absent."""
    (tmp_path / "latin.toml").write_bytes(b"# ok\nstore = 'caf\xe9'\n")
    (tmp_path / "mine.toml").write_text("\ufeffworkers = 4\n", "utf-8")

    assert load(tmp_path, config=tmp_path / "mine.toml").settings.workers == 4
    with pytest.raises(UsageError, match=r"no\.toml: the settings file cannot be read \(No such file"):
        load(tmp_path, config=tmp_path / "no.toml")
    with pytest.raises(UsageError, match=r"latin\.toml: line 2 is not UTF-8"):
        load(tmp_path, config=tmp_path / "latin.toml")
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path, config=tmp_path)


def test_passwords_are_never_shown(tmp_path):
    """Neither in the table, nor in an error, nor in the settings' own representation."""
    loaded = load(tmp_path, "[sources]\npasswords = ['hunter2', 'swordfish']\n")
    (row,) = (row for row in describe(loaded.settings, loaded.origins) if row.key == "sources.passwords")
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "[sources]\npasswords = 'hunter2'\n")

    assert row.value == ["***", "***"]
    assert "hunter2" not in str(caught.value) + repr(loaded)


def test_every_setting_is_described():
    """`docmill config` has a sentence for each."""
    assert all(row.description for row in describe(Settings(), {}))


def run_config(tmp_path, *arguments, toml=""):
    (tmp_path / "mine.toml").write_text(toml, "utf-8")
    env = {"DOCMILL_STORE": None, "DOCMILL_UNIFIED": None, "DOCMILL_PAGES": None}
    with chdir(tmp_path):
        return CliRunner().invoke(config, ["--config", "mine.toml", *arguments], env=env, standalone_mode=False)


def test_the_config_command_prints_value_and_origin(tmp_path):
    """A default says so by saying nothing; what was set names its place."""
    result = run_config(tmp_path, "--store", "here", toml="[limits]\npage_s = 7\n")

    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert lines["store"][1:3] == ["here", "--store"]
    assert lines["limits.page_s"][1] == "7.0"
    assert lines["workers"][1:3] == ["0", "parse"]


def test_the_config_command_prints_json_for_programs(tmp_path):
    """Values keep their types, and a password is masked."""
    result = run_config(tmp_path, "--json", toml="[sources]\npasswords = ['hunter2']\nhidden = true\n")

    rows = {row["key"]: row for row in json.loads(result.stdout)}
    assert rows["sources.hidden"]["value"] is True
    assert rows["sources.hidden"]["origin"] == "mine.toml"
    assert rows["sources.passwords"]["value"] == ["***"]
    assert rows["limits.file_mb"]["origin"] == "default"
