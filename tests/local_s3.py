"""A local S3 server for tests, in this process, and the environment that leads to it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from urllib.request import Request, urlopen

BUCKET = "mill"


@dataclass(frozen=True, slots=True)
class S3:
    """One bucket of a server, and how often it was asked for the bytes of an object."""

    client: Any
    endpoint: str
    asked: list[str]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def put(self, key: str, text: str | bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=text)

    def put_many(self, keys: Iterable[str]) -> None:
        """Fast, past the protocol: the server is in this process."""
        from moto.s3.models import s3_backends

        backend = s3_backends["123456789012"]["aws"]
        for key in keys:
            backend.put_object(BUCKET, key, b"x")

    def clear(self) -> None:
        """An empty bucket, and no downloads so far."""
        urlopen(Request(self.endpoint + "/moto-api/reset", method="POST")).close()
        self.client.create_bucket(Bucket=BUCKET)
        self.asked.clear()

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def downloads(self) -> list[str]:
        """Keys whose bytes were read since the last call."""
        found, self.asked[:] = list(self.asked), []
        return found


class Counter(logging.Handler):
    """Notes which objects' bytes the server gave."""

    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.asked = asked

    def emit(self, record: logging.LogRecord) -> None:
        found = re.search(rf"GET /{BUCKET}/([^? ]+) HTTP", record.getMessage())
        if found:
            self.asked.append(unquote(found[1]))


@contextmanager
def running() -> Iterator[S3]:
    """The server with an empty bucket; within the block the environment leads to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    asked: list[str] = []
    log = logging.getLogger("werkzeug")
    log.addHandler(counter := Counter(asked))
    log.setLevel(logging.INFO)
    log.propagate = False
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    s3 = S3(client, endpoint, asked)
    s3.clear()
    before = dict(os.environ)
    os.environ.update(s3.environment)
    try:
        yield s3
    finally:
        os.environ.clear()
        os.environ.update(before)
        client.close()
        server.stop()
        log.removeHandler(counter)
