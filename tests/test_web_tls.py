"""https: HTTP/2 where the server speaks it, the host's own name in TLS, and certificates that must be right."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from local_site import web

from pipeline.config import Limits
from pipeline.errors import Transient
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.kept import Kept

NAME = "mill.example"


def certificate(folder: Path) -> Path:
    """A self-signed certificate of `NAME`, with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "mill.pem"
    path.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return path


@dataclass(slots=True)
class Server:
    """Answers every request over HTTP/2 with its path; notes connections, server names and authorities."""

    port: int = 0
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    authorities: list[str] = field(default_factory=list)

    def serve(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as stream:
                self.connections += 1
                self._answer(stream)

    def _answer(self, stream: ssl.SSLSocket) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        stream.sendall(connection.data_to_send())
        while data := stream.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {name.decode(): value.decode() for name, value in event.headers or ()}
                    self.authorities.append(headers[":authority"])
                    connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "text/plain")])
                    connection.send_data(event.stream_id, headers[":path"].encode() * 100, end_stream=True)
            stream.sendall(connection.data_to_send())


@contextmanager
def serving(pem: Path) -> Iterator[Server]:
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["h2"])
    context.sni_callback = lambda _, name, __: server.names.append(name)  # type: ignore[assignment, func-returns-value]
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    thread = threading.Thread(target=server.serve, args=(listener, context), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fetcher(tmp_path: Path) -> Fetcher:
    settings = web(allow=("127.0.0.1",), robots=False, response_s=5.0)
    return Fetcher(settings, Limits(), Kept(tmp_path / "web"), attempts=1, resolve=lambda *_: ["127.0.0.1"])


def test_http2_over_one_connection_under_the_hosts_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected to a checked address, TLS and request still name the host; a second request uses the connection."""
    pem = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(pem) as server, fetcher(tmp_path) as fetch:
        first = fetch.get(f"https://{NAME}:{server.port}/one")
        second = fetch.get(f"https://{NAME}:{server.port}/two")

        assert (first.status, second.status) == (200, 200)
        assert second.record is not None
        assert second.record.size_bytes == 400
        assert (server.connections, server.names) == (1, [NAME])
        assert server.authorities == [f"{NAME}:{server.port}"] * 2


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Nothing is taken from a server whose certificate is not right."""
    with serving(certificate(tmp_path)) as server, fetcher(tmp_path) as fetch:
        with pytest.raises(Transient, match="CERTIFICATE_VERIFY_FAILED"):
            fetch.get(f"https://{NAME}:{server.port}/")

        assert server.authorities == []
