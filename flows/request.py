"""What every flow takes: where relative paths start, and which settings hold. Its fields are the form in the UI."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

from prefect import runtime
from pydantic import BaseModel, ConfigDict, Field

from pipeline.config import Settings
from pipeline.settings_file import load_settings

SHARED = ("cwd", "config", "overrides")


def _own_first(schema: dict[str, Any]) -> None:
    fields = schema["properties"]
    schema["properties"] = {name: fields[name] for name in sorted(fields, key=lambda name: name in SHARED)}


class Request(BaseModel):
    """Settings beside these parameters come from `docmill.toml` and the environment, as always."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_own_first)

    cwd: str = Field(default_factory=os.getcwd, description="folder that relative paths start from")
    config: str | None = Field(default=None, description="settings file; docmill.toml in that folder when empty")
    overrides: dict[str, Any] = Field(default_factory=dict, description="settings that win over file and environment")

    @property
    def folder(self) -> Path:
        return Path(self.cwd)

    def settings(self) -> Settings:
        """The settings in force; a store that is a relative path starts from `cwd`. Raises `UsageError`."""
        config = Path(self.config) if self.config else None
        settings = load_settings(config, os.environ, self.overrides, self.folder).settings
        if "://" in settings.store:
            return settings
        return settings.model_copy(update={"store": str(self.folder / settings.store)})


Asked = TypeVar("Asked", bound=Request)


def asked(kind: type[Asked]) -> Asked:
    """The request of the flow run that this is called in, for its name: Prefect has it as a value or as JSON."""
    request = runtime.flow_run.parameters.get("request")
    return request if isinstance(request, kind) else kind.model_validate(request or {})
