"""Code that comes with a model: off, unless the user pinned exactly this model with exactly this code."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.embed import hub
from pipeline.embed.choices import Choices
from pipeline.embed.spec import Spec
from pipeline.errors import UsageError


def allowed_code(spec: Spec, choices: Choices) -> str:
    """The revision of the code that may run for a model, "" for a model that needs none.

    Of a folder it is a hash of its code, of a hub model a commit. Raises UsageError, saying what would be executed and
    how to allow it, if the user did not pin the pair. Asks no network.
    """
    if spec.entry.loader != "remote" and "remote_code" not in spec.entry.needs:
        return ""
    place = spec.places[0]
    if place.folder is not None:
        return _of_folder(spec, place.folder, choices)
    pairs = [pair.partition(":") for pair in choices.remote_code]
    own = not spec.entry.code
    for model, _, code in pairs:
        if model == place.commit and hub.COMMIT.fullmatch(code) and (code == place.commit or not own):
            return code
    where = spec.entry.code or place.repository
    raise _refusal(spec, f"Python code of {where}", f"{place.commit}:{place.commit if own else 'COMMIT-OF-THE-CODE'}")


def code_of(folder: Path) -> str:
    """12 hex digits of a hash of all Python files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _of_folder(spec: Spec, folder: Path, choices: Choices) -> str:
    named = [
        value for value in (hub.config_of(spec.places[0]).get("auto_map") or {}).values() if isinstance(value, str)
    ]
    if elsewhere := sorted({value.partition("--")[0] for value in named if "--" in value}):
        raise UsageError(
            f"{spec.name}: its code is in another repository ({', '.join(elsewhere)}), which a folder cannot pin; copy "
            f"it into {folder} and let auto_map of config.json name it there"
        )
    code = code_of(folder)
    pair = f"{spec.places[0].revision}:{code}"
    if pair not in choices.remote_code:
        files = ", ".join(path.name for path in sorted(folder.rglob("*.py"))[:3]) or "no file yet"
        raise _refusal(spec, f"Python code in {folder} ({files})", pair)
    return code


def _refusal(spec: Spec, what: str, pair: str) -> UsageError:
    return UsageError(
        f"{spec.name}: loading it would execute {what} with your rights; docmill runs code of a model only if you pin "
        f'it: read the code, then set remote_code = ["{pair}"], or choose another of `docmill models`'
    )
