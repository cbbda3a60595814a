"""What the user decided beside a model's name: device, precision, dimensions, licence, remote code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.config import Settings
from pipeline.embed.catalog import Entry
from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Choices:
    """`text` names an embedder for passages beside the one for pictures; 0 and "auto" leave a choice to docmill.

    `pinned` are the models a table was made with, by name: their precision is kept where none is chosen. `accepted`
    are licences that the table says were accepted when it was made.
    """

    text: str = ""
    dims: int = 0
    device: str = "auto"
    precision: str = "auto"
    batch: int = 0
    accept_noncommercial: bool = False
    remote_code: tuple[str, ...] = ()
    own: Mapping[str, Entry] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)  # what a table's models computed in, by name
    accepted: tuple[str, ...] = ()

    def check_licence(self, name: str, entry: Entry) -> None:
        """Raises UsageError for a model without commercial use that the user did not accept."""
        if not entry.commercial and not self.accept_noncommercial and terms(name, entry) not in self.accepted:
            raise UsageError(
                f"{name}: its licence ({entry.licence}) forbids commercial use; if yours is not commercial, set "
                "`accept_noncommercial` to true, which the store will record, or choose another of `docmill models`"
            )


def terms(name: str, entry: Entry) -> str:
    """How a store records that a licence without commercial use was accepted."""
    return f"{name}: {entry.licence}"


def choices_of(settings: Settings, dtypes: Mapping[str, str] | None = None, accepted: tuple[str, ...] = ()) -> Choices:
    """The choices these settings make."""
    model = settings.model
    own = {name: Entry(**fields.model_dump()) for name, fields in settings.models.items()}
    return Choices(
        text=settings.text,
        dims=model.dims,
        device=model.device,
        precision=model.precision,
        batch=model.batch,
        accept_noncommercial=settings.accept_noncommercial,
        remote_code=settings.remote_code,
        own=own,
        dtypes=dtypes or {},
        accepted=accepted,
    )
