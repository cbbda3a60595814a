"""Where S3 is: the variables of the environment that sources and stores honour alike. Reads no credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENDPOINT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # the first that is set counts
REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class S3Place:
    """None: what Amazon's own rules say."""

    endpoint: str | None
    region: str | None

    @property
    def is_plain_http(self) -> bool:
        return self.endpoint is not None and self.endpoint.lower().startswith("http://")


def s3_place(environment: Mapping[str, str]) -> S3Place:
    """The endpoint and region by these variables.

    >>> s3_place({"AWS_ENDPOINT_URL": "http://localhost:9000", "AWS_DEFAULT_REGION": "eu-west-1"})
    S3Place(endpoint='http://localhost:9000', region='eu-west-1')
    """
    return S3Place(_first(environment, ENDPOINT), _first(environment, REGION))


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)
