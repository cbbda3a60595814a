"""Settings from their four places: defaults, `docmill.toml`, `DOCMILL_*` variables, flags; the later ones win.

Every value remembers where it came from. A variable is `DOCMILL_` and the key in capitals with two underscores for the
dot (`DOCMILL_LIMITS__PAGE_S`); a list in one is separated by commas, or JSON. An empty variable counts as not set.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline.config import Settings
from pipeline.errors import UsageError

FILE_NAME = "docmill.toml"
PREFIX = "DOCMILL_"
WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force; `origins` has the origin of every dotted key ("default", a file, a variable, a flag)."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting for printing; secrets are masked."""

    key: str
    value: Any
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class Given:
    """A value as one of the places gave it."""

    key: str
    value: Any
    origin: str


def load_settings(config: Path | None, env: Mapping[str, str], flags: Mapping[str, Any], cwd: Path) -> Loaded:
    """Settings from `config` (or `docmill.toml` in `cwd`, if there is one), `env` and `flags`.

    `flags` has dotted keys, or sections as mappings; None means that a flag was not given. Raises `UsageError` that
    tells, in one line, of every unknown key, wrong type and impossible value: its dotted path, what was found, what is
    allowed and where it came from.
    """
    given = [*_from_file(config, cwd), *_from_env(env), *_from_flags(flags)]
    fields = dict(setting_fields())
    if unknown := [_unknown(item, fields) for item in given if item.key not in fields]:
        raise UsageError("; also ".join(unknown))
    last = {item.key: item for item in given}
    try:
        settings = Settings.model_validate(_nested(last), strict=True)
    except ValidationError as error:
        raise UsageError("; also ".join(_explain(error, last, fields))) from error
    return Loaded(settings, {key: last[key].origin if key in last else "default" for key in fields})


def describe(settings: Settings, origins: Mapping[str, str]) -> list[SettingRow]:
    """Every setting in the order of the model; each password is shown as `***`."""
    values = settings.model_dump(by_alias=True, mode="json")
    rows = []
    for key, field in setting_fields():
        value: Any = values
        for part in key.split("."):
            value = value[part]
        rows.append(SettingRow(key, _masked(value, field), origins.get(key, "default"), field.description or ""))
    return rows


def setting_fields(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """(dotted key, field) of every setting, as they are written in `docmill.toml`."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_fields(field.annotation, key + ".")
        else:
            yield key, field


def variable_of(key: str) -> str:
    """The environment variable of a dotted key.

    >>> variable_of("limits.page_s")
    'DOCMILL_LIMITS__PAGE_S'
    """
    return PREFIX + key.replace(".", "__").upper()


def _from_file(config: Path | None, cwd: Path) -> Iterator[Given]:
    path = cwd / (config or FILE_NAME)
    if config is None and not path.exists():
        return
    name = str(config or FILE_NAME)
    try:
        values = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{name}: the settings file cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}: line {line} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name}: not valid TOML: {error}") from error
    for key, value in _flat(values):
        yield Given(key, value, name)


def _from_env(env: Mapping[str, str]) -> Iterator[Given]:
    fields = {variable_of(key): (key, field) for key, field in setting_fields()}
    for name, text in env.items():
        if not name.startswith(PREFIX) or not text.strip():
            continue
        if name not in fields:
            hint = _did_you_mean(get_close_matches(name, fields, n=1, cutoff=0.7))
            raise UsageError(f"{name}: no setting has this variable{hint}")
        key, field = fields[name]
        yield Given(key, _typed(text, field), name)


def _from_flags(flags: Mapping[str, Any]) -> Iterator[Given]:
    for key, value in _flat(flags):
        if value is not None:
            yield Given(key, value, "--" + key.replace(".", "-").replace("_", "-"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; a table that stands where a value should counts as a value."""
    sections = {key.rpartition(".")[0] for key, _ in setting_fields()}
    for name, value in values.items():
        key = prefix + name
        if isinstance(value, Mapping) and key in sections:
            yield from _flat(value, key + ".")
        else:
            yield key, value


def _typed(text: str, field: FieldInfo) -> Any:
    """A variable's text as the type of its field; text that does not fit stays text, for validation to refuse."""
    text = text.strip()
    if field.annotation is str or get_origin(field.annotation) is Literal:
        return text
    if get_origin(field.annotation) is dict:
        return _json(text)
    if field.annotation is bool:
        return WORDS.get(text.lower(), text)
    if field.annotation not in (int, float):
        return _list(text)
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _list(text: str) -> list[Any]:
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except ValueError:
            pass
    return [part.strip() for part in text.split(",") if part.strip()]


def _nested(last: Mapping[str, Given]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, item in last.items():
        *sections, name = key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = _frozen(item.value)
    return tree


def _frozen(value: Any) -> Any:
    """Lists as the tuples that a frozen model holds, those within tables too."""
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    return {key: _frozen(part) for key, part in value.items()} if isinstance(value, dict) else value


def _unknown(item: Given, fields: Mapping[str, FieldInfo]) -> str:
    if any(key.startswith(item.key + ".") for key in fields):
        return f"{item.key} = {_shown(item.value)} ({item.origin}): is a section; write it as the table [{item.key}]"
    name = item.key.rpartition(".")[2]
    same = [key for key in fields if key.rpartition(".")[2] == name]
    return f"{item.key} ({item.origin}): no such setting{_did_you_mean(same or get_close_matches(item.key, fields))}"


def _explain(error: ValidationError, last: Mapping[str, Given], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        parts = [str(part) for part in problem["loc"]]
        key = next(".".join(parts[:end]) for end in range(len(parts), -1, -1) if ".".join(parts[:end]) in fields)
        wanted = (
            problem["msg"].replace("Input should", "must").replace("String should", "must").replace("tuple", "list")
        )
        shown = _shown(_masked(last[key].value, fields[key]))
        yield f"{key} = {shown} ({last[key].origin}): {wanted}"


def _masked(value: Any, field: FieldInfo) -> Any:
    if field.repr or not value:
        return value
    return ["***" for _ in value] if isinstance(value, Sequence) and not isinstance(value, str) else "***"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "replace").decode()
    return text if len(text) <= 80 else text[:79] + "…"


def _did_you_mean(close: Sequence[str]) -> str:
    return f"; did you mean {close[0]}?" if close else "; `docmill config` lists all settings"
